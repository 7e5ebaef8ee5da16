"""How a template starts, and when it must not: modules that would be shared, environments that
cannot be forked."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
import tempfile
import unittest

from support import LAUNCH, MadeUpEnvironment, TemplateProcess, script

sys.path.insert(0, LAUNCH)
from template_imports import imported_by  # noqa: E402

SLEEPER = """
import threading, time
threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
"""
HANDLER = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
"""
FORK_HANDLER = """
import os, signal
def before_fork():
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
os.register_at_fork(before=before_fork)
"""
TELLER = """
import os
os.environ["TOLD"] = os.environ["TOLD_BY_BOTH"] = "by a module"
"""

TORNADO = importlib.util.find_spec("streamlit.web.server.starlette") is None

MODULES = {
    "sleeps.py": SLEEPER,
    "sleeps_too/__init__.py": "",
    "sleeps_too/deep.py": "import sleeps\n",
    "late.py": script("late_thread"),
    "holds.py": "import os\nfd = os.open('/dev/null', os.O_RDONLY)\n",
    "drops.py": "f = [open('/dev/null')]\nf.append(f)\ndel f\n",
    "shares.py": "import mmap\nm = mmap.mmap(-1, 4096)\n",
    "prints.py": "print('words of a module')\n",
    "raises.py": "raise RuntimeError('no')\n",
    "leaves.py": "raise SystemExit(3)\n",
    "handles.py": HANDLER,
    "handles_forks.py": FORK_HANDLER,
    "tells.py": TELLER,
    "reaches_out.py": "import theirs\n",
    "dies.py": "import os\nos._exit(9)\n",
    "breaks.py": script("break_streamlit"),
    "fine.py": "",
}


def setUpModule():
    global made
    made = MadeUpEnvironment(MODULES)
    made.write("their_project.pth", f"{made.folder}/project\n")
    made.write(
        "../../../project/theirs.py", "import os\nopen(os.environ['HOME'] + '/ran', 'w').close()\n"
    )


def tearDownModule():
    made.close()


class Preloading(unittest.TestCase):
    """One template that was told what to leave out, and given much that cannot be imported or
    behaves badly."""

    @classmethod
    def setUpClass(cls):
        names = [
            *(
                "fine",
                "sleeps",
                "sleeps_too.deep",
                "raises",
                "leaves",
                "no.such",
                "theirs",
                "drops",
            ),
            *("handles", "handles_forks", "not a name", "prints", "tells"),
        ]
        exclude = ["sleeps", "sleeps_too"]
        cls.template = TemplateProcess(python=made.python, preload=names, exclude=exclude).checked()
        cls.addClassCleanup(cls.template.close)

    def test_what_is_excluded_is_not_tried(self):
        self.assertEqual(self.template.excluded(), {})
        text = "import sys, streamlit\nfor name in list(sys.modules):\n    streamlit.write(name)\n"
        loaded = set(self.template.seat(text).run())
        self.assertEqual(loaded & {"fine", "drops", "sleeps", "sleeps_too"}, {"fine", "drops"})

    def test_what_cannot_be_imported_is_skipped_and_named(self):
        skipped = self.template.ready["skipped"]
        self.assertEqual(set(skipped), {"raises", "leaves", "no", "theirs", "not a name"})
        self.assertFalse(
            os.path.exists(f"{self.template.folder}/ran"), "user code ran in the template"
        )

    def test_what_is_printed_goes_to_the_log(self):
        self.assertIn("words of a module", self.template.said())

    def test_what_modules_did_to_signals_is_undone(self):
        seat = self.template.seat()
        self.assertEqual(seat.run(), ["hello"])
        seen = signals_of(seat.pid)
        self.assertEqual(seen["SigBlk"], set())
        self.assertEqual(seen["SigIgn"], {signal.SIGPIPE, signal.SIGXFSZ})
        self.assertEqual(signals_of(self.template.pid)["SigCgt"], set())
        self.assertNotIn(signal.SIGTERM, signals_of(self.template.pid)["SigIgn"])
        seat.kill(signal.SIGKILL)
        self.assertEqual(seat.exited()["signal"], 9)

    def test_what_modules_put_into_the_environment_is_in_the_seats(self):
        names = ("TOLD", "TOLD_BY_BOTH", "MPLBACKEND")
        text = (
            f"import os, streamlit\nfor name in {names}:\n    streamlit.write(os.environ[name])\n"
        )
        seat = self.template.seat(text, env={"TOLD_BY_BOTH": "by usher", "MPLBACKEND": "TkAgg"})
        self.assertEqual(seat.run(), ["by a module", "by usher", "Agg"])


