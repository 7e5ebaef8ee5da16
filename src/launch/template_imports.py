"""What a script says it imports, read from its text: for an app that no seat has run yet, so that its
first visitor need not wait for the imports either.

It never runs a line of the script, and may guess: what is not an installed module is not imported.
"""

from __future__ import annotations

import ast
import os

FILES_MAX = 200
BYTES_MAX = 4 << 20

# What Streamlit imports when these are called for the first time.
TABLES = ("pandas", "pyarrow")
CHARTS = (*TABLES, "altair")
IMPORTED_BY_CALLS = {
    **dict.fromkeys(("dataframe", "data_editor", "table", "column_config"), TABLES),
    **dict.fromkeys(("line_chart", "area_chart", "bar_chart", "scatter_chart"), CHARTS),
    "altair_chart": CHARTS,
    "vega_lite_chart": CHARTS,
    "map": (*TABLES, "pydeck"),
    "pydeck_chart": ("pydeck",),
    "image": ("numpy", "PIL.Image"),
}
# Streamlit turns a frame into an Arrow table to show it.
IMPORTED_WITH = {"pandas": TABLES, "altair": CHARTS}


def imported_by(scripts):
    """Names of modules in the order in which these scripts, their pages and their own modules would
    import them; and those of the names that may well be something else in a module."""
    reader = Reader()
    for script in scripts:
        reader.read_script(script)
    return list(reader.names), reader.guesses - reader.certain


class Reader:
    """Follows a script to what else of the user's it is made of."""

    def __init__(self):
        self.names = {}
        self.certain = set()
        self.guesses = set()
        self.seen = set()
        self.bytes_left = BYTES_MAX

    def read_script(self, script):
        folder = os.path.dirname(os.path.abspath(script))
        self.read(os.path.abspath(script), folder)
        pages = os.path.join(folder, "pages")
        if os.path.isdir(pages):
            for name in sorted(os.listdir(pages)):
                if name.endswith(".py"):
                    self.read(os.path.join(pages, name), folder)

    def read(self, path, folder):
        tree = self.parsed(path)
        if tree is None:
            return
        for node in at_import(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    self.note(alias.name, folder)
            elif isinstance(node, ast.ImportFrom):
                self.note_from(node, path, folder)
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                for name in IMPORTED_BY_CALLS.get(node.attr, ()):
                    self.add(name)
            elif is_path_of_script(node, folder):
                self.read(os.path.join(folder, node.value), folder)

    def parsed(self, path):
        """The file's syntax tree, once. None for what is not to be had: the script will say so."""
        if path in self.seen or len(self.seen) >= FILES_MAX:
            return None
        self.seen.add(path)
        try:
            with open(path, "rb") as file:
                text = file.read(self.bytes_left + 1)
            self.bytes_left -= len(text)
            return ast.parse(text) if self.bytes_left >= 0 else None
        except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
            return None

    def note_from(self, node, path, folder):
        if node.level:
            base = os.path.dirname(path)
            for _ in range(node.level - 1):
                base = os.path.dirname(base)
            names = [node.module] if node.module else [alias.name for alias in node.names]
            for name in names:
                self.follow(name, base, folder)
        elif node.module != "__future__":
            self.note(node.module, folder)
            for alias in node.names:
                if alias.name != "*":
                    self.note(f"{node.module}.{alias.name}", folder, guessed=True)

    def note(self, name, folder, guessed=False):
        """A module of the user's own is read, any other is to be imported."""
        if not self.follow(name, folder, folder):
            self.add(name, guessed)

    def add(self, name, guessed=False):
        for one in (*IMPORTED_WITH.get(name, ()), name):
            self.names.setdefault(one)
        (self.guesses if guessed else self.certain).add(name)

    def follow(self, name, base, folder):
        """Whether there is such a module in the user's folder."""
        parts = name.split(".")
        found = False
        for count in range(1, len(parts) + 1):
            place = os.path.join(base, *parts[:count])
            for path in (f"{place}.py", os.path.join(place, "__init__.py")):
                if os.path.isfile(path):
                    found = True
                    self.read(path, folder)
        return found or os.path.isdir(os.path.join(base, parts[0]))


def at_import(tree):
    """The statements that run when the module does: not those in functions, which may never be
    called."""
    waiting = list(reversed(tree.body))
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            waiting.extend(
                child
                for child in reversed(list(ast.iter_child_nodes(node)))
                if isinstance(child, (ast.stmt, ast.ExceptHandler))
            )


def is_path_of_script(node, folder):
    """Such as in `st.Page("reports/daily.py")`."""
    return (
        isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node.value.endswith(".py")
        and "\0" not in node.value
        and os.path.isfile(os.path.join(folder, node.value))
    )
