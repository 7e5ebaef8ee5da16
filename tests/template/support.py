"""What the template's tests share: a template process, the seats it forks, and a browser's side of
Streamlit's WebSocket.

Everything waits for an event with a deadline; nothing sleeps. The interpreter that runs the tests
is the one under test.
"""

from __future__ import annotations

import array
import base64
import contextlib
import json
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import sysconfig
import tempfile
import time

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

LAUNCH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "src", "launch")
TEMPLATE = os.path.join(LAUNCH, "template.py")
DEADLINE_S = 30.0
MINIMAL_SCRIPT = "import streamlit as st\nst.write('hello')\n"
FLAGS = {
    "server.address": "127.0.0.1",
    "server.headless": True,
    "server.fileWatcherType": "none",
    "browser.gatherUsageStats": False,
    "logger.hideWelcomeMessage": True,
    "runner.postScriptGC": False,
}


def script(name):
    """The text of one of the scripts beside this file."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "scripts", f"{name}.py")
    with open(path) as file:
        return file.read()


def known_flags(flags):
    """Those of the flags that the installed version has."""
    from streamlit.web import cli

    options = {option for parameter in cli.main.commands["run"].params for option in parameter.opts}
    return {name: value for name, value in flags.items() if f"--{name}" in options}


def eventually(check, what):
    """The first true value of `check`, asked again and again until the deadline."""
    deadline = time.monotonic() + DEADLINE_S
    while not (value := check()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {DEADLINE_S} s: {what}")
        time.sleep(0.002)
    return value


class Lines:
    """JSON lines from a socket or a pipe, each awaited with a deadline."""

    def __init__(self, receive):
        self.receive = receive
        self.buffer = b""

    def next(self):
        """The next object, or None at the end."""
        while b"\n" not in self.buffer:
            data = self.receive(65536)
            if not data:
                return None
            self.buffer += data
        line, _, self.buffer = self.buffer.partition(b"\n")
        return json.loads(line)


class Control:
    """One connection to a template."""

    def __init__(self, path):
        self.stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.stream.settimeout(DEADLINE_S)
        self.stream.connect(path)
        self.lines = Lines(self.stream.recv)

    def send(self, request, fds=()):
        data = request if isinstance(request, bytes) else json.dumps(request).encode() + b"\n"
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.stream.sendmsg([data], ancillary)

    def next(self):
        return self.lines.next()

    def close(self):
        self.stream.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class TemplateProcess:
    """A template, started as usher starts it; ends with the `with` block, and all its seats."""

    def __init__(
        self,
        python=sys.executable,
        env=None,
        arguments=None,
        pass_fds=(),
        cwd=None,
        prelude=(),
        **configuration,
    ):
        self.folder = tempfile.mkdtemp(prefix="usher-test-")
        self.path = os.path.join(self.folder, "control.sock")
        self.log = open(os.path.join(self.folder, "template.log"), "w+b")
        self.seats = []
        self.places = []
        environment = {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": self.folder,
            **(env or {}),
        }
        self.process = subprocess.Popen(
            [*prelude, python, "-I", TEMPLATE, *(arguments or ["--listen", self.path])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            env=environment,
            pass_fds=pass_fds,
            cwd=cwd,
        )
        self.pid = self.process.pid
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(configuration).encode())
            self.process.stdin.close()
        lines = Lines(lambda size: os.read(self.process.stdout.fileno(), size))
        self.announced = []
        while (line := lines.next()) is not None:
            self.announced.append(line)
        self.ready = (self.announced or [{}])[-1].get("ready")
        self.refused = (self.announced or [{}])[-1].get("refused")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for seat in self.seats:
            seat.close()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.log.close()
        for place in self.places:
            place.remove()
        shutil.rmtree(self.folder, ignore_errors=True)

    def checked(self):
        """Itself, if it is ready."""
        if self.ready is None:
            self.close()
            raise AssertionError(f"not ready: {self.announced}")
        return self

    def said(self):
        self.log.seek(0)
        return self.log.read().decode("utf-8", "replace")

    def excluded(self):
        return {
            line["excluded"]["module"]: line["excluded"]["because"]
            for line in self.announced
            if "excluded" in line
        }

    def ask(self, operation):
        with Control(self.path) as control:
            control.send({"op": operation})
            return control.next()

    def stat(self):
        return self.ask("stat")["template"]

    def watch(self):
        control = Control(self.path)
        control.send({"op": "watch"})
        control.next()
        return control

    def place(self, text=MINIMAL_SCRIPT):
        place = Place(text)
        self.places.append(place)
        return place

    def seat(self, text=MINIMAL_SCRIPT, place=None, **spec):
        seat = Seat(self, place or self.place(text), **spec)
        self.seats.append(seat)
        return seat


class Place:
    """A folder with an app in it, and the log of whatever runs the app."""

    def __init__(self, text):
        self.folder = tempfile.mkdtemp(prefix="usher-seat-")
        os.chmod(self.folder, 0o755)
        self.log_path = os.path.join(self.folder, "seat.log")
        self.script = self.write("app.py", text)

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)
        return path

    def env(self, given=None):
        return {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": self.folder, **(given or {})}

    def open_log(self):
        return os.open(self.log_path, os.O_CREAT | os.O_RDWR | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def said(self):
        with open(self.log_path, errors="replace") as log:
            return log.read()

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)


class Served:
    """Something that serves Streamlit at an address."""

    def __init__(self, place, address):
        self.place = place
        self.address = address

    def connect(self):
        unix = isinstance(self.address, str)
        stream = socket.socket(socket.AF_UNIX if unix else socket.AF_INET, socket.SOCK_STREAM)
        stream.settimeout(DEADLINE_S)
        try:
            stream.connect(self.address)
        except OSError:
            stream.close()
            raise
        return stream

    def get(self, path="/_stcore/health"):
        """(status, body)."""
        with self.connect() as stream:
            stream.sendall(
                f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
            )
            answer = b""
            while chunk := stream.recv(65536):
                answer += chunk
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), body

    def run(self):
        """Runs the script once for a new session; what it wrote."""
        with Browser(self.connect()) as browser:
            return browser.run()

    def report(self):
        """Runs the script, whose last word is a JSON object."""
        return json.loads(self.run()[-1])


class Seat(Served):
    """A seat that was asked for: its control connection, its process, its endpoint."""

    def __init__(
        self,
        template,
        place,
        unix=True,
        env=None,
        flags=None,
        drop=(),
        protocol=socket.IPPROTO_TCP,
        hold=False,
        **spec,
    ):
        address, listener = self.listen(place, unix, protocol)
        super().__init__(place, address)
        self.spec = {
            "script": place.script,
            "cwd": place.folder,
            "env": place.env(env),
            "flags": {**FLAGS, **({} if unix else {"server.port": address[1]}), **(flags or {})},
            "watch_config": False,
            **spec,
        }
        for name in drop:
            del self.spec[name]
        memory, log = os.memfd_create("spec"), place.open_log()
        os.write(memory, json.dumps(self.spec).encode())
        self.control = Control(template.path)
        self.asked_at = time.perf_counter()
        request = {"op": "fork", "hold": True} if hold else {"op": "fork"}
        self.control.send(request, [memory, listener.fileno(), log])
        os.close(memory)
        os.close(log)
        listener.close()
        self.first = self.control.next()
        self.pid = self.first.get("forked", {}).get("pid")
        self.pidfd = self.open_pidfd()
        self.second = self.control.next() if self.pid else None

    def open_pidfd(self):
        try:
            return os.pidfd_open(self.pid) if self.pid else None
        except ProcessLookupError:
            return None  # it could not be set up, and is reaped already

    @staticmethod
    def listen(place, unix, protocol):
        if unix:
            path = tempfile.mktemp(prefix="s", dir=place.folder)
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            listener.bind(path)
        else:
            listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, protocol)
            listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        return listener.getsockname(), listener

    def name(self):
        return {key: self.first["forked"][key] for key in ("pid", "start_ticks")}

    def kill(self, number=signal.SIGKILL):
        signal.pidfd_send_signal(self.pidfd, number)

    def wait(self):
        """Until the process has ended, whoever reaps it."""
        if not select.select([self.pidfd], [], [], DEADLINE_S)[0]:
            raise AssertionError(f"seat {self.pid} does not end: {self.place.said()}")

    def exited(self):
        """The exit as the template reports it on the request's connection."""
        while (line := self.control.next()) is not None:
            if "exited" in line:
                return line["exited"]
        return None

    def end(self):
        """Kills it and waits for the template's word."""
        self.kill()
        return self.exited()

    def close(self):
        if self.pidfd is not None:
            with contextlib.suppress(ProcessLookupError):
                self.kill()
            os.close(self.pidfd)
            self.pidfd = None
        self.control.close()


