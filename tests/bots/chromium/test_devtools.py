"""A DevTools connection over a transport in memory."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import trio
import trio.testing

from orch.bots.chromium.devtools import MOST_WAITING, DevTools
from orch.bots.chromium.errors import (
    CommandError,
    ConnectionLostError,
    EventsLostError,
    PageCrashedError,
)
from orch.bots.chromium.exchange import Overflow
from orch.bots.chromium.messages import Event, Reply
from orch.bots.chromium.transports import Message, PipeTransport


class ScriptedBrowser:
    """A transport whose other end is the test: ``reply`` says what each command gets."""

    def __init__(self, reply: Callable[[dict[str, Any]], Sequence[Message]] = lambda _command: ()) -> None:
        self.commands: list[dict[str, Any]] = []
        self.reply = reply
        self.is_closed = False
        self._send, self._receive = trio.open_memory_channel[Sequence[Message]](100)

    def emit(self, *messages: Message) -> None:
        self._send.send_nowait(messages)

    def hang_up(self) -> None:
        self._send.close()

    async def send(self, data: bytes) -> None:
        await trio.lowlevel.checkpoint()
        command = json.loads(data)
        self.commands.append(command)
        self.emit(*self.reply(command))

    async def receive(self) -> Sequence[Message]:
        try:
            return await self._receive.receive()
        except trio.EndOfChannel:
            raise ConnectionLostError("hung up") from None

    async def aclose(self) -> None:
        self.is_closed = True


def echo(command: dict[str, Any]) -> Sequence[Message]:
    return [Reply(command["id"], {"method": command["method"], **command["params"]})]


async def test_each_of_many_commands_gets_its_own_reply() -> None:
    """More than may wait to be written, replied to in reverse."""
    held: list[Reply] = []
    total = 3 * MOST_WAITING

    def reversed_replies(command: dict[str, Any]) -> Sequence[Message]:
        held.append(Reply(command["id"], {"n": command["params"]["n"]}))
        return held[::-1] if len(held) == total else ()

    browser = ScriptedBrowser(reversed_replies)
    found: dict[int, int] = {}
    async with trio.open_nursery() as nursery:
        devtools = await nursery.start(DevTools(browser).run)

        async def ask(number: int) -> None:
            found[number] = (await devtools.command("A.b", {"n": number}))["n"]

        async with trio.open_nursery() as asking:
            for number in range(total):
                asking.start_soon(ask, number)
        nursery.cancel_scope.cancel()
    assert found == {number: number for number in range(total)}
    assert browser.is_closed


async def test_a_refused_command_raises_the_browsers_words() -> None:
    """Typed, with its code; the connection goes on."""

    def refuse(command: dict[str, Any]) -> Sequence[Message]:
        if command["method"] == "Bad.one":
            return [Reply(command["id"], None, -32601, "'Bad.one' wasn't found")]
        return echo(command)

    async with trio.open_nursery() as nursery:
        devtools = await nursery.start(DevTools(ScriptedBrowser(refuse)).run)
        with pytest.raises(CommandError, match=r"Bad\.one: 'Bad\.one' wasn't found"):
            await devtools.command("Bad.one")
        assert await devtools.command("Good.one") == {"method": "Good.one"}
        nursery.cancel_scope.cancel()


async def test_a_cancelled_command_is_sent_whole_and_its_reply_ignored() -> None:
    """The next command is not confused by it."""
    browser = ScriptedBrowser()
    async with trio.open_nursery() as nursery:
        devtools = await nursery.start(DevTools(browser).run)
        with trio.move_on_after(1) as scope:
            await devtools.command("Slow.one")
        assert scope.cancelled_caught
        assert devtools.statistics().pending == 0
        browser.reply = echo
        browser.emit(Reply(1, {"late": True}))
        assert await devtools.command("Next.one") == {"method": "Next.one"}
        assert devtools.statistics().unmatched == 1
        nursery.cancel_scope.cancel()


async def test_a_lost_connection_fails_every_command_and_subscription() -> None:
    """Pending ones, those that wait to be sent, later ones; each with an error of its own."""
    browser = ScriptedBrowser()
    failures: list[ConnectionLostError] = []
    devtools = DevTools(browser)

    async def run() -> None:
        with pytest.raises(ConnectionLostError, match="hung up"):
            await devtools.run()

    async def ask() -> None:
        with pytest.raises(ConnectionLostError) as caught:
            await devtools.command("A.b")
        failures.append(caught.value)

    async def read() -> None:
        with devtools.subscribe("A.b") as events, pytest.raises(ConnectionLostError):
            await events.receive()

    async with trio.open_nursery() as nursery:
        for _ in range(2 * MOST_WAITING):
            nursery.start_soon(ask)
        nursery.start_soon(read)
        nursery.start_soon(run)
        await trio.testing.wait_all_tasks_blocked()
        browser.hang_up()
    await ask()
    assert len(failures) == len({id(each) for each in failures}) == 2 * MOST_WAITING + 1
    assert browser.is_closed


async def test_a_cancelled_connection_fails_what_waits_for_it() -> None:
    """Commands of tasks outside of its nursery do not hang."""
    devtools = DevTools(ScriptedBrowser())
    async with trio.open_nursery() as outer:

        async def ask() -> None:
            with pytest.raises(ConnectionLostError):
                await devtools.command("A.b")

        async with trio.open_nursery() as nursery:
            await nursery.start(devtools.run)
            outer.start_soon(ask)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()


async def test_a_crash_is_raised_where_the_page_is_waited_for() -> None:
    """At once, although the browser never replies."""
    browser = ScriptedBrowser()
    async with trio.open_nursery() as nursery:
        devtools = await nursery.start(DevTools(browser).run)

        async def crash() -> None:
            await trio.sleep(1)
            browser.emit(Event("Inspector.targetCrashed", {}, "S"))

        nursery.start_soon(crash)
        with pytest.raises(PageCrashedError):
            await devtools.command("Runtime.evaluate", session="S")
        nursery.cancel_scope.cancel()


async def test_events_are_read_in_order_from_the_subscription_on() -> None:
    """Those before it, and those after its block, are nobody's."""
    browser = ScriptedBrowser()
    async with trio.open_nursery() as nursery:
        devtools = await nursery.start(DevTools(browser).run)
        browser.emit(Event("A.b", {"n": 0}))
        await trio.testing.wait_all_tasks_blocked()
        with devtools.subscribe("A.b") as events:
            browser.emit(*(Event("A.b", {"n": number}) for number in (1, 2)))
            browser.emit(Event("A.b", {"n": 3}))
            assert [(await events.receive()).params["n"] for _ in range(3)] == [1, 2, 3]
        assert devtools.statistics().subscriptions == 0
        nursery.cancel_scope.cancel()


