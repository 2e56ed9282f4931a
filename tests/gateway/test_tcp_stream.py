"""Streams to back ends over real sockets, with the gateway's own readiness and without."""

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from orch.gateway.tcp_stream import READ, Patience, TcpStream
from orch.readiness import Readiness

pytestmark = pytest.mark.real_time

LONG = 60.0


@asynccontextmanager
async def connected(*, watched: bool = True) -> AsyncIterator[tuple[TcpStream, socket.socket]]:
    """Give a stream and its peer's socket."""
    ours, theirs = socket.socketpair()
    ours.settimeout(0.0)
    theirs.settimeout(0.0)
    async with trio.open_nursery() as nursery:
        readiness = Readiness() if watched else None
        if readiness is not None:
            nursery.start_soon(readiness.run)
        stream = TcpStream(ours, readiness)
        try:
            yield stream, theirs
        finally:
            stream.close()
            theirs.close()
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def patient(seconds: float) -> AsyncIterator[Patience]:
    """Give a running patience."""
    patience = Patience(seconds)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(patience.run)
        yield patience
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("watched", [True, False])
async def test_bytes_arrive_in_order_and_then_the_end(*, watched: bool) -> None:
    """Whether they were there before the wait, or come during it, or fill the reader's buffer exactly."""
    async with connected(watched=watched) as (stream, peer):
        peer.send(b"before")
        assert await stream.receive_some() == b"before"
        async with trio.open_nursery() as nursery:

            async def later() -> None:
                await wait_all_tasks_blocked()
                peer.send(b"during")

            nursery.start_soon(later)
            assert await stream.receive_some(6) == b"during"
        peer.send(b"last")
        peer.close()
        assert await stream.receive_some(4) == b"last"
        assert await stream.receive_some() == b""
        assert await stream.receive_some() == b""


@pytest.mark.parametrize("watched", [True, False])
async def test_more_than_one_read_takes_is_sent_and_read_completely(*, watched: bool) -> None:
    """Four megabytes to a peer that reads slowly, and back."""
    data = bytes(range(256)) * 16_384
    async with connected(watched=watched) as (stream, peer):
        other = TcpStream(peer)

        async def echo() -> None:
            left = len(data)
            while left:
                piece = await other.receive_some(READ)
                left -= len(piece)
                await other.send_all(piece)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(echo)
            nursery.start_soon(stream.send_all, data)
            received = b""
            while len(received) < len(data):
                received += await stream.receive_some()
        assert received == data
        other.close()


@pytest.mark.parametrize("watched", [True, False])
async def test_closing_wakes_the_reader(*, watched: bool) -> None:
    """It gets ClosedResourceError, as everyone who uses the stream afterwards."""
    async with connected(watched=watched) as (stream, _peer):
        async with trio.open_nursery() as nursery:

            async def read() -> None:
                with pytest.raises(trio.ClosedResourceError):
                    await stream.receive_some()

            nursery.start_soon(read)
            await wait_all_tasks_blocked()
            stream.close()
        with pytest.raises(trio.ClosedResourceError):
            await stream.receive_some()
        with pytest.raises(trio.ClosedResourceError):
            stream.offer(b"x")
        assert not stream.is_quiet()


async def test_a_cancelled_reader_has_read_nothing() -> None:
    """The next one gets all that came."""
    async with connected() as (stream, peer), patient(LONG) as patience:

        async def with_patience() -> bytes | None:
            return await stream.receive_within(patience)

        reads: tuple[Callable[[], Awaitable[bytes | None]], ...] = (stream.receive_some, with_patience)
        for read in reads:
            with trio.CancelScope() as scope:
                scope.cancel()
                await read()
            assert scope.cancelled_caught
            async with trio.open_nursery() as nursery:
                nursery.start_soon(read)
                await wait_all_tasks_blocked()
                nursery.cancel_scope.cancel()
        peer.send(b"whole")
        assert await stream.receive_some() == b"whole"


async def test_two_readers_are_a_mistake() -> None:
    """The second gets BusyResourceError; the first one goes on."""
    async with connected() as (stream, peer), trio.open_nursery() as nursery:

        async def read() -> None:
            assert await stream.receive_some() == b"for the first"

        nursery.start_soon(read)
        await wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError):
            await stream.receive_some()
        peer.send(b"for the first")


async def test_patience_ends_a_wait_and_loses_nothing() -> None:
    """None after the patience; what comes later is there for the next read, with patience or without."""
    async with connected() as (stream, peer), patient(0.01) as patience:
        assert await stream.receive_within(patience) is None
        peer.send(b"late")
        assert await stream.receive_some() == b"late"
        peer.send(b"again")
        with trio.fail_after(LONG):
            while (data := await stream.receive_within(patience)) is None:
                continue
        assert data == b"again"
        peer.close()
        with trio.fail_after(LONG):
            while (data := await stream.receive_within(patience)) is None:
                continue
        assert data == b""


async def test_patience_of_an_earlier_wait_does_not_end_a_later_one() -> None:
    """The first wait is over before its time has come; its time then ends no other wait."""
    async with connected() as (stream, peer), patient(0.05) as patience:
        peer.send(b"1")
        while await stream.receive_within(patience) is None:
            continue
        began = trio.current_time()
        assert await stream.receive_within(patience) is None
        assert trio.current_time() - began >= 0.05


async def test_without_readiness_any_more_a_reader_waits_with_trio() -> None:
    """The gateway's run has ended while a request was in progress: the response is still read."""
    async with connected() as (stream, peer):
        readiness = Readiness()
        ours, theirs = socket.socketpair()
        ours.settimeout(0.0)
        other = TcpStream(ours, readiness)
        read: list[bytes] = []

        async def reading() -> None:
            read.append(await other.receive_some())

        async with trio.open_nursery() as nursery:
            async with trio.open_nursery() as running:
                running.start_soon(readiness.run)
                nursery.start_soon(reading)
                await wait_all_tasks_blocked()
                running.cancel_scope.cancel()
            assert not other.is_watched
            theirs.send(b"after")
        assert read == [b"after"]
        other.close()
        theirs.close()
        peer.send(b"x")
        assert await stream.receive_some() == b"x"


async def test_a_reset_is_broken_and_not_an_end() -> None:
    """What waits behind a reset is lost, and the reader has to know."""
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    client = socket.create_connection(listener.socket.getsockname())
    client.settimeout(0.0)
    accepted = await listener.accept()
    stream = TcpStream(client)
    accepted.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    accepted.socket.close()
    with pytest.raises(trio.BrokenResourceError):
        await stream.receive_some()
    stream.close()
    await listener.aclose()