class Attempts(unittest.TestCase):
    def test_what_would_be_shared_is_left_out_and_named(self):
        names = ["fine", "sleeps_too.deep", "sleeps", "holds", "shares", "reaches_out", "prints"]
        with TemplateProcess(python=made.python, preload=names, learned=["json.tool"]) as template:
            because = {
                "sleeps": "thread",
                "sleeps_too": "thread",
                "holds": "descriptor",
                "shares": "shared_memory",
                "reaches_out": "outside",
            }
            self.assertEqual(template.checked().excluded(), because)
            self.assertEqual(sorted(template.ready["excluded"]), sorted(because))
            self.assertEqual(template.stat()["threads"], 1)
            self.assertEqual(template.stat()["start_ticks"], template.ready["start_ticks"])
            self.assertEqual(template.seat().run(), ["hello"])

    def test_a_module_that_ends_the_process_was_named_before(self):
        with TemplateProcess(python=made.python, preload=["fine", "dies"]) as template:
            self.assertIsNone(template.ready)
            self.assertEqual(template.announced[-1], {"importing": "dies"})
            self.assertEqual(template.process.wait(), 9)

    def test_the_self_test_finds_what_broke_streamlit(self):
        with TemplateProcess(python=made.python, preload=["breaks"]) as template:
            self.assertEqual(template.checked().excluded(), {"(preload)": "self_test"})
            self.assertEqual(template.seat().run(), ["hello"])

    def test_nothing_of_the_self_test_is_left(self):
        with TemplateProcess(env={"TMPDIR": made.folder}) as template:
            pid = template.checked().pid
            with open(f"/proc/{pid}/task/{pid}/children") as children:
                self.assertEqual(children.read(), "")
            self.assertEqual(
                [name for name in os.listdir(made.folder) if name.startswith("usher-template")], []
            )
            self.assertEqual(template.stat()["children"], [])

    def test_packages_of_the_users_own_site_are_there_outside_of_virtual_environments(self):
        with tempfile.TemporaryDirectory() as home:
            own = f"{home}/.local/lib/python{sys.version_info[0]}.{sys.version_info[1]}"
            os.makedirs(own)
            os.symlink(made.site, f"{own}/site-packages")
            python = os.path.realpath(sys.executable)
            with TemplateProcess(python=python, env={"HOME": home}, preload=["fine"]) as template:
                self.assertEqual(template.checked().ready["skipped"], {})
                self.assertEqual(template.seat().run(), ["hello"])


class Scripts(unittest.TestCase):
    """What a script says it imports is imported ahead, without running any of it."""

    def test_they_are_read_with_all_that_they_are_made_of(self):
        with tempfile.TemporaryDirectory() as folder:
            files = {
                "app.py": "import fine, own, no_such\nfrom sleeps_too import deep\n"
                "from prints import *\nopen('ran', 'w')\nst.Page('shown.py')\n"
                "def later():\n    import sleeps\nif 1:\n    import wave\n",
                "own.py": "from inner import part\n",
                "inner/part.py": "from . import beside\n",
                "inner/beside.py": "import plistlib\n",
                "pages/1_page.py": "import colorsys\nst.dataframe()\n",
                "shown.py": "try:\n    import chunk_that_is_not, mailcap_not\nexcept ImportError:"
                "\n    import netrc\n",
                "broken.py": "def (:",
            }
            for name, text in files.items():
                os.makedirs(os.path.dirname(f"{folder}/{name}"), exist_ok=True)
                with open(f"{folder}/{name}", "w") as file:
                    file.write(text)
            scripts = [f"{folder}/{name}" for name in ("app.py", "broken.py", "none.py")]
            names, guesses = imported_by(scripts)
            self.assertEqual(
                names,
                [
                    *("fine", "plistlib", "no_such", "sleeps_too", "sleeps_too.deep", "prints"),
                    *("wave", "chunk_that_is_not", "mailcap_not", "netrc", "colorsys"),
                    *("pandas", "pyarrow"),
                ],
            )
            self.assertEqual(guesses, {"sleeps_too.deep"})
            exclude = ["pandas", "pyarrow", "sleeps_too"]
            with TemplateProcess(
                python=made.python, scripts=scripts, exclude=exclude, cwd=folder
            ) as template:
                self.assertEqual(
                    set(template.checked().ready["skipped"]),
                    {"no_such", "chunk_that_is_not", "mailcap_not"},
                )
                text = "import sys, streamlit\nstreamlit.write(' '.join(sys.modules))\n"
                loaded = set(template.seat(text).run()[0].split())
                self.assertLessEqual({"fine", "plistlib", "wave", "netrc", "colorsys"}, loaded)
                self.assertFalse({"own", "inner", "sleeps"} & loaded)
            self.assertFalse(os.path.exists(f"{folder}/ran"))

    def test_a_guess_that_is_no_module_is_nothing_to_tell(self):
        with tempfile.TemporaryDirectory() as folder:
            script = f"{folder}/app.py"
            with open(script, "w") as file:
                file.write("from json import tool, dumps\nfrom os import path\n")
            with TemplateProcess(python=made.python, scripts=[script]) as template:
                self.assertEqual(template.checked().ready["skipped"], {})
                text = "import sys, streamlit\nstreamlit.write(str('json.tool' in sys.modules))\n"
                self.assertEqual(template.seat(text).run(), ["True"])


