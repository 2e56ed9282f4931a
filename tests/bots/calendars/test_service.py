"""Calendars of the settings to bots in the store: moved, cancelled, failing, removed, and never twice."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Never

import msgspec
import pytest
import trio
from msgspec.structs import replace

from orch.bots.calendars.events import EventKey
from orch.bots.calendars.plan import Wanted
from orch.bots.calendars.polling import EVERY, REREAD
from orch.bots.calendars.scheduled import calendar_of, key_for, metadata_of, scheduled_bot
from orch.bots.calendars.service import RETRY_SECONDS, Calendars
from orch.bots.meeting_url import MeetingUrl
from orch.bots.requests import BotRequest
from orch.bots.shown import BotShown
from orch.bots.states import State
from orch.bots.webhooks.exchange import Exchanges
from orch.bots.webhooks.payloads import CalendarEvents, CalendarState, Data, Trigger
from orch.bots.webhooks.targets import TargetRules
from orch.problems import ProblemError
from orch.stores.bot_records import BotSession, Life
from orch.stores.bot_scripts.lives import Change
from orch.stores.bot_store import BotStore
from orch.stores.sqlite import file as sqlite_file
from orch.tls.trust import TrustStore
from tests.bots.calendars.test_fetcher import at_once
from tests.fakes.bot_sessions import SqliteBotEngine
from tests.fakes.webhooks import Net, read_request, wall
from tests.stores.bots.test_bot_file import Given

pytestmark = pytest.mark.limit(10 * REREAD)

HOUR = 3_600.0


@pytest.fixture(autouse=True)
def _calm_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the file alone for these hours: it would be inspected every second."""
    monkeypatch.setattr(sqlite_file, "INSPECT_EVERY", 10 * REREAD)
    monkeypatch.setattr(sqlite_file, "RETRY_EVERY", 10 * REREAD)


MEET = "https://meet.google.com/abc-defg-hij"
OTHER = "https://meet.google.com/xyz-defg-hij"


def entry(uid: str, start: float, *, length: float = HOUR, url: str = MEET, title: str = "Standup") -> str:
    first, last = (
        datetime.fromtimestamp(each, UTC).strftime("%Y%m%dT%H%M%SZ") for each in (start, start + length)
    )
    lines = ("BEGIN:VEVENT", f"UID:{uid}", f"SUMMARY:{title}", f"DTSTART:{first}", f"DTEND:{last}")
    return "\r\n".join((*lines, f"URL:{url}", "END:VEVENT"))


class Bots:
    """What the service does with scheduled bots, on a store. ``refuses``: why none can be created."""

    def __init__(self, store: BotStore) -> None:
        self.store = store
        self.refuses = ""
        self._number = 0

    async def create(self, request: BotRequest, *, now: float | None = None) -> tuple[BotShown, bool]:
        if self.refuses:
            raise ProblemError("too_many_bots", self.refuses)
        self._number += 1
        at = wall() if now is None else now
        life = Life(
            bot_id=f"b{self._number}",
            session_id=f"s{self._number}",
            state=(State.REQUESTED if request.start_at is None else State.SCHEDULED).value,
            since=at,
            requested_at=at,
            due_at=request.start_at,
            queued_at=at if request.start_at is None else None,
            idempotency_key=request.idempotency_key,
            name=request.name,
            meeting_url=request.meeting_url,
            settings=msgspec.to_builtins(request),
            metadata=request.metadata,
        )
        session = BotSession(session_id=life.session_id, bot_id=life.bot_id, status="scheduled", at=at)
        stored, is_new = await self.store.request(Change(life), session)
        return shown(stored), is_new

    async def leave(self, bot_id: str) -> BotShown:
        return await self.end(bot_id, "ended", "cancelled")

    async def end(self, bot_id: str, state: str, reason: str) -> BotShown:
        life = await self.store.life(bot_id)
        assert life is not None
        ended = replace(life, state=state, reason=reason, ended_at=wall())
        stored = await self.store.advance(Change(ended), owner=None)
        assert stored is not None
        return shown(stored)


def shown(life: Life) -> BotShown:
    return BotShown(
        bot_id=life.bot_id,
        session_id=life.session_id,
        name=life.name,
        meeting_url=life.meeting_url,
        state=State(life.state),
        since=life.since,
        requested_at=life.requested_at,
        revision=life.revision,
    )


class Held:
    """A lease that this worker has, as long as nobody else takes it."""

    async def hold(self, act: Any) -> Never:
        await act(0)
        raise AssertionError("unreachable")


