"""Alerts that come in, are acknowledged, silenced and escalated, on a virtual clock."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import httpx2
import msgspec
import pytest
import trio

from orch.alerts import notifications, rules
from orch.alerts.alertmanager import Alertmanager, AlertmanagerError
from orch.alerts.notifications import Notification
from orch.alerts.records import STORED, STORED_FOR
from orch.alerts.service import AlertService
from orch.alerts.shelf import Shelf
from orch.cluster.lease import Leases
from orch.problems import ProblemError
from orch.settings.structs import Websocket
from orch.stores.records import Document
from orch.telemetry.events import EventLog
from orch.telemetry.names.alerts import ALERTMANAGER_UP, ALERTS_ACTIVE
from tests.fakes.alertmanager import DIRECT, URL, FakeAlertmanager, notification, notified_alert
from tests.fakes.incidents import MemoryDocuments
from tests.fakes.leases import MemoryLeases
from tests.fakes.settings import FakeSettings

pytestmark = pytest.mark.limit(20_000)

START = 1_795_000_000.0
ONE = "00aa11bb22cc33dd"
POLL = 15.0
AFTER = 120.0
"""Seconds until an escalation."""
HOLDS = 300.0
"""Seconds of an acknowledgement."""


def wall() -> float:
    return START + trio.current_time()


class Documents(MemoryDocuments):
    """Documents that may be away. ``writes`` counts those of alerts."""

    def __init__(self) -> None:
        super().__init__()
        self.is_away = False
        self.writes = 0

    async def documents(self, kind: str, *, now: float) -> tuple[Document, ...]:
        self._answer()
        return await super().documents(kind, now=now)

    async def store_document(self, document: Document, *, now: float) -> bool:
        self._answer()
        self.writes += 1
        return await super().store_document(document, now=now)

    def _answer(self) -> None:
        if self.is_away:
            raise ProblemError("store_unavailable", "The store is away.")


class Side:
    """One worker. Its Alertmanager is in memory, and so is what it stores."""

    def __init__(
        self,
        *,
        peer: FakeAlertmanager | None = None,
        documents: Documents | None = None,
        leases: MemoryLeases | None = None,
        url: str = URL,
        **alerts: Any,
    ) -> None:
        self.peer = peer or FakeAlertmanager()
        self.documents = documents or Documents()
        times = {"escalate_after": AFTER, "acknowledge_for": HOLDS}
        self.settings = FakeSettings(orchestration={"alerts": times | {"alertmanager_url": url} | alerts})
        self.events = EventLog(wall=wall)
        self.touched = 0
        self.alerts = AlertService(
            settings=self.settings,
            documents=self.documents,
            events=self.events,
            wall=wall,
            touch=self._touch,
            leases=Leases(leases),
            alertmanager=self.peer.peer(url),
        )

    def _touch(self) -> None:
        self.touched += 1

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with trio.open_nursery() as nursery:
            await nursery.start(self.alerts.run)
            yield
            nursery.cancel_scope.cancel()

    async def receive(self, *alerts: dict[str, Any], **others: Any) -> int:
        sent = msgspec.convert(notification(*alerts, **others), Notification)
        return await self.alerts.receive(sent)

    async def fire(self, fingerprint: str = ONE, **labels: Any) -> None:
        """Fire an alert: it is listed, and notified."""
        alert = notified_alert(fingerprint, since=wall(), **labels)
        self.peer.fire(alert)
        await self.receive(alert)

    @property
    def texts(self) -> list[str]:
        return [each.text for each in reversed(self.events.latest(200))]

    def state(self, fingerprint: str = ONE) -> str:
        return self.alerts.alert(fingerprint).state


@pytest.fixture
async def side(autojump_clock: object) -> AsyncIterator[Side]:
    del autojump_clock
    it = Side()
    async with it.running():
        await trio.sleep(1)
        yield it


async def test_an_alert_is_shown_at_once_and_is_over_at_once(side: Side) -> None:
    """Each is an event, and the topic is published."""
    touched = side.touched
    await side.fire()
    assert side.touched > touched
    (shown,) = side.alerts.statistics().alerts
    assert (shown.name, shown.state, shown.summary, shown.service) == (
        "BackendAllInstancesDown",
        "firing",
        "None of 2 instances responds.",
        "audio-service",
    )
    assert side.alerts.statistics().firing == {"critical": 1, "warning": 0, "info": 0}
    began = wall()
    await trio.sleep(60)
    side.peer.alerts.clear()
    await side.receive(notified_alert(since=began, ended=wall()))
    assert side.state() == "resolved"
    assert side.alerts.statistics().unacknowledged == 0
    assert [text for text in side.texts if "Backend" in text] == [
        "BackendAllInstancesDown: None of 2 instances responds.",
        "BackendAllInstancesDown is over.",
    ]


async def test_a_lost_notification_is_made_up_for(side: Side) -> None:
    """The list has the alert, and lacks it once it is over."""
    side.peer.fire(notified_alert(since=wall()))
    await trio.sleep(POLL + 6)
    assert side.state() == "firing"
    side.peer.alerts.clear()
    await trio.sleep(120)
    assert side.state() == "firing", "an Alertmanager that was restarted lists nothing for a minute"
    await trio.sleep(120)
    assert side.state() == "resolved"


async def test_figures_in_a_summary_change_without_a_write(side: Side) -> None:
    """They change at each evaluation of the rule."""
    await side.fire()
    writes = side.documents.writes
    for number in range(20):
        side.peer.fire(notified_alert(since=START + 1, annotations={"summary": f"{number} fail."}))
        await trio.sleep(POLL)
    assert side.alerts.alert(ONE).summary in ("18 fail.", "19 fail.")
    assert side.documents.writes <= writes + 1


async def test_an_acknowledgement_is_a_silence_and_an_event(side: Side) -> None:
    """Of exactly this alert; then it is due again, and escalated after a while."""
    await side.fire(path='a"b\nc')
    shown = await side.alerts.acknowledge(ONE, by="Ann", comment="on it")
    assert shown.state == "acknowledged"
    assert shown.acknowledgement is not None
    assert (shown.acknowledgement.silence, shown.acknowledgement.by) == ("made", "Ann")
    (silence,) = side.peer.silences.values()
    assert {each["name"]: each["value"] for each in silence["matchers"]} == shown.labels
    assert (silence["createdBy"], silence["comment"]) == ("Ann", "Acknowledged: on it")
    assert shown.acknowledgement.until == shown.acknowledgement.at + HOLDS
    assert "BackendAllInstancesDown was acknowledged by Ann." in side.texts
    await trio.sleep(HOLDS - 10)
    assert (side.state(), side.peer.sent) == ("acknowledged", [])
    side.peer.silences.clear()  # it has expired
    await trio.sleep(20)
    assert side.state() == "firing"
    await trio.sleep(AFTER)
    assert [each["labels"]["escalation"] for each in side.peer.sent][:1] == ["true"]


async def test_a_withdrawn_acknowledgement_ends_its_silence(side: Side) -> None:
    """Undo, on the page."""
    await side.fire()
    await side.alerts.acknowledge(ONE, by="Ann")
    assert (await side.alerts.withdraw(ONE, by="Ann")).state == "firing"
    assert side.peer.silences == {}
    assert len(side.peer.ended) == 1
    assert (await side.alerts.withdraw(ONE, by="Ann")).state == "firing"


async def test_an_alert_whose_acknowledgement_is_withdrawn_fires_at_once_however_long_it_was_silenced(
    side: Side,
) -> None:
    """Alertmanager's list has had its silence meanwhile; one of somebody else goes on."""
    await side.fire()
    await side.alerts.acknowledge(ONE, by="Ann")
    await trio.sleep(POLL + 6)
    assert len(side.peer.silences) == 1
    assert (await side.alerts.withdraw(ONE, by="Ann")).state == "firing"
    await trio.sleep(POLL + 6)
    assert side.state() == "firing"
    side.peer.alerts[ONE]["status"] = {"state": "suppressed", "silencedBy": ["x"], "inhibitedBy": []}
    await side.alerts.acknowledge(ONE, by="Ann")
    await trio.sleep(6)
    assert (await side.alerts.withdraw(ONE, by="Ann")).state == "silenced"


