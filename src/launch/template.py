"""The warm template: one Python process per app that has imported Streamlit and what the app
imports, and forks a seat on request.

It must not import user code, must not learn a seat's secrets, and must have exactly one thread
whenever it forks. It decides nothing about seats: what a seat is given comes from usher, and the
rest is what `python -m streamlit run` would do. Whenever it cannot vouch for a seat it refuses with
a reason, and usher spawns instead. Linux and Python 3.9 or later; anything else is refused.


FILES   This one, template_process.py, template_modules.py, template_imports.py, template_seat.py and
        template_probe.py, written into one folder.

START   PYTHON -I template.py --listen PATH
            The template makes the socket (0600) when it is ready, in the place of a dead one's, and
            removes it when it ends by order. A path is at most 107 bytes.
        PYTHON -I template.py --listen-fd N
            Usher made it, passes it, and removes it. Connections wait in its backlog.

Give it the app's environment and working directory (libraries read both when they are imported),
without anything that belongs to one user; a log as standard error; and one JSON object on standard
input, up to its end. Every key has a default:

    "preload": []   module names of the configuration
    "scripts": []   paths of scripts; they are read, never run: what they say they import is imported
    "learned": []   module names that a seat wrote for `learn`
    "exclude": []   names never to import ahead; a name covers what is below it
    "warm": true    run Streamlit's commands once without a session, so that first runs are cheaper
    "orphan_after_s": 600       end when there was neither a connection nor a seat for so long
    "self_test_timeout_s": 15   for each of the two answers that the self-test waits for

Standard output has one JSON object a line and is closed after the last. Before the last line
nothing is served; on a busy machine it may take ten seconds.

    {"importing": "polars"}
        About to import this package: whom to exclude if the process now dies or hangs.
    {"excluded": {"module", "because", "detail"}}
        Importing it left something that a fork would share: because is thread, descriptor,
        shared_memory, outside (it imported what is not the environment's) or self_test. The process
        starts itself again without it, with the same PID and start time. Keep the name, and send it
        in `exclude` from now on, as long as the environment stays the same. Names in brackets
        stand for steps of this one start and are not for keeping: "(warm-up)", and "(preload)", all
        of `preload` and `learned`.
    {"ready": {...as "template" below...}}
        The last line: it serves.
    {"refused": {"reason", "detail"}}
        The last line: this environment cannot be forked; exit code 1. Reasons: platform, request,
        streamlit, thread, descriptor, shared_memory, self_test, socket, too_many_attempts, fault.

It leads its own session, so that a terminal's Ctrl-C is usher's. SIGTERM ends it at once. Its seats
live on whatever ends it.


CONTROL A connection carries one request, a JSON object and a newline of at most 4096 bytes within
10 s, and one JSON object a line back. Peers that run neither as root nor as the template's own
account are turned away.

{"op": "fork"}, with SCM_RIGHTS [SPEC, LISTENER, LOG] on its first byte
    SPEC is readable (a memfd, a file, a pipe whose writer is gone) and holds the JSON object below.
    The seat reads it, from its start; the template does not, so that one user's secrets never are
    in the memory from which the next user's process is copied. LISTENER is the seat's listening
    socket, TCP or Unix. LOG becomes its standard output and error. Answers, in this order:
        {"forked": {"pid", "start_ticks", "fork_us"}}
            start_ticks is field 22 of /proc/PID/stat.
        {"seat": {"dropped_flags": [], "stale_environment": []}}
            It is set up and now becomes Streamlit. Flags that this version lacks were left out;
            the variables are those that only a process's start could have applied. Or
        {"failed": {"step", "detail"}}
            It could not be set up and exits with code 71. Neither line: it was killed meanwhile.
        {"exited": {"pid", "start_ticks", "code", "signal"}}
            One of code and signal is null. The connection stays open until this and may be dropped
            at any time; the seat does not notice. Unless
{"op": "fork", "hold": true}
    was the request: then the seat is killed if the connection ends before {"op": "keep"} came on it,
    and not even forked if it has ended already. So a usher that dies, or gives up waiting, before
    it has written down what it asked for leaves nothing behind.
{"op": "watch"}
    {"template": {...}}, then {"forked"} and {"exited"} of every seat, until either side closes.
    A living usher keeps one open: without any connection the template is an orphan.
{"op": "stat"}
    {"template": {...}}
{"op": "end"}
    {"ending": {"seats"}}: how many live on, without a parent that reports their exit.
Otherwise
    {"error": {"code", "detail"}}. Codes: request, full, fork, thread, descriptor,
    environment_changed. After one of the last three it will never fork again: start another, and
    end this one, now or when its last seat has gone.

"template" is {"protocol": 1, "pid", "start_ticks", "python", "streamlit", "server": "starlette" or
"tornado", "modules", "threads", "rss_bytes", "uptime_s", "start_ms", "self_test_ms", "excluded":
[names], "skipped": {name: why it could not be imported}, "warm": "done", "off" or why not,
"children": [{"pid", "start_ticks"}], "exited": [the last 256, as above], "changed": what is no
longer as it was when it started, so that it will not fork again, or null}.


SPEC    script, cwd     absolute paths; required
        env             the whole environment; required
        args            [] what follows the script's name
        flags           {} Streamlit's options, as {"server.port": 8501} or {"server.port": "8501"};
                        a list for one that may be repeated
        cookie_secret   becomes STREAMLIT_SERVER_COOKIE_SECRET; a random one without it
        sys_path        [] before the standard library, after the script's folder: `python -m
                        streamlit` puts the working directory there, `streamlit` does not
        umask           a number; left as it is without it
        title           shown by ps and top
        uid, gid        and groups ([gid] without it): who the seat runs as; needs root. That
                        account must be able to read the interpreter's library
        oom_score_adj   0
        watch_config    true: Streamlit watches its config.toml and secrets.toml. In 1.67 that is
                        up to four polling threads, and where there are secrets 0.3 to 0.9 s of the
                        start
        learn           a path, where the seat writes {"version": 1, "python", "streamlit",
                        "modules": [names]} once its first script run has ended and nothing new was
                        imported for two seconds, again if that grew in the first minute, and at its
                        end. The list includes what this template had imported ahead
        Null stands for the default. Unknown keys are errors.

A seat has its own session, default signals, and no descriptor but 0 (/dev/null), 1, 2 (the log)
and 3 (the listener). By its mark, the variable USHER_SEAT in /proc/PID/environ, usher finds whatever
is a seat's: the seat writes its own over the template's, which must be at least as long. What it
cannot have of its own: the hash seed, the address layout, and what libraries read from the
environment when the template imported them.
"""

