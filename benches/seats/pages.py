"""`make bench`, the first page load in Chromium with an empty cache: through usher and directly, in turns.

Usage: pages.py USHER [--quick], with the interpreter that has Streamlit. Markdown goes to standard output."""

import statistics
import sys
import time

from browser import load_once
from client import Session, health
from places import Plain, Usher

TITLE = "Sales dashboard"


def main():
    rounds = 2 if "--quick" in sys.argv[2:] else 7
    plain = Plain("app.py")
    usher = Usher(sys.argv[1], tls=True)
    cold, running, slow = [], [], []
    try:
        health(plain.port)
        Session(plain.port).run()
        usher.wait_for_template()
        direct = f"http://127.0.0.1:{plain.port}/"
        door, encrypted = f"http://127.0.0.1:{usher.port}/app/lab/", f"https://127.0.0.1:{usher.tls_port}/app/lab/"
        load_once(direct, TITLE)
        wait_until_packed(door)
        for _ in range(rounds):
            here = load_once(direct, TITLE)
            running.append((here, load_once(door, TITLE)))
            slow.append((load_once(direct, TITLE, slow=True), load_once(encrypted, TITLE, slow=True)))
            usher.stop_seat("browser")
            cold.append((here, load_once(door, TITLE)))
    finally:
        plain.close()
        usher.close()
    print("## First page load in Chromium, empty cache\n")
    print(f"Until the app's title is shown; {rounds} rounds in turns; medians, in brackets lowest and highest.\n")
    print("| | Streamlit directly | through usher | ratio | must reach |\n|---|---|---|---|---|")
    row("ms, seat not running (Streamlit running)", cold, 0, "1.0")
    row("ms, seat running", running, 0, "")
    row("ms, seat running, 10 Mbit/s and 50 ms, HTTP/2 through usher", slow, 0, "0.55")
    row("bytes on the wire", running, 1, "0.32")


def wait_until_packed(door):
    """Usher packs files well while nobody waits for it: until a load takes no fewer bytes than the one before."""
    before = None
    for _ in range(20):
        _, now = load_once(door, TITLE)
        if now == before:
            return
        before = now
        time.sleep(8)


def row(what, pairs, figure, must):
    direct, through = [[one[figure] for one in side] for side in zip(*pairs)]
    ratio = statistics.median(through) / statistics.median(direct)
    print(f"| {what} | {spread(direct)} | {spread(through)} | **{ratio:.2f}** | {must} |")


def spread(values):
    return f"{statistics.median(values):,.0f} ({min(values):,.0f}–{max(values):,.0f})"


if __name__ == "__main__":
    main()