async def test_a_silence_ended_in_alertmanager_is_seen(side: Side) -> None:
    """The alert notifies again, and the page says so."""
    await side.fire()
    await side.alerts.acknowledge(ONE, by="Ann")
    await trio.sleep(90)
    assert side.state() == "acknowledged"
    side.peer.silences.clear()
    await trio.sleep(POLL + 6)
    assert side.state() == "firing"
    assert side.texts[-1] == (
        "BackendAllInstancesDown is acknowledged no more: its silence was ended in Alertmanager."
    )


async def test_while_alertmanager_is_away_everything_goes_on_and_says_so(side: Side) -> None:
    """Acknowledgements are stored, and silenced when it is back."""
    await side.fire()
    side.peer.fault = "away"
    await trio.sleep(POLL + 6)
    source = side.alerts.statistics().source
    assert source.state == "away"
    assert source.reason.startswith("http://alertmanager:9093/api/v2/alerts cannot be reached")
    shown = await side.alerts.acknowledge(ONE, by="Ann")
    assert shown.acknowledgement is not None
    assert (shown.state, shown.acknowledgement.silence) == ("acknowledged", "waiting")
    assert "cannot be reached" in shown.acknowledgement.fault
    await trio.sleep(AFTER + 20)
    assert (side.state(), side.peer.sent) == ("acknowledged", [])
    side.peer.fault = ""
    await trio.sleep(POLL + 6)
    found = side.alerts.alert(ONE).acknowledgement
    assert found is not None
    assert (found.silence, found.fault) == ("made", "")
    assert len(side.peer.silences) == 1
    assert [text for text in side.texts if "Alertmanager" in text] == [
        f"Alertmanager is away: {source.reason}",
        "Alertmanager can be reached again.",
    ]