class Scene:
    """A server of calendars, and what was made of them. ``files``: the events of each, by its host."""

    def __init__(self, nursery: trio.Nursery, store: BotStore) -> None:
        self.store = store
        self.bots = Bots(store)
        self.net = Net(nursery)
        self.files: dict[str, list[str] | None] = {}
        self.events: list[tuple[str, Trigger, Data]] = []

    def serve(self, host: str, address: str) -> None:
        async def receive(stream: trio.abc.Stream) -> None:
            await read_request(stream)
            events = self.files[host]
            status = 500 if events is None else 200
            body = "\r\n".join(["BEGIN:VCALENDAR", *(events or ()), "END:VCALENDAR", ""]).encode()
            await stream.send_all(
                f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
            )

        self.net.add(host, address, receive)
        self.files[host] = []

    async def offer(self, calendar_id: str, trigger: Trigger, at: float, data: Data) -> None:
        assert abs(at - wall()) < RETRY_SECONDS
        self.events.append((calendar_id, trigger, data))

    def calendars(self, settings: str) -> Calendars:
        exchanges = Exchanges(
            lambda: TargetRules(http=True), TrustStore(), resolve=self.net.resolve, connect=self.net.connect
        )
        return Calendars(
            self.store,
            self.bots,
            Given(f"orchestration: {{bots: {{webhooks: {{http: true}}, calendars: [{settings}]}}}}"),
            exchanges=exchanges,
            lease=Held(),
            offer=self.offer,
            wall=wall,
            in_thread=at_once,
        )

    async def active(self) -> list[Life]:
        return sorted(await self.store.lives(active=True), key=lambda life: life.due_at or 0)


TEAM = '{url: "http://a.example/x.ics", name: team, lead: 60}'


@asynccontextmanager
async def scene(folder: Path, settings: str = TEAM) -> AsyncIterator[tuple[Scene, Calendars]]:
    async with SqliteBotEngine(folder).running() as store, trio.open_nursery() as nursery:
        made = Scene(nursery, store)
        made.serve("a.example", "8.8.8.8")
        made.serve("b.example", "8.8.4.4")
        yield made, made.calendars(settings)
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def following(calendars: Calendars) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        await nursery.start(calendars.run)
        await trio.sleep(1)
        yield
        nursery.cancel_scope.cancel()


async def test_events_get_bots_that_move_with_them_and_end_with_them(tmp_path: Path) -> None:
    """A moved one keeps its bot; another meeting is another bot; each change is one webhook."""
    async with scene(tmp_path) as (made, calendars):
        start = wall() + 5 * HOUR
        made.files["a.example"] = [entry("e1", start), entry("e2", start + HOUR, url=OTHER)]
        async with following(calendars):
            first, second = await made.active()
            assert (first.due_at, first.state, first.meeting_url) == (start - 60, "scheduled", MEET)
            assert first.metadata["calendar"]["title"] == "Standup"
            made.files["a.example"] = [
                entry("e1", start + 600, title="Later"),
                entry("e2", start + HOUR, url="https://meet.google.com/new-defg-hij"),
            ]
            await trio.sleep(EVERY * 1.2)
            moved, new = await made.active()
            assert (moved.bot_id, moved.due_at, moved.revision) == (first.bot_id, start + 540, 2)
            assert moved.metadata["calendar"]["title"] == "Later"
            assert moved.settings["start_at"] == moved.due_at
            assert (new.bot_id != second.bot_id, new.meeting_url[-12:]) == (True, "new-defg-hij")
            (event, *_) = [e for e in await made.store.events(first.session_id) if e.event_type == "calendar"]
            assert event.event_subtype == "moved"
            made.files["a.example"] = [entry("e2", start + HOUR, url="https://meet.google.com/new-defg-hij")]
            await trio.sleep(EVERY * 1.2)
            assert [life.bot_id for life in await made.active()] == [new.bot_id]
    assert [data for _, trigger, data in made.events if trigger is Trigger.CALENDAR_EVENTS] == [
        CalendarEvents(scheduled=(first.bot_id, second.bot_id)),
        CalendarEvents(scheduled=(new.bot_id,), changed=(first.bot_id,), cancelled=(second.bot_id,)),
        CalendarEvents(cancelled=(first.bot_id,)),
    ]


async def test_an_event_that_is_there_again_gets_another_bot(tmp_path: Path) -> None:
    """As one that was cancelled by mistake; its key is not the former one's."""
    async with scene(tmp_path) as (made, calendars), following(calendars):
        event = entry("e1", wall() + 5 * HOUR)
        keeps = entry("other", wall() + 90 * HOUR, url=OTHER)
        for events in ([event, keeps], [keeps], [event, keeps]):
            made.files["a.example"] = events
            await trio.sleep(EVERY * 1.2)
        lives = await made.store.lives()
        assert [life.state for life in lives if life.meeting_url == MEET] == ["scheduled", "ended"]


