//! Wrong YAML and wrong names of keys: each row is a text and all that is told of it.

use super::assert_told;

const ROWS: &[(&str, &[&str])] = &[
    ("a", &["1:1: must be a mapping of keys (keys such as directory, listen, tls)"]),
    ("- a", &["1:1: must be a mapping of keys (keys such as directory, listen, tls)"]),
    ("# only a comment", &["1:1: the file is empty (it needs at least `apps` and `users`)"]),
    ("@apps", &["1:1: users: is missing (who may come in)"]),
    (
        "@users",
        &[
            "1:1: apps: is missing (the programs that users run, by their names in URLs; the first also answers at /app/)",
        ],
    ),
    (
        "apps: {}
users: []",
        &[
            "1:7: apps: is empty (the programs that users run, by their names in URLs; the first also answers at /app/)",
            "2:8: users: is empty (who may come in)",
        ],
    ),
    (
        "apps: [main]
users: {name: minsu}",
        &[
            "1:7: apps: must be a mapping of names (such as `main:`)",
            "2:8: users: must be a list (each item begins with `- `)",
        ],
    ),
    (
        "@apps
@users
colour: red",
        &["3:1: colour: there is no such key here"],
    ),
    (
        "@apps
@users
idle_timeout: 5m",
        &["3:1: idle_timeout: there is no such key here (it belongs in `apps.*` or `sessions`)"],
    ),
    (
        r#"@apps
@users
timezon: UTC
"with space": 1
<<: {a: 1}"#,
        &[
            "3:1: timezon: there is no such key here (did you mean `timezone`?)",
            "4:1: with space: there is no such key here",
            "5:1: <<: there is no such key here (merge keys are not read; repeat the settings or use an alias as a value)",
        ],
    ),
    (
        "@apps
@users
@apps",
        &[
            "3:1: apps: the key is here a second time; the first is in line 1, column 1 (keep one of them)",
        ],
    ),
    (
        "apps:
  main:
    script: a.py
    script: b.py
@users",
        &[
            "4:5: apps.main.script: the key is here a second time; the first is in line 3, column 5 (keep one of them)",
        ],
    ),
    (
        "@apps
@users
---
@apps",
        &["3:1: a second document begins (one file is one configuration; remove the line `---`)"],
    ),
    (
        "@apps
@users
listen: [1, 2",
        &[
            "4:1: the YAML cannot be read: while parsing a flow sequence, expected ',' or ']' (check the indentation, the quotes and the brackets here and in the line above)",
        ],
    ),
    ("@apps\n@users\nlimits:\n\tseats: 5", &["4:1: a tab is in the indentation (use spaces)"]),
    (
        "@apps
@users
limits: !!map {seats: 5}",
        &["3:9: limits: a tag has no meaning here (write the value alone)"],
    ),
    (
        "? [a]
: 1",
        &["1:3: a key must be a single word (quote it if it is one)"],
    ),
    (
        "@apps
@users
limits: [5]",
        &[
            "3:9: limits: must be a mapping of keys (keys such as seats, starts_at_once, waiting_per_seat)",
        ],
    ),
    (
        "@apps
@users
title:
hosts:
limits:
language:",
        &[
            "3:1: title: there is no such key here (it belongs in `apps.*`)",
            "6:9: language: has no value; it must be one of auto, ko, en (give it one, or remove it)",
        ],
    ),
    (
        "a: b: c",
        &[
            "1:5: the YAML cannot be read: mapping values are not allowed in this context (check the indentation, the quotes and the brackets here and in the line above)",
        ],
    ),
    (
        r#"@apps
@users
listen: ["0.0.0.0:8000]"#,
        &[
            "3:10: the YAML cannot be read: while scanning a quoted scalar, found unexpected end of stream (check the indentation, the quotes and the brackets here and in the line above)",
        ],
    ),
    (
        "@apps
@users
listen: @a",
        &[
            "3:9: the YAML cannot be read: unexpected character: `@' (check the indentation, the quotes and the brackets here and in the line above)",
        ],
    ),
    (
        "@apps
@users
hosts: *unknown",
        &[
            "3:8: the YAML cannot be read: while parsing node, found unknown anchor (check the indentation, the quotes and the brackets here and in the line above)",
        ],
    ),
    (
        "@apps
@users
hosts: &a [*a]",
        &["3:12: hosts[0]: an alias stands inside what it is an alias of"],
    ),
    (
        "@apps
@users
: 1",
        &["3:1: a key must be a single word (quote it if it is one)"],
    ),
    (
        "app: {main: {script: s.py}}
user: []",
        &[
            "1:1: app: there is no such key here (did you mean `apps`?)",
            "2:1: user: there is no such key here (did you mean `users`?)",
        ],
    ),
    (
        "@apps
@users
admin: /admin",
        &["3:8: admin: must be a mapping of keys (keys such as path, password_required, listen)"],
    ),
];

#[test]
fn everything_wrong_is_told_with_its_place() {
    assert_told(ROWS);
}
