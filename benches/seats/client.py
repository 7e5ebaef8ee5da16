"""A browser's part of Streamlit's protocol, without the browser: opens a session, runs the script, measures."""

import http.client
import socket
import time

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

LIMIT_S = 90


class Session:
    """One open page of an app at 127.0.0.1:`port`, called from the address `source`."""

    def __init__(self, port, base="", source="127.0.0.1"):
        line = socket.create_connection(("127.0.0.1", port), LIMIT_S, (source, 0))
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = connect(
            f"ws://127.0.0.1:{port}{base}/_stcore/stream",
            sock=line,
            subprotocols=["streamlit"],
            origin=f"http://127.0.0.1:{port}",
            max_size=None,
            open_timeout=LIMIT_S,
            compression=None,
        )

    def run(self):
        """Runs the script; returns when it has finished."""
        message = BackMsg()
        message.rerun_script.query_string = ""
        self.socket.send(message.SerializeToString())
        while True:
            answer = ForwardMsg()
            answer.ParseFromString(self.socket.recv(LIMIT_S))
            kind = answer.WhichOneof("type")
            if kind == "delta" and answer.delta.new_element.WhichOneof("type") == "exception":
                raise RuntimeError(answer.delta.new_element.exception.message)
            if kind == "script_finished":
                return

    def close(self):
        self.socket.close()


def health(port, base="", source="127.0.0.1"):
    """Asks until the app says that it is well; through usher one question is held until it is."""
    until = time.monotonic() + LIMIT_S
    while time.monotonic() < until:
        line = http.client.HTTPConnection("127.0.0.1", port, LIMIT_S, source_address=(source, 0))
        try:
            line.request("GET", f"{base}/_stcore/health")
            if line.getresponse().status == 200:
                return
        except (ConnectionError, http.client.HTTPException):
            pass
        finally:
            line.close()
        time.sleep(0.002)
    raise TimeoutError(f"no health at port {port}")
