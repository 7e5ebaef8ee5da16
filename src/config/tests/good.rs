//! Correct files: defaults, values, paths, proofs, the tables of the later stages, warnings.

use std::path::{Path, PathBuf};

use super::certificates::write_certificate;
use super::*;
use crate::config::{
    App, Attempts, Backups, Connect, LaunchMode, Limits, Logs, Program, Proof, Samples, Sessions,
    Visits, state_dir_of,
};
use crate::domain::{AppSlug, Language, Role};

const SECOND_MS: u64 = 1000;
const MINUTE_MS: u64 = 60 * SECOND_MS;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;
/// What `usher password` would print; cheap parameters.
const HASH: &str =
    "$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn good(row: &str) -> Snapshot {
    parse(&in_full(row)).unwrap_or_else(|problems| panic!("{row}: {:?}", told(&problems)))
}

#[test]
fn an_app_has_the_defaults_of_the_contract() {
    let snapshot = good("@apps\n@users");
    let expected = App {
        slug: AppSlug::new("main").expect("a slug"),
        title: "main".to_owned(),
        program: Program::Streamlit {
            script: PathBuf::from("/nowhere/s.py"),
            python: PathBuf::from("python3"),
            arguments: Vec::new(),
            launch: LaunchMode::Auto,
            preload: Vec::new(),
        },
        strip_prefix: false,
        working_directory: PathBuf::from("/nowhere"),
        environment: std::collections::BTreeMap::new(),
        ports: (8501, 8999),
        connect: Connect::Tcp,
        start_timeout_ms: MINUTE_MS,
        idle_timeout_ms: Some(30 * MINUTE_MS),
        untouched_timeout_ms: Some(8 * HOUR_MS),
        lifetime_max_ms: None,
        memory_max_bytes: None,
        cpu_max_millicores: None,
        stop_grace_ms: 3 * SECOND_MS,
        restart_attempts_max: 5,
        restart_within_ms: 10 * MINUTE_MS,
        notices: true,
        health: None,
    };
    assert_eq!(*snapshot.apps[0], expected);
    assert_eq!(snapshot.base, Path::new("/nowhere"));
}

#[test]
fn the_door_has_the_defaults_of_the_contract() {
    let snapshot = good("@apps\n@users");
    let attempts = Attempts { attempts_max: 5, within_ms: 15 * MINUTE_MS };
    let cores = std::thread::available_parallelism().expect("cores").get();
    assert_eq!(snapshot.fixed.listen, ["0.0.0.0:8000".parse().expect("an address")]);
    assert_eq!(snapshot.fixed.tls_listen, []);
    assert_eq!(snapshot.fixed.admin_listen, []);
    assert_eq!(snapshot.fixed.threads, (cores / 2).max(1));
    assert_eq!(snapshot.fixed.state_dir, Path::new("/nowhere/var"));
    assert!(snapshot.hosts.is_empty());
    assert_eq!(snapshot.language, None);
    assert_eq!((snapshot.admin.path.as_str(), snapshot.admin.password_required), ("/admin", false));
    assert_eq!(
        snapshot.sessions,
        Sessions { idle_timeout_ms: 8 * HOUR_MS, lifetime_max_ms: DAY_MS }
    );
    assert_eq!(
        snapshot.visits,
        Visits { record: true, gap_ms: 2 * MINUTE_MS, keep_ms: 400 * DAY_MS }
    );
    assert_eq!(snapshot.samples, Samples { every_ms: 5 * SECOND_MS, keep_ms: 30 * DAY_MS });
    let directory = PathBuf::from("/nowhere/var/backups");
    assert_eq!(snapshot.backups, Backups { every_ms: Some(7 * DAY_MS), keep: 8, directory });
    let limits = Limits {
        seats_max: 100,
        starts_at_once_max: 2,
        waiting_per_seat_max: 200,
        connections_per_address_max: 500,
        requests_per_second_max: None,
        upload_max_bytes: 200 << 20,
        login_attempts: attempts,
        totp_attempts: attempts,
    };
    assert_eq!(snapshot.limits, limits);
    let logs = Logs {
        access: Some(PathBuf::from("/nowhere/var/log/access.log")),
        rotate_bytes: 50 << 20,
        keep: 10,
        apps: PathBuf::from("/nowhere/var/log/apps"),
    };
    assert_eq!(snapshot.logs, logs);
    let metrics = |address: &str| snapshot.metrics_allow.contains(address.parse().expect("one"));
    assert!(metrics("127.0.0.1") && !metrics("127.0.0.2") && !metrics("10.0.0.1"));
    assert_eq!(snapshot.templates, None);
    assert!(snapshot.tls.is_none() && snapshot.oidc.is_none());
    assert_eq!(snapshot.trusted_login_header, None);
}

