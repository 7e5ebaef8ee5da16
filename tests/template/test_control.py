"""The control socket: what it answers, what it refuses, and who outlives whom."""

from __future__ import annotations

import os
import signal
import socket
import stat
import unittest

from support import DEADLINE_S, Control, TemplateProcess, eventually


def setUpModule():
    global template
    template = TemplateProcess().checked()


def tearDownModule():
    template.close()


class Questions(unittest.TestCase):
    def test_stat_tells_what_it_is_and_whom_it_has(self):
        seat = template.seat()
        told = template.stat()
        self.assertEqual(told["pid"], template.pid)
        self.assertEqual(told["start_ticks"], ticks_of(template.pid))
        self.assertEqual(told["threads"], 1)
        self.assertIn(seat.name(), told["children"])
        self.assertEqual(seat.name()["start_ticks"], ticks_of(seat.pid))
        self.assertGreater(told["rss_bytes"], 10 << 20)
        self.assertGreater(told["modules"], 300)
        self.assertIn(told["server"], ("starlette", "tornado"))

    def test_who_watches_hears_of_every_seat(self):
        with template.watch() as watching:
            seat = template.seat()
            self.assertEqual(watching.next()["forked"]["pid"], seat.pid)
            seat.kill()
            self.assertEqual(watching.next()["exited"], {**seat.name(), "code": None, "signal": 9})
        self.assertEqual(template.stat()["exited"][-1], {**seat.name(), "code": None, "signal": 9})

    def test_a_seat_is_reaped_though_nobody_listens(self):
        seat = template.seat()
        seat.control.close()
        with template.watch() as watching:
            seat.kill()
            self.assertEqual(watching.next()["exited"]["pid"], seat.pid)
        self.assertFalse(os.path.exists(f"/proc/{seat.pid}"))

    def test_nonsense_is_refused_and_harms_nobody(self):
        nonsense = (
            b"\n",
            b"{}\n",
            b"[]\n",
            b'"fork"\n',
            b"\xff\xfe\n",
            b'{"op": "sing"}\n',
            b'{"op": ["fork"]}\n',
            b"[" * 4000 + b"\n",
            b"x" * 5000,
        )
        for request in nonsense:
            with self.subTest(request[:20]), Control(template.path) as control:
                control.send(request)
                self.assertEqual(control.next()["error"]["code"], "request")
                self.assertIsNone(control.next())
        with Control(template.path) as control:
            control.send({"op": "fork"}, [0])
            self.assertEqual(control.next()["error"]["code"], "request")
        with Control(template.path) as control:
            control.send({"op": "fork"}, [0, 0, 0, 0, 0])
            self.assertEqual(control.next()["error"]["code"], "request")
        with template.watch() as watching:
            watching.send({"op": "stat"})
            self.assertEqual(watching.next()["error"]["code"], "request")
        self.assertEqual(template.seat().get()[0], 200)

    def test_a_request_may_come_in_pieces_and_others_do_not_wait_for_it(self):
        with Control(template.path) as control:
            control.send(b'{"op": "st')
            self.assertEqual(template.stat()["pid"], template.pid)
            control.send(b'at"}\n')
            self.assertEqual(control.next()["template"]["pid"], template.pid)

    def test_descriptors_that_were_sent_in_vain_are_closed(self):
        before = len(os.listdir(f"/proc/{template.pid}/fd"))
        for request in (b'{"op": "stat"}\n', b'{"op": "si'):
            with Control(template.path) as control:
                control.send(request, [0, 1])
                if request.endswith(b"\n"):
                    control.next()
        eventually(
            lambda: len(os.listdir(f"/proc/{template.pid}/fd")) == before, "the descriptors closed"
        )

    def test_the_socket_is_for_its_owner_only(self):
        self.assertEqual(stat.S_IMODE(os.stat(template.path).st_mode), 0o600)

    @unittest.skipUnless(os.geteuid() == 0, "only root can become somebody else")
    def test_another_account_is_turned_away_even_if_it_reaches_the_socket(self):
        for path, mode in ((template.path, 0o666), (template.folder, 0o755)):
            self.addCleanup(os.chmod, path, stat.S_IMODE(os.stat(path).st_mode))
            os.chmod(path, mode)
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.write(writing, ask_as_nobody(template.path))
            os._exit(0)
        os.waitpid(pid, 0)
        os.close(writing)
        with os.fdopen(reading, "rb") as answer:
            self.assertEqual(answer.read(), b"turned away")


