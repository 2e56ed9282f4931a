"""Calendars from servers of all kinds: what is requested, how often, and what a failure means."""

import errno
import inspect
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
import trio

from orch.bots.calendars.blocks import LARGEST
from orch.bots.calendars.events import Reading
from orch.bots.calendars.fetcher import FETCH_SECONDS, Calendar, CalendarFetcher
from orch.bots.calendars.polling import (
    EVERY,
    FIRST_PAUSE,
    LONGEST_PAUSE,
    LONGEST_REST,
    REREAD,
    PollState,
    failed,
    pause,
    request_url,
)
from orch.bots.webhooks.exchange import Exchanges
from orch.bots.webhooks.targets import TargetRules
from orch.tls.trust import TrustStore
from tests.fakes.webhooks import Net, Received, Receiver, read_request, responding, sending, wall

pytestmark = pytest.mark.limit(3 * LONGEST_REST)

URL = "http://calendars.example/secret/basic.ics"


def ics(*uids: str) -> bytes:
    start = datetime.fromtimestamp(wall() + 86_400, UTC).strftime("%Y%m%dT%H%M%SZ")
    events = [
        f"BEGIN:VEVENT\r\nUID:{uid}\r\nDTSTART:{start}\r\nURL:https://meet.google.com/abc-defg-hij\r\nEND:VEVENT"
        for uid in uids
    ]
    return "\r\n".join(["BEGIN:VCALENDAR", *events, "END:VCALENDAR", ""]).encode()


