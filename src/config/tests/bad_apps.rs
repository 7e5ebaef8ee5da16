//! Wrong `apps`: each row is a text and all that is told of it.

use super::assert_told;

const ROWS: &[(&str, &[&str])] = &[
    ("apps:
  Main: {script: s.py}
  -x: {script: s.py}
  a_b: {script: s.py}
@users", &[
        "2:3: apps.Main: `Main` is no app's name (an app's name has lower-case letters, digits and '-' only, and does not begin with '-')",
        "3:3: apps.-x: `-x` is no app's name (an app's name has lower-case letters, digits and '-' only, and does not begin with '-')",
        "4:3: apps.a_b: `a_b` is no app's name (an app's name has lower-case letters, digits and '-' only, and does not begin with '-')",
    ]),
    ("apps: {main: {}}
@users", &[
        "1:14: apps.main: needs `script`, `command` or `upstream` (such as `script: src/main.py`)",
    ]),
    ("apps: {main: }
@users", &[
        "1:12: apps.main: needs `script`, `command` or `upstream` (such as `script: src/main.py`)",
    ]),
    ("apps: {main: s.py}
@users", &[
        "1:14: apps.main: must be a mapping of keys (keys such as title, script, command)",
    ]),
    (r#"apps: {main: {script: s.py, command: [python, "{port}"], upstream: "127.0.0.1:9"}}
@users"#, &[
        "1:14: apps.main: has `script` and `command` and `upstream` at once (keep one of them)",
    ]),
    ("apps: {main: {command: [], python: x}}
@users", &[
        "1:24: apps.main.command: is empty",
        "1:36: apps.main.python: has no effect on an app with `command` (remove it)",
    ]),
    (r#"apps: {main: {command: ["", "{port}"]}}
@users"#, &[
        "1:24: apps.main.command: names no program (the first item is the program)",
    ]),
    (r#"apps: {main: {command: [sh, "{prot}", '{"json": 1}'], connect: unix, ports: 1-2}}
@users"#, &[
        "1:24: apps.main.command: nothing tells the program its socket (pass {socket} in an argument, or use `connect: tcp`)",
        "1:77: apps.main.ports: has no effect with `connect: unix` (remove it, or use `connect: tcp`)",
    ]),
    ("apps: {main: {upstream: localhost:9000, ports: 1-2, connect: tcp, memory_max: 1GiB, environment: {A: 1}, working_directory: ., launch: spawn, preload: [x], arguments: [x]}}
@users", &[
        "1:25: apps.main.upstream: must be an address with a port, not `localhost:9000` (write 127.0.0.1:9000)",
        "1:48: apps.main.ports: has no effect on an app with `upstream` (remove it)",
        "1:62: apps.main.connect: has no effect on an app with `upstream` (remove it)",
        "1:79: apps.main.memory_max: has no effect on an app with `upstream` (remove it)",
        "1:98: apps.main.environment: has no effect on an app with `upstream` (remove it)",
        "1:125: apps.main.working_directory: has no effect on an app with `upstream` (remove it)",
        "1:136: apps.main.launch: has no effect on an app with `upstream` (remove it)",
        "1:152: apps.main.preload: has no effect on an app with `upstream` (remove it)",
        "1:168: apps.main.arguments: has no effect on an app with `upstream` (remove it)",
    ]),
    ("apps: {main: {upstream: 127.0.0.1:8000}}
@users", &[
        "1:25: apps.main.upstream: 127.0.0.1:8000 is usher itself: the default of listen (name the program behind it)",
    ]),
    (r#"apps:
  main:
    script: s.py
    start_timeout: 60
    idle_timeout: never
    untouched_timeout: 1.5h
    lifetime_max: 10ms
    memory_max: 2G
    stop_grace: 3 s
    ports: 8599-8501
    connect: socket
    launch: forked
    restart: {attempts: 0, within: "", attemps: 3}
    notices: "true"
    health: healthz
    strip_prefix: 1
    preload: [pandas, my-module, "a/b.py"]
    environment: {PORT: 1, USHER_X: 2, 1A: b, A: null, B: [1], "C D": x}
    title: ""
    cpu_max: 1.5
@users"#, &[
        "4:20: apps.main.start_timeout: `60` has no unit (write 60s for seconds or 60m for minutes)",
        "5:19: apps.main.idle_timeout: `never` is no duration (a whole number and a unit: 500ms, 30s, 15m, 8h or 400d)",
        "6:24: apps.main.untouched_timeout: `1.5h` is no duration (a whole number and a unit: 500ms, 30s, 15m, 8h or 400d)",
        "7:19: apps.main.lifetime_max: `10ms` is too short (at least 100ms)",
        "8:17: apps.main.memory_max: `2G` is no size (write 2GiB)",
        "9:17: apps.main.stop_grace: `3 s` is no duration (a whole number and a unit: 500ms, 30s, 15m, 8h or 400d)",
        "10:12: apps.main.ports: `8599-8501` ends before it begins (write 8501-8599)",
        "11:14: apps.main.connect: must be one of tcp, unix, not `socket`",
        "12:13: apps.main.launch: must be one of auto, fork, spawn, not `forked` (did you mean `fork`?)",
        "13:25: apps.main.restart.attempts: must be a whole number from 1 to 1000000, not `0`",
        "13:36: apps.main.restart.within: `` is no duration (a whole number and a unit: 500ms, 30s, 15m, 8h or 400d)",
        "13:40: apps.main.restart.attemps: there is no such key here (did you mean `attempts`?)",
        "14:14: apps.main.notices: must be true or false, not `true` (write true without quotes)",
        "15:13: apps.main.health: must be an absolute path such as /health, not `healthz` (write /healthz)",
        "16:19: apps.main.strip_prefix: must be true or false, not `1`",
        "17:23: apps.main.preload[1]: must be a module's name such as pandas or matplotlib.pyplot, not `my-module`",
        "17:34: apps.main.preload[2]: must be a module's name such as pandas or matplotlib.pyplot, not `a/b.py` (the name of the import, not of the file)",
        "18:19: apps.main.environment.PORT: is set by usher (choose another name)",
        "18:28: apps.main.environment.USHER_X: is set by usher (choose another name)",
        "18:40: apps.main.environment.1A: must be a variable's name (letters, digits and _, not beginning with a digit)",
        r#"18:50: apps.main.environment.A: has no value (an empty text is "")"#,
        "18:59: apps.main.environment.B: must be a text (quote it)",
        "18:64: apps.main.environment.C D: must be a variable's name (letters, digits and _, not beginning with a digit)",
        "19:12: apps.main.title: is empty",
    ]),
    (r#"apps: {main: {script: s.py, ports: 8501, health: "/a b"}}
@users"#, &[
        "1:36: apps.main.ports: must be a range of ports such as 8501-8999 (write 8501-8501 for this one port)",
        "1:50: apps.main.health: must be an absolute path such as /health, not `/a b` (letters, digits and - . _ ~ between single slashes)",
    ]),
    ("apps: {main: {script: s.py, ports: 0-70000, idle_timeout: 999999w}}
@users", &[
        "1:36: apps.main.ports: must be a range of ports such as 8501-8999, not `0-70000`",
        "1:59: apps.main.idle_timeout: `999999w` is too long (at most a hundred years)",
    ]),
    ("apps: {main: {script: s.py, restart: 5}}
@users", &[
        "1:38: apps.main.restart: must be a mapping of keys (keys such as attempts, within)",
    ]),
    ("apps: {main: {command: python serve.py}}
@users", &[
        "1:24: apps.main.command: must be a list (such as [one, two])",
    ]),
    ("apps: {main: {script: s.py, environment: [A=1]}}
@users", &[
        "1:42: apps.main.environment: must be a mapping (such as {MODE: test})",
    ]),
    ("apps: {main: {script: s.py, arguments: --x}}
@users", &[
        "1:40: apps.main.arguments: must be a list (write [--x])",
    ]),
    ("apps: {main: {script: s.py, memory_max: 1KiB}}
@users", &[
        "1:41: apps.main.memory_max: `1KiB` is too small (at least 1MiB)",
    ]),
    ("apps: {main: {script: s.py, cpu_max: 0}}
@users", &[
        "1:38: apps.main.cpu_max: must be a number of cores such as 0.5 or 2, not `0` (at least 0.05, at most 4096, at most three digits behind the point)",
    ]),
    ("apps: {main: {script: s.py, cpu_max: 1.2345}}
@users", &[
        "1:38: apps.main.cpu_max: must be a number of cores such as 0.5 or 2, not `1.2345` (at least 0.05, at most 4096, at most three digits behind the point)",
    ]),
    (r#"apps: {main: {script: s.py, title: "a\nb"}}
@users"#, &[
        "1:36: apps.main.title: must be one line without control characters",
    ]),
    (r#"apps: {main: {script: "a\0b"}}
@users"#, &[
        "1:23: apps.main.script: has a NUL character in it",
    ]),
    ("apps: {main: {script: [s.py]}}
@users", &[
        "1:23: apps.main.script: must be a path, not a list",
    ]),
    ("apps: {main: {script: s.py, idel_timeout: 5m, limits: 1}}
@users", &[
        "1:29: apps.main.idel_timeout: there is no such key here (did you mean `idle_timeout`?)",
        "1:47: apps.main.limits: there is no such key here (it belongs in the file's top level)",
    ]),
    ("apps: {main: {script: s.py, ports: 8501-8501-8502, connect: UNIX}}
@users", &[
        "1:36: apps.main.ports: must be a range of ports such as 8501-8999, not `8501-8501-8502`",
        "1:61: apps.main.connect: must be one of tcp, unix, not `UNIX` (did you mean `unix`?)",
    ]),
    // Streamlit is given its socket; another program has to bind it by its path.
    ("apps: {main: {script: s.py, connect: unix}, own: {command: [s, '{socket}'], connect: unix}}
state_dir: /srv/a-folder-with-a-name-that-is-so-long/that-no-socket-has-room-in-it-at-all
@users", &[
        "1:86: apps.own.connect: the path of the program's socket would be too long: `state_dir` has 78 bytes (use `connect: tcp`, or a `state_dir` of at most 72 bytes)",
    ]),
    ("apps: {main: {script: s.py, preload: pandas}}
@users", &[
        "1:38: apps.main.preload: must be a list (write [pandas])",
    ]),
];

#[test]
fn everything_wrong_is_told_with_its_place() {
    assert_told(ROWS);
}
