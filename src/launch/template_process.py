"""What the kernel says of this process, and the few things that are asked of it. Used by every
other part of the template; knows none."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time

THREAD_SETTLE_S = 0.5


def log(text):
    """A line in the template's log, or in a seat's."""
    print(f"usher template {os.getpid()}: {text}", file=sys.stderr, flush=True)


def python_version():
    return ".".join(str(part) for part in sys.version_info[:3])


def other_threads():
    """Names of the threads beside the main one, once those about to end had time to: a joined
    thread's task lives a moment longer."""
    deadline = time.monotonic() + THREAD_SETTLE_S
    while len(os.listdir("/proc/self/task")) > 1:
        if time.monotonic() > deadline:
            return sorted(thread_names())[:8]
        time.sleep(0.001)
    return []


def thread_names():
    names = []
    for task in os.listdir("/proc/self/task"):
        try:
            with open(f"/proc/self/task/{task}/comm") as comm:
                names.append(comm.read().strip())
        except OSError:
            continue  # it ended meanwhile
    return names


def open_descriptors():
    """Numbers of the open descriptors."""
    found = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            os.fstat(int(name))
        except OSError:
            continue  # the one that read the directory
        found.add(int(name))
    return found


def describe_descriptor(fd):
    return f"descriptor {fd} is {os.readlink(f'/proc/self/fd/{fd}')}"


def shared_mappings():
    """Writable memory that a forked process would share with its parent."""
    with open("/proc/self/maps") as maps:
        fields = [line.split() for line in maps]
    return [line[-1] for line in fields if line[1].startswith("rw") and line[1].endswith("s")]


def libraries(part):
    """Paths of the loaded libraries that have this in their name."""
    with open("/proc/self/maps") as maps:
        paths = {line.split(None, 5)[5].strip() for line in maps if part in line and "/" in line}
    return sorted(path for path in paths if part in os.path.basename(path))


def stat_field(number, pid="self"):
    """Field N of /proc/PID/stat as proc(5) counts them; from the third on, as the second may have
    spaces."""
    with open(f"/proc/{pid}/stat") as stat:
        return int(stat.read().rpartition(")")[2].split()[number - 3])


def start_ticks(pid="self"):
    """When the process started: with its PID, who it is."""
    return stat_field(22, pid)


def rss_bytes():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def write_command_line(title):
    """Overwrites the arguments that ps shows; there is as much room as the template's own took."""
    first, last = stat_field(48), stat_field(49)
    room = last - first
    if first and room > 1:
        with open("/proc/self/mem", "r+b", buffering=0) as memory:
            memory.seek(first)
            memory.write(title.encode()[: room - 1].ljust(room, b"\0"))


def write_variable(name, value):
    """Overwrites a variable in the environment that others see: the copy that the process was
    started with, which nobody reads any more once os.environ was emptied. It cannot grow."""
    first, last = stat_field(50), stat_field(51)
    before, new = os.fsencode(f"{name}="), os.fsencode(value)
    with open("/proc/self/mem", "r+b", buffering=0) as memory:
        memory.seek(first)
        area = b"\0" + memory.read(last - first)
        at = area.find(b"\0" + before)
        if at < 0:
            raise ValueError(f"the template was started without {name}")
        old = area[at + 1 :].split(b"\0", 1)[0]
        room = len(old) - len(before)
        if len(new) > room:
            raise ValueError(f"{name} has room for {room} bytes only")
        memory.seek(first + at + len(before))
        memory.write(new.ljust(room, b"\0"))


def die_with(parent):
    """The kernel kills this process when its parent ends."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def default_signals():
    """Every signal as when an interpreter starts, whatever a module or usher made of it."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_IGN)
    signal.set_wakeup_fd(-1)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def read_all(fd, most):
    """All that a descriptor holds, from its start where it has one. Closes it."""
    with os.fdopen(fd, "rb") as file:
        if file.seekable():
            file.seek(0)
        data = file.read(most + 1)
    if len(data) > most:
        raise ValueError(f"more than {most} bytes")
    return data