#[test]
fn values_arrive_as_they_are_written() {
    let snapshot = good(
        r#"
apps:
  lab: &shared
    title: " 실험실 "
    command: [/bin/sh, -c, "serve {port}", ""]
    strip_prefix: true
    environment: {MODE: 1, DEBUG: true, EMPTY: ""}
    ports: 9000 - 9010
    idle_timeout: null
    untouched_timeout: ~
    memory_max: 2GiB
    cpu_max: 1.5
    stop_grace: 500ms
    notices: false
    health: /healthz
  copy: *shared
  up: {upstream: "[::1]:9000"}
users:
- {name: 김민수, role: admin, addresses: ["::1", 10.0.0.0/8], port: 8500, upstream: "127.0.0.1:9001"}
- {name: 7, addresses: [10.1.0.0/16], apps: [up, lab]}
hosts: [Usher.Example.COM]
language: ko
timezone: Asia/Seoul
admin: {path: /deep/door}
limits: {login_attempts: 3/1h}
logs: {access: null}
backups: {every: null}
"#,
    );
    let lab = &snapshot.apps[0];
    assert_eq!(lab.title, "실험실");
    let argv = ["/bin/sh", "-c", "serve {port}", ""].map(str::to_owned).to_vec();
    assert_eq!(lab.program, Program::Command { argv });
    let environment: Vec<_> =
        lab.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(environment, ["DEBUG=true", "EMPTY=", "MODE=1"]);
    assert_eq!((lab.ports, lab.strip_prefix, lab.notices), ((9000, 9010), true, false));
    assert_eq!((lab.idle_timeout_ms, lab.untouched_timeout_ms), (None, None));
    assert_eq!((lab.memory_max_bytes, lab.cpu_max_millicores), (Some(2 << 30), Some(1500)));
    assert_eq!((lab.stop_grace_ms, lab.health.as_deref()), (500, Some("/healthz")));
    assert_eq!(App { slug: lab.slug.clone(), ..(*snapshot.apps[1]).clone() }, **lab);
    let upstream = "[::1]:9000".parse().expect("an address");
    assert_eq!(snapshot.apps[2].program, Program::Upstream { address: upstream });
    assert_eq!(snapshot.users[0].role, Role::Admin);
    assert_eq!(snapshot.users[1].name.as_str(), "7");
    let apps: Vec<_> = snapshot.users[1].apps.iter().map(AppSlug::as_str).collect();
    assert_eq!(apps, ["lab", "up"], "in the order of `apps`");
    assert_eq!(snapshot.hosts, ["usher.example.com"]);
    assert_eq!(snapshot.language, Some(Language::Korean));
    assert_eq!(snapshot.timezone.iana_name(), Some("Asia/Seoul"));
    assert_eq!(snapshot.admin.path, "/deep/door");
    assert_eq!(snapshot.limits.login_attempts, Attempts { attempts_max: 3, within_ms: HOUR_MS });
    assert_eq!((snapshot.logs.access.clone(), snapshot.backups.every_ms), (None, None));
    let (minsu, seven) = (&snapshot.users[0], &snapshot.users[1]);
    assert_eq!(snapshot.own_port(minsu, &snapshot.apps[0]), Some(8500));
    assert_eq!(snapshot.own_port(minsu, &snapshot.apps[1]), None);
    assert_eq!(snapshot.own_upstream(minsu, &snapshot.apps[2]), minsu.upstream);
    assert_eq!(snapshot.own_upstream(seven, &snapshot.apps[2]), None);
    assert_eq!(*snapshot.reserved_ports(), [8500]);
}

#[test]
fn people_are_found_and_granted() {
    let snapshot = good(
        "
apps: {main: {script: s.py}, lab: {script: s.py}}
users:
- {name: a, addresses: [10.0.0.0/8]}
- {name: b, addresses: [10.1.0.0/16, '::ffff:10.9.9.9'], apps: [lab]}
",
    );
    for (address, expected) in [
        ("10.0.0.1", "a: a/main a/lab"),
        ("10.1.2.3", "b: b/lab"),
        ("10.9.9.9", "b: b/lab"),
        ("11.0.0.1", ""),
    ] {
        let person = snapshot.directory.at(address.parse().expect("an address"));
        let shown = person.map_or(String::new(), |person| {
            let seats = snapshot.policy.seats_of(person);
            let seats: Vec<_> = seats.iter().map(ToString::to_string).collect();
            format!("{}: {}", person.name, seats.join(" "))
        });
        assert_eq!(shown, expected, "{address}");
    }
}

