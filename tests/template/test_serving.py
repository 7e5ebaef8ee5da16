"""What a seat serves: health, and scripts over the WebSocket, by TCP and Unix sockets, without
delay, also as `st.App`; and how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import unittest

from support import Browser, TemplateProcess, known_flags, script

COUNTER = """
import streamlit as st
st.session_state.count = st.session_state.get("count", 0) + 1
st.write(f"run {st.session_state.count}")
"""

APP = """
import sys
from streamlit.starlette import App
main = sys.modules["__main__"]
print("started as", main.__name__, main.__spec__.name)
app = App("page.py")
"""


def setUpModule():
    global template
    template = TemplateProcess().checked()


def tearDownModule():
    template.close()


class Serving(unittest.TestCase):
    def test_health_and_a_script_over_both_kinds_of_socket(self):
        for unix in (True, False):
            with self.subTest(unix=unix):
                seat = template.seat(unix=unix)
                self.assertEqual(seat.get(), (200, b"ok"))
                self.assertEqual(seat.get("/")[0], 200)
                self.assertEqual(seat.run(), ["hello"])
                self.assertNotIn("config option section was detected", seat.place.said())

    def test_a_session_keeps_its_state_and_sessions_are_apart(self):
        seat = template.seat(COUNTER)
        with Browser(seat.connect()) as one, Browser(seat.connect()) as other:
            self.assertEqual([one.run(), one.run(), other.run()], [["run 1"], ["run 2"], ["run 1"]])

    def test_no_connection_waits_for_its_peers_acknowledgement(self):
        seat = template.seat(script("delays"), unix=False)
        with seat.connect() as silent, seat.connect() as idle, Browser(seat.connect()) as browser:
            idle.sendall(b"GET /_stcore/health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.assertTrue(idle.recv(65536).startswith(b"HTTP/1.1 200"))
            browser.run()
            seen = json.loads(browser.run()[-1])
            expected = {
                str(stream.getsockname()[1]): 1 for stream in (silent, idle, browser.stream)
            }
        self.assertEqual(seen, expected)

    def test_a_listener_without_a_named_protocol_is_as_good(self):
        seat = template.seat(script("delays"), unix=False, protocol=0)
        self.assertEqual(list(seat.report().values()), [1])

    def test_the_base_path_is_served(self):
        seat = template.seat(flags={"server.baseUrlPath": "app/main"})
        self.assertEqual(seat.get("/app/main/_stcore/health"), (200, b"ok"))
        self.assertEqual(seat.get("/_stcore/health")[0], 404)

    def test_options_may_be_given_as_text_as_on_the_command_line(self):
        given = {
            "server.maxUploadSize": ("11", 11),
            "server.enableCORS": ("false", False),
            "client.toolbarMode": ("viewer", "viewer"),
            "theme.primaryColor": (None, None),
            "server.trustedUserHeaders": ({"X-User": "name"}, {"X-User": "name"}),
            "server.corsAllowedOrigins": ("https://a.example", ["https://a.example"]),
            "server.allowedHosts": (["localhost", "b.example"], ["localhost", "b.example"]),
        }
        flags = {name: value for name, (value, _) in given.items()}
        known = known_flags(flags)
        text = (
            "import json, sys, streamlit as st\n"
            f"options = {{name: st.get_option(name) for name in {sorted(known)}}}\n"
            "st.markdown(json.dumps([options, sys.orig_argv]))\n"
        )
        seat = template.seat(text, flags={**flags, "server.enableXsrfProtection": False})
        options, typed = seat.report()
        self.assertEqual(options, {name: given[name][1] for name in known})
        self.assertLessEqual(set(flags) - set(known), set(seat.second["seat"]["dropped_flags"]))
        if "server.allowedHosts" in known:
            hosts = [one for one in typed if one.startswith("--server.allowedHosts")]
            self.assertEqual(
                hosts, [f"--server.allowedHosts={host}" for host in given["server.allowedHosts"][1]]
            )

    def test_configuration_files_are_watched_only_if_asked(self):
        threads = {}
        for watch in (True, False):
            place = template.place()
            place.write(".streamlit/config.toml", "")
            place.write(".streamlit/secrets.toml", "a = 1\n")
            seat = template.seat(place=place, watch_config=watch)
            self.assertEqual(seat.get()[0], 200)
            threads[watch] = len(os.listdir(f"/proc/{seat.pid}/task"))
        self.assertLess(threads[False], threads[True])

    def test_the_script_may_have_a_server_of_its_own(self):
        if template.ready["server"] != "tornado":
            self.skipTest("this Streamlit brings no Tornado")
        self.assertEqual(template.seat(script("own_server")).run(), ["127.0.0.1"])

    def test_an_asgi_app_is_run_as_by_hand(self):
        if template.ready["server"] != "starlette":
            self.skipTest("this Streamlit has no st.App")
        place = template.place(APP)
        place.write("page.py", "import streamlit as st\nst.write('a page')\n")
        for unix in (True, False):
            with self.subTest(unix=unix):
                self.assertEqual(template.seat(place=place, unix=unix).run(), ["a page"])
                self.assertIn("started as __main__ streamlit.__main__", place.said())


class Ending(unittest.TestCase):
    def test_the_exit_is_reported(self):
        cases = (
            (
                "by a signal that ends it well",
                lambda seat: seat.kill(signal.SIGTERM),
                {"code": 0, "signal": None},
            ),
            ("killed", lambda seat: seat.kill(signal.SIGKILL), {"code": None, "signal": 9}),
            ("a fault", lambda seat: seat.kill(signal.SIGSEGV), {"code": None, "signal": 11}),
        )
        for name, end, expected in cases:
            with self.subTest(name):
                seat = template.seat()
                seat.run()
                end(seat)
                self.assertEqual(seat.exited(), {**seat.name(), **expected})

    def test_the_script_may_end_it(self):
        seat = template.seat("import os\nos._exit(3)\n")
        with self.assertRaises((ConnectionError, socket.timeout)):
            seat.run()
        self.assertEqual(seat.exited()["code"], 3)

    def test_what_was_registered_for_the_end_is_done(self):
        seat = template.seat(
            "import atexit, streamlit\natexit.register(print, 'at the end')\nstreamlit.write('x')\n"
        )
        seat.run()
        seat.kill(signal.SIGTERM)
        self.assertEqual(seat.exited()["code"], 0)
        self.assertIn("at the end", seat.place.said())


if __name__ == "__main__":
    unittest.main()
