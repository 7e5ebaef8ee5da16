"""Which modules the template imports ahead, and which a seat says it should: the environment's own,
never a user's, and only those that leave nothing behind which a fork would share."""

from __future__ import annotations

import copy
import ctypes
import gc
import logging
import mimetypes
import os
import site
import sys
import sysconfig
from importlib.util import find_spec
from types import ModuleType, SimpleNamespace

from template_process import (
    describe_descriptor,
    libraries,
    log,
    open_descriptors,
    other_threads,
    shared_mappings,
)

# What `python -m streamlit run` has imported when it comes to the script. What else a version needs
# is found by the self-test's seat.
CORE = """
streamlit streamlit.web.cli streamlit.web.bootstrap streamlit.web.server.server
streamlit.web.server.app_discovery streamlit.web.server.starlette.starlette_server
streamlit.web.server.starlette.starlette_app streamlit.components.v2.manifest_scanner
streamlit.runtime.scriptrunner.script_runner streamlit.watcher.local_sources_watcher
starlette.applications starlette.middleware.sessions starlette.staticfiles starlette.websockets
uvicorn uvicorn.lifespan.on uvicorn.loops.auto uvicorn.protocols.http.auto
uvicorn.protocols.websockets.websockets_sansio_impl anyio._backends._asyncio
tornado.httpserver tornado.platform.asyncio toml click asyncio concurrent.futures.thread locale
logging.config multiprocessing multiprocessing.connection numbers random socket tempfile threading
""".split()

# Pools that native libraries would start when they are loaded; a seat gets them back
# (`give_back_pools`). OMP_NUM_THREADS is left alone: pyarrow sizes its own pool by it.
NO_POOLS = {
    "OPENBLAS_NUM_THREADS": "1",
    # How long idle BLAS threads spin: 2^20 cycles. Its own 2^26 would be 25 ms of each start.
    "OPENBLAS_THREAD_TIMEOUT": "20",
    "NUMEXPR_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": (
        "oversize_threshold:0,dirty_decay_ms:1000,muzzy_decay_ms:1000,background_thread:false"
    ),
}


NUMEXPR_THREADS_MAX = 16  # its own, unless NUMEXPR_MAX_THREADS says otherwise


class Intrusion(Exception):
    """Importing `module` left something behind that a fork would share, or that must not be in a
    template."""

    def __init__(self, because, detail, module=None):
        super().__init__(f"{because}: {detail}")
        self.because = because
        self.detail = str(detail)
        self.module = module


class Environment:
    """The folders of the standard library and of installed packages; everything else is somebody's
    own code."""

    def __init__(self):
        paths = sysconfig.get_paths()
        sites = [paths["purelib"], paths["platlib"], *site.getsitepackages()]
        if not in_virtual_environment():
            sites.append(site.getusersitepackages())
        self.sites = [path for path in dict.fromkeys(sites) if os.path.isdir(path)]
        self.roots = folders([paths["stdlib"], paths["platstdlib"], *self.sites])
        self.interpreter = os.path.realpath(sys.executable)
        self.times_ns = {}
        self.names = {}

    def holds(self, file, user_roots=()):
        """Whether this file is the environment's. The innermost folder decides: a virtual
        environment may lie in the user's project, and a user's script in the environment."""
        file = os.path.abspath(file)
        return innermost(file, self.roots) > innermost(file, user_roots)

    def remember(self):
        """Notes what is installed, for `changed`."""
        for path in (self.interpreter, *self.sites):
            self.times_ns[path] = os.stat(path).st_mtime_ns
        self.names = {path: installed(path) for path in self.sites}

    def changed(self):
        """What is not as it was when `remember` was called: a folder in which packages came, went
        or changed their version, or the interpreter. Else None."""
        for path, time_ns in self.times_ns.items():
            try:
                now_ns = os.stat(path).st_mtime_ns
                if now_ns != time_ns and (
                    path == self.interpreter or installed(path) != self.names[path]
                ):
                    return path
                self.times_ns[path] = now_ns
            except OSError:
                return path
        return None


def in_virtual_environment():
    return sys.prefix != sys.base_prefix


def folders(paths):
    """As given and with links resolved, each with a separator at its end."""
    both = [form for path in paths for form in (os.path.abspath(path), os.path.realpath(path))]
    return tuple(dict.fromkeys(os.path.join(path, "") for path in both))


def innermost(file, roots):
    return max((len(root) for root in roots if file.startswith(root)), default=0)


def installed(path):
    """The names in a packages folder; the version is part of *.dist-info's. Compiled files and
    pip's leftovers come and go."""
    return frozenset(
        name for name in os.listdir(path) if name != "__pycache__" and not name.startswith("~")
    )


def add_user_site():
    """`-I` leaves the user's own site-packages out; a start by hand has them, before the system's,
    unless in a virtual environment."""
    path = site.getusersitepackages()
    if in_virtual_environment() or not os.path.isdir(path) or path in sys.path:
        return
    before = list(sys.path)
    site.addsitedir(path)
    added = [entry for entry in sys.path if entry not in before]
    system = site.getsitepackages()
    at = next((index for index, entry in enumerate(before) if entry in system), len(before))
    sys.path[:] = before[:at] + added + before[at:]