async def test_a_bot_that_has_left_its_meeting_is_not_sent_again(tmp_path: Path) -> None:
    """Though the event goes on, was moved before, and the service is started again."""
    async with scene(tmp_path) as (made, calendars):
        start = wall() + HOUR
        made.files["a.example"] = [entry("e1", start)]
        async with following(calendars):
            (life,) = await made.active()
            made.files["a.example"] = [entry("e1", start - 600, length=5 * HOUR)]
            await trio.sleep(EVERY * 1.2)
            await trio.sleep(HOUR)
            await made.bots.end(life.bot_id, "ended", "alone_timeout")
            made.files["a.example"] = [entry("e1", start - 600, length=5 * HOUR, title="Changed")]
            await trio.sleep(EVERY * 2)
        async with following(made.calendars(TEAM)):
            assert await made.active() == []
        assert len(await made.store.lives()) == 1


async def test_a_bot_that_cannot_be_stored_is_tried_again_soon_and_others_are_not_held_up(
    tmp_path: Path,
) -> None:
    """The queue was full; a server that says «unchanged» would not have been asked for the file again."""
    async with scene(tmp_path) as (made, calendars):
        made.files["a.example"] = [entry("e1", wall() + 5 * HOUR)]
        made.bots.refuses = "The queue is full."
        async with following(calendars):
            assert await made.active() == []
            made.bots.refuses = ""
            await trio.sleep(RETRY_SECONDS + 1)
            assert len(await made.active()) == 1


async def test_a_long_title_is_no_change_at_each_reading(tmp_path: Path) -> None:
    """Its end is not stored."""
    async with scene(tmp_path) as (made, calendars):
        made.files["a.example"] = [entry("e1", wall() + 50 * HOUR, title="T" * 900)]
        async with following(calendars):
            await trio.sleep(EVERY * 3)
            (life,) = await made.active()
            assert (life.revision, len(life.metadata["calendar"]["title"])) == (1, 200)


async def test_one_event_in_two_calendars_has_one_bot(tmp_path: Path) -> None:
    """An invitation is in the calendar of each who was invited."""
    both = f'{TEAM}, {{url: "http://b.example/y.ics", name: other, name_match: "stand*"}}'
    async with scene(tmp_path, both) as (made, calendars):
        start = wall() + 5 * HOUR
        made.files["a.example"] = [entry("e1", start)]
        made.files["b.example"] = [entry("e1", start), entry("e2", start, url=OTHER, title="Lunch")]
        async with following(calendars):
            await trio.sleep(EVERY * 1.2)
            assert len(await made.active()) == 1


async def test_a_calendar_that_fails_changes_nothing_and_says_so_once(tmp_path: Path) -> None:
    """Its state is a webhook and a metric."""
    async with scene(tmp_path) as (made, calendars):
        made.files["a.example"] = [entry("e1", wall() + 50 * HOUR)]
        async with following(calendars):
            made.files["a.example"] = None
            await trio.sleep(EVERY * 6)
            assert len(await made.active()) == 1
            values = {
                r.labels: r.value for r in calendars.readings() if r.name.name == "orch_calendar_failing"
            }
            assert values == {("team",): 1.0}
            made.files["a.example"] = [entry("e1", wall() + 50 * HOUR)]
            await trio.sleep(HOUR)
    states = [data for _, _, data in made.events if isinstance(data, CalendarState)]
    assert [each.state for each in states] == ["failing", "connected"]
    assert "500" in (states[0].reason or "")
    assert states[1].reason is None


async def test_bots_of_a_calendar_that_was_removed_from_the_settings_are_cancelled(tmp_path: Path) -> None:
    """Those of no calendar, and those whose turn has come, are not."""
    async with scene(tmp_path, "") as (made, calendars):
        wanted = Wanted(EventKey("u", ""), MeetingUrl("meet", MEET), wall() + HOUR, wall() + 2 * HOUR, "T")
        gone = BotRequest(meeting_url=MEET, start_at=wall() + HOUR, metadata=metadata_of("gone", wanted))
        running = replace(gone, start_at=None)
        own = BotRequest(meeting_url=MEET, start_at=wall() + HOUR, metadata={"calendar": "mine"})
        for request in (gone, running, own):
            await made.bots.create(request)
        async with following(calendars):
            assert {life.bot_id for life in await made.active()} == {"b2", "b3"}


def test_metadata_of_a_requester_is_no_event() -> None:
    """Whatever it has under that name."""
    wanted = Wanted(EventKey("u", "r"), MeetingUrl("meet", MEET), 1.0, 2.0, "T")
    life = Life(bot_id="b", session_id="s", state="scheduled", since=1.0, requested_at=1.0, meeting_url=MEET)
    mine = replace(life, metadata=metadata_of("team", wanted))
    found = scheduled_bot(mine, {})
    assert found is not None
    assert (found.key, found.title, found.is_begun, calendar_of(mine)) == (
        wanted.key,
        "T",
        False,
        "team",
    )
    for metadata in ({}, {"calendar": 1}, {"calendar": {"id": 1}}, {"calendar": {"id": "x", "end": "soon"}}):
        assert scheduled_bot(replace(life, metadata=metadata), {}) is None
    assert key_for("team", wanted, 0) != key_for("team", wanted, 1)
    assert len(key_for("a" * 300, wanted, 0)) < 64