class StartedByHand(Served):
    """What the forked seats are compared with: `python -m streamlit run`, in the same place."""

    def __init__(self, place, port, flags, env, args, umask):
        options = [
            f"--{name}={value if isinstance(value, str) else json.dumps(value)}"
            for name, value in flags.items()
        ]
        log = place.open_log()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", *options, "--", place.script, *args],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=place.folder,
            env=place.env(env),
            umask=umask,
            start_new_session=True,
        )
        os.close(log)
        super().__init__(place, ("127.0.0.1", port))
        eventually(self.answers, "a Streamlit started by hand")

    def answers(self):
        if self.process.poll() is not None:
            raise AssertionError(self.place.said())
        try:
            return self.get()[0] == 200
        except ConnectionRefusedError:
            return False

    def close(self):
        self.process.kill()
        self.process.wait()


class Browser:
    """A browser's session with a Streamlit server: the WebSocket by hand, the messages by
    Streamlit's own classes."""

    def __init__(self, stream):
        self.stream = stream
        self.buffer = b""
        key = base64.b64encode(os.urandom(16)).decode()
        head = (
            *("GET /_stcore/stream HTTP/1.1", "Host: localhost", "Upgrade: websocket"),
            *("Connection: Upgrade", f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13"),
            *("Sec-WebSocket-Protocol: streamlit", "", ""),
        )
        self.stream.sendall("\r\n".join(head).encode())
        while b"\r\n\r\n" not in self.buffer:
            self.buffer += self.some()
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        if b" 101 " not in head.split(b"\r\n")[0]:
            raise ConnectionError(head.decode("latin-1"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.close()

    def some(self):
        data = self.stream.recv(262144)
        if not data:
            raise ConnectionError("closed")
        return data

    def take(self, count):
        while len(self.buffer) < count:
            self.buffer += self.some()
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def send(self, payload, opcode=2):
        size = len(payload)
        head = bytes([0x80 | opcode]) + (
            bytes([0x80 | size]) if size < 126 else bytes([0x80 | 126]) + struct.pack(">H", size)
        )
        self.stream.sendall(head + bytes(4) + payload)  # a mask of zeros

    def receive(self):
        """The next data message."""
        whole = b""
        while True:
            first, second = self.take(2)
            size = second & 0x7F
            if size >= 126:
                size = (
                    struct.unpack(">H", self.take(2))[0]
                    if size == 126
                    else struct.unpack(">Q", self.take(8))[0]
                )
            payload = self.take(size)
            opcode = first & 0x0F
            if opcode == 8:
                raise ConnectionError(f"closed by the server: {payload!r}")
            if opcode == 9:
                self.send(payload, opcode=10)
            if opcode <= 2:
                whole += payload
                if first & 0x80:
                    return whole

    def run(self):
        """Reruns the script to its end. What it wrote, in order: the bodies of its markdown, or an
        exception raised here."""
        message = BackMsg()
        message.rerun_script.query_string = ""
        self.send(message.SerializeToString())
        written = []
        while True:
            forward = ForwardMsg()
            forward.ParseFromString(self.receive())
            kind = forward.WhichOneof("type")
            if kind == "script_finished":
                return written
            if kind == "delta" and forward.delta.WhichOneof("type") == "new_element":
                element = forward.delta.new_element
                if element.WhichOneof("type") == "exception":
                    raise AssertionError(
                        f"{element.exception.type}: {element.exception.message}\n"
                        + "\n".join(element.exception.stack_trace)
                    )
                if element.WhichOneof("type") == "markdown":
                    written.append(element.markdown.body)


class MadeUpEnvironment:
    """A virtual environment with all the packages of the one under test and some modules of the
    test's own."""

    def __init__(self, modules=(), leave_out=()):
        self.folder = tempfile.mkdtemp(prefix="usher-venv-")
        real = sysconfig.get_paths()["purelib"]
        self.site = os.path.join(self.folder, os.path.relpath(real, sys.prefix))
        os.makedirs(self.site)
        os.makedirs(os.path.join(self.folder, "bin"))
        self.python = os.path.join(self.folder, "bin", "python")
        os.symlink(os.path.realpath(sys.executable), self.python)
        shutil.copy(os.path.join(sys.prefix, "pyvenv.cfg"), self.folder)
        for name in os.listdir(real):
            if name != "__pycache__" and name not in leave_out:
                os.symlink(os.path.join(real, name), os.path.join(self.site, name))
        for name, text in dict(modules).items():
            self.write(name, text)

    def write(self, name, text):
        path = os.path.join(self.site, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)

    def edit(self, name, *replacements):
        """Another version of an installed file. The folders around it become the environment's own,
        the rest stays as it is."""
        path = self.site
        for part in name.split("/"):
            path = os.path.join(path, part)
            real = os.path.realpath(path)
            if os.path.islink(path):
                os.unlink(path)
                if os.path.isdir(real):
                    os.mkdir(path)
                    for entry in os.listdir(real):
                        if entry != "__pycache__":
                            os.symlink(os.path.join(real, entry), os.path.join(path, entry))
                else:
                    shutil.copy(real, path)
        with open(path) as file:
            text = file.read()
        for old, new in replacements:
            if old not in text:
                raise AssertionError(f"{name} has no {old!r}")
            text = text.replace(old, new)
        with open(path, "w") as file:
            file.write(text)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        shutil.rmtree(self.folder)