@pytest.mark.parametrize("fault", ["silent", "internal error"])
async def test_an_alertmanager_that_hangs_or_fails_holds_nothing_up(side: Side, fault: str) -> None:
    """Within 5 s; notifications are received meanwhile."""
    side.peer.fault = fault
    await trio.sleep(POLL + 6)
    assert side.alerts.statistics().source.state == "away"
    with trio.fail_after(0.1):
        await side.receive(notified_alert(since=wall()))
    with trio.fail_after(6):
        shown = await side.alerts.acknowledge(ONE, by="Ann")
    assert shown.state == "acknowledged"


async def test_a_critical_alert_nobody_acknowledges_is_escalated(side: Side) -> None:
    """After a while, once as an event; Alertmanager gets it again each minute until it is acknowledged."""
    await side.fire()
    await side.fire("ff", severity="warning", alertname="CaptionsLate")
    assert side.alerts.alert(ONE).escalates_at == pytest.approx(wall() + AFTER)
    await trio.sleep(AFTER - 10)
    assert side.peer.sent == []
    await trio.sleep(20)
    (copy,) = side.peer.sent
    assert copy["labels"] == side.alerts.alert(ONE).labels | {"escalation": "true"}
    assert copy["annotations"]["summary"] == "Not acknowledged for 2 min: None of 2 instances responds."
    await trio.sleep(240)
    assert 4 <= len(side.peer.sent) <= 5
    assert len([text for text in side.texts if "escalated" in text]) == 1
    await side.alerts.acknowledge(ONE, by="Ann")
    await trio.sleep(10)
    end = side.peer.sent[-1]
    sent = len(side.peer.sent)
    assert end["labels"]["escalation"] == "true"
    assert end["endsAt"] <= side.peer.silences[next(iter(side.peer.silences))]["endsAt"]
    await trio.sleep(150)
    assert len(side.peer.sent) == sent


