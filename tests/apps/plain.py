"""A web app without any framework, for tests that need no Streamlit: it starts in a blink, tells what it was sent and misbehaves on request.

It routes by the last segment of the path, so it works with and without a prefix. Each launch appends a line to DOOR/launches.
`--mode` is how it misbehaves from the start: see `begin`."""

import argparse
import asyncio
import base64
import hashlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from urllib.parse import parse_qs, urlsplit

GATES: dict[str, asyncio.Event] = {}
SEEN = {"requests": 0, "connections": 0, "paths": []}
WEBSOCKET_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
HEAD_LIMIT_BYTES = 256 * 1024


def gate(name: str) -> asyncio.Event:
    """What `/hold?gate=x` waits for and `/release?gate=x` opens."""
    return GATES.setdefault(name, asyncio.Event())


def descriptors() -> dict[str, str]:
    """Every open descriptor and what it is."""
    found = {}
    for number in os.listdir("/proc/self/fd"):
        try:
            found[number] = os.readlink(f"/proc/self/fd/{number}")
        except OSError:
            pass  # the one that listed the folder
    return found


class Request:
    def __init__(self, head: bytes, body: "Body"):
        first, *rest = head.decode("latin-1").split("\r\n")
        self.method, self.target, self.version = first.split(" ", 2)
        self.headers = [tuple(part.strip() for part in line.split(":", 1)) for line in rest if line]
        self.body = body
        parts = urlsplit(self.target)
        self.route = parts.path.rsplit("/", 1)[-1]
        self.query = {key: values for key, values in parse_qs(parts.query, keep_blank_values=True).items()}

    def header(self, name: str, default: str = "") -> str:
        return next((value for key, value in self.headers if key.lower() == name), default)

    def argument(self, name: str, default: str = "") -> str:
        return self.query.get(name, [default])[0]


class Body:
    """A request's body, read piece by piece."""

    def __init__(self, reader: asyncio.StreamReader, length: int, chunked: bool):
        self.reader, self.left, self.chunked = reader, length, chunked

    async def pieces(self):
        while self.left > 0:
            piece = await self.reader.read(min(self.left, 65536))
            if not piece:
                raise ConnectionError("the body ended early")
            self.left -= len(piece)
            yield piece
        while self.chunked:
            size = int((await self.reader.readline()).split(b";")[0], 16)
            if size:
                yield await self.reader.readexactly(size)
            await self.reader.readline()
            self.chunked = size > 0


class Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self.reader, self.writer = reader, writer

    async def serve(self):
        SEEN["connections"] += 1
        try:
            while await self.one():
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.writer.close()

    async def one(self) -> bool:
        head = await self.reader.readuntil(b"\r\n\r\n")
        request = Request(head[:-4], Body(self.reader, 0, False))
        request.body.left = int(request.header("content-length", "0"))
        request.body.chunked = "chunked" in request.header("transfer-encoding").lower()
        SEEN["requests"] += 1
        SEEN["paths"] = (SEEN["paths"] + [f"{request.method} {request.target}"])[-1000:]
        if request.header("upgrade").lower() == "websocket" and request.route != "respond":
            await WebSocket(self, request).serve()
            return False
        handler = ROUTES.get(request.route, index)
        await handler(self, request)
        async for _ in request.body.pieces():
            pass
        await self.writer.drain()
        return request.header("connection").lower() != "close"

    def head(self, status: int, headers: list[tuple[str, str]]):
        lines = [f"HTTP/1.1 {status} Status"] + [f"{name}: {value}" for name, value in headers]
        self.writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("utf-8"))

    def answer(self, request, body: bytes | str, kind="text/plain; charset=utf-8", status=200, headers=()):
        body = body.encode() if isinstance(body, str) else body
        self.head(status, [("Content-Type", kind), ("Content-Length", str(len(body))), *headers])
        if request.method != "HEAD":
            self.writer.write(body)

    def json(self, request, value):
        self.answer(request, json.dumps(value), "application/json")


async def index(connection, request):
    text = f"<!doctype html><title>plain</title><h1>plain app</h1><p>user={os.environ.get('USHER_USER')} pid={os.getpid()}"
    connection.answer(request, text, "text/html; charset=utf-8")


async def health(connection, request):
    """`--healthy-when FILE` keeps it unhealthy until that file is there."""
    ready = not OPTIONS.healthy_when or os.path.exists(OPTIONS.healthy_when)
    connection.answer(request, "ok" if ready else "not yet", status=200 if ready else 503)


async def pid(connection, request):
    connection.answer(request, str(os.getpid()))


async def echo(connection, request):
    connection.json(request, {
        "method": request.method, "target": request.target, "headers": request.headers,
        "pid": os.getpid(), "user": os.environ.get("USHER_USER"),
    })


