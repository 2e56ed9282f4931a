"""Look-ups of names: few threads of their own, shared by name; a fake ``getaddrinfo`` in real threads."""

import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from orch.name_lookups import AGAIN, OF_ONE_NAME, THREADS, NameLookups


class NameServers:
    """Do not respond until ``respond`` is called; ``asked``: the names, ``threads``: where."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self.threads: list[str] = []
        self._open = threading.Event()
        self.fault: Exception | None = None

    def __call__(self, host: bytes, port: int, *_rest: Any) -> list[Any]:
        self.asked.append(host)
        self.threads.append(threading.current_thread().name)
        assert self._open.wait(30)
        if self.fault is not None:
            raise self.fault
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", port))]

    def respond(self) -> None:
        """Respond to everything from now on."""
        self._open.set()


@asynccontextmanager
async def looking(servers: NameServers) -> AsyncIterator[NameLookups]:
    """Run look-ups; at the end no thread is left waiting."""
    lookups = NameLookups(servers)
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(lookups.run)
            yield lookups
            servers.respond()
            nursery.cancel_scope.cancel()
    finally:
        servers.respond()


@asynccontextmanager
async def standing_clock() -> AsyncIterator[None]:
    """Keep the virtual clock where it is during the block: its threads are real, and take real time."""

    async def run_on() -> None:
        while True:
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_on)
        yield
        nursery.cancel_scope.cancel()


async def ask(name: str, found: list[Any] | None = None) -> None:
    """Look a name up as Trio's connections do."""
    result = await trio.socket.getaddrinfo(name, 80)
    if found is not None:
        found.append(result[0][4][0])


async def responded(servers: NameServers, lookups: NameLookups) -> None:
    """Have the name servers respond, and wait until all look-ups have their results."""
    servers.respond()
    while lookups.in_progress:
        await trio.lowlevel.checkpoint()


async def asked(servers: NameServers, times: int) -> None:
    """Wait until the name servers were asked so often."""
    while len(servers.asked) < times:
        await trio.lowlevel.checkpoint()


async def test_look_ups_of_one_name_share_a_thread_that_has_its_name() -> None:
    """A caller that gives up takes nothing from the others."""
    servers = NameServers()
    found: list[Any] = []
    async with looking(servers) as lookups, trio.open_nursery() as nursery:
        for _ in range(50):
            nursery.start_soon(ask, "engine.example", found)
        await asked(servers, 1)
        with trio.move_on_after(0.5) as given_up:
            await ask("engine.example")
        assert given_up.cancelled_caught
        assert (servers.asked, lookups.in_progress) == ([b"engine.example"], 1)
        assert servers.threads == ["name engine.example"]
        await responded(servers, lookups)
    assert found == ["192.0.2.1"] * 50


async def test_an_old_look_up_is_not_the_only_one_of_its_name_and_there_are_three_at_most() -> None:
    """The name servers may be back, which a thread that waits for them does not notice soon."""
    servers = NameServers()
    async with looking(servers) as lookups, trio.open_nursery() as nursery:
        for number in range(OF_ONE_NAME + 3):
            nursery.start_soon(ask, "engine.example")
            await asked(servers, min(number + 1, OF_ONE_NAME))
            await trio.sleep(AGAIN)
        assert len(servers.asked) == OF_ONE_NAME
        await responded(servers, lookups)


async def test_name_servers_that_do_not_respond_take_a_bounded_number_of_threads() -> None:
    """None of those that the rest of the process uses; what is over the bound fails at once."""
    servers = NameServers()
    async with looking(servers) as lookups, trio.open_nursery() as nursery:
        for number in range(THREADS):
            nursery.start_soon(ask, f"engine-{number}.example")
        await asked(servers, THREADS)
        with pytest.raises(socket.gaierror, match="16 names are being looked up already"):
            await ask("one-more.example")
        assert (lookups.in_progress, lookups.refused) == (THREADS, 1)
        assert trio.to_thread.current_default_thread_limiter().borrowed_tokens == 0
        await ask("192.0.2.7")  # needs no look-up
        await responded(servers, lookups)
    found: list[Any] = []
    async with looking(servers), standing_clock():
        await ask("one-more.example", found)
    assert found == ["192.0.2.1"]


async def test_a_name_that_does_not_exist_is_everyone_s_own_error() -> None:
    """As the system raises it."""
    servers = NameServers()
    servers.fault = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    servers.respond()
    async with looking(servers), standing_clock():
        for _ in range(2):
            with pytest.raises(socket.gaierror) as caught:
                await ask("nowhere.example")
            assert caught.value.errno == socket.EAI_NONAME


async def test_at_the_end_nobody_waits_and_the_former_resolver_is_back() -> None:
    """A thread that hangs does not hold up a shutdown."""
    servers = NameServers()
    errors: list[int | None] = []

    async def waits() -> None:
        try:
            await ask("engine.example")
        except socket.gaierror as error:
            errors.append(error.errno)

    lookups = NameLookups(servers)
    async with trio.open_nursery() as nursery, trio.open_nursery() as running:
        await running.start(lookups.run)
        nursery.start_soon(waits)
        await asked(servers, 1)
        running.cancel_scope.cancel()
    assert errors == [socket.EAI_AGAIN]
    assert trio.socket.set_custom_hostname_resolver(None) is None
    servers.respond()
