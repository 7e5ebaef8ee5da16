//! Wrong `users` and sign-in: each row is a text and all that is told of it.

use super::assert_told;

const ROWS: &[(&str, &[&str])] = &[
    (
        "@apps
users:
- name: min su
  role: root
  addresses: 10.0.0.1
- role: admin
- {}
- minsu",
        &[
            "3:9: users[0].name: `min su` is no user's name (a user's name has letters, digits and - _ . @ only)",
            "4:9: users[0].role: must be one of admin, user, not `root`",
            "5:14: users[0].addresses: must be a list (write [10.0.0.1])",
            "6:3: users[1].name: is missing (letters, digits and - _ . @)",
            "6:3: users[1].addresses: nobody can be this user: no address (such as `addresses: [192.168.1.20]`)",
            "7:3: users[2].name: is missing (letters, digits and - _ . @)",
            "7:3: users[2].addresses: nobody can be this user: no address (such as `addresses: [192.168.1.20]`)",
            "8:3: users[3]: must be a mapping of keys (keys such as name, role, addresses)",
        ],
    ),
    (
        r#"@apps
users:
- {name: a, addresses: [10.0.0.5/24, 10.0.0.1]}
- {name: b, addresses: [10.0.0.1/32, "::ffff:10.0.0.1", 10.0.0.0/24]}
- {name: c, addresses: [10.0.0.0/24, 10.0.0.2, 10.0.0.2]}"#,
        &[
            "3:25: users[0].addresses[0]: `10.0.0.5/24` has bits set behind its prefix (write 10.0.0.0/24, or 10.0.0.5 for this one address)",
            "4:25: users[1].addresses[0]: 10.0.0.1 is already users[0].addresses[1] in line 3, column 38 (it belongs to `a`; two users may not share one)",
            "4:38: users[1].addresses[1]: 10.0.0.1 is already users[0].addresses[1] in line 3, column 38 (it belongs to `a`; two users may not share one)",
            "5:25: users[2].addresses[0]: 10.0.0.0/24 is already users[1].addresses[2] in line 4, column 57 (it belongs to `b`; two users may not share one)",
            "5:48: users[2].addresses[2]: 10.0.0.2 is already users[2].addresses[1] in line 5, column 38 (keep one of them)",
        ],
    ),
    (
        "@apps
users:
- {name: a, addresses: [10.0.0.1]}
- {name: a, addresses: [10.0.0.2]}
- {name: b}",
        &[
            "4:10: users[1].name: `a` is already users[0].name in line 3, column 10 (no two users may be the same)",
            "5:3: users[2].addresses: nobody can be this user: no address (such as `addresses: [192.168.1.20]`)",
        ],
    ),
    (
        "@apps
users:
- {name: a, addresses: [10.0.0.1], apps: [mian]}
- {name: b, addresses: [10.0.0.2], apps: []}
- {name: c, addresses: [10.0.0.3], apps: [main, main, Lab, x]}",
        &[
            "3:43: users[0].apps[0]: there is no app `mian` (did you mean `main`?)",
            "4:42: users[1].apps: is empty",
            "5:49: users[2].apps[1]: `main` is here a second time (keep one of them)",
            "5:55: users[2].apps[2]: `Lab` is no app's name (an app's name has lower-case letters, digits and '-' only, and does not begin with '-')",
            "5:60: users[2].apps[3]: there is no app `x` (name it under `apps`)",
        ],
    ),
    (
        r#"@apps
users:
- {name: a, addresses: [10.0.0.1], port: 8500}
- {name: b, addresses: [10.0.0.2], port: 8500}
- {name: c, addresses: [10.0.0.3], port: 8000}
- {name: d, addresses: [10.0.0.4], port: "8501"}
- {name: e, addresses: [10.0.0.5], port: 0}
- {name: f, addresses: [10.0.0.6], port: 70000}"#,
        &[
            "4:42: users[1].port: port 8500 is taken by users[0].port in line 3, column 42 (choose another port)",
            "5:42: users[2].port: port 8000 is taken by the default of listen (choose another port)",
            "6:42: users[3].port: must be a port from 1 to 65535, not `8501` (write it without quotes)",
            "7:42: users[4].port: must be a port from 1 to 65535, not `0`",
            "8:42: users[5].port: must be a port from 1 to 65535, not `70000`",
        ],
    ),
    (
        "apps: {main: {script: s.py}, lab: {script: s.py, connect: unix}}
users:
- {name: a, addresses: [10.0.0.1], apps: [lab], port: 8500}
- {name: b, addresses: [10.0.0.2], upstream: 127.0.0.1:9000}",
        &[
            "3:55: users[0].port: is for the first app, `main`, which this user may not use (remove it)",
            "4:46: users[1].upstream: no app that this user may use has `upstream` (remove it)",
        ],
    ),
    (
        r#"apps: {lab: {upstream: "127.0.0.1:9000"}}
users:
- {name: a, addresses: [10.0.0.1], port: 8500}
- {name: b, addresses: [10.0.0.2], upstream: "127.0.0.1:8000"}"#,
        &[
            "3:42: users[0].port: is for the first app, `lab`, which usher does not start (remove it)",
            "4:46: users[1].upstream: 127.0.0.1:8000 is usher itself: the default of listen (name the program behind it)",
        ],
    ),
    (
        "@apps
users:
- {name: a, addresses: [10.0.0.1], password: hunter2}
- {name: b, addresses: [10.0.0.2], proofs: [address, password, oidc, thumb]}
- {name: c, addresses: [10.0.0.3], totp: short}
- {name: d, login: d@x}
- {name: e, addresses: [10.0.0.4], proofs: []}",
        &[
            "3:46: users[0].password: must be an argon2id hash (`usher password` makes one; passwords themselves do not belong in this file)",
            "4:54: users[1].proofs[1]: the entry has no `password` to prove (add `password`, or remove this)",
            "4:64: users[1].proofs[2]: the entry has no `login` to prove (add `login`, or remove this)",
            "4:70: users[1].proofs[3]: must be one of address, password, oidc, not `thumb`",
            "5:42: users[2].totp: the secret is too short or too long (16 to 128 characters)",
            "5:42: users[2].totp: is there without a password (the code is asked for together with the password; add `password`)",
            "6:20: users[3].login: nobody vouches for logins (configure `oidc` or `trusted_login_header`)",
            "7:44: users[4].proofs: is empty",
        ],
    ),
    (
        r#"apps: {main: {script: s.py, cpu_max: 1}}
users: [{name: a, addresses: [10.0.0.1], login: x, totp: JBSWY3DPEHPK3PXP, password: "$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}]
tls: {certificate: a.pem, key: b.pem, hsts: 5, listen: ["0.0.0.0:8000"], certificates: [{certificate: c.pem}], redirect: on}
oidc: {issuer: "http://x.y", client_id: ""}
trusted_login_header: X-Forwarded-User"#,
        &[
            "3:20: tls.certificate: the file /nowhere/a.pem does not exist",
            "3:32: tls.key: the file /nowhere/b.pem does not exist",
            "3:45: tls.hsts: `5` has no unit (write 5s for seconds or 5m for minutes)",
            "3:57: tls.listen[0]: 0.0.0.0:8000 is taken by the default of listen (choose another port)",
            "3:89: tls.certificates[0].key: is missing (the PEM key)",
            "3:103: tls.certificates[0].certificate: the file /nowhere/c.pem does not exist",
            "3:122: tls.redirect: must be true or false, not `on` (write true without quotes)",
            "4:7: oidc.client_secret_file: is missing (the file that holds our secret there)",
            "4:16: oidc.issuer: must be a URL such as https://login.example.com/realms/office, not `http://x.y` (https, except for this machine itself)",
            "4:41: oidc.client_id: is empty",
            "5:23: trusted_login_header: `X-Forwarded-User` has a meaning of its own (choose a header that only the proxy sets)",
            "5:23: trusted_login_header: nobody is trusted to set it (name the proxy that sets it in `trusted_proxies`)",
        ],
    ),
    (
        "@apps
users: [{name: a, role: Admin, adresses: [10.0.0.1]}]",
        &[
            "2:25: users[0].role: must be one of admin, user, not `Admin` (did you mean `admin`?)",
            "2:32: users[0].adresses: there is no such key here (did you mean `addresses`?)",
        ],
    ),
    (
        "@apps
users: [{name: null, addresses: [10.0.0.1]}]",
        &["2:16: users[0].name: has no value; it must be a name (give it one, or remove it)"],
    ),
    (
        r#"@apps
users: [{name: "한글 이름", addresses: [10.0.0.1]}]"#,
        &[
            "2:16: users[0].name: `한글 이름` is no user's name (a user's name has letters, digits and - _ . @ only)",
        ],
    ),
    (
        "@apps
users: [{name: .., addresses: [10.0.0.1], port: 85.5}]",
        &[
            "2:16: users[0].name: `..` is no user's name (a user's name cannot be '.' or '..')",
            "2:49: users[0].port: must be a port from 1 to 65535, not `85.5`",
        ],
    ),
    (
        "@apps
users: [{name: a, addresses: [minsu-pc, 10.0.0.300], apps: main}]",
        &[
            r#"2:31: users[0].addresses[0]: `minsu-pc` is neither an address nor a network (such as 192.168.1.20, 10.20.0.0/24 or "fd00::/8"; names are not looked up)"#,
            r#"2:41: users[0].addresses[1]: `10.0.0.300` is neither an address nor a network (such as 192.168.1.20, 10.20.0.0/24 or "fd00::/8"; names are not looked up)"#,
            "2:60: users[0].apps: must be a list (write [main])",
        ],
    ),
    (
        "@apps
users: [{name: a, addresses: [{a: 1}, [10.0.0.1], ~]}]",
        &[
            "2:31: users[0].addresses[0]: must be an address or a network, not a mapping (quote a value with a colon in it)",
            "2:39: users[0].addresses[1]: must be an address or a network, not a list",
            "2:51: users[0].addresses[2]: has no value; it must be an address or a network (give it one, or remove it)",
        ],
    ),
    (
        r#"@apps
users:
- {name: a, addresses: [10.0.0.1], port: 8000}
listen: ["127.0.0.1:8000"]"#,
        &[
            "3:42: users[0].port: port 8000 is taken by listen[0] in line 4, column 10 (choose another port)",
        ],
    ),
];

#[test]
fn everything_wrong_is_told_with_its_place() {
    assert_told(ROWS);
}