# --------------------------------------------------------------------------------------------------
# Importing ahead


def covers(names, module):
    """Whether one of the names is the module's, or that of a package around it."""
    return any(module == name or module.startswith(name + ".") for name in names)


def package_of(name):
    return name.partition(".")[0]


class Preloader:
    """Imports modules and looks, after each, for what a fork must not copy."""

    def __init__(self, environment, exclude, announce):
        self.environment = environment
        self.exclude = exclude
        self.announce = announce
        self.package = None
        self.skipped = {}
        self.installed = {}
        self.descriptors = open_descriptors()
        self.core_names = set()
        self.core_packages = set()
        self.imposed = {}

    def core(self):
        """Streamlit itself. Raises ImportError if there is none; what else a version lacks is left
        to the self-test's judgement."""
        before = dict(os.environ)
        for name in CORE:
            try:
                __import__(name)
            except ImportError:
                if name == "streamlit":
                    raise
        self.look()
        self.core_names = set(sys.modules)
        self.core_packages = {package_of(name) for name in self.core_names}
        # Streamlit sets MPLBACKEND whatever it was: each seat's environment gets it, as if it had
        # imported Streamlit itself.
        self.imposed = {
            name: value for name, value in os.environ.items() if before.get(name) != value
        }

    def load(self, names, guesses=()):
        """Imports each name; of the guesses those that are modules. Raises `Intrusion` at the first
        that leaves something behind."""
        for name in names:
            if name not in sys.modules and not covers(self.exclude, name):
                package = package_of(name)
                if self.may_import(package) and (name not in guesses or is_submodule(name)):
                    self.begin(package)
                    self.load_one(name)

    def begin(self, package):
        """Before the first module of each package: says so, and looks what the one before it did to
        the memory."""
        if self.package != package:
            self.look_at_memory()
            self.package = package
            self.announce({"importing": package})

    def load_one(self, name):
        before = set(sys.modules)
        try:
            __import__(name)
        except (Exception, SystemExit) as error:  # the script's trouble, not the template's
            self.skipped[name] = f"{type(error).__name__}: {error}"[:200]
        try:
            self.look()
            self.look_at(set(sys.modules) - before)
        except Intrusion as intrusion:
            # What Streamlit itself is made of stays, and so do its other parts.
            intrusion.module = name if self.package in self.core_packages else self.package
            raise

    def may_import(self, package):
        if package not in self.installed:
            self.installed[package] = is_installed(package, self.environment)
        if not self.installed[package]:
            self.skipped.setdefault(package, "not in this environment")
        return self.installed[package]

    def look(self):
        """Raises `Intrusion` if a thread runs, or a descriptor is open that was not."""
        names = other_threads()
        if names:
            raise Intrusion("thread", ", ".join(names))
        if open_descriptors() - self.descriptors:
            gc.collect()  # a file object in a cycle holds its descriptor until then
            for fd in sorted(open_descriptors() - self.descriptors):
                raise Intrusion("descriptor", describe_descriptor(fd))

    def look_at_memory(self):
        """Raises `Intrusion` if there is writable memory that stays one after a fork."""
        mappings = shared_mappings()
        if mappings:
            raise Intrusion("shared_memory", ", ".join(mappings[:4]), self.package)

    def look_at(self, names):
        """Raises `Intrusion` if one of these modules is not the environment's."""
        for name in names:
            file = getattr(sys.modules.get(name), "__file__", None)
            if isinstance(file, str) and not self.environment.holds(file):
                raise Intrusion("outside", f"{name} is {file}")


def is_submodule(name):
    """Whether the package around it is there and has a module of this name. Runs nothing."""
    try:
        return name.rpartition(".")[0] in sys.modules and find_spec(name) is not None
    except (ImportError, ValueError, AttributeError):
        return False


def is_installed(package, environment):
    """Whether this top-level package is the environment's own. Looks without importing: user code
    must not run here."""
    try:
        spec = find_spec(package)
    except (ImportError, ValueError, AttributeError):
        return False
    if spec is None:
        return False
    if spec.origin in ("built-in", "frozen"):
        return True
    places = spec.submodule_search_locations or []
    files = [spec.origin] if spec.origin else [os.path.join(place, "x") for place in places]
    return bool(files) and all(environment.holds(file) for file in files)


# --------------------------------------------------------------------------------------------------
# Doing once what every seat would do


def memoise_component_scan():
    """Streamlit reads the metadata of every installed distribution when a server is made: 40 ms and
    more. Once is enough, unless the seat brings distributions of its own. Returns a function that
    undoes it."""
    scanner = sys.modules.get("streamlit.components.v2.manifest_scanner")
    original = getattr(scanner, "scan_component_manifests", None)
    if original is None:
        return lambda: None
    try:
        found = original()
    except Exception as error:
        log(f"the component scan is left to each seat: {error!r}")
        return lambda: None
    scanner.scan_component_manifests = lambda *_args, **_kwargs: list(found)
    return lambda: setattr(scanner, "scan_component_manifests", original)