async def environment(connection, request):
    umask = os.umask(0o077)
    os.umask(umask)
    connection.json(request, {
        "environment": dict(os.environ), "working_directory": os.getcwd(), "umask": umask, "arguments": sys.argv,
        "descriptors": descriptors(), "session": os.getsid(0), "group": os.getpgid(0), "pid": os.getpid(),
    })


async def seen(connection, request):
    connection.json(request, SEEN)


async def respond(connection, request):
    """Answers with the status, header lines (`h=Name:Value`) and body that the query names."""
    headers = [tuple(line.split(":", 1)) for line in request.query.get("h", [])]
    connection.answer(request, request.argument("body", "as asked"), status=int(request.argument("status", "200")), headers=headers)


async def hold(connection, request):
    await gate(request.argument("gate")).wait()
    connection.answer(request, "released")


async def release(connection, request):
    gate(request.argument("gate")).set()
    connection.answer(request, "open")


async def events(connection, request):
    """Server-sent events: one at once, the next only when `/release?gate=…` was asked for."""
    connection.head(200, [("Content-Type", "text/event-stream"), ("Cache-Control", "no-cache"), ("Connection", "close")])
    connection.writer.write(b"data: first\n\n")
    await connection.writer.drain()
    await gate(request.argument("gate")).wait()
    connection.writer.write(b"data: second\n\n")
    await connection.writer.drain()
    raise ConnectionError("done")


async def upload(connection, request):
    """Counts and hashes the body; opens the gate `…` as soon as the first piece has come."""
    total, digest = 0, hashlib.sha256()
    async for piece in request.body.pieces():
        total += len(piece)
        digest.update(piece)
        gate(request.argument("gate")).set()
    connection.json(request, {"bytes": total, "sha256": digest.hexdigest()})


