import os
import resource
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

import httpx2
import pytest
import trio

from orch.health.probes import LARGEST_ANSWER, open_client, probe
from orch.health.verdict import Finding, Observation
from orch.settings import Service
from orch.shortages import Shortage
from tests.fakes.descriptors import take_all
from tests.fakes.ports import free_port
from tests.fakes.running import run

pytestmark = pytest.mark.real_time

SERVICE = Service(url="http://unused")


async def ask(
    url: str, *, patience: float = 5.0, limit: float = 1.0, service: Service = SERVICE
) -> Observation:
    async with open_client() as client:
        return await probe(client, "audio-service", service, url, patience=patience, limit=limit)


@asynccontextmanager
async def serving(serve: Callable[[trio.SocketStream], Awaitable[None]]) -> AsyncIterator[str]:
    """Serve every connection on loopback with ``serve``."""

    async def closing(stream: trio.SocketStream) -> None:
        async with stream:
            await serve(stream)

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, closing, 0, host="127.0.0.1"))
        yield f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()


def raw(answer: bytes, seen: list[bytes] | None = None) -> Callable[[trio.SocketStream], Awaitable[None]]:
    """Respond to every request with these bytes, then close."""

    async def serve(stream: trio.SocketStream) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += await stream.receive_some()
        if seen is not None:
            seen.append(head)
        await stream.send_all(answer)

    return serve


async def test_nothing_listens_there() -> None:
    """The kernel's refusal is reported as such, and not as a time-out."""
    for host in ("127.0.0.1", "localhost"):
        found = await ask(f"http://{host}:{free_port()}")
        assert found == Observation(Finding.REFUSED, ("connection refused",))


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"])
async def test_a_connection_closed_early_is_a_miss(answer: bytes) -> None:
    """An incomplete response is no response."""
    async with serving(raw(answer)) as url:
        found = await ask(url)
        assert found == Observation(Finding.MISSED, ("closed the connection without a response",))


async def test_what_is_not_http_is_a_miss() -> None:
    """Another program on the port is no healthy back end."""
    async with serving(raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")) as url:
        assert (await ask(url)).finding is Finding.MISSED


async def test_a_long_response_counts_by_its_status() -> None:
    """A server of another kind may send a page of megabytes; its status is enough."""
    body = b"x" * (LARGEST_ANSWER * 8)
    async with serving(raw(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))) as url:
        assert (await ask(url)).finding is Finding.GOOD


async def test_a_redirect_is_not_followed() -> None:
    """A check must not be sent to an address that is not configured."""
    answer = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n"
    async with serving(raw(answer)) as url:
        found = await ask(url)
        assert (found.finding, found.reasons) == (Finding.IMPAIRED, ("responds 302 to GET /api/health",))


async def test_a_check_without_a_response_times_out() -> None:
    """The connection is accepted, and no response arrives."""

    async def silent(_stream: trio.SocketStream) -> None:
        await trio.sleep_forever()

    async with serving(silent) as url:
        found = await ask(url, patience=0.1)
        assert found == Observation(Finding.MISSED, ("no response in 100 ms",))


async def test_each_check_opens_a_connection_of_its_own() -> None:
    """A check shows whether a new client would get a response."""
    seen: list[bytes] = []

    async with serving(raw(b"HTTP/1.1 204 No Content\r\n\r\n", seen)) as url, open_client() as client:
        for _ in range(2):
            found = await probe(client, "audio-service", SERVICE, url, patience=60, limit=60)
            assert found.finding is Finding.GOOD
    assert len(seen) == 2
    assert seen[0].startswith(b"GET /api/health HTTP/1.1\r\n")


@pytest.mark.parametrize("url", ["http://", "ftp://127.0.0.1:1", "http://127.0.0.1:99999"])
async def test_an_unusable_address_is_a_reason_and_no_crash(url: str) -> None:
    """What the settings let through must not end the health branch."""
    found = await ask(url)
    assert found.finding in {Finding.MISSED, Finding.REFUSED}
    assert found.reasons


def test_a_failed_look_up_for_lack_of_descriptors_is_our_own_shortage() -> None:
    """The look-up reports only that it failed; with free descriptors, that is the reason."""

    async def unnamed(request: httpx2.Request) -> httpx2.Response:
        await trio.lowlevel.checkpoint()
        raise httpx2.ConnectError("no address", request=request) from socket.gaierror(
            socket.EAI_AGAIN, "Temporary failure in name resolution"
        )

    async def look() -> Observation:
        async with open_client(httpx2.MockTransport(unnamed)) as client:
            url = "http://audio.example:1"
            held: list[int] = []
            try:
                if is_short:
                    take_all(held)
                return await probe(client, "audio-service", SERVICE, url, patience=5, limit=1)
            finally:
                for each in held:
                    os.close(each)
                resource.setrlimit(resource.RLIMIT_NOFILE, limits)

    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    is_short = True
    assert run(look).shortage is Shortage.DESCRIPTORS
    is_short = False
    assert run(look) == Observation(Finding.MISSED, ("its host name has no address",))
