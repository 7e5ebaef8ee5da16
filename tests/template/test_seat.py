"""A forked seat beside one that was started by hand, and beside its neighbour: nothing that fork
copies is shared or left over."""

from __future__ import annotations

import os
import sys
import unittest

from support import StartedByHand, TemplateProcess, known_flags, script

# What a template must not pass on: signals that its parent ignored or blocked, a rank with the
# kernel's killer; and by its start, a time zone, a folder for temporary files, variables.
BEFORE = """
import os, signal, sys
signal.signal(signal.SIGUSR2, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGTERM])
with open("/proc/self/oom_score_adj", "w") as file:
    file.write("7")
os.execv(sys.argv[1], sys.argv[1:])
"""


MARK = "/상태:template:1:" + "_" * 40


def setUpModule():
    global template
    env = {
        "USHER_SEAT": MARK,
        "TEMPLATE_ONLY": "1",
        "TZ": "Asia/Tokyo",
        "TMPDIR": "/var/tmp",
        "MALLOC_TOP_PAD_": "65536",
    }
    template = TemplateProcess(
        prelude=[sys.executable, "-c", BEFORE],
        preload=["numpy.random", "statistics"],
        env=env,
        cwd="/",
    ).checked()


def tearDownModule():
    template.close()


class AsIfStartedByHand(unittest.TestCase):
    maxDiff = None

    def test_a_script_sees_what_it_would_see(self):
        place = template.place(script("look"))
        place.write(
            ".streamlit/config.toml",
            '[theme]\nprimaryColor = "#123456"\n[server]\nmaxUploadSize = 3\n',
        )
        place.write(".streamlit/secrets.toml", 'key = "of this app"\n')
        place.write(
            "home/.streamlit/config.toml",
            '[theme]\nprimaryColor = "#654321"\ntextColor = "#abcdef"\n',
        )
        secret = "s" * 64
        env = {
            "HOME": f"{place.folder}/home",
            "TZ": "Asia/Seoul",
            "LC_ALL": "C.UTF-8",
            "PYTHONPATH": "/opt/somewhere",
            "TMPDIR": "/tmp",
            "STREAMLIT_SERVER_COOKIE_SECRET": secret,
            "STREAMLIT_SERVER_MAX_UPLOAD_SIZE": "17",
            "STREAMLIT_CLIENT_TOOLBAR_MODE": "viewer",
            "이름": "지영",
        }
        args, umask = ["--one", "-t", "둘 셋"], 0o027
        flags = {"client.toolbarMode": "minimal"}
        seat = template.seat(
            place=place,
            unix=False,
            env=env,
            args=args,
            flags=flags,
            umask=umask,
            cookie_secret=secret,
            sys_path=[place.folder],
        )
        self.assertIn("seat", seat.second, place.said())
        forked = seat.report()
        seat.end()
        flags = known_flags(seat.spec["flags"])
        hand = StartedByHand(place, seat.address[1], flags, env, args, umask)
        try:
            by_hand = hand.report()
        finally:
            hand.close()
        self.assertEqual(forked, by_hand)

    def test_threads_processes_and_native_pools_work(self):
        done = template.seat(script("work")).report()
        self.assertEqual(
            done, {"spawn": 0, "fork": 0, "thread": [1], "subprocess": "42", "blas": True}
        )

    def test_what_is_printed_is_in_the_log_at_once(self):
        seat = template.seat(
            "import sys, streamlit\nprint('출력')\nprint('오류', file=sys.stderr)\n"
        )
        seat.run()
        self.assertIn("출력", seat.place.said())
        self.assertIn("오류", seat.place.said())

    def test_the_users_modules_come_before_the_installed_ones(self):
        place = template.place(
            "import statistics, mine, theirs, streamlit\n"
            "streamlit.write(statistics.WHOSE + mine.WHOSE + theirs.WHOSE)\n"
        )
        place.write(
            "statistics.py", "WHOSE = 'own '\n"
        )  # the template has imported the standard library's
        place.write("lib/mine.py", "WHOSE = 'by PYTHONPATH '\n")
        place.write("other/theirs.py", "WHOSE = 'by sys_path'\n")
        seat = template.seat(
            place=place,
            env={"PYTHONPATH": f"{place.folder}/lib"},
            sys_path=[f"{place.folder}/other"],
        )
        self.assertEqual(seat.run(), ["own by PYTHONPATH by sys_path"])

    def test_another_streamlit_on_pythonpath_is_not_pretended(self):
        place = template.place()
        place.write("lib/streamlit/__init__.py", "")
        seat = template.seat(place=place, env={"PYTHONPATH": f"{place.folder}/lib"})
        self.assertEqual(seat.second["failed"]["step"], "imports")
        self.assertEqual(seat.exited()["code"], 71)