class Holding(unittest.TestCase):
    """A seat that usher has not written down yet goes with the connection that asked for it."""

    def test_it_ends_when_the_connection_ends(self):
        seat = template.seat(hold=True)
        seat.control.close()
        seat.wait()

    def test_it_lives_on_once_it_is_kept(self):
        seat = template.seat(hold=True)
        seat.control.send({"op": "keep"})
        seat.control.close()
        self.assertEqual(seat.run(), ["hello"])

    def test_kept_or_not_its_exit_is_told(self):
        for keep in (False, True):
            seat = template.seat(hold=True)
            if keep:
                seat.control.send({"op": "keep"})
            self.assertEqual(seat.end()["signal"], 9)

    def test_nothing_else_can_be_said_meanwhile(self):
        seat = template.seat(hold=True)
        seat.control.send({"op": "stat"})
        self.assertEqual(seat.control.next()["error"]["code"], "request")
        seat.wait()

    def test_who_has_gone_already_gets_none(self):
        os.kill(template.pid, signal.SIGSTOP)
        try:
            with Control(template.path) as control:
                place = template.place()
                descriptors = [place.open_log() for _ in range(3)]
                control.send({"op": "fork", "hold": True}, descriptors)
                for fd in descriptors:
                    os.close(fd)
        finally:
            os.kill(template.pid, signal.SIGCONT)
        with template.watch() as watching:
            after = template.seat()
            self.assertEqual(watching.next()["forked"]["pid"], after.pid)
        self.assertEqual([], [name for name in template.stat()["exited"][-1:] if name["code"]])


class Lives(unittest.TestCase):
    def test_seats_outlive_a_template_that_is_killed(self):
        with TemplateProcess() as mortal:
            seat = mortal.checked().seat()
            mortal.process.kill()
            mortal.process.wait()
            self.assertEqual(seat.run(), ["hello"])
            self.assertIsNone(seat.control.next())
            seat.kill(signal.SIGTERM)
            seat.wait()

    def test_it_ends_by_order_and_its_seats_live_on(self):
        with TemplateProcess() as obedient:
            seat = obedient.checked().seat()
            self.assertEqual(obedient.ask("end"), {"ending": {"seats": 1}})
            self.assertEqual(obedient.process.wait(DEADLINE_S), 0)
            self.assertFalse(os.path.exists(obedient.path))
            self.assertEqual(seat.run(), ["hello"])

    def test_without_usher_and_seats_it_ends_by_itself(self):
        with TemplateProcess(orphan_after_s=0.2) as orphan, orphan.checked().watch() as watching:
            seat = orphan.seat()
            watching.close()
            seat.control.close()
            seat.kill()
            self.assertEqual(orphan.process.wait(DEADLINE_S), 0)
            self.assertFalse(os.path.exists(orphan.path))
            self.assertIn("no usher and no seat", orphan.said())

    def test_a_seat_that_dies_leaves_the_others(self):
        first, second = template.seat(), template.seat()
        first.end()
        self.assertEqual(second.run(), ["hello"])

    def test_it_serves_on_a_socket_that_was_made_for_it(self):
        path = f"{template.folder}/made.sock"
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(path)
            listener.listen(8)
            number = listener.fileno()
            made = TemplateProcess(arguments=["--listen-fd", str(number)], pass_fds=[number])
        with made:
            made.path = path
            self.assertEqual(made.checked().seat().get()[0], 200)
            made.ask("end")
            self.assertEqual(made.process.wait(DEADLINE_S), 0)
            self.assertTrue(os.path.exists(path))

    def test_a_second_one_does_not_take_a_living_ones_socket(self):
        with TemplateProcess(arguments=["--listen", template.path]) as second:
            self.assertEqual(second.refused["reason"], "socket")
        self.assertEqual(template.stat()["pid"], template.pid)

    def test_a_dead_ones_socket_is_taken(self):
        path = f"{template.folder}/dead.sock"
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
            dead.bind(path)
        with TemplateProcess(arguments=["--listen", path]) as second:
            second.path = path
            self.assertEqual(second.checked().stat()["pid"], second.pid)


def ask_as_nobody(path):
    try:
        os.setresuid(65534, 65534, 65534)
        control = Control(path)
    except OSError as error:
        return repr(error).encode()
    with control:
        try:
            control.send({"op": "stat"})
            return b"turned away" if control.next() is None else b"answered"
        except OSError:
            return b"turned away"


def ticks_of(pid):
    with open(f"/proc/{pid}/stat") as file:
        return int(file.read().rpartition(")")[2].split()[19])


if __name__ == "__main__":
    unittest.main()
