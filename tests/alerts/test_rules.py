"""What is decided about alerts, without a store, a clock or Alertmanager."""

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from orch.alerts import notifications, rules
from orch.alerts.notifications import ListedAlert, Notification
from orch.alerts.records import LABEL_VALUE, Acknowledgement, Alert, Sighting, sighting
from tests.fakes.alertmanager import labels_of, notification, notified_alert

NOW = 1_795_000_000.0
AFTER = 900.0


def seen(*, since: float = NOW - 60, ended: float | None = None, **others: Any) -> Sighting:
    return sighting("aa", labels_of(), {"summary": "Down."}, generator="", since=since, ended=ended, **others)


def alert(**changes: Any) -> Alert:
    return replace(rules.noticed(None, seen(), NOW), **changes)


def given(until: float = NOW + 3_600, **others: Any) -> Acknowledgement:
    return Acknowledgement(at=NOW, until=until, by="Ann", **others)


def test_what_is_seen_again_changes_nothing() -> None:
    """A notification is repeated every hour, and the list is read every 15 s: neither is a write."""
    known = alert()
    assert rules.noticed(known, seen(), NOW + 60) is known


def test_an_alert_ends_and_fires_again_as_a_new_one() -> None:
    """It may be escalated again, and its time to be acknowledged begins again."""
    known = alert(escalated=NOW)
    over = rules.noticed(known, seen(ended=NOW + 5), NOW + 6)
    assert (over.ended, rules.state(over, NOW + 6)) == (NOW + 5, "resolved")
    again = rules.noticed(over, seen(since=NOW + 100), NOW + 101)
    assert (again.ended, again.noticed, again.escalated) == (None, NOW + 101, None)


def test_an_acknowledgement_outlasts_an_alert_that_comes_and_goes() -> None:
    """Its silence does so too."""
    over = rules.noticed(rules.acknowledged(alert(), given()), seen(ended=NOW + 5), NOW + 6)
    again = rules.noticed(over, seen(since=NOW + 100), NOW + 101)
    assert rules.state(again, NOW + 101) == "acknowledged"
    late = rules.noticed(over, seen(since=NOW + 4_000), NOW + 4_000)
    assert rules.state(late, NOW + 4_000) == "firing"


def test_late_notifications_change_nothing() -> None:
    """Of an earlier time that it fired, or one that was sent before it ended."""
    known = alert()
    assert rules.noticed(known, seen(since=NOW - 900, ended=NOW - 800), NOW + 1) is known
    over = rules.noticed(known, seen(ended=NOW), NOW + 1)
    assert rules.noticed(over, seen(), NOW + 2) is over


def test_the_list_is_right_about_what_fires() -> None:
    """An alert that was taken for over is not, if Alertmanager lists it."""
    over = rules.ended(alert(), NOW)
    assert rules.noticed(over, seen(silenced=False, inhibited=False), NOW + 2).is_firing


@pytest.mark.parametrize(
    ("changes", "at"),
    [
        ({}, NOW + AFTER),
        ({"labels": labels_of(severity="warning")}, None),
        ({"labels": labels_of(severity="CRITICAL")}, None),
        ({"ended": NOW + 1}, None),
        ({"silenced": True}, None),
        ({"inhibited": True}, None),
        ({"acknowledgement": given()}, None),
        ({"acknowledgement": given(until=NOW + 10)}, NOW + 10 + AFTER),
        ({"acknowledgement": given(until=NOW - 10)}, NOW + AFTER),
        ({"since": NOW - 9_000_000}, NOW + AFTER),
        ({"since": NOW + 9_000_000}, NOW + AFTER),
    ],
)
def test_a_critical_alert_is_escalated_after_a_while_without_acknowledgement(
    changes: dict[str, Any], at: float | None
) -> None:
    """From when the service noticed it, whatever Prometheus' clock says; no other alert is."""
    found = alert(**changes)
    assert rules.escalates_at(found, NOW + 20, AFTER) == at
    assert not rules.is_escalation_due(found, NOW + AFTER - 1, AFTER)
    assert rules.is_escalation_due(found, NOW + 2 * AFTER, AFTER) is (at is not None or changes == {})


def test_none_is_escalated_where_the_settings_say_so() -> None:
    """0 switches it off."""
    assert rules.escalates_at(alert(), NOW + 99_999, 0) is None


