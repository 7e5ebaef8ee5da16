"""The self-test: one real seat, forked as usher would ask for it, before the template calls itself
ready.

It proves for the installed version what the rest takes for granted: that Streamlit serves on the
socket it was handed, runs a script, and reads the seat's own configuration, environment and
secrets. It repairs nothing.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import tempfile

SCRIPT = """
import json, os, sys
import streamlit as st
st.write("usher")
report = {
    "modules": list(sys.modules),
    "home": st.get_option("theme.primaryColor"),
    "cwd": st.get_option("theme.textColor"),
    "env": st.get_option("theme.backgroundColor"),
    "secret": st.secrets["usher"],
    "argv": sys.argv[1:],
}
with open("report.part", "w") as file:
    json.dump(report, file)
os.replace("report.part", "report.json")
"""
EXPECTED = {
    "home": "#010101",
    "cwd": "#020202",
    "env": "#030303",
    "secret": "own",
    "argv": ["--usher"],
}
HEALTH_CHECK = "server.scriptHealthCheckEnabled"
FLAGS = {
    "server.address": "127.0.0.1",
    "server.headless": True,
    HEALTH_CHECK: True,
    "server.fileWatcherType": "none",
    "browser.gatherUsageStats": False,
    "logger.hideWelcomeMessage": True,
}


class ProbeFailed(Exception):
    """The seat did not do what a seat must."""


class Probe:
    """One self-test. Afterwards `server` is what serves, `modules` what the seat had imported."""

    def __init__(self, template, timeout_s):
        self.template = template
        self.timeout_s = timeout_s
        self.server = None
        self.modules = []

    def run(self):
        """Raises `ProbeFailed`."""
        self.folder = tempfile.mkdtemp(prefix="usher-template-")
        try:
            self.lay_out()
            self.try_seat()
        except OSError as error:
            raise ProbeFailed(repr(error)) from error
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def lay_out(self):
        self.write(
            f'[theme]\nprimaryColor = "{EXPECTED["home"]}"\n', "home", ".streamlit", "config.toml"
        )
        self.write(f'[theme]\ntextColor = "{EXPECTED["cwd"]}"\n', ".streamlit", "config.toml")
        self.write(f'usher = "{EXPECTED["secret"]}"\n', ".streamlit", "secrets.toml")
        self.write(SCRIPT, "app", "probe.py")

    def write(self, text, *names):
        os.makedirs(os.path.dirname(self.path(*names)), exist_ok=True)
        with open(self.path(*names), "w") as file:
            file.write(text)

    def spec(self):
        own = self.template.own_environment
        env = {
            name: value
            for name, value in own.items()
            if not name.startswith(("STREAMLIT_", "PYTHON"))
        }
        env.update(HOME=self.path("home"), STREAMLIT_THEME_BACKGROUND_COLOR=EXPECTED["env"])
        spec = {
            "script": self.path("app", "probe.py"),
            "args": EXPECTED["argv"],
            "cwd": self.folder,
            "env": env,
        }
        return {**spec, "flags": {**FLAGS, "server.port": self.address[1]}, "watch_config": False}

    def try_seat(self):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
            # A port, as most seats have: a Streamlit that wants to bind it itself finds it taken.
            listener.bind(("127.0.0.1", 0))
            listener.listen(8)
            self.address = listener.getsockname()
            output = os.open(self.path("log"), os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
            pid, status = self.template.fork_seat(self.spec(), os.dup(listener.fileno()), output)
        try:
            self.expect(self.get("/_stcore/health"), "health")
            if HEALTH_CHECK in self.template.command.options:
                self.expect(self.get("/_stcore/script-health-check"), "the script")
                self.check_report()
        except (OSError, ProbeFailed) as error:
            raise ProbeFailed(f"{error}; {self.last_words(status)}") from error
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            os.close(status)

    def expect(self, status_code, what):
        if status_code != 200:
            raise ProbeFailed(f"{what} answered {status_code}")

    def check_report(self):
        with open(self.path("report.json")) as file:
            report = json.load(file)
        self.modules = report["modules"]
        wrong = {
            name: report.get(name) for name, value in EXPECTED.items() if report.get(name) != value
        }
        if wrong:
            raise ProbeFailed(f"the seat does not see its own: {wrong}")

    def get(self, path):
        """The status code. The listener exists already: what is not ready yet answers late."""
        with socket.create_connection(self.address, self.timeout_s) as client:
            client.sendall(
                f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
            )
            answer = b""
            while chunk := client.recv(65536):
                answer += chunk
        head = answer.partition(b"\r\n\r\n")[0].decode("latin-1").lower()
        if not head.startswith("http/1."):
            raise ProbeFailed(f"no answer to {path}")
        self.server = "tornado" if "server: tornado" in head else "starlette"
        return int(head.split()[1])

    def last_words(self, status):
        """What the seat said of itself, and the end of its log."""
        try:
            said = os.read(status, 4096).decode("utf-8", "replace")
        except BlockingIOError:
            said = ""
        with open(self.path("log"), errors="replace") as log:
            return f"{said} {log.read()[-1200:]}".strip()
