"""A model hub on a loopback port, with the faults that hubs and networks have."""

import re
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Final

import trio
from msgspec import Struct

from orch.sandbox.models.catalog import Model, ModelFile

Request = tuple[str, dict[str, str]]
"""The path, and the headers with lower-case names."""

Fault = Callable[[trio.SocketStream, bytes], Awaitable[None]]
"""Responds to one request for a file's contents in place of the hub."""

CONTENTS: Final[Mapping[str, bytes]] = {
    "config.json": b'{"of": "tests"}',
    "model.bin": bytes(range(256)) * 5_000,
}


def model_of(contents: Mapping[str, bytes] = CONTENTS) -> Model:
    """Return a small model's description."""
    files = tuple(ModelFile(name, len(data), sha256(data).hexdigest()) for name, data in contents.items())
    return Model(
        name="of-tests", title="A model of tests", repository="Some/model", revision="f" * 40, files=files
    )


class Reply(Struct, frozen=True, kw_only=True):
    """A fault: this response. ``cut``: the connection ends so many bytes of the body early."""

    status: int = 200
    headers: Mapping[str, str] = {}
    body: bytes = b""
    has_length: bool = True
    cut: int = 0

    async def __call__(self, stream: trio.SocketStream, _contents: bytes) -> None:
        """Send it."""
        lines = [f"HTTP/1.1 {self.status} Status", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        if self.has_length:
            lines.append(f"Content-Length: {len(self.body)}")
        head = "\r\n".join([*lines, "", ""]).encode()
        await stream.send_all(head + self.body[: len(self.body) - self.cut])


async def silence(_stream: trio.SocketStream, _contents: bytes) -> None:
    """Never respond."""
    await trio.sleep_forever()


async def drip(stream: trio.SocketStream, contents: bytes) -> None:
    """Send a response byte by byte."""
    await stream.send_all(f"HTTP/1.1 200 OK\r\nContent-Length: {len(contents)}\r\n\r\n".encode())
    for byte in contents:
        await stream.send_all(bytes([byte]))
        await trio.sleep(0.02)


async def hang_up(_stream: trio.SocketStream, _contents: bytes) -> None:
    """Close the connection without a response."""
    await trio.lowlevel.checkpoint()


def breaks_off(after: int) -> Fault:
    """Return the fault of a connection that ends in the middle of the file."""

    async def send(stream: trio.SocketStream, contents: bytes) -> None:
        await Reply(body=contents, cut=len(contents) - after)(stream, contents)

    return send


class ModelHub:
    """Redirects each file to its storage, as the hub does, and continues where a Range begins.

    ``faults``: what responds to the next requests for contents instead; ``always``: to all further ones.
    ``requests``: those for contents. ``hold``: called before contents are sent.
    """

    def __init__(self, contents: Mapping[str, bytes] = CONTENTS) -> None:
        self.contents = dict(contents)
        self.faults: deque[Fault] = deque()
        self.always: Fault | None = None
        self.requests: list[Request] = []
        self.hold: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint
        self.knows_ranges = True
        self.url = ""

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        """Listen on a free port; the URL."""
        async with trio.open_nursery() as nursery:
            (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
            self.url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
            nursery.start_soon(trio.serve_listeners, self._respond, [listener])
            yield self.url
            nursery.cancel_scope.cancel()

    async def _respond(self, stream: trio.SocketStream) -> None:
        async with stream:
            try:
                await self._respond_once(stream)
            except trio.BrokenResourceError:
                return  # the client was cancelled

    async def _respond_once(self, stream: trio.SocketStream) -> None:
        received = b""
        while b"\r\n\r\n" not in received:
            part = await stream.receive_some()
            if not part:
                return
            received += part
        head, *lines = received.decode("ascii").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        path = head.split()[1]
        name = path.rpartition("/")[2]
        if "/resolve/" in path and name in self.contents:
            await Reply(status=302, headers={"Location": f"/storage/{name}"})(stream, b"")
        elif path.endswith(f"/storage/{name}") and name in self.contents:  # a proxy gets the whole URL
            self.requests.append((name, headers))
            fault = self.faults.popleft() if self.faults else self.always
            await self.hold()
            await (fault or self._send(headers))(stream, self.contents[name])
        else:
            await Reply(status=404, body=b"Not Found")(stream, b"")

    def _send(self, headers: Mapping[str, str]) -> Fault:
        found = re.fullmatch(r"bytes=(\d+)-", headers.get("range", ""))
        start = int(found[1]) if found and self.knows_ranges else 0

        async def send(stream: trio.SocketStream, contents: bytes) -> None:
            if not start:
                await Reply(body=contents)(stream, contents)
                return
            extent = f"bytes {start}-{len(contents) - 1}/{len(contents)}"
            reply = Reply(status=206, headers={"Content-Range": extent}, body=contents[start:])
            await reply(stream, contents)

        return send