def warm_up():
    """Runs Streamlit's commands once without a session: fills the caches of its encoders and of
    what is loaded already."""
    import streamlit as st

    mimetypes.init()  # reads the system's table
    logging.disable(logging.CRITICAL)  # "missing ScriptRunContext", once a command
    try:
        st.title("x")
        st.write("x")
        st.caption("x")
        st.button("x", key="usher")
        st.slider("x", 0, 3)
        st.text_input("x")
        st.checkbox("x")
        st.selectbox("x", [1, 2])
        st.file_uploader("x")
        st.columns(2)
        st.tabs(["a", "b"])
        st.expander("x")
        if "pandas" in sys.modules and "pyarrow" in sys.modules:
            warm_up_tables(st, sys.modules["pandas"])
    finally:
        logging.disable(logging.NOTSET)
        forget_configuration()


def warm_up_tables(st, pandas):
    days = pandas.date_range("2024-01-01", periods=3)
    frame = pandas.DataFrame({"d": days, "a": [1.0, 2, 3], "b": [3.0, 2, 1], "c": ["x", "y", "z"]})
    st.dataframe(frame)
    frame.to_csv(index=False)
    if "altair" in sys.modules:
        altair = sys.modules["altair"]
        st.line_chart(frame, x="d", y=["a", "b"])
        st.altair_chart(altair.Chart(frame).mark_bar().encode(x="c:N", y="sum(a):Q", color="c:N"))


def forget_configuration():
    """The warm-up made Streamlit read the template's config.toml; a seat reads its own, as if for
    the first time."""
    config = sys.modules["streamlit.config"]
    if hasattr(config, "_config_options"):
        config._config_options = None


def copy_options_ahead():
    """Streamlit copies its 250 options, deeply, when it reads its configuration: a fifth of a
    seat's start. Returns a function by which a seat uses the copy that is made here."""
    config = sys.modules["streamlit.config"]
    options = getattr(config, "_config_options_template", None)
    if options is None or getattr(config, "copy", None) is not copy:
        return lambda: None
    ahead = copy.deepcopy(options)

    def deepcopy(value, *rest):
        config.copy = copy  # once: what is copied again must be another one
        return ahead if value is options else copy.deepcopy(value, *rest)

    return lambda: setattr(config, "copy", SimpleNamespace(**{**vars(copy), "deepcopy": deepcopy}))


def pool_setters():
    """The functions by which a seat gets back the BLAS threads that `NO_POOLS` withheld."""
    names = ("scipy_openblas_set_num_threads64_", "scipy_openblas_set_num_threads")
    names += ("openblas_set_num_threads64_", "openblas_set_num_threads")
    setters = []
    for path in libraries("openblas"):
        library = ctypes.CDLL(path)
        setters += [getattr(library, name) for name in names if hasattr(library, name)][:1]
    return setters


def give_back_pools(setters, env):
    """As many threads as the libraries would have started by themselves, had they been loaded with
    this environment."""
    blas = ("OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS")
    for set_threads in setters:
        set_threads(threads_wanted(env, blas))
    if "numexpr" in sys.modules:
        wanted = threads_wanted(env, ("NUMEXPR_NUM_THREADS", "OMP_NUM_THREADS"))
        sys.modules["numexpr"].set_num_threads(min(wanted, NUMEXPR_THREADS_MAX))


def threads_wanted(env, names):
    """What the first of these variables says, else one for each processor."""
    said = [int(env[name]) for name in names if env.get(name, "").isdigit()]
    return max(1, said[0] if said else len(os.sched_getaffinity(0)))


# --------------------------------------------------------------------------------------------------
# Learning


def learned_names(modules, core_names, environment, user_roots):
    """Of the loaded modules those that a template can import ahead, in the order in which their
    import ended."""
    return [
        name
        for name, module in modules.items()
        if name not in core_names
        and is_learnable(name, module, modules)
        and environment.holds(module_file(module), user_roots)
    ]


def is_learnable(name, module, modules):
    """Whether it is an importable module under its own name, and all there."""
    if (
        not issubclass(type(module), ModuleType)
        or name.startswith("__")
        or not all(part.isidentifier() for part in name.split("."))
    ):
        return False
    inside = module_dictionary(module)
    spec = inside.get("__spec__")
    if (
        inside.get("__name__") != name
        or getattr(spec, "name", None) != name
        or getattr(spec, "_initializing", False)
    ):
        return False
    parent = name.rpartition(".")[0]
    has_parent = not parent or parent in modules or parent in sys.modules
    return isinstance(module_file(module), str) and has_parent


def module_dictionary(module):
    """Without asking the module: the attributes of lazy ones import things."""
    return object.__getattribute__(module, "__dict__")


def module_file(module):
    return module_dictionary(module).get("__file__")
