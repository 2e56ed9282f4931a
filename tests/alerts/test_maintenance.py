"""A maintenance window of a back end silences its alerts in Alertmanager, and the silence ends with it."""

import datetime as dt
from typing import Any, Final

import msgspec
import pytest
import trio

from orch.alerts.planned import CREATOR, ListedSilence, Plan, Window, comment, decide, silence
from orch.alerts.service import READ_AGAIN
from tests.alerts.test_service import AFTER, ONE, POLL, START, Documents, Side
from tests.fakes.alertmanager import FakeAlertmanager
from tests.fakes.leases import MemoryLeases

pytestmark = pytest.mark.limit(20_000)

NIGHT: Final = Window(service="audio-service", title="new disk", until=START + 3_600)
URL: Final = "http://127.0.0.1:5001"


def listed(window: Window = NIGHT, *, name: str = "a", state: str = "active", **others: Any) -> ListedSilence:
    body = silence(window, START) | {"id": name, "status": {"state": state}} | others
    return msgspec.convert(body, ListedSilence)


# --- decisions ----------------------------------------------------------------------------------------------


def test_a_window_has_one_silence_until_its_end() -> None:
    assert decide([NIGHT], []).make == (NIGHT,)
    for state in ("active", "pending"):
        plan = decide([NIGHT], [listed(state=state)])
        assert plan == Plan(make=(), end=(), withdrawn=frozenset())
    twice = decide([NIGHT], [listed(), listed(name="b")])
    assert (twice.make, twice.end) == ((), ("b",)), "a response was lost"


def test_a_window_that_changed_has_another_silence() -> None:
    """Longer, shorter, or gone from the settings: the former one ends."""
    longer = msgspec.structs.replace(NIGHT, until=NIGHT.until + 600)
    plan = decide([longer], [listed()])
    assert (plan.make, plan.end) == ((longer,), ("a",))
    assert decide([], [listed()]).end == ("a",)
    assert decide([NIGHT], [listed(window=msgspec.structs.replace(NIGHT, title="x"))]).make == ()


def test_silences_of_people_stay_as_they_are() -> None:
    """Also those of the same service: only what this service made is its own."""
    of_person = listed(createdBy="ann")
    assert decide([], [of_person]).end == ()
    assert decide([NIGHT], [of_person]).make == (NIGHT,)


def test_who_ends_the_silence_in_alertmanager_is_respected() -> None:
    """Unless this service did it, because the window was gone for a while."""
    plan = decide([NIGHT], [listed(state="expired")])
    assert plan.withdrawn == {"audio-service"}
    assert plan.make == ()
    assert decide([NIGHT], [listed(state="expired")], ended={"a"}).make == (NIGHT,)
    week = msgspec.structs.replace(NIGHT, until=NIGHT.until + 7 * 86_400)
    assert decide([week], [listed(state="expired")]).make == (week,), "the next window is another one"


@pytest.mark.parametrize("name", ['a"b', "a\nb", "ünïcode", "x" * 10_000, ".*"])
def test_any_name_is_matched_as_it_is(name: str) -> None:
    window = msgspec.structs.replace(NIGHT, service=name)
    (matcher,) = silence(window, START)["matchers"]
    assert matcher == {"name": "service", "value": name, "isRegex": False, "isEqual": True}
    assert decide([window], [listed(window)]).make == ()


def test_silences_with_other_matchers_are_not_taken_for_ours() -> None:
    """Somebody edited it in Alertmanager: it would silence more than the service, or less."""
    wide = [{"name": "service", "value": "audio.*", "isRegex": True, "isEqual": True}]
    plan = decide([NIGHT], [listed(matchers=wide)])
    assert (plan.make, plan.end) == ((NIGHT,), ("a",))


# --- on a service -------------------------------------------------------------------------------------------


