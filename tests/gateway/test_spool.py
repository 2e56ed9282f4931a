"""Stored bodies, on real files: bounded each and together, removed with their request."""

import errno
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import FileIO
from pathlib import Path
from typing import Any

import pytest
import trio

from orch.gateway.request_body import RequestBody
from orch.gateway.spool import IN_MEMORY, IncomingBody, Spool
from orch.problems import ProblemError
from tests.fakes.gateway import Browser, GatewayRig, answering, gateway_rig, ok

pytestmark = pytest.mark.real_time

PIECE = 65_536


@asynccontextmanager
async def holding(spool: Spool, size: int) -> AsyncIterator[tuple[IncomingBody, bytes]]:
    data = os.urandom(size)
    async with spool.body() as body:
        for begin in range(0, size, PIECE):
            await body.add(data[begin : begin + PIECE])
        yield body, data


async def read_all(body: RequestBody) -> bytes:
    body.rewind()
    data = b""
    while piece := await body.next():
        data += piece
    return data


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("size", [0, 1, PIECE, IN_MEMORY, IN_MEMORY + 1, 3 * IN_MEMORY, 3 * IN_MEMORY + 7])
async def test_a_body_can_be_read_repeatedly(size: int) -> None:
    """Up to 256 KiB in memory, beyond that on the disk; nothing of it is left afterwards."""
    spool = Spool(disk_limit=10**9)
    before = open_files()
    async with holding(spool, size) as (incoming, data):
        body = await incoming.end()
        assert (body.length, body.whole is None) == (size, size > IN_MEMORY)
        assert spool.on_disk == (size if size > IN_MEMORY else 0)
        assert spool.in_memory == (0 if size > IN_MEMORY else size)
        for _ in range(2):
            assert await read_all(body) == data
    assert (spool.on_disk, spool.in_memory, open_files()) == (0, 0, before)


async def test_bodies_that_do_not_fit_into_memory_go_to_the_disk() -> None:
    """A thousand small bodies hold no more of it than all bodies may."""
    spool = Spool(disk_limit=10**9, memory_limit=3 * PIECE)
    async with holding(spool, 2 * PIECE), holding(spool, 2 * PIECE) as (second, data):
        assert spool.in_memory <= 3 * PIECE
        assert spool.on_disk > 0
        assert await read_all(await second.end()) == data
    assert (spool.on_disk, spool.in_memory) == (0, 0)


async def test_disk_space_is_bounded_for_all_bodies_together() -> None:
    """The one that does not fit is refused with words; it frees what it held, and the next one fits."""
    spool = Spool(disk_limit=4 * IN_MEMORY)
    async with holding(spool, 3 * IN_MEMORY) as (first, _):
        await first.end()
        with pytest.raises(ProblemError, match="all the space") as caught:
            async with holding(spool, 2 * IN_MEMORY) as (second, _):
                await second.end()
        assert (caught.value.code, caught.value.status) == ("overloaded", 503)
        assert "Retry-After" in caught.value.headers
        assert spool.on_disk == 3 * IN_MEMORY
    async with holding(spool, 4 * IN_MEMORY) as (third, _):
        await third.end()
        assert spool.on_disk == 4 * IN_MEMORY
    assert spool.on_disk == 0


async def test_a_cancelled_upload_leaves_nothing() -> None:
    """Wherever it is cancelled: while it is written, while it is read."""
    spool = Spool(disk_limit=10**9)
    before = open_files()

    async def upload() -> None:
        async with holding(spool, 4 * IN_MEMORY) as (incoming, _):
            await read_all(await incoming.end())

    for steps in range(0, 40, 3):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(upload)
            for _ in range(steps):
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
    assert (spool.on_disk, spool.in_memory, open_files()) == (0, 0, before)


async def upload(rig: GatewayRig, size: int) -> Browser:
    browser = Browser("POST", "/api/audio/x", *[b"x" * PIECE] * (size // PIECE))
    await rig.gateway.proxy(browser.scope, browser.receive, browser.send)
    return browser


class Disk:
    """Files in memory, whose writes fail with ``error`` while it is set."""

    def __init__(self, error: int | None) -> None:
        self.error = error

    def open(self) -> FileIO:
        return _File(self)


class _File(FileIO):
    def __init__(self, disk: Disk) -> None:
        super().__init__(os.memfd_create("spooled"), "w+b")
        self._disk = disk

    def write(self, data: Any) -> int:
        if self._disk.error is not None:
            raise OSError(self._disk.error, os.strerror(self._disk.error))
        return super().write(data)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EMFILE])
async def test_a_full_disk_is_our_own_shortage(number: int) -> None:
    """503 with words, an event for operators, nothing against the back end; small bodies go on."""
    disk = Disk(error=number)
    async with gateway_rig(spool=Spool(disk_limit=10**9, open_file=disk.open)) as rig:
        rig.network.servers["a:1"] = answering(ok())
        for _ in range(6):
            browser = await upload(rig, 2 * IN_MEMORY)
            assert (browser.status, b'"own_shortage"' in browser.body) == (503, True)
            assert browser.headers[b"retry-after"] == b"5"
            assert b"cannot be stored" in browser.body
        assert (await upload(rig, PIECE)).status == 200
        figures = rig.gateway.statistics()
        assert (figures.places, figures.spooled_bytes) == (0, 0)
        assert figures.instances[0].consecutive_failures == 0
        assert "The orchestration service is out of" in rig.events.latest()[0].text
        disk.error = None
        assert (await upload(rig, 2 * IN_MEMORY)).status == 200


async def test_a_read_only_folder_is_refused_in_words() -> None:
    """A read-only container accepts small bodies; a large one is refused with a reason, not as a fault."""

    def read_only() -> FileIO:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    async with gateway_rig(spool=Spool(disk_limit=10**9, open_file=read_only)) as rig:
        rig.network.servers["a:1"] = answering(ok())
        browser = await upload(rig, 2 * IN_MEMORY)
        assert (browser.status, b"cannot be stored" in browser.body) == (503, True)
        assert (await upload(rig, PIECE)).status == 200


async def test_the_space_for_uploads_is_a_setting() -> None:
    """It is followed while the gateway runs, and what is on the disk now is shown."""
    async with gateway_rig(spool_bytes=IN_MEMORY) as rig:
        rig.network.servers["a:1"] = answering(ok())
        refused = await upload(rig, 2 * IN_MEMORY)
        assert (refused.status, b'"overloaded"' in refused.body) == (503, True)
        rig.settings.change(orchestration={"gateway": {"spool_bytes": 10 * IN_MEMORY}})
        assert (await upload(rig, 2 * IN_MEMORY)).status == 200
        assert rig.gateway.statistics().spool_limit == 10 * IN_MEMORY
