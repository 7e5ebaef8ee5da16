//! Wrong settings of the door itself: each row is a text and all that is told of it.

use super::assert_told;

const ROWS: &[(&str, &[&str])] = &[
    (
        r#"@apps
@users
limits: {seats: 0, starts_at_once: -1, waiting_per_seat: many, connections_per_address: "5", upload: 200MB, login_attempts: 5/15, totp_attempts: 0/1m, requests_per_second: 1.5}"#,
        &[
            "3:17: limits.seats: must be a whole number from 1 to 1000000, not `0`",
            "3:36: limits.starts_at_once: must be a whole number from 1 to 1000000, not `-1`",
            "3:58: limits.waiting_per_seat: must be a whole number from 1 to 1000000, not `many`",
            "3:89: limits.connections_per_address: must be a whole number from 1 to 1000000, not `5` (write it without quotes)",
            "3:102: limits.upload: `200MB` is no size (write 200MiB)",
            "3:125: limits.login_attempts: `15` has no unit (write 15s for seconds or 15m for minutes)",
            r#"3:146: limits.totp_attempts: must be so many within a time, such as "5/15m", not `0/1m`"#,
            "3:173: limits.requests_per_second: must be a whole number from 1 to 1000000, not `1.5`",
        ],
    ),
    (
        "@apps
@users
limits: {seats: 99999999999, upload: 200}",
        &[
            "3:17: limits.seats: must be a whole number from 1 to 1000000, not `99999999999`",
            "3:38: limits.upload: `200` has no unit (write 200MiB, or 200B for bytes)",
        ],
    ),
    (
        "@apps
@users
listen: 8000",
        &[r#"3:9: listen: must be a list (write ["0.0.0.0:8000"])"#],
    ),
    (
        "@apps
@users
listen: localhost:8000",
        &[r#"3:9: listen: must be a list (write ["127.0.0.1:8000"])"#],
    ),
    (
        "@apps
@users
listen: 10.0.0.1",
        &[r#"3:9: listen: must be a list (write ["10.0.0.1:8000"])"#],
    ),
    (
        r#"@apps
@users
listen: "0.0.0.0:8000""#,
        &[r#"3:9: listen: must be a list (write ["0.0.0.0:8000"])"#],
    ),
    (
        r#"@apps
@users
listen: ["0.0.0.0", ":8000", 8000, "localhost:8000", "::1:8000", "127.0.0.1:0", "example.com:80", [1], {a: 1}, null]"#,
        &[
            "3:10: listen[0]: must be an address with a port, not `0.0.0.0` (it needs a port, such as 0.0.0.0:8000)",
            "3:21: listen[1]: must be an address with a port, not `:8000` (write 0.0.0.0:8000 for all addresses or 127.0.0.1:8000 for this machine)",
            "3:30: listen[2]: must be an address with a port, not `8000` (write 0.0.0.0:8000 for all addresses or 127.0.0.1:8000 for this machine)",
            "3:36: listen[3]: must be an address with a port, not `localhost:8000` (write 127.0.0.1:8000)",
            r#"3:54: listen[4]: must be an address with a port, not `::1:8000` (write "[::1]:8000")"#,
            "3:66: listen[5]: `127.0.0.1:0` has port 0, which nobody can call",
            r#"3:81: listen[6]: must be an address with a port, not `example.com:80` (names are not looked up; such as 0.0.0.0:8000, 127.0.0.1:8000 or "[::]:8000")"#,
            "3:99: listen[7]: must be an address with a port, not a list",
            "3:104: listen[8]: must be an address with a port, not a mapping (quote a value with a colon in it)",
            "3:112: listen[9]: has no value; it must be an address with a port (give it one, or remove it)",
        ],
    ),
    (
        "@apps
@users
listen: []",
        &[
            "3:9: listen: nobody can come in: there is no listener (name an address in `listen`, or configure `tls`)",
        ],
    ),
    (
        r#"@apps
@users
listen: ["0.0.0.0:8000", "127.0.0.1:8000"]"#,
        &[
            "3:26: listen[1]: 127.0.0.1:8000 is taken by listen[0] in line 3, column 10 (choose another port)",
        ],
    ),
    (
        r#"@apps
@users
listen: ["127.0.0.1:8000"]
admin: {listen: ["127.0.0.1:8000"]}"#,
        &[
            "4:18: admin.listen[0]: 127.0.0.1:8000 is taken by listen[0] in line 3, column 10 (choose another port)",
        ],
    ),
    (
        "@apps
@users
admin: {path: admin, password_required: yes}",
        &[
            "3:15: admin.path: must be an absolute path such as /admin, not `admin` (write /admin)",
            "3:41: admin.password_required: must be true or false, not `yes` (write true without quotes)",
        ],
    ),
    (
        "@apps
@users
admin: {path: /}",
        &["3:15: admin.path: is the door's own first page (such as /admin)"],
    ),
    (
        "@apps
@users
admin: {path: /app/admin}",
        &[
            "3:15: admin.path: /app is taken (anything but /app, /_usher, /metrics and /unauthorized)",
        ],
    ),
    (
        "@apps
@users
admin: {path: /_usher}",
        &[
            "3:15: admin.path: /_usher is taken (anything but /app, /_usher, /metrics and /unauthorized)",
        ],
    ),
    (
        "@apps
@users
admin: {path: /admin/}",
        &["3:15: admin.path: ends with a slash (write /admin)"],
    ),
    (
        "@apps
@users
admin: {path: /a/../b}",
        &[
            "3:15: admin.path: must be an absolute path such as /admin, not `/a/../b` (letters, digits and - . _ ~ between single slashes)",
        ],
    ),
    (
        r#"@apps
@users
admin: {path: "/관리"}"#,
        &[
            "3:15: admin.path: must be an absolute path such as /admin, not `/관리` (letters, digits and - . _ ~ between single slashes)",
        ],
    ),
    (
        r#"@apps
@users
hosts: [Usher.Example.com, "https://a.b", "a.b:80", "*.b", 한국.kr, "", a..b, "a b", usher.example.com]"#,
        &[
            "3:28: hosts[1]: must be a host's name such as usher.example.com, not `https://a.b` (the name alone, without scheme and path)",
            "3:43: hosts[2]: must be a host's name such as usher.example.com, not `a.b:80` (the name alone, without a port)",
            "3:53: hosts[3]: must be a host's name such as usher.example.com, not `*.b` (name each host; patterns are not read)",
            "3:60: hosts[4]: must be a host's name such as usher.example.com, not `한국.kr` (as browsers send it: xn--…)",
            "3:67: hosts[5]: must be a host's name such as usher.example.com, not ``",
            "3:71: hosts[6]: must be a host's name such as usher.example.com, not `a..b`",
            "3:77: hosts[7]: must be a host's name such as usher.example.com, not `a b`",
            "3:84: hosts[8]: usher.example.com is already hosts[0] in line 3, column 9 (keep one of them)",
        ],
    ),
    (
        "@apps
@users
trusted_proxies: [10.0.0.1/8, 10.0.0.0/33, proxy, 10.0.0.1, 10.0.0.1/32]
metrics: {allow: 127.0.0.1}",
        &[
            "3:19: trusted_proxies[0]: `10.0.0.1/8` has bits set behind its prefix (write 10.0.0.0/8, or 10.0.0.1 for this one address)",
            "3:31: trusted_proxies[1]: the prefix of `10.0.0.0/33` is too long (at most /32)",
            r#"3:44: trusted_proxies[2]: `proxy` is neither an address nor a network (such as 192.168.1.20, 10.20.0.0/24 or "fd00::/8"; names are not looked up)"#,
            "3:61: trusted_proxies[4]: 10.0.0.1 is already trusted_proxies[3] in line 3, column 51 (keep one of them)",
            "4:18: metrics.allow: must be a list (write [127.0.0.1])",
        ],
    ),
    (
        r#"@apps
@users
timezone: Asia/Soul
language: kr
threads: 0
state_dir: ""
directory: nothing-here"#,
        &[
            "3:11: timezone: must be a time zone such as Asia/Seoul or UTC, not `Asia/Soul` (names are those of the IANA database, as Region/City)",
            "4:11: language: must be one of auto, ko, en, not `kr` (did you mean `ko`?)",
            "5:10: threads: must be a whole number from 1 to 256, not `0`",
            "6:12: state_dir: is empty (write . for the folder itself)",
            "7:12: directory: /nowhere/nothing-here is no folder (it is relative to this file's folder)",
        ],
    ),
    (
        "@apps
@users
language: fr
timezone: KST+9",
        &[
            "3:11: language: must be one of auto, ko, en, not `fr`",
            "4:11: timezone: must be a time zone such as Asia/Seoul or UTC, not `KST+9` (names are those of the IANA database, as Region/City)",
        ],
    ),
    (
        "@apps
@users
sessions: {idle_timeout: 48h}",
        &[
            "3:26: sessions.idle_timeout: `idle_timeout` is longer than `lifetime_max` (a session that has ended cannot be idle)",
        ],
    ),
    (
        "@apps
@users
sessions: {lifetime_max: 1h}",
        &[
            "3:26: sessions.lifetime_max: `idle_timeout` is longer than `lifetime_max` (a session that has ended cannot be idle)",
        ],
    ),
    (
        "@apps
@users
visits: {gap: 500d, record: maybe}
samples: {every: 10ms, keep: 5}",
        &[
            "3:15: visits.gap: is not shorter than `keep` (minutes are usual)",
            "3:29: visits.record: must be true or false, not `maybe`",
            "4:18: samples.every: `10ms` is too short (at least 100ms)",
            "4:30: samples.keep: `5` has no unit (write 5s for seconds or 5m for minutes)",
        ],
    ),
    (
        "@apps
@users
samples: {every: 2h, keep: 1h}
backups: {every: 0s, keep: 0, directory: ~/b}",
        &[
            "3:18: samples.every: is longer than `keep` (nothing would be there to show)",
            "4:18: backups.every: `0s` is too short (at least 1s)",
            "4:28: backups.keep: must be a whole number from 1 to 10000, not `0`",
            "4:42: backups.directory: `~/b` begins with ~, which only a shell understands (write the whole path)",
        ],
    ),
    (
        "@apps
@users
logs: {access: null, rotate: 1B, keep: 0, apps: [x]}
templates: none",
        &[
            "3:30: logs.rotate: `1B` is too small (at least 1KiB)",
            "3:40: logs.keep: must be a whole number from 1 to 10000, not `0`",
            "3:49: logs.apps: must be a path, not a list",
            "4:12: templates: /nowhere/none is no folder (null for the built-in templates)",
        ],
    ),
    (
        "@apps
@users
listen: []
tls: {redirect: true}",
        &[
            "4:6: tls.certificate: the file /nowhere/conf/tls/cert.pem does not exist",
            "4:6: tls.key: the file /nowhere/conf/tls/key.pem does not exist",
            "4:17: tls.redirect: there is no plain listener to redirect (remove it, or name an address in `listen`)",
        ],
    ),
    (
        "@apps
@users
trusted_login_header: X Y",
        &[
            "3:23: trusted_login_header: must be a header's name such as X-Remote-User, not `X Y`",
            "3:23: trusted_login_header: nobody is trusted to set it (name the proxy that sets it in `trusted_proxies`)",
        ],
    ),
    (
        r#"@apps
@users
logs: {access: "a\0b", apps: "c\u0007d"}"#,
        &["3:16: logs.access: has a NUL character in it"],
    ),
    (
        r#"@apps
@users
threads: "2""#,
        &["3:10: threads: must be a whole number from 1 to 256, not `2` (write it without quotes)"],
    ),
    (
        "@apps
@users
threads: 257
language: Korean",
        &[
            "3:10: threads: must be a whole number from 1 to 256, not `257`",
            "4:11: language: must be one of auto, ko, en, not `Korean`",
        ],
    ),
    (
        "@apps
@users
timezone: 9",
        &[
            "3:11: timezone: must be a time zone such as Asia/Seoul or UTC, not `9` (names are those of the IANA database, as Region/City)",
        ],
    ),
    (
        r#"@apps
@users
listen: ["0.0.0.0:8000", "0.0.0.0:8000", "[::]:8000"]"#,
        &[
            "3:26: listen[1]: 0.0.0.0:8000 is taken by listen[0] in line 3, column 10 (choose another port)",
        ],
    ),
    (
        r#"@apps
@users
metrics: {allow: [fd00::1/8, 10.0.0.0/8/8, 10.0.0.0/, 10.0.0.1-10.0.0.9, "fe80::1%eth0", 999.1.1.1, 10.0.0.0/x]}"#,
        &[
            "3:19: metrics.allow[0]: `fd00::1/8` has bits set behind its prefix (write fd00::/8, or fd00::1 for this one address)",
            r#"3:30: metrics.allow[1]: `10.0.0.0/8/8` is neither an address nor a network (such as 192.168.1.20, 10.20.0.0/24 or "fd00::/8"; names are not looked up)"#,
            r#"3:44: metrics.allow[2]: `10.0.0.0/` is neither an address nor a network (such as 192.168.1.20, 10.20.0.0/24 or "fd00::/8"; names are not looked up)"#,
            r#"3:55: metrics.allow[3]: `10.0.0.1-10.0.0.9` is neither an address nor a network (such as 192.168.1.20, 10.20.0.0/24 or "fd00::/8"; names are not looked up)"#,
            r#"3:74: metrics.allow[4]: `fe80::1%eth0` is neither an address nor a network (such as 192.168.1.20, 10.20.0.0/24 or "fd00::/8"; names are not looked up)"#,
            r#"3:90: metrics.allow[5]: `999.1.1.1` is neither an address nor a network (such as 192.168.1.20, 10.20.0.0/24 or "fd00::/8"; names are not looked up)"#,
            r#"3:101: metrics.allow[6]: `10.0.0.0/x` is neither an address nor a network (such as 192.168.1.20, 10.20.0.0/24 or "fd00::/8"; names are not looked up)"#,
        ],
    ),
    (
        "@apps
@users
limits: {login_attempts: 5/15m/1, totp_attempts: 5 per minute}",
        &[
            "3:26: limits.login_attempts: `15m/1` is no duration (a whole number and a unit: 500ms, 30s, 15m, 8h or 400d)",
            r#"3:50: limits.totp_attempts: must be so many within a time, such as "5/15m", not `5 per minute`"#,
        ],
    ),
    (
        "@apps
@users
limits: {login_attempts: 5/500ms, upload: 0B}",
        &[
            "3:26: limits.login_attempts: `500ms` is too short (at least 1s)",
            "3:43: limits.upload: `0B` is too small (at least 1B)",
        ],
    ),
    (
        "@apps
@users
visits: {keep: 5ms}",
        &["3:16: visits.keep: `5ms` is too short (at least 1s)"],
    ),
    (
        "@apps
@users
backups: {every: weekly, directory: [a]}",
        &[
            "3:18: backups.every: `weekly` is no duration (a whole number and a unit: 500ms, 30s, 15m, 8h or 400d)",
            "3:37: backups.directory: must be a path, not a list",
        ],
    ),
];

#[test]
fn everything_wrong_is_told_with_its_place() {
    assert_told(ROWS);
}