#[test]
fn what_has_to_be_proven_is_what_the_entry_has_unless_it_says_otherwise() {
    for (entry, expected) in [
        ("addresses: [10.0.0.1]", &[Proof::Address][..]),
        ("addresses: [10.0.0.1], password: HASH", &[Proof::Address, Proof::Password]),
        ("addresses: [10.0.0.1], password: HASH, proofs: [password]", &[Proof::Password]),
        ("addresses: [10.0.0.1], password: HASH, proofs: [address]", &[Proof::Address]),
        ("login: a@b", &[Proof::Oidc]),
        ("login: a@b, password: HASH", &[Proof::Password, Proof::Oidc]),
        ("addresses: [10.0.0.1], login: a@b", &[Proof::Address, Proof::Oidc]),
        ("addresses: [10.0.0.1], login: a@b, proofs: [oidc]", &[Proof::Oidc]),
        (
            "addresses: [10.0.0.1], login: a, password: HASH, proofs: [oidc, password, address]",
            &[Proof::Address, Proof::Password, Proof::Oidc],
        ),
    ] {
        let entry = entry.replace("HASH", &format!("'{HASH}'"));
        let snapshot = good(&format!(
            "@apps\nusers: [{{name: a, {entry}}}]\ntrusted_proxies: [10.9.0.0/16]\n\
             trusted_login_header: X-Remote-User"
        ));
        assert_eq!(snapshot.users[0].proofs, expected, "{entry}");
        assert_eq!(snapshot.trusted_login_header.as_deref(), Some("x-remote-user"));
    }
    let snapshot = good(&format!(
        "@apps\nusers: [{{name: a, addresses: [10.0.0.1], password: '{HASH}', \
         totp: 'jbsw y3dp ehpk 3pxp'}}]"
    ));
    assert_eq!(snapshot.users[0].totp.as_deref(), Some("JBSWY3DPEHPK3PXP"));
    assert_eq!(snapshot.users[0].password.as_deref(), Some(HASH));
}

#[test]
fn paths_are_relative_to_the_directory_which_is_relative_to_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().canonicalize().expect("a path");
    std::fs::create_dir(root.join("conf")).expect("made");
    std::fs::write(root.join("secret"), "").expect("written");
    write_certificate(&root, "cert.pem", "key.pem");
    write_certificate(&root, "b.pem", "b.key");
    let text = in_full(
        "
directory: ..
apps:
  main: {script: src/../a.py, python: .venv/bin/python, working_directory: ./work}
  abs: {script: /x/a.py, python: python3.11}
  cmd: {command: [./serve, '{port}']}
@users
tls: {certificate: cert.pem, key: key.pem, certificates: [{certificate: b.pem, key: b.key}]}
oidc: {issuer: 'https://login.example.com/x', client_id: usher, client_secret_file: secret}
",
    );
    let snapshot = Snapshot::parse(&root.join("conf/usher.yaml"), &text)
        .unwrap_or_else(|problems| panic!("{problems:?}"));
    assert_eq!(snapshot.base, root);
    let program = |index: usize| match &snapshot.apps[index].program {
        Program::Streamlit { script, python, .. } => {
            format!("{} {}", python.display(), script.display())
        }
        Program::Command { argv } => argv.join(" "),
        Program::Upstream { address } => address.to_string(),
    };
    let shown = root.display();
    assert_eq!(program(0), format!("{shown}/.venv/bin/python {shown}/src/../a.py"));
    assert_eq!(program(1), "python3.11 /x/a.py");
    assert_eq!(program(2), format!("{shown}/./serve {{port}}").replace("/./", "/"));
    assert_eq!(snapshot.apps[0].working_directory, root.join("work"));
    let tls = snapshot.tls.as_ref().expect("TLS");
    assert_eq!(tls.certificates.len(), 2);
    assert_eq!(tls.certificates[0].certificate, root.join("cert.pem"));
    assert_eq!(tls.certificates[1].key, root.join("b.key"));
    assert!(tls.redirect && tls.hsts_ms.is_none() && tls.client_ca.is_none());
    assert_eq!(snapshot.fixed.tls_listen, ["0.0.0.0:8443".parse().expect("an address")]);
    let oidc = snapshot.oidc.as_ref().expect("OIDC");
    assert_eq!(oidc.client_secret_file, root.join("secret"));
}