def test_an_acknowledgement_replaces_an_earlier_one_whose_silence_then_ends() -> None:
    """Two silences of one alert would hold longer than the latter says."""
    first = rules.acknowledged(alert(), given(silence="s-1", made=NOW))
    second = rules.acknowledged(first, given(silence="s-2", made=NOW))
    assert second.surplus_silences == ("s-1",)
    assert rules.withdrawn(second).surplus_silences == ("s-1", "s-2")
    assert rules.withdrawn(rules.withdrawn(second)).surplus_silences == ("s-1", "s-2")


def test_a_silence_that_was_ended_in_alertmanager_ends_the_acknowledgement() -> None:
    """Not while other members of a cluster may not know it yet; a notification says nothing of silences."""
    known = rules.acknowledged(alert(), given(silence="s-1", made=NOW))
    listed = seen(silenced=False, inhibited=False)
    assert rules.noticed(known, listed, NOW + 30).acknowledgement is not None
    assert rules.noticed(known, listed, NOW + 90).acknowledgement is None
    held = replace(listed, silenced=True, silences=("s-1",))
    assert rules.noticed(known, held, NOW + 90).acknowledgement is not None
    assert rules.noticed(known, seen(), NOW + 90).acknowledgement is not None


def test_the_silence_of_an_acknowledgement_is_not_what_others_have_silenced() -> None:
    """Nor while it is still to be ended; beside one of somebody else it is."""
    known = rules.acknowledged(alert(), given(silence="s-1", made=NOW))
    own = seen(silenced=True, inhibited=False, silences=("s-1",))
    both = replace(own, silences=("s-1", "s-2"))
    assert not rules.noticed(known, own, NOW + 9).silenced
    assert not rules.noticed(rules.withdrawn(known), own, NOW + 9).silenced
    assert rules.state(rules.withdrawn(rules.noticed(known, own, NOW + 9)), NOW + 9) == "firing"
    assert rules.noticed(known, both, NOW + 9).silenced
    assert rules.state(rules.withdrawn(rules.noticed(known, both, NOW + 9)), NOW + 9) == "silenced"
    assert not rules.noticed(rules.noticed(known, both, NOW + 9), own, NOW + 10).silenced
    assert rules.noticed(None, own, NOW).silenced
    assert rules.noticed(rules.ended(known, NOW + 1), replace(both, since=NOW + 5), NOW + 9).silenced
    assert not rules.noticed(rules.ended(known, NOW + 1), replace(own, since=NOW + 5), NOW + 9).silenced


def test_an_alert_is_over_once_the_list_has_lacked_it_for_long() -> None:
    """An Alertmanager that was restarted lists nothing for a minute."""
    known = [alert()]
    since = rules.missing(known, [], {}, NOW)
    assert since == {"aa": NOW}
    assert rules.missing(known, [], since, NOW + 60) == {"aa": NOW}
    assert rules.missing(known, [seen()], since, NOW + 60) == {}
    assert rules.missing([rules.ended(known[0], NOW)], [], since, NOW + 60) == {}


def test_the_clock_may_be_set_back() -> None:
    """Then the time for which an alert is missing begins again, rather than being in the future."""
    assert rules.missing([alert()], [], {"aa": NOW}, NOW - 3_600) == {"aa": NOW - 3_600}
    assert rules.waited(alert(), NOW - 3_600) == 0
    over = rules.ended(alert(), NOW - 3_600)
    assert over.ended is not None
    assert over.ended >= over.since


def test_what_somebody_should_look_at_comes_first() -> None:
    """Unacknowledged before acknowledged, critical before warning, the latest first; what is over last."""
    alerts = [
        alert(fingerprint="over", ended=NOW),
        alert(fingerprint="inhibited", inhibited=True),
        alert(fingerprint="acknowledged", acknowledgement=given()),
        alert(fingerprint="info", labels=labels_of(severity="info")),
        alert(fingerprint="unknown", labels=labels_of(severity="page")),
        alert(fingerprint="warning", labels=labels_of(severity="warning")),
        alert(fingerprint="old", since=NOW - 500),
        alert(fingerprint="new"),
        alert(fingerprint="silenced", silenced=True),
    ]
    assert [each.fingerprint for each in rules.in_order(alerts, NOW)] == [
        *("new", "old", "warning", "unknown", "info", "acknowledged", "silenced", "inhibited", "over")
    ]