from __future__ import annotations

import array
import gc
import json
import os
import select
import signal
import socket
import struct
import sys
import time
import traceback

STARTED = time.monotonic()

OWN_MODULES = (
    *("template_process", "template_modules", "template_imports"),
    *("template_seat", "template_probe"),
)
FOLDER = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, FOLDER)  # `-I` leaves it out, and so it shall be again for everybody else
try:
    from template_imports import imported_by
    from template_modules import (
        NO_POOLS,
        Environment,
        Intrusion,
        Preloader,
        add_user_site,
        copy_options_ahead,
        learned_names,
        memoise_component_scan,
        package_of,
        pool_setters,
        warm_up,
    )
    from template_probe import Probe, ProbeFailed
    from template_process import (
        default_signals,
        describe_descriptor,
        log,
        open_descriptors,
        other_threads,
        python_version,
        read_all,
        rss_bytes,
        start_ticks,
    )
    from template_seat import SETUP_FAILED, Seat, StreamlitRun
finally:
    sys.path.remove(FOLDER)

PROTOCOL = 1
REQUEST_BYTES_MAX = 4096
REQUEST_FDS = 3
REQUEST_TIMEOUT_S = 10.0
CONFIGURATION_BYTES_MAX = 4 << 20
SEATS_MAX = 400
CONNECTIONS_MAX = 500
DESCRIPTORS_SPARE = 64
EXITED_MAX = 256
ATTEMPTS_MAX = 12

WARM_UP = "(warm-up)"
PRELOAD = "(preload)"


class Refused(Exception):
    """This environment cannot be forked. `reason` is one of those named above."""

    def __init__(self, reason, detail):
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = str(detail)


# --------------------------------------------------------------------------------------------------
# Serving


