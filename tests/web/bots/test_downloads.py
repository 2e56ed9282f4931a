"""The limit of files that are sent at a time holds for those that are being opened too."""

import gc
from types import SimpleNamespace
from typing import Any

import pytest
import trio
from quart import Response

from orch.problems import ProblemError
from orch.web.downloads import MOST, Downloads, Readable

pytestmark = pytest.mark.real_time  # files are opened in threads


class Empty:
    """A file without content."""

    size = 0

    def read(self, offset: int, most: int) -> bytes:
        del offset, most
        return b""

    def close(self) -> None:
        return


async def test_no_more_files_are_opened_than_may_be_sent_however_many_are_requested_at_once() -> None:
    downloads = Downloads()
    request: Any = SimpleNamespace(headers={}, method="GET")
    responses: list[Response] = []
    refused: list[str] = []

    async def ask() -> None:
        try:
            responses.append(
                await downloads.respond(request, Empty, content_type="text/plain", etag=None, headers={})
            )
        except ProblemError as problem:
            refused.append(problem.code)

    async with trio.open_nursery() as nursery:
        for _ in range(MOST + 10):
            nursery.start_soon(ask)
    assert (len(responses), len(downloads)) == (MOST, MOST)
    assert refused == ["overloaded"] * 10
    responses.clear()
    gc.collect()
    assert len(downloads) == 0


async def test_a_file_that_cannot_be_opened_takes_no_place() -> None:
    downloads = Downloads()
    request: Any = SimpleNamespace(headers={}, method="GET")

    def missing() -> Readable:
        raise ProblemError("unknown_file", "It is not there.")

    for _ in range(MOST + 1):
        with pytest.raises(ProblemError, match="It is not there"):
            await downloads.respond(request, missing, content_type="text/plain", etag=None, headers={})
    assert len(downloads) == 0