class Refusing(unittest.TestCase):
    def test_a_thread_at_the_time_of_a_fork(self):
        with TemplateProcess(python=made.python, preload=["late"]) as template:
            self.assertEqual(template.checked().seat().get()[0], 200)
            refused = template.seat().first["error"]
            self.assertEqual(refused["code"], "thread")
            self.assertEqual(template.stat()["threads"], 2)

    def test_an_environment_that_changed_since(self):
        with TemplateProcess(python=made.python) as template:
            self.assertEqual(template.checked().seat().get()[0], 200)
            made.write("__pycache__/fine.pyc", "")  # compiled files come and go
            self.assertEqual(template.seat().get()[0], 200)
            self.assertIsNone(template.stat()["changed"])
            made.write("pandas-99.0.dist-info/METADATA", "")
            self.assertEqual(template.stat()["changed"], made.site)
            refused = template.seat().first["error"]
            self.assertEqual(refused, {"code": "environment_changed", "detail": made.site})

    def test_an_environment_without_streamlit(self):
        with (
            MadeUpEnvironment(leave_out=["streamlit"]) as bare,
            TemplateProcess(python=bare.python) as template,
        ):
            self.assertEqual(template.refused["reason"], "streamlit")
            self.assertEqual(template.process.wait(), 1)

    def test_a_streamlit_that_takes_its_socket_in_another_way(self):
        with MadeUpEnvironment() as other:
            if TORNADO:
                other.edit(
                    "streamlit/web/server/server.py",
                    ("HTTPServer(", "Server_("),
                    ("import HTTPServer", "import HTTPServer as Server_"),
                )
            else:
                other.edit(
                    "streamlit/web/server/starlette/starlette_server.py",
                    ("_bind_socket(", "_make_socket("),
                )
            with TemplateProcess(python=other.python) as template:
                self.assertEqual(template.refused["reason"], "self_test", template.announced)
                self.assertIn("binds its socket in an unknown way", template.refused["detail"])

    def test_a_streamlit_that_binds_its_port_all_the_same(self):
        with MadeUpEnvironment() as other:
            if TORNADO:
                own = "http_server.add_sockets(tornado.netutil.bind_sockets(port, address))"
                change = ("http_server.listen(port, address)", own)
                other.edit("streamlit/web/server/server.py", change)
            else:
                unused = ("class UvicornServer:", "_bind_socket = None\n\n\nclass UvicornServer:")
                change = ("_bind_socket(", "_make_socket(")
                other.edit("streamlit/web/server/starlette/starlette_server.py", change, unused)
            with TemplateProcess(python=other.python) as template:
                self.assertEqual(template.refused["reason"], "self_test", template.announced)
                self.assertRegex(template.refused["detail"], "Port .* is (not available|already)")

    def test_a_streamlit_that_reads_the_templates_secrets(self):
        with MadeUpEnvironment() as other:
            then = ("from pathlib import Path", "from pathlib import Path\n\nTHEN = Path.cwd()")
            other.edit("streamlit/file_util.py", ("Path.cwd()", "THEN"), then)
            with TemplateProcess(python=other.python) as template:
                self.assertEqual(template.refused["reason"], "self_test", template.announced)

    def test_what_it_does_not_understand(self):
        for configuration in (
            {"preload": "pandas"},
            {"learned": [1]},
            {"colour": "red"},
            {"orphan_after_s": "long"},
            {"attempt": "x"},
        ):
            with self.subTest(configuration), TemplateProcess(**configuration) as template:
                self.assertEqual(template.refused["reason"], "request")
        with TemplateProcess(arguments=["--listen"]) as template:
            self.assertEqual(template.refused["reason"], "request")


def signals_of(pid):
    """What a process does with each signal below those that the C library keeps for itself."""
    found = {}
    with open(f"/proc/{pid}/status") as status:
        for name, _, value in (line.partition(":") for line in status):
            if name in ("SigBlk", "SigIgn", "SigCgt"):
                mask = int(value, 16)
                found[name] = {number for number in range(1, 32) if mask >> (number - 1) & 1}
    return found


if __name__ == "__main__":
    unittest.main()