class Connection:
    """One client of the control socket: first a request, then what is reported to it."""

    def __init__(self, stream):
        self.stream = stream
        self.since = time.monotonic()
        self.buffer = b""
        self.fds = []
        self.asked = False
        self.watching = False
        self.holding = False

    def close(self):
        close_all(self.take_fds())
        self.stream.close()

    def take_fds(self):
        fds, self.fds = self.fds, []
        return fds

    def has_gone(self):
        """Whether the client has hung up."""
        try:
            return not self.stream.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def send(self, message):
        """Whether it was sent. A client that does not read what little it is sent is given up."""
        line = json.dumps(message).encode() + b"\n"
        try:
            return self.stream.send(line) == len(line)
        except OSError:
            return False

    def read(self):
        """The request once it is complete, else None. Raises EOFError if the client has gone,
        ValueError for what is no request."""
        room = socket.CMSG_SPACE(REQUEST_FDS * array.array("i").itemsize)
        data, ancillary, flags, _ = self.stream.recvmsg(
            REQUEST_BYTES_MAX, room, socket.MSG_CMSG_CLOEXEC
        )
        for level, kind, payload in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds = array.array("i")
                fds.frombytes(payload[: len(payload) - len(payload) % fds.itemsize])
                self.fds.extend(fds)
        if not data:
            raise EOFError
        self.buffer += data
        if (
            (self.asked and not self.holding)
            or flags & socket.MSG_CTRUNC
            or len(self.fds) > REQUEST_FDS
            or len(self.buffer) > REQUEST_BYTES_MAX
        ):
            raise ValueError("one small request a connection")
        if not self.buffer.endswith(b"\n"):
            return None
        self.asked = True
        try:
            request = json.loads(self.buffer)
        except RecursionError:
            request = None
        self.buffer = b""
        if not isinstance(request, dict):
            raise ValueError("not an object")
        return request


class Child:
    """A seat's process, as the template that forked it knows it."""

    def __init__(self, pid, status, connection):
        self.pid = pid
        self.pidfd = os.pidfd_open(pid)
        self.status = status
        self.connection = connection
        self.held = connection.holding
        self.start_ticks = start_ticks(pid)

    def name(self):
        return {"pid": self.pid, "start_ticks": self.start_ticks}

    def fds(self):
        return {self.pidfd} if self.status is None else {self.pidfd, self.status}