def blob_of(size: int) -> bytes:
    """Bytes that any part of can be told from any other part."""
    return b"".join(b"%015d\n" % line for line in range(size // 16 + 1))[:size]


async def blob(connection, request):
    """`bytes=N` of content, with HEAD, one range and ETag; `chunked=1` without a length."""
    content = blob_of(int(request.argument("bytes", "65536")))
    common = [("Content-Type", "application/octet-stream"), ("ETag", '"blob"'), ("Accept-Ranges", "bytes")]
    if request.header("if-none-match") == '"blob"':
        connection.head(304, [("ETag", '"blob"')])
        return
    if request.argument("chunked"):
        connection.head(200, [*common, ("Transfer-Encoding", "chunked")])
        for start in range(0, len(content), 10000):
            piece = content[start : start + 10000]
            connection.writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            await connection.writer.drain()
        connection.writer.write(b"0\r\n\r\n")
        return
    wanted, status = content, 200
    if request.header("range").startswith("bytes="):
        first, last = request.header("range")[6:].split("-")
        first, last = int(first), min(int(last or len(content)), len(content) - 1)
        wanted, status = content[first : last + 1], 206
        common.append(("Content-Range", f"bytes {first}-{last}/{len(content)}"))
    connection.head(status, [*common, ("Content-Length", str(len(wanted)))])
    if request.method != "HEAD":
        connection.writer.write(wanted)
        await connection.writer.drain()


async def crash(connection, request):
    print("the app was asked to crash", file=sys.stderr, flush=True)
    if request.argument("signal"):
        os.kill(os.getpid(), int(request.argument("signal")))
    os._exit(int(request.argument("code", "3")))


async def grow(connection, request):
    """Takes `mib=N` of memory and keeps it."""
    SEEN["memory"] = bytearray(os.urandom(1024 * 1024) * int(request.argument("mib")))
    connection.answer(request, "grown")


async def say(connection, request):
    """Writes a line to the app's log."""
    print(request.argument("line"), flush=True)
    connection.answer(request, "said")


async def knock(connection, request):
    """Calls the door from inside a seat, as the address `from`, and passes the first line of its answer on."""
    def call() -> str:
        address = (request.argument("from"), 0)
        with socket.create_connection(("127.0.0.1", int(request.argument("port"))), 30, address) as door:
            door.sendall(f"GET {request.argument('path', '/')} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
            return door.makefile("rb").readline().decode()
    connection.answer(request, await asyncio.to_thread(call))


class WebSocket:
    """Echoes; a text that begins with `!` is an order: see `obey`. `?refuse=403` refuses the handshake."""

    def __init__(self, connection, request):
        self.connection, self.request = connection, request

    async def serve(self):
        if self.request.argument("refuse"):
            self.connection.answer(self.request, "not for you", status=int(self.request.argument("refuse")))
            await self.connection.writer.drain()
            return
        key = self.request.header("sec-websocket-key").encode()
        accept = base64.b64encode(hashlib.sha1(key + WEBSOCKET_MAGIC).digest()).decode()
        headers = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept)]
        if protocol := self.request.header("sec-websocket-protocol"):
            headers.append(("Sec-WebSocket-Protocol", protocol.split(",")[0].strip()))
        self.connection.head(101, headers)
        while await self.message():
            pass

    async def frame(self):
        first, second = await self.connection.reader.readexactly(2)
        length = second & 0x7F
        if length == 126:
            length = struct.unpack(">H", await self.connection.reader.readexactly(2))[0]
        elif length == 127:
            length = struct.unpack(">Q", await self.connection.reader.readexactly(8))[0]
        mask = await self.connection.reader.readexactly(4)
        data = await self.connection.reader.readexactly(length)
        repeated = (mask * (length // 4 + 1))[:length]
        plain = int.from_bytes(data, "big") ^ int.from_bytes(repeated, "big")
        return first & 0x80, first & 0x0F, plain.to_bytes(length, "big")

    async def send(self, kind: int, data: bytes):
        length = len(data)
        size = bytes([length]) if length < 126 else b"\x7e" + struct.pack(">H", length) if length < 65536 else b"\x7f" + struct.pack(">Q", length)
        self.connection.writer.write(bytes([0x80 | kind]) + size + data)
        await self.connection.writer.drain()

    async def message(self) -> bool:
        final, kind, data = await self.frame()
        if kind == 8:
            print("websocket closed by the client with", int.from_bytes(data[:2], "big"), flush=True)
            await self.send(8, data)
            return False
        if kind == 9:
            await self.send(10, data)
        elif kind == 10:
            await self.send(1, b"pong " + data)
        elif kind == 1 and data.startswith(b"!"):
            return await self.obey(data[1:].decode().split())
        else:
            while not final:
                final, _, more = await self.frame()
                data += more
            await self.send(kind, data)
        return True

    async def obey(self, order: list[str]) -> bool:
        match order:
            case ["close", code]:
                await self.send(8, struct.pack(">H", int(code)) + b"as ordered")
                await self.frame()
                return False
            case ["abort"]:
                self.connection.writer.transport.abort()
                return False
            case ["ping"]:
                await self.send(9, b"are you there")
            case ["pid"]:
                await self.send(1, str(os.getpid()).encode())
            case ["user"]:
                await self.send(1, str(os.environ.get("USHER_USER")).encode())
            case ["headers"]:
                await self.send(1, json.dumps(self.request.headers).encode())
            case ["flood", count]:
                for number in range(int(count)):
                    await self.send(2, number.to_bytes(4, "big") * 4096)
            case _:
                await self.send(1, b"unknown order")
        return True


ROUTES = {
    "health": health, "pid": pid, "echo": echo, "environment": environment, "seen": seen, "respond": respond, "hold": hold,
    "release": release, "events": events, "upload": upload, "blob": blob, "crash": crash, "grow": grow, "say": say, "knock": knock,
}


def begin():
    """What each mode does before, or in place of, listening."""
    match OPTIONS.mode:
        case "exit":
            print("I have nothing to do here", file=sys.stderr, flush=True)
            sys.exit(OPTIONS.code)
        case "traceback":
            raise RuntimeError("the flux capacitor is missing")
        case "never-listen":
            print("I shall never listen", file=sys.stderr, flush=True)
            while True:
                time.sleep(3600)
        case "ignore-term":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        case "child":
            subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)", "child", OPTIONS.door])
    while OPTIONS.wait_for and not os.path.exists(OPTIONS.wait_for):
        time.sleep(0.01)


async def main():
    server = await asyncio.start_server(
        lambda reader, writer: Connection(reader, writer).serve(),
        "127.0.0.1", OPTIONS.port, limit=HEAD_LIMIT_BYTES, backlog=1024,
    )
    async with server:
        await server.serve_forever()


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=int(os.environ.get("PORT", "0")))
    parser.add_argument("--door", default=".")
    parser.add_argument("--base", default="")
    parser.add_argument("--mode", default="well")
    parser.add_argument("--code", type=int, default=0)
    parser.add_argument("--wait-for")
    parser.add_argument("--healthy-when")
    return parser.parse_args()


if __name__ == "__main__":
    OPTIONS = options()
    with open(os.path.join(OPTIONS.door, "launches"), "a") as record:
        record.write(f"{os.environ.get('USHER_APP', '-')} {os.environ.get('USHER_USER', '-')} {os.getpid()}\n")
    begin()
    asyncio.run(main())
