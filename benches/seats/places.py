"""What is measured: Streamlit started by hand, and usher in front of it."""

import itertools
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
USERS = 12
# Below those that the system gives to connections, or one of these could take a port before its Streamlit listens.
PORTS = itertools.count(10_000 + os.getpid() % 400 * 20)


def free_port():
    """A port that nobody has, and nobody else gets from here."""
    for port in PORTS:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def children(pid):
    """A process and all that it started, however far down."""
    found, left = [], [pid]
    while left:
        pid = left.pop()
        found.append(pid)
        for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
            try:
                left.extend(int(child) for child in task.read_text().split())
            except OSError:
                pass  # it has just ended
    return found


def memory_mib(pid, names):
    """The sum of these lines of a process's memory."""
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    lines = dict(line.split(":", 1) for line in text.splitlines()[1:])
    return sum(int(lines[name].split()[0]) for name in names) / 1024


class Plain:
    """`streamlit run`, as one would type it on a server."""

    def __init__(self, script):
        self.port = free_port()
        command = [sys.executable, "-m", "streamlit", "run", str(HERE / script), "--server.headless=true"]
        options = [f"--server.port={self.port}", "--server.address=127.0.0.1", "--browser.gatherUsageStats=false"]
        self.began = time.perf_counter()
        self.process = subprocess.Popen(
            command + options, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def close(self):
        self.process.kill()
        self.process.wait()


class Usher:
    """Usher as it is shipped, with people at 127.0.0.11 and on."""

    def __init__(self, binary, launch="auto", tls=False):
        self.binary = str(pathlib.Path(binary).resolve())
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="usher-bench-"))
        self.port, self.tls_port, first = free_port(), free_port(), 19000 + os.getpid() % 900 * 10
        people = "".join(
            f"  - {{ name: person{number}, role: user, addresses: [127.0.0.{number}] }}\n"
            for number in range(11, 11 + USERS)
        )
        common = f"python: {sys.executable}, launch: {launch}, ports: {first}-{first + 400}"
        encrypted = ""
        if tls:
            self.run("certificate", "--name", "127.0.0.1", "--directory", str(self.folder / "tls"), configured=False)
            pair = f"certificate: {self.folder}/tls/cert.pem, key: {self.folder}/tls/key.pem"
            encrypted = f'tls: {{ listen: ["127.0.0.1:{self.tls_port}"], {pair}, redirect: false }}\n'
        self.file = self.folder / "usher.yaml"
        self.file.write_text(
            f'listen: ["127.0.0.1:{self.port}"]\nstate_dir: var\n{encrypted}'
            f"apps:\n  lab: {{ script: {HERE}/app.py, {common} }}\n  light: {{ script: {HERE}/light.py, {common} }}\n"
            f"users:\n  - {{ name: browser, role: user, addresses: [127.0.0.1] }}\n{people}"
            "limits: { starts_at_once: 10 }\n"
        )
        self.log = (self.folder / "log").open("wb")
        self.process = subprocess.Popen(
            [self.binary, "serve", "-c", str(self.file)], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log
        )

    def run(self, *words, configured=True):
        """A command of usher's."""
        which = ["-c", str(self.file)] if configured else []
        subprocess.run([self.binary, *words, *which], check=True, capture_output=True, timeout=90)

    def stop_seat(self, person, app="lab"):
        self.run("seat", "stop", person, app)

    def wait_for_template(self):
        """Until the template serves."""
        until = time.monotonic() + 60
        while time.monotonic() < until:
            said = (self.folder / "log").read_text(errors="replace")
            if " serves: Streamlit" in said:
                return
            time.sleep(0.05)
        raise TimeoutError(f"no template:\n{said}")

    def close(self):
        everything = children(self.process.pid)
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        finally:
            for pid in everything:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self.process.wait()
            self.log.close()
            shutil.rmtree(self.folder, ignore_errors=True)
