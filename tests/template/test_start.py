"""How a template starts, and when it must not: modules that would be shared, environments that cannot be forked."""

from __future__ import annotations

import importlib.util
import os
import signal
import unittest

from support import MadeUpEnvironment, TemplateProcess

SLEEPER = "import threading, time\nthreading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"

# Starts a thread when the second seat has been forked; the first is the self-test's.
LATE_SLEEPER = """
import os, threading, time
forks = []
def after():
    forks.append(1)
    if len(forks) == 2:
        threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
os.register_at_fork(after_in_parent=after)
"""

# Takes away what Streamlit is handed its socket by, as another version might.
BREAKER = """
import sys
for name, attribute in (("streamlit.web.server.starlette.starlette_server", "_bind_socket"), ("streamlit.web.server.server", "HTTPServer")):
    if hasattr(sys.modules.get(name), attribute):
        delattr(sys.modules[name], attribute)
"""

TORNADO = importlib.util.find_spec("streamlit.web.server.starlette") is None

MODULES = {
    "sleeps.py": SLEEPER,
    "sleeps_too/__init__.py": "",
    "sleeps_too/deep.py": "import sleeps\n",
    "late.py": LATE_SLEEPER,
    "holds.py": "import os\nfd = os.open('/dev/null', os.O_RDONLY)\n",
    "drops.py": "f = [open('/dev/null')]\nf.append(f)\ndel f\n",
    "shares.py": "import mmap\nm = mmap.mmap(-1, 4096)\n",
    "prints.py": "print('words of a module')\n",
    "raises.py": "raise RuntimeError('no')\n",
    "leaves.py": "raise SystemExit(3)\n",
    "handles.py": "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\n",
    "tells.py": "import os\nos.environ['TOLD'] = 'by a module'\nos.environ['TOLD_BY_BOTH'] = 'by a module'\n",
    "reaches_out.py": "import theirs\n",
    "dies.py": "import os\nos._exit(9)\n",
    "breaks.py": BREAKER,
    "fine.py": "",
}


def setUpModule():
    global made
    made = MadeUpEnvironment(MODULES)
    made.write("their_project.pth", f"{made.folder}/project\n")
    made.write(
        "../../../project/theirs.py",
        "import os\nos.environ['RAN'] = 'user code'\nopen(os.environ['HOME'] + '/ran', 'w').close()\n",
    )


def tearDownModule():
    made.close()


class Preloading(unittest.TestCase):
    def test_what_would_be_shared_is_left_out_and_named(self):
        names = ["fine", "sleeps_too.deep", "sleeps", "holds", "shares", "reaches_out", "prints"]
        with TemplateProcess(python=made.python, preload=names, learned=["json.tool"]) as template:
            template.checked()
            because = {
                "sleeps": "thread",
                "sleeps_too": "thread",
                "holds": "descriptor",
                "shares": "shared_memory",
                "reaches_out": "outside",
            }
            self.assertEqual(template.excluded(), because)
            self.assertEqual(sorted(template.ready["excluded"]), sorted(because))
            self.assertEqual(template.stat()["threads"], 1)
            self.assertEqual(template.seat().run(), ["hello"])
            self.assertIn("words of a module", template.said())

    def test_it_starts_at_once_when_told_what_to_leave_out(self):
        with TemplateProcess(
            python=made.python,
            preload=["sleeps", "sleeps_too.deep", "fine"],
            exclude=["sleeps", "sleeps_too"],
        ) as template:
            self.assertEqual(template.checked().excluded(), {})
            seat = template.seat(
                "import sys\nimport streamlit as st\nst.write(' '.join(sorted({'sleeps', 'fine'} & set(sys.modules))))\n"
            )
            self.assertEqual(seat.run(), ["fine"])

    def test_what_cannot_be_imported_is_skipped_and_named(self):
        with TemplateProcess(
            python=made.python,
            preload=["raises", "leaves", "no.such", "theirs", "drops", "handles", "not a name"],
        ) as template:
            skipped = template.checked().ready["skipped"]
            self.assertEqual(template.excluded(), {})
            self.assertEqual(set(skipped), {"raises", "leaves", "no", "theirs", "not a name"})
            self.assertFalse(
                os.path.exists(f"{template.folder}/ran"), "user code ran in the template"
            )
            seat = template.seat()
            self.assertEqual(seat.run(), ["hello"])
            seat.kill(signal.SIGKILL)
            self.assertEqual(seat.exited()["signal"], 9)
            template.process.terminate()
            self.assertEqual(template.process.wait(), -signal.SIGTERM)

    def test_a_module_that_ends_the_process_was_named_before(self):
        with TemplateProcess(python=made.python, preload=["fine", "dies"]) as template:
            self.assertIsNone(template.ready)
            self.assertEqual(template.announced[-1], {"importing": "dies"})
            self.assertEqual(template.process.wait(), 9)

    def test_what_modules_put_into_the_environment_is_in_the_seats(self):
        script = "import os\nimport streamlit as st\nst.write(os.environ['TOLD'])\nst.write(os.environ['TOLD_BY_BOTH'])\nst.write(os.environ['MPLBACKEND'])\n"
        with TemplateProcess(python=made.python, preload=["tells"]) as template:
            seat = template.checked().seat(
                script, env={"TOLD_BY_BOTH": "by usher", "MPLBACKEND": "TkAgg"}
            )
            self.assertEqual(seat.run(), ["by a module", "by usher", "Agg"])

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
            made.write("pandas-99.0.dist-info/METADATA", "")
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
                self.assertIn("binds its socket in a way", template.refused["detail"])

    def test_a_streamlit_that_binds_a_socket_of_its_own_all_the_same(self):
        with MadeUpEnvironment() as other:
            if TORNADO:
                other.edit(
                    "streamlit/web/server/server.py",
                    (
                        "http_server.listen(port, address)",
                        "http_server.add_sockets(tornado.netutil.bind_sockets(port, address))",
                    ),
                )
            else:
                other.edit(
                    "streamlit/web/server/starlette/starlette_server.py",
                    (
                        "await self._server.startup(sockets=[self._socket])",
                        "await self._server.startup()",
                    ),
                )
            with TemplateProcess(python=other.python, self_test_timeout_s=2) as template:
                self.assertEqual(template.refused["reason"], "self_test", template.announced)

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


if __name__ == "__main__":
    unittest.main()