class Apart(unittest.TestCase):
    def test_random_state_and_keys_differ(self):
        first, second = (template.seat(script("draw")).report() for _ in range(2))
        for name in first:
            with self.subTest(name):
                self.assertNotEqual(first[name], second[name])

    def test_each_has_the_cookie_secret_it_was_given(self):
        given = [
            template.seat(script("draw"), cookie_secret=letter * 64).report()["cookie_secret"]
            for letter in "ab"
        ]
        self.assertEqual(given, ["a" * 64, "b" * 64])

    def test_a_secret_never_is_in_the_templates_memory(self):
        secret = "".join(chr(97 + byte % 26) for byte in os.urandom(48))
        seat = template.seat(cookie_secret=secret, env={"PASSWORD": secret[::-1]})
        seat.run()
        self.assertTrue(in_memory(seat.pid, secret.encode()))
        self.assertFalse(in_memory(template.pid, secret.encode()))
        self.assertFalse(in_memory(template.pid, secret[::-1].encode()))

    def test_no_descriptor_of_the_template_or_of_another_seat(self):
        watching = template.watch()
        neighbour = template.seat(unix=False)
        seat = template.seat()
        self.assertEqual(seat.get()[0], 200)
        kinds = {
            fd: os.readlink(f"/proc/{seat.pid}/fd/{fd}")
            for fd in os.listdir(f"/proc/{seat.pid}/fd")
        }
        self.assertEqual(kinds["0"], "/dev/null")
        self.assertEqual([kinds["1"], kinds["2"]], [seat.place.log_path] * 2)
        self.assertFalse([link for link in kinds.values() if "pidfd" in link or "memfd" in link])
        others = sockets(template.pid) | sockets(neighbour.pid)
        self.assertFalse(sockets(seat.pid) & others)
        self.assertTrue(sockets(template.pid), "the comparison must have something to compare")
        watching.close()

    @unittest.skipUnless(os.geteuid() == 0, "only root can become somebody else")
    def test_the_user_and_the_group_are_those_asked_for(self):
        seen = template.seat(script("identity"), uid=65534, gid=65534, groups=[65534, 100]).report()
        self.assertEqual(
            seen, {"uid": [65534] * 3, "gid": [65534] * 3, "groups": [100, 65534], "back": False}
        )
        self.assertEqual(
            template.seat(script("identity"), uid=65534, gid=65534).report()["groups"], [65534]
        )

    def test_ps_shows_the_title(self):
        seat = template.seat(title="usher: 지영/main")
        self.assertEqual(seat.get()[0], 200)
        with (
            open(f"/proc/{seat.pid}/cmdline", "rb") as line,
            open(f"/proc/{seat.pid}/comm") as comm,
        ):
            self.assertEqual(line.read().rstrip(b"\0").decode(), "usher: 지영/main")
            self.assertEqual(comm.read().strip(), "usher: 지영/m")
        with open(f"/proc/{template.pid}/cmdline", "rb") as line:
            self.assertIn(b"template.py", line.read())

    def test_it_carries_its_own_mark_and_so_does_what_it_starts(self):
        text = """
import os, subprocess, sys
import streamlit as st
def seen(pid):
    with open(f"/proc/{pid}/environ", "rb") as file:
        names = [one for one in file.read().split(b"\\0") if one.startswith(b"USHER_SEAT")]
    return b" ".join(names).decode()
child = subprocess.run(["cat", "/proc/self/environ"], capture_output=True, text=True).stdout
reading, writing = os.pipe()
if os.fork() == 0:
    os.setsid()
    os.write(writing, seen("self").encode())
    os._exit(0)
for told in (seen("self"), os.read(reading, 1000).decode(), os.environ["USHER_SEAT"]):
    st.write(told)
st.write(" ".join(one for one in child.split("\\0") if one.startswith("USHER_SEAT")))
"""
        mark = "/상태:지영/main:17"
        told = template.seat(text, env={"USHER_SEAT": mark}).run()
        self.assertEqual(told, [f"USHER_SEAT={mark}"] * 2 + [mark, f"USHER_SEAT={mark}"])
        with open(f"/proc/{template.pid}/environ", "rb") as file:
            self.assertIn(b"\0USHER_SEAT=" + MARK.encode() + b"\0", b"\0" + file.read())

    def test_a_mark_that_is_too_long_is_no_mark(self):
        seat = template.seat(env={"USHER_SEAT": "x" * (len(MARK.encode()) + 1)})
        self.assertEqual(seat.second["failed"]["step"], "environment")

    def test_its_rank_with_the_kernels_killer_is_as_asked(self):
        for asked, rank in ((None, "0"), (300, "300")):
            seat = template.seat(oom_score_adj=asked)
            with open(f"/proc/{seat.pid}/oom_score_adj") as file:
                self.assertEqual(file.read().strip(), rank)


