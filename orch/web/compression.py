"""Responses compressed for clients that accept gzip.

Only what contains no secret may be: its length would reveal that to who can put texts beside it (BREACH).
"""

import gzip
from typing import Final

import trio
from quart import Response, request

from orch.web.assets import COMPRESS_FROM

AT_ONCE: Final = 16_384
"""Bytes that are compressed without a thread, in one or two milliseconds."""


async def compress(response: Response) -> None:
    """Compress a response's body, unless it is small or the client does not accept gzip."""
    response.vary.add("Accept-Encoding")
    body = await response.get_data(as_text=False)
    if len(body) < COMPRESS_FROM or "gzip" not in request.headers.get("Accept-Encoding", ""):
        return
    if len(body) <= AT_ONCE:
        compressed = _gzipped(body)
    else:
        compressed = await trio.to_thread.run_sync(_gzipped, body)
    response.set_data(compressed)
    response.headers["Content-Encoding"] = "gzip"


def _gzipped(body: bytes) -> bytes:
    return gzip.compress(body, 6, mtime=0)
