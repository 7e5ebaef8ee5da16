"""`make bench`, the seats: what people wait for and what it costs, through usher and with plain Streamlit in turns.

Usage: measure.py USHER [--quick], with the interpreter that has Streamlit. Markdown goes to standard output."""

import statistics
import sys
import threading
import time

from client import Session, health
from places import Plain, Usher, children, memory_mib

LAB, LIGHT = "/app/lab", "/app/light"
RUNS_BEFORE_RERUNS = 5


def first_plain():
    """Seconds from the command to health, and to the first finished run."""
    plain = Plain("app.py")
    try:
        health(plain.port)
        well = time.perf_counter() - plain.began
        session = Session(plain.port)
        session.run()
        return well, time.perf_counter() - plain.began
    finally:
        plain.close()


def first_through(usher, number):
    """The same for a person whose seat does not run: from their first request on."""
    source = f"127.0.0.{number}"
    began = time.perf_counter()
    health(usher.port, LAB, source)
    well = time.perf_counter() - began
    session = Session(usher.port, LAB, source)
    session.run()
    done = time.perf_counter() - began
    session.close()
    usher.stop_seat(f"person{number}")
    return well, done


def at_once(begin, count):
    """Seconds until the last of so many is done."""
    took, failed = [], []

    def one(number):
        try:
            took.append(begin(number))
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return max(took)


def ten_plain():
    return at_once(lambda _: first_plain()[1], 10)


def ten_through(usher):
    def one(number):
        began = time.perf_counter()
        session = Session(usher.port, LAB, f"127.0.0.{11 + number}")
        session.run()
        took = time.perf_counter() - began
        session.close()
        return took

    took = at_once(one, 10)
    for number in range(11, 21):
        usher.stop_seat(f"person{number}")
    return took


def memory(usher):
    """MiB of ten people with a session each (shared pages divided), and of one more (their own pages)."""
    sessions = []
    for number in range(11, 21):
        sessions.append(Session(usher.port, LAB, f"127.0.0.{number}"))
        sessions[-1].run()
    time.sleep(1)
    own = usher.process.pid
    ten = sum(memory_mib(pid, ["Pss"]) for pid in children(own) if pid != own)
    before = set(children(own))
    sessions.append(Session(usher.port, LAB, "127.0.0.21"))
    sessions[-1].run()
    time.sleep(1)
    more = sum(memory_mib(pid, ["Private_Clean", "Private_Dirty"]) for pid in set(children(own)) - before)
    for session in sessions:
        session.close()
    for number in range(11, 22):
        usher.stop_seat(f"person{number}")
    return ten, more


def plain_memory():
    """MiB of one plain process with a session."""
    plain = Plain("app.py")
    try:
        health(plain.port)
        session = Session(plain.port)
        session.run()
        time.sleep(1)
        return memory_mib(plain.process.pid, ["Private_Clean", "Private_Dirty"])
    finally:
        plain.close()


def reruns(port, base, count, source="127.0.0.1"):
    """Seconds of each rerun of the light script, as the client sees it."""
    session = Session(port, base, source)
    for _ in range(RUNS_BEFORE_RERUNS):
        session.run()
    took = []
    for _ in range(count):
        began = time.perf_counter()
        session.run()
        took.append(time.perf_counter() - began)
    session.close()
    return took


def spread(values, unit=1000, digits=0):
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle * unit:.{digits}f} ({low * unit:.{digits}f}–{high * unit:.{digits}f})"


def row(what, plain, usher, must, digits=0):
    ratio = statistics.median(usher) / statistics.median(plain)
    print(f"| {what} | {spread(plain, digits=digits)} | {spread(usher, digits=digits)} | **{ratio:.3f}** | {must} |")


def main():
    quick = "--quick" in sys.argv[2:]
    rounds, reruns_each = (2, 20) if quick else (7, 100)
    binary = sys.argv[1]
    print("## Seats, against `streamlit run`\n")
    print(f"An app with pandas, Altair and a chart, {rounds} rounds in turns, each through usher's door with its seat not")
    print("running and its template warm; medians, in brackets lowest and highest. Less is better.\n")
    print("| | plain, ms | through usher, ms | ratio | must reach |\n|---|---|---|---|---|")
    usher = Usher(binary)
    try:
        # Both apps share one: their Python and settings are the same.
        usher.wait_for_template()
        first_through(usher, 11)
        pairs = [(first_plain(), first_through(usher, 11 + round_number % 10)) for round_number in range(rounds)]
        row("first visit to first finished run", [p[1] for p, _ in pairs], [u[1] for _, u in pairs], "0.13")
        row("health after launch", [p[0] for p, _ in pairs], [u[0] for _, u in pairs], "0.12")
        crowd = [(ten_plain(), ten_through(usher)) for _ in range(1 if quick else 3)]
        row("ten users at once, the last first run", [p for p, _ in crowd], [u for _, u in crowd], "0.15")
        plain = Plain("light.py")
        try:
            health(plain.port)
            health(usher.port, LIGHT)
            runs = [(reruns(plain.port, "", reruns_each), reruns(usher.port, LIGHT, reruns_each)) for _ in range(2)]
            stock = [took for p, _ in runs for took in p]
            row("rerun of a light script, forked", stock, [took for _, u in runs for took in u], "0.2, 10 ms", 1)
        finally:
            plain.close()
        ten, more = memory(usher)
        each = plain_memory()
    finally:
        usher.close()
    spawning = Usher(binary, launch="spawn")
    try:
        health(spawning.port, LIGHT)
        row("rerun of a light script, spawned", stock, reruns(spawning.port, LIGHT, reruns_each), "0.3", 1)
    finally:
        spawning.close()
    print("\n| | plain, MiB | through usher, MiB | must reach |\n|---|---|---|---|")
    print(f"| ten users with a session each, template included (PSS) | {10 * each:.0f} | {ten:.0f} | 540 |")
    print(f"| one more user (USS) | {each:.0f} | {more:.0f} | 38 |")


if __name__ == "__main__":
    main()