async def test_a_reader_that_does_not_read_stops_nobody() -> None:
    """Other readers and commands go on; it learns of the gap after what it can read."""
    browser = ScriptedBrowser(echo)
    async with trio.open_nursery() as nursery:
        devtools = await nursery.start(DevTools(browser).run)
        with (
            devtools.subscribe("A.b", capacity=3) as slow,
            devtools.subscribe("A.b", capacity=3, overflow=Overflow.COUNT) as counting,
        ):
            for number in range(50):
                browser.emit(Event("A.b", {"n": number}))
            assert await devtools.command("A.c") == {"method": "A.c"}
            assert [(await slow.receive()).params["n"] for _ in range(3)] == [0, 1, 2]
            with pytest.raises(EventsLostError):
                await slow.receive()
            assert [(await counting.receive()).params["n"] for _ in range(3)] == [0, 1, 2]
            assert counting.lost == 47
            browser.emit(Event("A.b", {"n": 50}))
            assert (await counting.receive()).params["n"] == 50
        nursery.cancel_scope.cancel()


async def test_the_pipe_carries_messages_in_any_pieces() -> None:
    """Commands end with a zero byte; the end of the stream is a lost connection."""
    ours, theirs = trio.testing.memory_stream_pair()
    transport = PipeTransport(ours, ours)
    await transport.send(b'{"id":1}')
    assert await theirs.receive_some() == b'{"id":1}\0'
    await theirs.send_all(b'{"id":1,"res')
    assert await transport.receive() == []
    await theirs.send_all(b'ult":{}}\0{"method":"A.b"}\0')
    assert await transport.receive() == [Reply(1, {}), Event("A.b", {})]
    await theirs.aclose()
    with pytest.raises(ConnectionLostError):
        await transport.receive()
    with pytest.raises(ConnectionLostError):
        await transport.send(b"{}")
    await transport.aclose()