#[test]
fn what_is_probably_not_meant_is_warned_of() {
    let password = format!("password: '{HASH}'");
    for (row, expected) in [
        ("users: [{name: a, role: admin, addresses: [10.0.0.1]}]", &[][..]),
        (
            "users: [{name: a, addresses: [127.0.0.1]}]",
            &["2:8: users: nobody may see the administrators' pages (give a user `role: admin`)"],
        ),
        (
            "users: [{name: a, role: admin, addresses: [10.0.0.1, 127.0.0.0/8]}]",
            &[
                "2:54: users[0].addresses[1]: every account of this machine can be the administrator `a` (give the entry a `password`, made by `usher password`)",
            ],
        ),
        (
            "users: [{name: a, role: admin, addresses: ['::/0']}]",
            &[
                "2:44: users[0].addresses[0]: every account of this machine can be the administrator `a` (give the entry a `password`, made by `usher password`)",
            ],
        ),
        (
            "users: [{name: a, role: admin, addresses: [127.0.0.1], PASSWORD}]\nlisten: ['127.0.0.1:1']",
            &[],
        ),
        (
            "users: [{name: a, role: admin, addresses: [10.0.0.1], PASSWORD}]",
            &[
                "2:65: users[0].password: passwords travel over the network unencrypted (configure `tls`)",
            ],
        ),
        (
            "users: [{name: a, role: admin, addresses: [10.0.0.1], PASSWORD, proofs: [address]}]\nlisten: ['127.0.0.1:1']",
            &[
                "2:170: users[0].proofs: does not ask for the entry's `password` (it is then of no use)",
            ],
        ),
        (
            "users: [{name: a, role: admin, addresses: [10.0.0.1]}]\nadmin: {password_required: true}",
            &[
                "2:16: users[0].name: `a` has no password and is refused (`admin.password_required` is true)",
            ],
        ),
        (
            "users: [{name: a, role: admin, addresses: [10.0.0.1]}]\ntrusted_proxies: [10.0.0.0/8]",
            &[
                "2:44: users[0].addresses[0]: 10.0.0.1 is also a trusted proxy (a request of that proxy without X-Forwarded-For is this user's)",
            ],
        ),
        (
            "users: [{name: a, role: admin, addresses: ['fd00::1']}]\ntrusted_proxies: [0.0.0.0/0]",
            &[
                "3:18: trusted_proxies: everybody is believed, so everybody can be everybody (name the proxies alone)",
            ],
        ),
    ] {
        let row = row.replace("PASSWORD", &password);
        let apps = "apps: {main: {command: [/bin/sh, '{port}'], working_directory: /}}";
        let snapshot = good(&format!("{apps}\n{row}"));
        assert_eq!(told(&snapshot.warnings), expected, "{row}");
    }
}

#[test]
fn a_program_that_is_not_there_is_a_warning() {
    for (app, expected) in [
        (
            "{script: s.py, working_directory: /, python: no-such-python}",
            &[
                "1:23: apps.main.script: the script /nowhere/s.py does not exist (the app will not start)",
                "1:59: apps.main.python: the program no-such-python is not in PATH (the app will not start)",
            ][..],
        ),
        (
            "{command: [serve/it], working_directory: x}",
            &[
                "1:24: apps.main.command: the program /nowhere/serve/it does not exist (the app will not start)",
                "1:55: apps.main.working_directory: the working directory /nowhere/x does not exist (the app will not start)",
            ],
        ),
        (
            "{command: [sh, '{prot}', '{\"a\": 1}'], working_directory: /}",
            &[
                "1:24: apps.main.command: {prot} stands for nothing and is passed as it is (known are {port}, {base_path}, {socket}, {user}, {data})",
            ],
        ),
    ] {
        let snapshot = good(&format!("apps: {{main: {app}}}\n@users"));
        assert_eq!(told(&snapshot.warnings), expected, "{app}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_told_with_the_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("usher.yaml");
    let load = || {
        let problems = Snapshot::load(&file).err().unwrap_or_default();
        let name = file.display().to_string();
        problems.iter().map(|p| p.to_string().replace(&name, "f")).collect::<Vec<_>>()
    };
    assert_eq!(
        load(),
        [
            "f:1:1: the file cannot be read: No such file or directory (os error 2) (name another file with -c; conf/minimal.yaml is one to begin with)"
        ]
    );
    for (bytes, expected) in [
        (&b"apps:\n  \xff"[..], "f:2:3: the file is not UTF-8 here (save it as UTF-8)"),
        (b"\xff\xfea\0", "f:1:1: the file is UTF-16 (save it as UTF-8)"),
        (
            b"\xef\xbb\xbfapps: {}",
            "f:1:1: the file begins with a byte order mark (save it as UTF-8 without BOM)",
        ),
        (b"a: 1\n\x07", "f:2:1: a control character has no place in this file"),
        (b"", "f:1:1: the file is empty (it needs at least `apps` and `users`)"),
    ] {
        std::fs::write(&file, bytes).expect("written");
        assert_eq!(load(), [expected]);
    }
}

#[test]
fn the_state_folder_is_found_though_the_rest_is_wrong() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().canonicalize().expect("a path");
    let file = root.join("usher.yaml");
    for (text, expected) in [
        ("nonsense: 1\nstate_dir: x", Some("x")),
        ("apps: 5", Some("var")),
        ("state_dir: [x]", None),
        ("a: b: c", None),
    ] {
        std::fs::write(&file, text).expect("written");
        let found = state_dir_of(&file).ok();
        assert_eq!(found, expected.map(|name| root.join(name)), "{text}");
    }
}