def test_beyond_the_limit_the_oldest_ended_go_first_and_a_critical_one_last() -> None:
    """A flood of small alerts does not displace what pages."""
    alerts = {
        each.fingerprint: each
        for each in (
            alert(fingerprint="over-2", ended=NOW),
            alert(fingerprint="over-1", ended=NOW - 10),
            alert(fingerprint="critical"),
            alert(fingerprint="info", labels=labels_of(severity="info")),
            alert(fingerprint="warning", labels=labels_of(severity="warning")),
        )
    }
    assert rules.surplus(alerts, 5) == []
    assert rules.surplus(alerts, 1) == ["over-1", "over-2", "info", "warning"]


HOSTILE = 'a"b\\c\nd\r\x00\u202e<img src=x onerror=alert(1)>{{ .Labels }}'


def test_any_label_can_be_received_and_silenced() -> None:
    """Quotes, newlines and 10 kB: the labels that identify it are kept as they are, or cut."""
    long_name: dict[str, Any] = {"n" * 200: "long name"}
    sent = notified_alert(since=NOW, path=HOSTILE, blob="x." * 5_000, empty="", **long_name)
    found = notifications.notified(msgspec.convert(notification(sent), Notification))[0]
    assert found.labels["path"] == HOSTILE
    assert len(found.labels["blob"]) == LABEL_VALUE
    assert found.cut == ("blob",)
    assert "empty" not in found.labels
    silence = notifications.silence(
        rules.noticed(None, found, NOW), begins=NOW, ends=NOW + 60, by="Ann", comment="on it"
    )
    matchers = {each["name"]: each for each in silence["matchers"]}
    assert matchers["path"] == {"name": "path", "value": HOSTILE, "isRegex": False, "isEqual": True}
    assert matchers["blob"]["isRegex"]
    assert matchers["blob"]["value"] == "(?s:" + "x\\." * (LABEL_VALUE // 2) + ".*)"
    assert silence["endsAt"] == "2026-11-18T11:07:40.000Z"


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        ("https://runbooks.example/BranchDown.md", True),
        ("docs/runbooks/BranchDown.md", True),
        ("/d/livetranslate-overview", True),
        ("//elsewhere.example/x", False),
        ("javascript:alert(1)", False),
        ("data:text/html,x", False),
        ("https://a.example/\n", False),
        ("https://a.example/" + "x" * 3_000, False),
    ],
)
def test_an_address_is_one_that_a_page_may_link_to(address: str, kept: bool) -> None:  # noqa: FBT001
    """Annotations come from rules, and rules may take them from labels."""
    sent = notified_alert(since=NOW, annotations={"runbook_url": address, "unread": "x"})
    found = notifications.notified(msgspec.convert(notification(sent), Notification))[0]
    assert found.annotations.get("runbook_url") == (address if kept else None)
    assert "unread" not in found.annotations


def test_copies_of_the_service_and_the_watchdog_are_no_alerts() -> None:
    """Else each escalation would come back as an alert, to be escalated."""
    sent = notification(
        notified_alert("a1", since=NOW, escalation="true"),
        notified_alert("a2", since=NOW, name="Watchdog"),
        notified_alert("a3", since=NOW),
    )
    read = msgspec.convert(sent, Notification)
    assert [each.fingerprint for each in notifications.notified(read)] == ["a3"]
    assert notifications.has_watchdog(read.alerts)


def test_a_list_says_what_is_silenced_and_inhibited() -> None:
    """By whom does not matter, except for the silences."""
    status = {"state": "suppressed", "silencedBy": ["s-1"], "inhibitedBy": []}
    listed = msgspec.convert([notified_alert(since=NOW) | {"status": status}], tuple[ListedAlert, ...])
    found = notifications.listed(listed)[0]
    assert (found.silenced, found.inhibited, found.silences, found.ended) == (True, False, ("s-1",), None)


def test_an_escalation_is_the_alert_with_one_more_label() -> None:
    """So that a silence of the alert silences it, and the route knows it."""
    known = alert()
    copy = notifications.escalation(known, waited=930, now=NOW + 930, lasts=300)
    assert copy["labels"] == known.labels | {"escalation": "true"}
    assert copy["annotations"]["summary"] == "Not acknowledged for 16 min: Down."
    assert copy["endsAt"] > copy["startsAt"]
    sent = notifications.direct(known, waited=930, url="https://translate.example")
    assert msgspec.convert(sent, Notification).alerts[0].labels == copy["labels"]
