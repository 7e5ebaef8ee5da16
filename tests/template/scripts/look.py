"""Everything that a script can see of its process and that fork, or a wrong start, could change."""

import ctypes
import gc
import json
import locale
import multiprocessing
import os
import re
import resource
import stat
import sys
import tempfile
import time

import numpy  # noqa: F401  loads the BLAS library
import streamlit as st

OPTIONS = (
    *("server.maxUploadSize", "server.port", "server.cookieSecret", "server.enableCORS"),
    *("theme.primaryColor", "theme.textColor", "client.toolbarMode"),
)


def mode_of_a_new_file():
    os.close(os.open("new", os.O_CREAT | os.O_WRONLY, 0o666))
    mode = os.stat("new").st_mode
    os.unlink("new")
    return oct(stat.S_IMODE(mode))


def blas_threads():
    with open("/proc/self/maps") as maps:
        library = ctypes.CDLL(next(line.split()[-1] for line in maps if "openblas" in line))
    prefixes, suffixes = ("scipy_openblas", "openblas"), ("64_", "")
    names = [f"{one}_get_num_threads{other}" for one in prefixes for other in suffixes]
    return next(getattr(library, name)() for name in names if hasattr(library, name))


def descriptors():
    """Where the open descriptors lead, without what is open for a moment only: for the listing itself,
    and by Streamlit's event loop, which reads the machine's number once while the first script runs."""
    links = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            links.append(re.sub(r"\d+", "N", os.readlink("/proc/self/fd/" + fd)))
        except OSError:
            continue
    momentary = ("/etc/machine-id", "/var/lib/dbus/machine-id")
    return sorted(link for link in links if "/fd" not in link and link not in momentary)


def status():
    with open("/proc/self/status") as file:
        return {name: value.strip() for name, _, value in (line.partition(":") for line in file)}


def contents(path):
    with open(path) as file:
        return file.read()


main = sys.modules["__main__"]
seen = {
    "environ": dict(os.environ),
    "argv": sys.argv,
    "orig_argv": sys.orig_argv,
    "path": sys.path,
    "main": [main.__name__, main.__file__, repr(main.__spec__)],
    "cwd": os.getcwd(),
    "mode": mode_of_a_new_file(),
    "signals": {name: status()[name] for name in ("SigBlk", "SigIgn", "SigCgt")},
    "descriptors": descriptors(),
    "streams": [
        (one.encoding, one.errors, one.fileno()) for one in (sys.stdin, sys.stdout, sys.stderr)
    ],
    "stdin": sys.stdin.read(),
    "leads": [os.getsid(0) == os.getpid(), os.getpgrp() == os.getpid()],
    "zone": [time.tzname, time.localtime(0).tm_hour],
    "locale": [
        locale.setlocale(one) for one in (locale.LC_CTYPE, locale.LC_NUMERIC, locale.LC_TIME)
    ],
    "temporary": tempfile.gettempdir(),
    "workers_folder": multiprocessing.process.ORIGINAL_DIR,
    "collects": [gc.isenabled(), gc.get_threshold()],
    "recursion": sys.getrecursionlimit(),
    "writes_bytecode": not sys.dont_write_bytecode,
    "limits": [
        resource.getrlimit(getattr(resource, name)) for name in dir(resource) if "RLIMIT_" in name
    ],
    "nice": os.nice(0),
    "oom_score_adj": contents("/proc/self/oom_score_adj"),
    "processors": sorted(os.sched_getaffinity(0)),
    "control_group": contents("/proc/self/cgroup"),
    "identity": [os.getresuid(), os.getresgid(), os.getgroups()],
    "blas": blas_threads(),
    "session_state": dict(st.session_state),
    "options": {name: st.get_option(name) for name in OPTIONS},
    "secret": st.secrets["key"],
}
st.markdown(json.dumps(seen))
