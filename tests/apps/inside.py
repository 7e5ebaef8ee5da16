"""A Streamlit page that tells what its process looks like from inside, to compare a forked seat with a spawned one."""

import gc
import hashlib
import json
import locale
import os
import random
import secrets
import signal
import sys
import tempfile
import threading
import uuid

import numpy
import streamlit as st

umask = os.umask(0o077)
os.umask(umask)


def link(number: int) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{number}")
    except OSError:
        return "closed"


def handler(name: str) -> str:
    return getattr(signal.getsignal(getattr(signal, name)), "__qualname__", str(signal.getsignal(getattr(signal, name))))


same = {
    "environment": {name: value for name, value in sorted(os.environ.items())},
    "working_directory": os.getcwd(),
    "umask": umask,
    "signals": {name: handler(name) for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGCHLD", "SIGPIPE", "SIGUSR1")},
    "blocked": [str(one) for one in sorted(signal.pthread_sigmask(signal.SIG_BLOCK, []))],
    "leads_its_session": os.getsid(0) == os.getpid(),
    "input": link(0),
    "outputs_are_files": [os.path.isfile(link(1)), os.path.isfile(link(2))],
    "user": [os.getuid(), os.geteuid(), os.getgid(), sorted(os.getgroups())],
    "encoding": [locale.getpreferredencoding(), sys.getfilesystemencoding()],
    "script_folder_importable": os.path.dirname(os.path.abspath(__file__)) in sys.path,
    "name": __name__,
    "garbage_collection": gc.isenabled(),
    "executable": sys.executable,
    "base_path": st.get_option("server.baseUrlPath"),
    "upload_limit": st.get_option("server.maxUploadSize"),
}
own = {
    "random": random.random(),
    "numpy": float(numpy.random.rand()),
    "generator": float(numpy.random.default_rng().random()),
    "uuid": str(uuid.uuid4()),
    "uuid1": str(uuid.uuid1()),
    "secret": secrets.token_hex(),
    "temporary": tempfile.mktemp(),
}
st.text("same=" + json.dumps(same))
st.text("own=" + json.dumps(own))
st.text("cookie_secret=" + hashlib.sha256(str(st.get_option("server.cookieSecret")).encode()).hexdigest())
st.text("threads=" + json.dumps(sorted(thread.name for thread in threading.enumerate())))
st.text("pid=" + str(os.getpid()))