async def test_an_escalated_alert_that_is_over_ends_its_escalation(side: Side) -> None:
    """The receiver is notified of that too."""
    await side.fire()
    began = wall()
    await trio.sleep(AFTER + 20)
    side.peer.alerts.clear()
    await side.receive(notified_alert(since=began, ended=wall()))
    await trio.sleep(10)
    assert side.peer.sent[-1]["endsAt"] < side.peer.sent[-2]["endsAt"]


async def test_an_escalation_that_alertmanager_refuses_goes_to_another_url(autojump_clock: object) -> None:
    """In the form of a notification; it is sent once."""
    del autojump_clock
    side = Side(escalation_url=DIRECT)
    async with side.running():
        await side.fire()
        side.peer.fault = "away"
        await trio.sleep(AFTER + 150)
        (sent,) = side.peer.direct
        assert sent["alerts"][0]["labels"]["alertname"] == "BackendAllInstancesDown"
        assert sent["receiver"] == "escalation"
        assert side.alerts.alert(ONE).escalated is not None


async def test_an_escalation_that_fails_is_tried_each_minute_and_says_so(autojump_clock: object) -> None:
    """It is an event once, the page shows why, and it counts each time."""
    del autojump_clock
    side = Side(escalation_url=DIRECT)
    side.peer.direct_status = 410
    async with side.running():
        await side.fire()
        side.peer.fault = "away"
        await trio.sleep(AFTER + 10)
        shown = side.alerts.alert(ONE)
        assert shown.escalated is None
        assert shown.escalation_fault.endswith("http://pager.example/notify responded with 410.")
        await trio.sleep(120)
        assert side.alerts.counts.escalations == {"sent": 0, "failed": len(side.peer.direct)}
        assert 2 <= len(side.peer.direct) <= 3
        assert len([text for text in side.texts if "cannot be escalated" in text]) == 1
        side.peer.fault = ""
        await trio.sleep(70)
        assert (side.alerts.alert(ONE).escalation_fault, side.alerts.counts.escalations["sent"]) == ("", 1)


async def test_what_is_silenced_or_inhibited_there_is_shown_and_not_escalated(side: Side) -> None:
    """Somebody, or the cause, has taken care of it."""
    await side.fire()
    await side.fire("ff", alertname="CaptionJourneyFailing")
    side.peer.alerts[ONE]["status"] = {"state": "suppressed", "silencedBy": ["x"], "inhibitedBy": []}
    side.peer.alerts["ff"]["status"] = {"state": "suppressed", "silencedBy": [], "inhibitedBy": ["y"]}
    await trio.sleep(AFTER + 60)
    assert (side.state(), side.state("ff"), side.peer.sent) == ("silenced", "inhibited", [])


async def test_without_an_alertmanager_alerts_come_by_notification_alone(autojump_clock: object) -> None:
    """An acknowledgement holds, without a silence; a critical alert that cannot be escalated says so."""
    del autojump_clock
    side = Side(url="")
    async with side.running():
        await side.receive(notified_alert(since=wall()))
        await trio.sleep(AFTER + 10)
        assert side.alerts.statistics().source.state == "off"
        assert "No Alertmanager is configured" in side.alerts.alert(ONE).escalation_fault
        shown = await side.alerts.acknowledge(ONE, by="Ann")
        assert shown.acknowledgement is not None
        assert (shown.acknowledgement.silence, side.peer.asked) == ("none", 0)


async def test_a_source_that_falls_silent_is_noticed(side: Side) -> None:
    """Alertmanager responds, and the alert that always fires is not there: Prometheus sends none."""
    side.peer.fire(notified_alert("dd", since=wall(), alertname="Watchdog", severity="none"))
    await trio.sleep(POLL + 6)
    assert side.alerts.statistics().source.watchdog is not None
    assert side.alerts.statistics().alerts == ()
    side.peer.alerts.clear()
    side.settings.change(orchestration={"alerts": {"alertmanager_url": URL, "poll_interval": 300}})
    await trio.sleep(800)
    assert not side.alerts.statistics().source.is_quiet
    await trio.sleep(150)
    assert side.alerts.statistics().source.is_quiet


