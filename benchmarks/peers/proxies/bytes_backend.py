"""A back end for large bodies: ``python -m … PORT``.

``GET`` with a path that ends in a number sends so many bytes; any other request is answered with the number
of bytes of its body, once that has arrived.
"""

import sys
from functools import partial
from typing import Final

import httptools
import trio

PIECE: Final = memoryview(bytes(256 * 1024))


class _Heard:
    """What httptools reports of a request."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Forget the request before."""
        self.target = b""
        self.bytes = 0
        self.is_complete = False

    def on_url(self, url: bytes) -> None:
        """Note the target."""
        self.target += url

    def on_body(self, data: bytes) -> None:
        """Count."""
        self.bytes += len(data)

    def on_message_complete(self) -> None:
        """Note it."""
        self.is_complete = True


async def handle(stream: trio.SocketStream) -> None:
    """Answer what comes over a connection."""
    heard = _Heard()
    parser = httptools.HttpRequestParser(heard)
    async for data in stream:
        parser.feed_data(bytes(data))
        if heard.is_complete:
            await respond(stream, heard, parser.get_method())
            heard.begin()


async def respond(stream: trio.SocketStream, heard: _Heard, method: bytes) -> None:
    """Send what was asked for."""
    last = heard.target.rpartition(b"/")[2]
    if method == b"GET" and last.isdigit():
        left = int(last)
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % left)
        while left:
            sent = PIECE[:left]
            await stream.send_all(sent)
            left -= len(sent)
        return
    body = b'{"bytes":%d}' % heard.bytes
    await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


async def main() -> None:
    """Serve."""
    await trio.serve_tcp(handle, int(sys.argv[1]), host="127.0.0.1")


if __name__ == "__main__":
    trio.run(partial(main))