class SetUp(unittest.TestCase):
    def test_what_cannot_be_had_is_reported(self):
        seat = template.seat(
            env={
                "PYTHONHASHSEED": "0",
                "LD_PRELOAD": "/x.so",
                "PYTHONPATH": "/x",
                "MALLOC_ARENA_MAX": "2",
            },
            flags={
                "server.noSuchOption": 1,
                "server.cookieSecret": "x",
                "server.maxUploadSize": None,
            },
        )
        report = seat.second["seat"]
        self.assertEqual(
            report["stale_environment"],
            ["LD_PRELOAD", "MALLOC_ARENA_MAX", "MALLOC_TOP_PAD_", "PYTHONHASHSEED"],
        )
        self.assertLessEqual(
            {"server.noSuchOption", "server.cookieSecret"}, set(report["dropped_flags"])
        )
        self.assertNotIn("server.maxUploadSize", report["dropped_flags"])
        self.assertEqual(seat.get()[0], 200)

    def test_what_is_wrong_is_named(self):
        cases = (
            ("specification", {"drop": ["cwd"]}),
            ("specification", {"script": "app.py"}),
            ("specification", {"args": "one"}),
            ("specification", {"colour": "red"}),
            ("environment", {"env": {"A": 1}}),
            ("folder", {"cwd": "/nonexistent"}),
            ("configuration", {"flags": {"server.port": "many"}}),
        )
        for step, wrong in cases:
            with self.subTest(step, wrong=wrong):
                seat = template.seat(**wrong)
                self.assertEqual(seat.second["failed"]["step"], step, seat.second)
                self.assertEqual(seat.exited()["code"], 71)
                self.assertIn("could not be set up", seat.place.said())

    def test_a_missing_script_ends_it_as_by_hand(self):
        seat = template.seat(script="/nonexistent/app.py")
        self.assertEqual(seat.exited()["code"], 2)
        self.assertIn("does not exist", seat.place.said())


def sockets(pid):
    """The sockets that a process has open, by their inode."""
    links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    return {link for link in links if link.startswith("socket:")}


def in_memory(pid, needle):
    """Whether these bytes are anywhere in the memory that a process can write."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in maps:
            extent, rights = line.split()[:2]
            first, last = (int(number, 16) for number in extent.split("-"))
            if rights.startswith("rw"):
                memory.seek(first)
                try:
                    if needle in memory.read(last - first):
                        return True
                except OSError:
                    continue
    return False


if __name__ == "__main__":
    unittest.main()