class Template:
    """Forks seats, reaps them, and tells whoever asks."""

    def __init__(self, environment, own_environment):
        self.environment = environment
        self.own_environment = own_environment
        self.own_modules = OWN_MODULES
        self.command = StreamlitRun()
        self.facts = {}
        self.core_names = set()
        self.packages = self.ahead = frozenset()
        self.learned = []
        self.imposed = {}
        self.suggested = {}
        self.undo_component_scan = lambda: None
        self.use_options_ahead = lambda: None
        self.pool_setters = []
        self.listener = None
        self.path = None
        self.descriptors = set()
        self.orphan_after_s = 600.0
        descriptors = os.sysconf("SC_OPEN_MAX") - DESCRIPTORS_SPARE
        self.seats_max = min(SEATS_MAX, descriptors // 4)  # two each, when it starts
        self.connections_max = min(CONNECTIONS_MAX, descriptors // 2)
        self.poll = select.poll()
        self.connections = {}
        self.children = {}
        self.exited = []

    # The loop

    def serve(self):
        self.listener.setblocking(False)
        self.poll.register(self.listener, select.POLLIN)
        idle_since = time.monotonic()
        while True:
            events = self.poll.poll(self.patience_ms(idle_since))
            for fd, _ in events:
                self.handle(fd)
            self.drop_slow_requests()
            if events or self.connections or self.children:
                idle_since = time.monotonic()
            elif time.monotonic() - idle_since >= self.orphan_after_s:
                log("no usher and no seat: ending")
                self.end()

    def patience_ms(self, idle_since):
        if any(not connection.asked for connection in self.connections.values()):
            return 1000
        if self.connections or self.children:
            return None
        return max(0.0, self.orphan_after_s - (time.monotonic() - idle_since)) * 1000 + 1

    def handle(self, fd):
        if fd == self.listener.fileno():
            self.accept()
        elif fd in self.connections:
            self.read(self.connections[fd])
        for child in [child for child in self.children.values() if fd in child.fds()]:
            if fd == child.status:
                self.relay(child)
            else:
                self.reap(child)

    def accept(self):
        try:
            stream, _ = self.listener.accept()
        except OSError:
            return  # it has gone again
        peer_uid = struct.unpack(
            "3i", stream.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        )[1]
        if peer_uid not in (0, os.geteuid()) or len(self.connections) >= self.connections_max:
            stream.close()
            return
        stream.setblocking(False)
        self.connections[stream.fileno()] = Connection(stream)
        self.poll.register(stream, select.POLLIN)

    def drop(self, connection):
        for child in self.children.values():
            if child.connection is connection:
                child.connection = None
                if child.held:
                    signal.pidfd_send_signal(child.pidfd, signal.SIGKILL)
        if self.connections.pop(connection.stream.fileno(), None) is not None:
            self.poll.unregister(connection.stream)
        connection.close()

    def drop_slow_requests(self):
        late = time.monotonic() - REQUEST_TIMEOUT_S
        for connection in [
            one for one in self.connections.values() if not one.asked and one.since < late
        ]:
            self.drop(connection)

    # Requests

    def read(self, connection):
        try:
            request = connection.read()
        except BlockingIOError:
            return
        except (EOFError, OSError):
            self.drop(connection)
            return
        except ValueError as error:
            self.fail(connection, "request", error)
            return
        if request is not None:
            self.answer(connection, request)

    def answer(self, connection, request):
        operation = request.get("op")
        if connection.holding:
            self.keep(connection, operation)
        elif operation == "fork":
            self.fork(connection, request.get("hold") is True)
        elif operation == "stat":
            self.tell(connection, {"template": self.describe()}, last=True)
        elif operation == "watch":
            connection.watching = True
            self.tell(connection, {"template": self.describe()})
        elif operation == "end":
            self.tell(connection, {"ending": {"seats": len(self.children)}}, last=True)
            self.end()
        else:
            self.fail(connection, "request", f"no such operation: {operation!r}")

    def tell(self, connection, message, last=False):
        """Sends, and closes if it was the last word or could not be said."""
        if not connection.send(message) or last:
            self.drop(connection)

    def tell_watchers(self, message):
        for connection in [one for one in self.connections.values() if one.watching]:
            self.tell(connection, message)

    def fail(self, connection, code, detail):
        self.tell(connection, {"error": {"code": code, "detail": str(detail)}}, last=True)

    def describe(self):
        return {
            "protocol": PROTOCOL,
            "pid": os.getpid(),
            "start_ticks": start_ticks(),
            "modules": len(sys.modules),
            "threads": len(os.listdir("/proc/self/task")),
            "rss_bytes": rss_bytes(),
            "uptime_s": round(time.monotonic() - STARTED, 3),
            **self.facts,
            "children": [child.name() for child in self.children.values()],
            "exited": self.exited,
            "changed": self.environment.changed(),
        }

    def end(self):
        if self.path is not None:
            try:
                os.unlink(self.path)
            except OSError:
                pass
        os._exit(0)

    # Seats

    def keep(self, connection, operation):
        """What was asked for has been written down."""
        if operation != "keep":
            self.fail(connection, "request", "keep, or nothing")
            return
        connection.holding = False
        for child in self.children.values():
            if child.connection is connection:
                child.held = False

    def fork(self, connection, hold):
        fds = connection.take_fds()
        if hold and connection.has_gone():
            close_all(fds)
            self.drop(connection)
            return
        connection.holding = hold
        refusal = self.refusal(fds)
        if refusal is not None:
            close_all(fds)
            self.fail(connection, *refusal)
            return
        began = time.perf_counter()
        try:
            pid, status = self.fork_seat(*fds)
        except OSError as error:
            self.fail(connection, "fork", error)
            return
        self.adopt(Child(pid, status, connection), round((time.perf_counter() - began) * 1e6))

    def refusal(self, fds):
        """Why there must be no fork now: (code, detail), or None."""
        if len(fds) != REQUEST_FDS:
            return "request", "three descriptors: specification, listener, log"
        if len(self.children) >= self.seats_max:
            return "full", f"{self.seats_max} seats"
        threads = other_threads()
        if threads:
            return "thread", ", ".join(threads)
        changed = self.environment.changed()
        if changed is not None:
            return "environment_changed", changed
        foreign = open_descriptors() - self.descriptors - self.known_fds() - set(fds)
        if foreign:
            return "descriptor", describe_descriptor(min(foreign))
        return None

    def known_fds(self):
        known = {self.listener.fileno(), *self.connections}
        known.update(fd for connection in self.connections.values() for fd in connection.fds)
        known.update(fd for child in self.children.values() for fd in child.fds())
        return known

    def fork_seat(self, spec, listener, output):
        """Forks. In the parent, returns the child's PID and the reading end of its report; in the
        child it does not return. `spec` is a descriptor, or for the self-test an object. The
        descriptors become the child's: here they are closed."""
        reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        given = [writing, listener, output] + ([spec] if isinstance(spec, int) else [])
        parent = os.getpid()
        sys.stdout.flush()
        sys.stderr.flush()
        try:
            pid = os.fork()
        except OSError:
            close_all([reading, *given])
            raise
        if pid == 0:
            code = SETUP_FAILED
            try:
                self.leave()
                code = Seat(self, spec, listener, output, writing, parent).run()
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        close_all(given)
        return pid, reading

    def leave(self):
        """In the child: lets go of every object that holds a descriptor, before the numbers are
        closed and used again."""
        for connection in self.connections.values():
            connection.stream.detach()
        if self.listener is not None:
            self.listener.detach()
        self.connections, self.children, self.exited = {}, {}, []
        self.listener = self.poll = None

    def adopt(self, child, fork_us):
        self.children[child.pid] = child
        for fd in child.fds():
            self.poll.register(fd, select.POLLIN)
        message = {"forked": {**child.name(), "fork_us": fork_us}}
        self.tell_watchers(message)
        self.tell(child.connection, message)

    def relay(self, child):
        """Passes on what the seat says of its set-up. An end of file alone: it died before."""
        try:
            said = os.read(child.status, 65536)
        except BlockingIOError:
            return
        self.close_status(child)
        if said and child.connection is not None:
            try:
                self.tell(child.connection, json.loads(said))
            except ValueError:
                log(f"seat {child.pid} reported {said[:200]!r}")

    def close_status(self, child):
        if child.status is not None:
            self.poll.unregister(child.status)
            os.close(child.status)
            child.status = None

    def reap(self, child):
        end = os.waitid(os.P_PIDFD, child.pidfd, os.WEXITED | os.WNOHANG)
        if end is None:
            return
        if child.status is not None:
            self.relay(child)
        self.close_status(child)
        self.poll.unregister(child.pidfd)
        os.close(child.pidfd)
        del self.children[child.pid]
        ended = end.si_code == os.CLD_EXITED
        code, number = (end.si_status, None) if ended else (None, end.si_status)
        exited = {**child.name(), "code": code, "signal": number}
        self.exited = [*self.exited, exited][-EXITED_MAX:]
        gc.collect()  # of the little that came after the start
        self.tell_watchers({"exited": exited})
        if child.connection is not None:
            self.tell(child.connection, {"exited": exited}, last=True)


def close_all(fds):
    for fd in fds:
        os.close(fd)


# --------------------------------------------------------------------------------------------------
# Starting


class Announcer:
    """The protocol's side of standard output. Modules that print when they are imported print to
    the log."""

    def __init__(self):
        self.fd = os.dup(1)
        os.dup2(2, 1)

    def __call__(self, message):
        data = json.dumps(message).encode() + b"\n"
        try:
            while data:
                data = data[os.write(self.fd, data) :]
        except OSError:
            pass  # usher has gone; the next one asks `stat`

    def give_back(self):
        sys.stdout.flush()
        os.dup2(self.fd, 1)

    def close(self):
        os.close(self.fd)


class Configuration:
    """What usher wrote on standard input and, from one attempt to the next, what was found out."""

    KEYS = (
        *("preload", "scripts", "learned", "exclude", "warm"),
        *("orphan_after_s", "self_test_timeout_s", "attempt"),
    )

    def __init__(self, given):
        if not isinstance(given, dict) or not given.keys() <= set(self.KEYS):
            raise ValueError(f"not an object of {', '.join(self.KEYS[:-1])}")
        self.preload = names_of(given, "preload")
        self.scripts = names_of(given, "scripts")
        self.learned = names_of(given, "learned")
        self.exclude = names_of(given, "exclude")
        self.warm = bool(given.get("warm", True))
        self.orphan_after_s = float(given.get("orphan_after_s", 600))
        self.self_test_timeout_s = float(given.get("self_test_timeout_s", 15))
        self.attempt = int(given.get("attempt", 1))

    def names(self):
        """What is to be imported ahead, and what of it is only a guess."""
        if PRELOAD in self.exclude:
            return [], set()
        names, guesses = imported_by(self.scripts)
        return [*self.preload, *names, *self.learned], guesses

    def for_next_attempt(self):
        return {**{key: getattr(self, key) for key in self.KEYS}, "attempt": self.attempt + 1}


def names_of(given, key):
    value = given.get(key, [])
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ValueError(f"{key} is not a list of names")
    return list(value)


class Start:
    """One attempt to become a template that may fork."""

    def __init__(self, announcer, configuration):
        self.announcer = announcer
        self.configuration = configuration
        self.own_environment = dict(os.environ)
        for name, value in NO_POOLS.items():
            os.environ.setdefault(name, value)
        add_user_site()
        self.environment = Environment()
        self.preloader = Preloader(self.environment, configuration.exclude, announcer)

    def run(self):
        """The template, ready to serve. Raises `Refused`; does not return where it begins another
        attempt."""
        template = self.core()
        before = dict(os.environ)
        self.preload()
        self.warm_up(template)
        self.self_test(template)
        template.suggested = {
            name: value for name, value in os.environ.items() if before.get(name) != value
        }
        template.packages = frozenset(package_of(name) for name in sys.modules)
        template.ahead = frozenset(sys.modules)
        template.learned = learned_names(
            dict(sys.modules), template.core_names, self.environment, ()
        )
        template.orphan_after_s = self.configuration.orphan_after_s
        template.descriptors = self.preloader.descriptors - {self.announcer.fd}
        self.environment.remember()
        return template

    def core(self):
        try:
            self.preloader.core()
            template = Template(self.environment, self.own_environment)
            template.undo_component_scan = memoise_component_scan()
            template.use_options_ahead = copy_options_ahead()
            self.preloader.look()
        except Intrusion as intrusion:
            raise Refused(
                intrusion.because, f"importing Streamlit: {intrusion.detail}"
            ) from intrusion
        except (ImportError, AttributeError, LookupError) as error:
            raise Refused("streamlit", error) from error
        template.core_names = self.preloader.core_names
        template.imposed = self.preloader.imposed
        template.facts = {
            "python": python_version(),
            "streamlit": sys.modules["streamlit"].__version__,
            "excluded": self.configuration.exclude,
            "skipped": self.preloader.skipped,
            "warm": "off",
        }
        return template

    def preload(self):
        names, guesses = self.configuration.names()
        try:
            self.preloader.load(names, guesses)
            self.preloader.look_at_memory()
        except Intrusion as intrusion:
            if not names:
                raise Refused(intrusion.because, intrusion.detail) from intrusion
            self.again_without(intrusion.module or PRELOAD, intrusion)

    def warm_up(self, template):
        if not self.configuration.warm or WARM_UP in self.configuration.exclude:
            return
        try:
            warm_up()
            template.facts["warm"] = "done"
        except Exception as error:
            template.facts["warm"] = f"{type(error).__name__}: {error}"[:200]
        try:
            self.preloader.look()
        except Intrusion as intrusion:
            self.again_without(WARM_UP, intrusion)

    def self_test(self, template):
        """What its seat had to import is imported here afterwards, so that the others need not."""
        began = time.perf_counter()
        default_signals()  # whatever modules made of them
        template.pool_setters = pool_setters()
        probe = Probe(template, self.configuration.self_test_timeout_s)
        try:
            probe.run()
        except ProbeFailed as error:
            if self.configuration.names()[0]:  # perhaps one of these is to blame
                self.again_without(PRELOAD, Intrusion("self_test", error))
            raise Refused("self_test", error) from error
        template.core_names |= set(probe.modules) - set(sys.modules)
        try:
            self.preloader.load(name for name in probe.modules if not name.startswith("__"))
        except Intrusion as intrusion:
            self.again_without(intrusion.module, intrusion)
        template.facts["server"] = probe.server
        template.facts["self_test_ms"] = milliseconds(time.perf_counter() - began)

    def again_without(self, module, intrusion):
        """Replaces this process, threads and all, by one that leaves the module out."""
        configuration = self.configuration
        excluded = {"module": module, "because": intrusion.because, "detail": intrusion.detail}
        self.announcer({"excluded": excluded})
        if configuration.attempt >= ATTEMPTS_MAX:
            raise Refused("too_many_attempts", f"{module}: {intrusion}")
        log(f"{module} is not imported ahead ({intrusion}); starting again")
        configuration.exclude.append(module)
        if configuration.attempt == ATTEMPTS_MAX - 1:
            configuration.exclude.append(PRELOAD)
        memory = os.memfd_create("usher-template")
        os.write(memory, json.dumps(configuration.for_next_attempt()).encode())
        os.dup2(memory, 0)
        self.announcer.give_back()
        sys.stderr.flush()
        for fd in open_descriptors() - {0, 1, 2, listen_fd()}:
            os.close(fd)  # a module may have opened it for its own child processes
        os.environ.clear()
        os.environ.update(self.own_environment)
        os.execv(sys.executable, getattr(sys, "orig_argv", [sys.executable, "-I", *sys.argv]))


def milliseconds(seconds):
    return round(seconds * 1000, 1)


def listen_fd():
    """The number of the listener that usher passed, or None."""
    return int(sys.argv[2]) if sys.argv[1:2] == ["--listen-fd"] else None


def check_socket():
    """Refuses the path of a template that lives."""
    if listen_fd() is not None:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        try:
            client.connect(sys.argv[2])
        except (FileNotFoundError, ConnectionRefusedError):
            return
        except OSError as error:
            raise Refused("socket", error) from error
    raise Refused("socket", f"another template answers at {sys.argv[2]}")


def listen():
    """The control socket, and its path if it is ours to remove."""
    if listen_fd() is not None:
        return socket.socket(fileno=listen_fd()), None
    path = sys.argv[2]
    try:
        if os.path.lexists(path):
            os.unlink(path)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        umask = os.umask(0o177)
        try:
            listener.bind(path)
        finally:
            os.umask(umask)
        listener.listen(128)
    except OSError as error:
        raise Refused("socket", error) from error
    return listener, path


def check_platform():
    if not sys.platform.startswith("linux") or sys.version_info < (3, 9):
        raise Refused("platform", f"{sys.platform}, Python {python_version()}")
    try:
        os.close(os.pidfd_open(os.getpid()))
        os.listdir("/proc/self/task")
    except (AttributeError, OSError) as error:
        raise Refused("platform", error) from error


def read_configuration():
    """From standard input, which is /dev/null from then on, as it will be in the seats."""
    if len(sys.argv) != 3 or sys.argv[1] not in ("--listen", "--listen-fd"):
        raise Refused("request", "--listen PATH or --listen-fd N")
    try:
        configuration = Configuration(
            json.loads(read_all(os.dup(0), CONFIGURATION_BYTES_MAX) or b"{}")
        )
    except (ValueError, TypeError) as error:
        raise Refused("request", f"standard input: {error}") from error
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    os.dup2(null, 0)
    os.close(null)
    return configuration


def start(announcer):
    """The template, listening."""
    check_platform()
    try:
        os.setsid()  # a terminal's Ctrl-C is usher's
    except OSError:
        pass  # it leads a session already: this is another attempt, or usher saw to it
    default_signals()
    configuration = read_configuration()
    check_socket()
    template = Start(announcer, configuration).run()
    default_signals()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    template.listener, template.path = listen()
    gc.collect()
    gc.freeze()
    template.facts["start_ms"] = milliseconds(time.monotonic() - STARTED)
    return template


def main():
    gc.disable()  # what is imported is never garbage, and looking for some would unshare pages
    announcer = Announcer()
    try:
        template = start(announcer)
    except Refused as refusal:
        announcer({"refused": {"reason": refusal.reason, "detail": refusal.detail}})
        os._exit(1)
    except Exception as error:
        traceback.print_exc()
        announcer(
            {"refused": {"reason": "fault", "detail": f"{type(error).__name__}: {error}"[:1000]}}
        )
        os._exit(1)
    announcer({"ready": template.describe()})
    announcer.close()
    template.serve()


if __name__ == "__main__":
    main()