async def test_guessing_the_webhooks_token_is_slowed_down(autojump_clock: object) -> None:
    """From its address, where the right one waits as well, as it could be a guess; not from others."""
    del autojump_clock
    side = Side(webhook_token="right")
    for number in range(5):
        with pytest.raises(ProblemError) as caught:
            side.alerts.require_token(f"guess {number}", "10.0.0.1")
        assert caught.value.code == "token_required"
    with pytest.raises(ProblemError) as caught:
        side.alerts.require_token("right", "10.0.0.1")
    assert caught.value.code == "rate_limited"
    assert int(caught.value.headers["Retry-After"]) > 0
    side.alerts.require_token("right", "10.0.0.2")
    await trio.sleep(60)
    side.alerts.require_token("right", "10.0.0.1")
    assert side.alerts.counts.refused["unauthorized"] == 6


async def test_what_does_not_exist_or_is_over_cannot_be_acknowledged(side: Side) -> None:
    """With a problem that says which."""
    with pytest.raises(ProblemError, match="No alert has the fingerprint nope"):
        await side.alerts.acknowledge("nope", by="Ann")
    began = wall()
    await side.fire()
    await trio.sleep(5)
    await side.receive(notified_alert(since=began, ended=wall()))
    with pytest.raises(ProblemError) as caught:
        await side.alerts.acknowledge(ONE, by="Ann")
    assert caught.value.code == "alert_over"


async def test_while_the_store_is_away_alerts_are_shown_and_stored_later(side: Side) -> None:
    """The notification fails, so that Alertmanager repeats it; nothing shown is lost."""
    side.documents.is_away = True
    with pytest.raises(ProblemError, match="away"):
        await side.receive(notified_alert(since=wall()))
    assert side.state() == "firing"
    await trio.sleep(60)
    assert side.state() == "firing"
    side.documents.is_away = False
    await trio.sleep(10)
    assert len(await side.documents.documents("alert", now=wall())) == 1


async def test_acknowledgements_and_escalations_outlive_a_restart(autojump_clock: object) -> None:
    """Another process finds them in the store, and does not notify again."""
    del autojump_clock
    first = Side()
    async with first.running():
        await first.fire()
        await first.fire("ff", alertname="SpeechNearLoss")
        await first.alerts.acknowledge(ONE, by="Ann")
        await trio.sleep(AFTER + 10)
    second = Side(peer=first.peer, documents=first.documents)
    async with second.running():
        await trio.sleep(10)
        assert (second.state(), second.state("ff")) == ("acknowledged", "firing")
        assert second.alerts.alert("ff").escalated == first.alerts.alert("ff").escalated
        assert [text for text in second.texts if "escalated" in text] == []


async def test_of_two_workers_one_escalates_and_both_show_it(autojump_clock: object) -> None:
    """Whichever received the notification or the acknowledgement."""
    del autojump_clock
    leases = MemoryLeases()
    one = Side(leases=leases)
    two = Side(leases=leases, peer=one.peer, documents=one.documents)

    async def announce() -> None:
        two.alerts.read_again()

    one.alerts.announce = announce
    async with one.running(), two.running():
        await trio.sleep(1)
        await one.fire()
        await trio.sleep(0.1)
        assert two.state() == "firing"
        await trio.sleep(AFTER + 10)
        assert len(one.peer.sent) == 1
        await trio.sleep(6)
        assert one.alerts.alert(ONE).escalated == two.alerts.alert(ONE).escalated is not None
        await two.alerts.acknowledge(ONE, by="Ann")
        await trio.sleep(6)
        assert one.state() == "acknowledged"
        assert len(one.peer.silences) == 1


async def test_what_an_operator_and_a_notification_change_at_once_is_kept(
    autojump_clock: object,
) -> None:
    """On two workers that have not read each other's change."""
    del autojump_clock
    leases = MemoryLeases()
    one = Side(leases=leases)
    two = Side(leases=leases, peer=one.peer, documents=one.documents)
    async with one.running(), two.running():
        await one.fire()
        began = wall()
        await trio.sleep(6)
        await two.alerts.acknowledge(ONE, by="Ann")
        await one.receive(notified_alert(since=began, ended=wall()))
        found = one.alerts.alert(ONE)
        assert found.ended is not None
        assert found.acknowledgement is not None