def local(seconds: float) -> str:
    """Return a time after the start as settings have it."""
    return dt.datetime.fromtimestamp(START + seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M")


BEGINS: Final = 600 + 60 - START % 60
"""Seconds until a window begins, at a whole minute."""


def window(begins: float = BEGINS, minutes: float = 30) -> dict[str, Any]:
    return {"start": local(begins), "minutes": minutes, "title": "new disk"}


def side_with(*windows: dict[str, Any], **others: Any) -> Side:
    it = Side(**others)
    set_windows(it, *windows)
    return it


def set_windows(side: Side, *windows: dict[str, Any]) -> None:
    orchestration = msgspec.to_builtins(side.settings.current.orchestration)
    services = {"audio-service": {"url": URL, "maintenance": list(windows)}}
    side.settings.change(orchestration=orchestration, services=services)


def of_maintenance(peer: FakeAlertmanager) -> list[dict[str, Any]]:
    return [each for each in peer.silences.values() if each["createdBy"] == CREATOR]


async def test_the_alerts_of_a_service_are_silenced_during_its_window_alone(autojump_clock: object) -> None:
    """From its beginning to its end, and the page says so."""
    side = side_with(window())
    async with side.running():
        await trio.sleep(BEGINS - 1)
        assert side.alerts.statistics().maintenance == ()
        assert not side.peer.silences
        await trio.sleep(POLL)
        (made,) = of_maintenance(side.peer)
        (shown,) = side.alerts.statistics().maintenance
        assert (shown.service, shown.title, shown.silence, shown.fault) == (
            "audio-service",
            "new disk",
            "made",
            "",
        )
        until = START + BEGINS + 1_800
        assert shown.until == until
        assert dt.datetime.fromisoformat(made["endsAt"]).timestamp() == until
        assert "Alerts of audio-service are silenced while it is in maintenance." in side.texts
        await side.fire()
        await trio.sleep(POLL)
        assert side.state() == "silenced"
        await trio.sleep(BEGINS + 1_800)
        assert side.alerts.statistics().maintenance == ()
        assert of_maintenance(side.peer) == []


async def test_a_window_that_is_taken_back_ends_its_silence(autojump_clock: object) -> None:
    side = side_with(window())
    async with side.running():
        await side.fire()
        await trio.sleep(BEGINS + POLL)
        assert len(of_maintenance(side.peer)) == 1
        assert side.state() == "silenced"
        set_windows(side)
        await trio.sleep(2 * READ_AGAIN + 1)
        assert of_maintenance(side.peer) == []
        assert side.state() == "firing", "not only when the list is due again"
        assert side.alerts.statistics().maintenance == ()
        set_windows(side, window())
        await trio.sleep(POLL)
        assert len(of_maintenance(side.peer)) == 1, "it is in maintenance again"


async def test_while_alertmanager_is_away_the_page_says_so_and_nothing_is_escalated(
    autojump_clock: object,
) -> None:
    """The silence is made when it is back."""
    side = side_with(window())
    async with side.running():
        await side.fire()
        side.peer.fault = "away"
        await trio.sleep(BEGINS + 2 * AFTER)
        (shown,) = side.alerts.statistics().maintenance
        assert shown.silence == "waiting"
        assert "cannot be reached" in shown.fault
        alert = side.alerts.alert(ONE)
        assert alert.escalates_at is None
        assert sum("are not silenced for its maintenance" in each for each in side.texts) == 1
        side.peer.fault = ""
        await trio.sleep(2 * POLL)
        (shown,) = side.alerts.statistics().maintenance
        assert (shown.silence, shown.fault) == ("made", "")


async def test_an_alert_that_fires_in_a_window_is_escalated_after_it(autojump_clock: object) -> None:
    side = side_with(window(minutes=10))
    async with side.running():
        await trio.sleep(BEGINS + POLL)
        await side.fire()
        await trio.sleep(550)
        assert side.alerts.alert(ONE).escalated is None
        assert not side.peer.sent
        del side.peer.silences[next(iter(side.peer.silences))]  # it ends in Alertmanager
        await trio.sleep(AFTER + POLL + 60)
        assert side.alerts.alert(ONE).escalated is not None


async def test_an_operator_may_end_the_silence(autojump_clock: object) -> None:
    """In Alertmanager: it is not made again."""
    side = side_with(window())
    async with side.running():
        await trio.sleep(BEGINS + POLL)
        (name,) = side.peer.silences
        ended = side.peer.silences.pop(name)
        side.peer.expired.append(ended | {"id": name, "status": {"state": "expired"}})
        await trio.sleep(2 * POLL)
        (shown,) = side.alerts.statistics().maintenance
        assert shown.silence == "withdrawn"
        assert not side.peer.silences


async def test_a_restart_in_a_window_makes_no_second_silence(autojump_clock: object) -> None:
    """Nor does another worker; one that starts after the window was taken back ends the silence."""
    peer, documents, leases = FakeAlertmanager(), Documents(), MemoryLeases()
    sides = [
        side_with(window(0 - START % 60, 60), peer=peer, documents=documents, leases=leases) for _ in range(3)
    ]
    async with sides[0].running(), sides[1].running():
        await trio.sleep(3 * POLL)
        assert len(of_maintenance(peer)) == 1
        assert {each.alerts.statistics().maintenance[0].silence for each in sides[:2]} == {"made"}
    async with sides[2].running():
        await trio.sleep(5 * POLL)
        assert len(of_maintenance(peer)) == 1
    later = side_with(peer=peer, documents=documents, leases=leases)
    async with later.running():
        await trio.sleep(5 * POLL)
        assert of_maintenance(peer) == []


async def test_without_alertmanager_there_is_nothing_to_silence(autojump_clock: object) -> None:
    side = side_with(window(0 - START % 60, 60), url="")
    async with side.running():
        await trio.sleep(POLL)
        (shown,) = side.alerts.statistics().maintenance
        assert shown.silence == "none"
        assert not side.peer.silences


async def test_a_list_that_cannot_be_read_is_said(autojump_clock: object) -> None:
    """And nothing else that the service does with alerts stops."""
    side = side_with(window(0 - START % 60, 60))
    side.peer.expired.append({"id": 7})
    async with side.running():
        await side.fire()
        await trio.sleep(POLL)
        (shown,) = side.alerts.statistics().maintenance
        assert (shown.silence, "cannot be read" in shown.fault) == ("waiting", True)
        assert side.state() == "firing"


def test_comments_tell_windows_apart() -> None:
    until = dt.datetime.fromtimestamp(NIGHT.until, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    assert comment(NIGHT) == f"Maintenance of audio-service until {until}: new disk"
    assert comment(msgspec.structs.replace(NIGHT, until=NIGHT.until + 1)) != comment(NIGHT)
