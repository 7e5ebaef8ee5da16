"""What a seat says the next template should import: what its script imported, never what is the
user's own."""

from __future__ import annotations

import json
import os
import signal
import sys
import types
import unittest
from importlib.machinery import ModuleSpec

from support import LAUNCH, TemplateProcess, eventually, script

sys.path.insert(0, LAUNCH)
from template_modules import Environment, covers, folders, learned_names  # noqa: E402
from template_seat import module_names, stale_environment  # noqa: E402


def setUpModule():
    global template
    template = TemplateProcess().checked()


def tearDownModule():
    template.close()


class Learning(unittest.TestCase):
    def place(self):
        place = template.place(script("imports"))
        place.write("mine.py", "")
        place.write("package_of_mine/__init__.py", "")
        place.write("package_of_mine/part.py", "")
        return place

    def learned(self, path):
        with open(path) as file:
            return json.load(file)

    def test_what_the_script_imported_is_imported_by_the_next_template(self):
        place = self.place()
        path = os.path.join(place.folder, "learned.json")
        seat = template.seat(place=place, learn=path)
        seat.run()
        eventually(lambda: os.path.exists(path), "the list of modules")
        first = self.learned(path)
        place.write("again", "")
        seat.run()
        seat.kill(signal.SIGTERM)
        self.assertEqual(seat.exited()["code"], 0)
        second = self.learned(path)
        self.assertEqual(
            {key: first[key] for key in ("version", "python", "streamlit")},
            {"version": 1, **self.versions()},
        )
        self.assertLessEqual({"wave", "dateutil", "dateutil.easter"}, set(first["modules"]))
        self.assertNotIn("plistlib", first["modules"])
        self.assertIn("plistlib", second["modules"])
        self.assertLessEqual({"wave", "plistlib"}, set(second["new"]))
        self.assertLessEqual(set(second["new"]), set(second["modules"]))
        foreign = {
            "mine",
            "package_of_mine",
            "package_of_mine.part",
            "__main__",
            "lazy",
            "alias_of_wave",
            "template_seat",
        }
        self.assertFalse(foreign & set(second["modules"]))
        self.assertNotIn("a lazy module was touched", place.said())
        self.assertEqual(
            [name for name in os.listdir(place.folder) if name.startswith("learned")],
            ["learned.json"],
        )
        with TemplateProcess(learned=second["modules"]) as taught:
            self.assertEqual(taught.checked().ready["skipped"], {})
            self.assertEqual(taught.excluded(), {})
            self.assertGreaterEqual(
                taught.ready["modules"], template.ready["modules"] + len(second["modules"])
            )
            seen = (
                taught.seat("import sys\nimport streamlit as st\nst.write(' '.join(sys.modules))\n")
                .run()[0]
                .split()
            )
            self.assertLessEqual(set(second["modules"]), set(seen))
            again = os.path.join(place.folder, "again.json")
            seat = taught.seat(place=place, learn=again)
            seat.run()
            seat.kill(signal.SIGTERM)
            self.assertEqual(seat.exited()["code"], 0)
            told = self.learned(again)
            self.assertFalse(set(told["new"]) & set(second["modules"]))
            self.assertLessEqual(set(second["modules"]), set(told["modules"]))

    def versions(self):
        return {key: template.ready[key] for key in ("python", "streamlit")}

    def test_a_seat_that_ends_early_still_says_what_it_knows(self):
        place = self.place()
        path = os.path.join(place.folder, "learned.json")
        seat = template.seat(place=place, learn=path)
        seat.run()
        seat.kill(signal.SIGTERM)
        seat.exited()
        self.assertIn("wave", self.learned(path)["modules"])

    def test_nothing_is_learned_where_nothing_ran(self):
        place = self.place()
        path = os.path.join(place.folder, "learned.json")
        seat = template.seat(place=place, learn=path)
        self.assertEqual(seat.get()[0], 200)
        seat.kill(signal.SIGTERM)
        self.assertEqual(seat.exited()["code"], 0)
        self.assertFalse(os.path.exists(path))

    def test_a_list_that_cannot_be_written_costs_nothing_but_a_line(self):
        seat = template.seat(place=self.place(), learn="/nonexistent/learned.json")
        seat.run()
        seat.kill(signal.SIGTERM)
        self.assertEqual(seat.exited()["code"], 0)
        self.assertIn("could not be noted", seat.place.said())