async def test_a_flood_of_alerts_is_bounded(side: Side) -> None:
    """What pages is kept, the rest counts as dropped, and the page gets fifty."""
    await side.fire()
    for batch in range(7):
        await side.receive(
            *(
                notified_alert(f"{batch * 100 + number:06x}", since=wall(), severity="info", n=str(number))
                for number in range(100)
            )
        )
    found = side.alerts.statistics()
    assert (found.total, len(found.alerts), found.dropped) == (STORED, 50, 201)
    assert found.alerts[0].fingerprint == ONE
    assert len(await side.documents.documents("alert", now=wall())) == STORED


async def test_an_update_of_the_page_is_small_whatever_the_alerts_say(side: Side) -> None:
    """A client for which more is queued than the limit is disconnected: nobody would see the alerts."""
    texts = {
        "summary": "\u00e9" * 5_000,
        "impact": "\U0001f600" * 5_000,
        "runbook_url": "https://a.example/" + "x" * 1_900,
    }
    labels: dict[str, Any] = {f"label_{number}": "\u00e9" * 5_000 for number in range(60)}
    await side.receive(
        *(notified_alert(f"{number:x}", since=wall(), annotations=texts, **labels) for number in range(100))
    )
    assert len(msgspec.json.encode(side.alerts.statistics())) < Websocket().outbox_bytes
    assert len(side.alerts.alert("5").labels) == 48


async def test_old_alerts_are_dropped() -> None:
    """A day after their end, here and in the store."""
    now = [START]
    shelf = Shelf(Documents(), lambda: now[0])
    sent = msgspec.convert(notification(notified_alert(since=START, ended=START + 9)), Notification)
    await shelf.change(ONE, partial(rules.noticed, seen=notifications.notified(sent)[0], now=START))
    now[0] += STORED_FOR
    await shelf.drop_old()
    assert list(shelf.alerts) == [ONE]
    now[0] += 10
    await shelf.drop_old()
    await shelf.load()
    assert shelf.alerts == {}


async def test_a_stored_alert_that_cannot_be_read_is_left_out(autojump_clock: object) -> None:
    """A later version may have stored it."""
    del autojump_clock
    side = Side()
    await side.documents.store_document(Document("alert", "ee", 1, START * 2, b"{}"), now=START)
    async with side.running():
        await trio.sleep(1)
        assert side.alerts.alerts() == ()
        await side.fire("ee")
        assert side.state("ee") == "firing"


async def test_readings_have_every_severity_and_the_state_of_alertmanager(side: Side) -> None:
    """From the start, at 0; Alertmanager's is absent until it is known, or where there is none."""
    await side.fire()
    await side.fire("ff", severity="page")
    readings = {(each.name.name, each.labels): each.value for each in side.alerts.readings()}
    assert readings[ALERTS_ACTIVE.name, ("critical",)] == 1
    assert readings[ALERTS_ACTIVE.name, ("none",)] == 1
    assert readings[ALERTS_ACTIVE.name, ("info",)] == 0
    assert readings[ALERTMANAGER_UP.name, ()] == 1
    off = Side(url="")
    assert ALERTMANAGER_UP not in {each.name for each in off.alerts.readings()}


async def test_a_client_is_made_for_the_first_request_and_closed() -> None:
    """It reads certificates, so a service without an Alertmanager has none."""
    fake, made = FakeAlertmanager(), list[httpx2.AsyncClient]()

    def open_client() -> httpx2.AsyncClient:
        made.append(fake.client())
        return made[-1]

    peer = Alertmanager(lambda: URL, open_client=open_client)
    async with peer.open():
        assert made == []
        assert await peer.alerts() == await peer.alerts()
        assert [each.is_closed for each in made] == [False]
    assert [each.is_closed for each in made] == [True]
    with pytest.raises(AlertmanagerError):
        await peer.alerts()
