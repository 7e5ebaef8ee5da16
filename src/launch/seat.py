"""One seat: Streamlit in a process of its own, behind a socket that usher has bound already.

    python seat.py --ask               prints what this interpreter has, as one JSON object, and ends
    python seat.py SCRIPT REQUEST      runs SCRIPT as `python -m streamlit run SCRIPT` would

REQUEST is a JSON object (every key has a default):

    {"socket": 7,             the descriptor of a listening socket, TCP or Unix; without it Streamlit binds its own
     "flags": {},             Streamlit's options as text, {"server.port": "8501"}; those that the installed version lacks are left out
     "args": [],              what the script finds behind its own name
     "watch_config": true}    false: Streamlit does not poll its config.toml and secrets.toml five times a second

Nothing here names a private part of Streamlit without which it could not go on: the socket is handed over where Python binds one,
so this holds for the versions on Tornado as for those on Starlette. What it prints goes to the app's log. Python 3.8 or later.
"""

import gc
import json
import os
import socket
import sys


def ask():
    """What there is to run a script with. A Streamlit that is there but broken is found out when it runs."""
    from importlib import metadata, util

    spec = util.find_spec("streamlit")
    facts = {"python": "%d.%d.%d" % sys.version_info[:3], "streamlit": None, "package": None}
    if spec is not None and spec.origin:
        facts["package"] = os.path.dirname(os.path.abspath(spec.origin))
        try:
            facts["streamlit"] = metadata.version("streamlit")
        except metadata.PackageNotFoundError:
            facts["streamlit"] = "unknown"
    print(json.dumps(facts), flush=True)


def hand_over(descriptor, address):
    """The first socket that is bound to this address becomes the one that usher has bound and that listens already."""
    given = socket.socket(fileno=descriptor)
    given.setblocking(False)
    os.set_inheritable(descriptor, False)
    # asyncio sends small answers at once only where the protocol is named.
    protocol = 0 if given.family == socket.AF_UNIX else socket.IPPROTO_TCP

    def bind(self, where):
        if where != address:
            return super(socket.socket, self).bind(where)
        del socket.socket.bind
        os.close(self.detach())
        return socket.socket.__init__(self, given.family, given.type, protocol, fileno=given.detach())

    socket.socket.bind = bind


def keep_no_delay():
    """Tornado turns the delay of small writes on again after each answer, and so for the WebSocket: 40 ms for most reruns."""
    iostream = sys.modules.get("tornado.iostream")
    if iostream is not None:
        set_nodelay = iostream.IOStream.set_nodelay
        iostream.IOStream.set_nodelay = lambda stream, value: set_nodelay(stream, True)


def do_not_watch_configuration(bootstrap):
    """Spares threads that poll config.toml and, where there is a secrets.toml, the start the 0.3 s for which 1.67 waits for each other
    place where one could be."""
    secrets = getattr(sys.modules.get("streamlit.runtime.secrets"), "Secrets", None)
    for owner, name in ((bootstrap, "_install_config_watchers"), (secrets, "_maybe_install_file_watchers")):
        if hasattr(owner, name):
            setattr(owner, name, lambda *args, **kwargs: None)


def command_line(command, script, request):
    """What a person would type after `python -m streamlit`, with the options that this version has."""
    known = {name for parameter in command.params for name in parameter.opts}
    flags = request.get("flags", {})
    unknown = [name for name in flags if "--" + name not in known]
    if unknown:
        print("usher: this Streamlit does not know %s" % ", ".join(unknown), file=sys.stderr, flush=True)
    options = [text for name in flags if name not in unknown for text in ("--" + name, flags[name])]
    return ["run"] + options + ["--", script] + request.get("args", [])


def run(script, request):
    # What is imported before the script runs lives as long as the process: looking for garbage in it is in vain, now and at every run.
    gc.disable()
    from streamlit.web import bootstrap, cli

    keep_no_delay()
    if not request.get("watch_config", True):
        do_not_watch_configuration(bootstrap)
    if request.get("socket") is not None:
        flags = request.get("flags", {})
        hand_over(request["socket"], (flags["server.address"], int(flags["server.port"])))
    arguments = command_line(cli.main.commands["run"], script, request)
    # As `python -m` does; but only now, so that no file of the app's folder is taken for one that Streamlit imports at its start.
    sys.path.insert(0, os.getcwd())
    sys.argv = ["streamlit"] + arguments
    gc.freeze()
    gc.enable()
    cli.main(args=arguments, prog_name="streamlit")


def main():
    # The folder of this file is usher's, and nothing for an app to import from.
    if sys.path and os.path.abspath(sys.path[0]) == os.path.dirname(os.path.abspath(__file__)):
        del sys.path[0]
    if sys.argv[1:] == ["--ask"]:
        ask()
    else:
        run(sys.argv[1], json.loads(sys.argv[2]))


if __name__ == "__main__":
    main()