class Rules(unittest.TestCase):
    def test_the_innermost_folder_decides_whose_a_file_is(self):
        environment = Environment()
        environment.roots = folders(["/app/.venv/lib/site-packages", "/usr/lib/python3"])
        cases = (
            ("/app/.venv/lib/site-packages/numpy/__init__.py", ["/app"], True),
            ("/app/helpers.py", ["/app"], False),
            ("/app/helpers.py", [], False),
            ("/usr/lib/python3/wave.py", ["/"], True),
            ("/usr/lib/python3/site/tool/app.py", ["/usr/lib/python3/site/tool"], False),
            ("/usr/lib/python3/site/tools.py", ["/usr/lib/python3/site/tool"], True),
            ("/app/.venv/lib/site-packages/own.py", ["/app/.venv/lib/site-packages"], False),
        )
        for file, users, expected in cases:
            with self.subTest(file, users=users):
                self.assertIs(environment.holds(file, folders(users)), expected)

    def test_only_whole_modules_under_their_own_names_are_learned(self):
        environment = Environment()
        environment.roots = folders(["/site"])

        def module(name, file="/site/x.py", spec_name=None, unfinished=False):
            made = types.ModuleType(name)
            made.__file__ = file
            made.__spec__ = ModuleSpec(spec_name or name, None)
            made.__spec__._initializing = unfinished
            return made

        namespace = module("space", file=None)
        modules = {
            "good": module("good"),
            "core": module("core"),
            "good.part": module("good.part"),
            "orphan.part": module("orphan.part"),
            "alias": module("good"),
            "renamed": module("renamed", spec_name="good"),
            "unfinished": module("unfinished", unfinished=True),
            "elsewhere": module("elsewhere", file="/home/x.py"),
            "space": namespace,
            "space.part": module("space.part"),
            "no-name": module("no-name"),
            "__mp_main__": module("__mp_main__"),
            "object": object(),
            "bare": types.ModuleType("bare"),
        }
        self.assertEqual(
            learned_names(modules, {"core"}, environment, ()), ["good", "good.part", "space.part"]
        )

    def test_a_name_covers_what_is_below_it(self):
        for name, expected in (
            ("polars", True),
            ("polars.io", True),
            ("polarsx", False),
            ("a.polars", False),
        ):
            self.assertIs(covers(["statsmodels", "polars"], name), expected)

    def test_a_users_folder_hides_installed_packages_only_as_an_import_would(self):
        place = template.place()
        place.write("one.py", "")
        place.write("two/__init__.py", "")
        place.write("three/data.txt", "")
        place.write("four.cpython-311-x86_64-linux-gnu.so", "")
        place.write("five.txt", "")
        packages = {"one", "two", "three", "four", "five", "six"}
        found = module_names(place.folder, os.listdir(place.folder), packages)
        self.assertEqual(sorted(found), ["four", "one", "two"])

    def test_what_is_read_once_is_told_when_it_differs(self):
        own = {"LD_LIBRARY_PATH": "/a", "PATH": "/bin", "MALLOC_ARENA_MAX": "2"}
        cases = (
            ({**own, "PATH": "/other"}, []),
            ({**own, "LD_LIBRARY_PATH": "/b"}, ["LD_LIBRARY_PATH"]),
            ({"PATH": "/bin", "LD_LIBRARY_PATH": "/a"}, ["MALLOC_ARENA_MAX"]),
            ({**own, "PYTHONPATH": "/x", "PYTHONHASHSEED": "1"}, ["PYTHONHASHSEED"]),
        )
        for env, expected in cases:
            with self.subTest(env):
                self.assertEqual(stale_environment(env, own), expected)


if __name__ == "__main__":
    unittest.main()