class Scene:
    """A server, a fetcher that follows its calendar, and what it passed on."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.net = Net(nursery)
        self.readings: list[Reading] = []
        self.states: list[str] = []
        rules = TargetRules(http=True)
        exchanges = Exchanges(lambda: rules, TrustStore(), resolve=self.net.resolve, connect=self.net.connect)
        self.fetcher = CalendarFetcher(
            exchanges, self._read, self._noted, wall=wall, draw=lambda: 0.5, in_thread=at_once
        )

    async def _read(self, calendar_id: str, reading: Reading) -> None:
        await trio.lowlevel.checkpoint()
        assert calendar_id == "team"
        self.readings.append(reading)

    async def _noted(self, calendar_id: str, reason: str) -> None:
        await trio.lowlevel.checkpoint()
        self.states.append(reason)

    def uids(self) -> list[list[str]]:
        """Return the events of each reading."""
        return [[event.key.uid for event in reading.events] for reading in self.readings]


@asynccontextmanager
async def following(receiver: Receiver | OSError, url: str = URL) -> AsyncIterator[Scene]:
    async with trio.open_nursery() as nursery:
        made = Scene(nursery)
        made.net.add("calendars.example", "8.8.4.4", receiver)
        made.net.add("other.example", "8.8.8.8", responding(200, body=ics("other")))
        made.net.add("inside.example", "10.0.0.1", responding(200, body=ics("inside")))
        await nursery.start(made.fetcher.follow, Calendar("team", url))
        yield made
        nursery.cancel_scope.cancel()


async def passed(seconds: float) -> None:
    await trio.sleep(seconds)
    await trio.testing.wait_all_tasks_blocked()


async def at_once(read: Callable[[], Reading]) -> Reading:
    """Run it here: the virtual clock does not wait for threads."""
    await trio.lowlevel.checkpoint()
    return read()


def validating(log: list[Received]) -> Receiver:
    """Return a server whose calendar never changes, and which knows that."""

    async def receive(stream: trio.abc.Stream) -> None:
        received = await read_request(stream)
        log.append(received)
        if "if-none-match" in dict(received.headers):
            await stream.send_all(b"HTTP/1.1 304 Not Modified\r\n\r\n")
            return
        body = ics("a", "b")
        head = f'HTTP/1.1 200 OK\r\netag: "1"\r\nlast-modified: now\r\ncontent-length: {len(body)}\r\n\r\n'
        await stream.send_all(head.encode() + body)

    return receive


async def test_a_calendar_is_read_at_once_and_every_five_minutes() -> None:
    """With the validators of the last response; one that has not changed passes nothing on."""
    log: list[Received] = []
    async with following(validating(log)) as made:
        await passed(1)
        assert made.uids() == [["a", "b"]]
        await passed(EVERY * 2)
        assert made.uids() == [["a", "b"]]
        assert (len(log), made.states) == (3, [])
        (statistics,) = made.fetcher.statistics()
        assert (statistics.failing, statistics.events) == ("", 2)
    assert log[0].line == "GET /secret/basic.ics HTTP/1.1"
    assert not {"if-none-match", "if-modified-since"} & set(dict(log[0].headers))
    assert dict(log[2].headers)["if-none-match"] == '"1"'
    assert dict(log[2].headers)["if-modified-since"] == "now"
    assert made.fetcher.statistics() == ()


async def test_a_calendar_that_never_changes_is_read_again_every_six_hours() -> None:
    """Its series have other events in the next two weeks then."""
    log: list[Received] = []
    async with following(validating(log)) as made:
        await passed(REREAD + 2 * EVERY)
        without = [each for each in log if "if-none-match" not in dict(each.headers)]
        assert len(without) == len(made.readings) == 2


@pytest.mark.parametrize(
    ("receiver", "reason"),
    [
        (responding(404), "It responded 404, as for an address that was revoked."),
        (responding(403), "It responded 403, as for a calendar that is not shared by its address."),
        (responding(500), "It responded 500."),
        (responding(304), "It responded 304."),
        (responding(204), "It responded 204."),
        (responding(302), "It responded 302."),
        (responding(200, body=b"<html>Sign in</html>"), "The calendar is no ICS file"),
        (responding(200, body=b""), "The calendar is no ICS file"),
        (
            sending(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nBEGIN:VCAL"),
            "closed without a complete response",
        ),
        (responding(200, body=b"BEGIN:VCALENDAR\r\n"), "The calendar is not complete"),
        (responding(200, body=b"x" * (LARGEST + 1)), "The calendar has more than 5 MiB."),
        (sending(b"nonsense\r\n\r\n"), "The response is not HTTP"),
        (OSError(errno.ECONNREFUSED, "Connection refused"), "cannot be reached"),
        (responding(302, "location: http://inside.example/"), "leads to a private address"),
        (responding(302, "location: file:///etc/passwd"), "The URL is not allowed"),
        (responding(302, "location: /again"), "from one address to another"),
    ],
)
async def test_a_failure_is_reported_once_and_changes_nothing(
    receiver: Receiver | OSError, reason: str
) -> None:
    """It says nothing about any event."""
    async with following(receiver) as made:
        await passed(4 * FIRST_PAUSE)
        assert made.readings == []
        (said,) = made.states
        assert reason in said
        assert made.fetcher.statistics()[0].failing == said
        assert "10.0.0.1 80" not in made.net.connected


async def test_a_server_that_never_answers_is_given_up() -> None:
    """And requested again later."""
    async with following(sending(then_hang=True)) as made:
        await passed(FETCH_SECONDS + 1)
        assert made.states == [f"It did not respond within {FETCH_SECONDS:.0f} s."]
        await passed(FIRST_PAUSE + 10)
        assert len(made.net.connected) == 2


async def test_a_calendar_that_works_again_is_reported_and_read() -> None:
    """Once."""
    async with following(responding(500)) as made:
        await passed(1)
        made.net.receivers["8.8.4.4"] = responding(200, body=ics("a"))
        await passed(2 * FIRST_PAUSE)
        assert made.states == ["It responded 500.", ""]
        assert made.uids() == [["a"]]


async def test_a_redirect_is_followed_where_webhooks_may_go() -> None:
    """Published calendars often lead to another host."""
    async with following(responding(302, "location: http://other.example/x.ics")) as made:
        await passed(1)
        assert made.uids() == [["other"]]
        assert made.net.connected == ["8.8.4.4 80", "8.8.8.8 80"]


async def test_a_server_that_wants_to_be_left_alone_is() -> None:
    """For as long as it says, up to six hours."""
    log: list[Received] = []
    async with following(responding(429, "retry-after: 999999", log=log)):
        await passed(LONGEST_REST - 1)
        assert len(log) == 1
        await passed(2)
        assert len(log) == 2


async def test_series_that_cannot_be_read_are_counted() -> None:
    """And passed on as such."""
    odd = ics("a", "b").replace(b"UID:b", b"UID:b\r\nRRULE:FREQ=SECONDLY")
    async with following(responding(200, body=odd)) as made:
        await passed(1)
        assert made.uids() == [["a"]]
        assert [each.uid for each in made.readings[0].unreadable] == ["b"]
        assert made.fetcher.statistics()[0].unreadable == 1


@pytest.mark.real_time
async def test_a_calendar_is_read_in_a_thread() -> None:
    """It may take seconds; the loop goes on."""
    read_in: list[str] = []

    async def in_thread(read: Callable[[], Reading]) -> Reading:
        def noting() -> Reading:
            read_in.append(threading.current_thread().name)
            return read()

        return await trio.to_thread.run_sync(noting)

    async with following(responding(200, body=ics("a"))) as made:
        made.fetcher._in_thread = in_thread
        with trio.move_on_after(60):
            while not made.readings:
                await trio.lowlevel.checkpoint()
        assert made.uids() == [["a"]]
    assert read_in[0] != threading.main_thread().name
    default = inspect.signature(CalendarFetcher).parameters["in_thread"].default
    assert default is trio.to_thread.run_sync


def test_the_pauses_grow_to_an_hour_with_jitter() -> None:
    """So that calendars of one server are not requested together."""
    state, pauses = PollState(), [pause(PollState(), 0.5)]
    for _ in range(9):
        state = failed(state)
        pauses.append(pause(state, 0.5))
    assert pauses == [EVERY, 60, 120, 240, 480, 960, 1920, 3600, 3600, LONGEST_PAUSE]
    assert pause(PollState(), 0.0) == pytest.approx(270)
    assert pause(PollState(), 1.0) == pytest.approx(330)
    assert pause(failed(PollState()), 0.5, rest=900.0) == 900.0


@pytest.mark.parametrize(
    ("url", "requested"),
    [
        ("webcal://a.example/x.ics", "https://a.example/x.ics"),
        (" WEBCALS://a.example/x.ics ", "https://a.example/x.ics"),
        ("https://a.example/webcal://x", "https://a.example/webcal://x"),
    ],
)
def test_webcal_is_https(url: str, requested: str) -> None:
    """As calendar programs read it."""
    assert request_url(url) == requested


def test_the_address_of_a_calendar_is_not_shown() -> None:
    """Each reader of it can read the calendar."""
    assert "secret" not in repr(Calendar("team", URL))
