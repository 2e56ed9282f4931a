"""Insights: what moved together is one, its likeliest cause comes first, quiet days stay quiet."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from orch.access.actions import ROUTES
from orch.alerts.records import Alert
from orch.alerts.statistics import AlertShown
from orch.alerts.statistics import shown as alert_shown
from orch.analytics.anomalies.anomaly import Anomaly, Direction, Kind
from orch.analytics.anomalies.groups import Group, group
from orch.analytics.insights.alert_evidence import seen_alerts
from orch.analytics.insights.causes import rank
from orch.analytics.insights.conclusions import conclude, shown
from orch.analytics.insights.graph import PROCESS, Graph, graph_of
from orch.analytics.insights.happenings import Happening, What, happenings
from orch.analytics.insights.insight import Insight
from orch.analytics.insights.steps import STEPS, UNKNOWN, CauseKind
from orch.analytics.series import Figure
from orch.telemetry.events import Event, Severity

SERVICES = ("audio-service", "translation-service")
BRANCHES = ("stores", "health", "bots", "websocket", "gateway", "front")
NOON = 1_767_614_400.0
GRAPH = graph_of([("/api/audio", "audio-service"), ("/api/translate", "translation-service")], SERVICES)


def figure(name: str, area: str, subject: str = "", worse: str = "up") -> Figure:
    return Figure(name=name, title=name, area=area, subject=subject, worse=worse)  # type: ignore[arg-type]


FIGURES = {
    each.key: each
    for each in (
        figure("service_p95_ms", "gateway", "audio-service"),
        figure("service_errors", "gateway", "audio-service"),
        figure("service_p95_ms", "gateway", "translation-service"),
        figure("route_p95_ms", "routes", "/api/audio"),
        figure("route_errors", "routes", "/api/translate"),
        figure("caption_p95_ms", "speech"),
        figure("finals", "speech", worse="down"),
        figure("connections", "websocket", worse="both"),
        figure("sessions", "websocket", worse="both"),
        figure("memory_bytes", "process"),
        figure("store_p95_ms", "stores"),
        figure("loop_lag_p95_ms", "process"),
        figure("auth_failures", "access"),
        figure("pipeline_streams", "audio", worse=""),
    )
}
AUDIO_SLOW, AUDIO_ERRORS = "service_p95_ms:audio-service", "service_errors:audio-service"


def moved(
    key: str,
    began: float = NOON,
    *,
    kind: Kind = Kind.SHIFT,
    direction: Direction = "up",
    strength: float = 2.0,
    lasts: float = 1_800,
) -> Anomaly:
    return Anomaly(
        key=key,
        kind=kind,
        direction=direction,
        began=began,
        noticed=began + 300,
        until=began + lasts,
        value=500,
        usual=100,
        mean=400,
        usual_mean=100,
        strength=strength,
        samples=6,
        hour="for this hour",
    )


def related(one: Anomaly, other: Anomaly) -> bool:
    return GRAPH.are_related(GRAPH.node_of(FIGURES[one.key]), GRAPH.node_of(FIGURES[other.key]))


def event(subject: str, text: str, severity: Severity = "bad", at: float = NOON - 60) -> Event:
    return Event(number=1, at=at, severity=severity, subject=subject, text=text)


def happened(*events: Event) -> tuple[Happening, ...]:
    return happenings(events, services=SERVICES, branches=BRANCHES)


def insights(
    anomalies: list[Anomaly], *events: Event, alerts: Sequence[AlertShown] = ()
) -> tuple[Insight, ...]:
    seen = seen_alerts(alerts, GRAPH)
    return conclude(group(anomalies, related), happened(*events), GRAPH, FIGURES, seen)


def alert(
    name: str = "BackendDegraded",
    service: str = "audio-service",
    severity: str = "warning",
    at: float = NOON + 600,
    *,
    area: str = "health",
    **others: Any,
) -> AlertShown:
    labels = {"alertname": name, "service": service, "area": area}
    known = Alert(
        fingerprint="0a",
        labels=labels | {"severity": severity},
        annotations={"summary": "Its checks take 4 s."},
        since=at,
        noticed=at,
        **others,
    )
    return alert_shown(known, at + 60, escalate_after=0, is_configured=True)


# --- groups -------------------------------------------------------------------------------------------------


def test_what_began_together_and_has_to_do_with_each_other_is_one_group() -> None:
    slow = moved(AUDIO_SLOW)
    route = moved("route_p95_ms:/api/audio", NOON + 300)
    captions = moved("caption_p95_ms", NOON + 600)
    other = moved("route_errors:/api/translate", NOON + 300)
    later = moved(AUDIO_ERRORS, NOON + 7_200)
    groups = group([captions, other, later, route, slow], related)
    assert [[each.key for each in found.anomalies] for found in groups] == [
        [AUDIO_SLOW, "route_p95_ms:/api/audio", "caption_p95_ms"],
        ["route_errors:/api/translate"],
        [AUDIO_ERRORS],
    ]
    assert groups[0].identity == slow.identity
    assert (groups[0].until, groups[0].is_open) == (NOON + 600 + 1_800, True)


def test_a_drift_may_have_begun_an_hour_later() -> None:
    slow = moved("caption_p95_ms", NOON + 3_000, kind=Kind.DRIFT, lasts=9_000)
    assert len(group([moved(AUDIO_SLOW, lasts=9_000), slow], related)) == 1
    assert len(group([moved(AUDIO_SLOW, lasts=9_000), replace(slow, kind=Kind.SHIFT)], related)) == 2


# --- the graph ----------------------------------------------------------------------------------------------


def test_the_graph_knows_what_depends_on_what() -> None:
    assert GRAPH.is_below("audio-service", "/api/audio")
    assert GRAPH.is_below("audio-service", "speech")
    assert not GRAPH.is_below("audio-service", "/api/translate")
    assert GRAPH.is_below(PROCESS, "/api/translate")
    assert not GRAPH.are_related("/api/audio", "/api/translate")
    assert GRAPH.node_of(figure("x", "unknown")) == PROCESS
    circle = Graph(depends={"a": frozenset("b"), "b": frozenset("a")})
    assert circle.below("a") == {"a": 0, "b": 1}


# --- what happened ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("subject", "text", "severity", "what"),
    [
        ("settings", "Applied: x.", "info", What.SETTINGS),
        ("service", "Ready at http://localhost:3000.", "ok", What.START),
        ("service", "The service was suspended for 3 s: …", "warn", What.STANDSTILL),
        ("service", "The machine's clock jumped back by 9 s, …", "warn", What.STANDSTILL),
        ("service", "No file descriptors left.", "bad", What.SHORTAGE),
        ("audio-service", "Incident 3 opened: down.", "bad", What.INCIDENT),
        ("audio-service", "http://a is ejected: slow.", "bad", What.BACK_END),
        ("audio-service", "DNS fails for a: none.", "warn", What.DISCOVERY),
        ("audio-service", "Drained by an operator.", "info", What.COMMAND),
        ("websocket", "Failed (ValueError: x). Restarts in 1 s.", "bad", What.BRANCH),
        ("websocket", "Restarted by an operator.", "info", What.COMMAND),
        ("sessions", "Sessions cannot be stored.", "bad", What.STORE),
        ("sessions", "Session a was ended.", "info", None),
        ("connections", "An operator closed 1.2.3.4.", "info", None),
    ],
)
def test_events_become_what_happened(subject: str, text: str, severity: Severity, what: What | None) -> None:
    found = happened(event(subject, text, severity))
    assert [each.what for each in found] == ([what] if what else [])


def test_long_texts_are_cut() -> None:
    assert len(happened(event("settings", "x" * 10_000))[0].text) <= 300


# --- causes -------------------------------------------------------------------------------------------------


def causes(anomalies: list[Anomaly], *events: Event) -> list[tuple[str, str]]:
    found = rank(Group(anomalies=tuple(anomalies)), happened(*events), GRAPH, FIGURES)
    return [(each.cause, each.subject) for each in found]


def test_settings_that_were_changed_just_before_come_before_older_ones_and_a_start() -> None:
    change = event("settings", "Applied: orchestration.speech.", "info")
    start = event("service", "Ready at http://localhost.", "ok", NOON - 3_000)
    assert causes([moved("caption_p95_ms")], change, start)[0] == ("settings", "")
    late = replace(change, at=NOON + 900)
    old = replace(change, at=NOON - 7_200)
    assert causes([moved("caption_p95_ms")], late, old) == []


def test_the_back_end_below_is_the_cause_of_what_depends_on_it() -> None:
    """A route, captions and the service are slow: the service is why."""
    slow = [moved(AUDIO_SLOW), moved("route_p95_ms:/api/audio"), moved("caption_p95_ms")]
    assert causes(slow)[0] == ("back_end_slow", "audio-service")
    down = event("audio-service", "http://a failed 5 times in a row.")
    assert causes(slow, down)[0] == ("back_end", "audio-service")


def test_another_back_ends_failure_is_not_the_cause() -> None:
    failing = event("translation-service", "http://b failed 5 times in a row.")
    found = causes([moved(AUDIO_SLOW), moved("route_p95_ms:/api/audio")], failing)
    assert found[0] == ("back_end_slow", "audio-service")
    assert ("back_end", "translation-service") not in found


@pytest.mark.parametrize(
    ("anomalies", "cause"),
    [
        ([moved("connections"), moved("sessions"), moved("loop_lag_p95_ms")], CauseKind.LOAD),
        ([moved("connections", direction="down"), moved("sessions", direction="down")], CauseKind.NO_LOAD),
        ([moved("memory_bytes", kind=Kind.DRIFT)], CauseKind.GROWTH),
        ([moved("store_p95_ms"), moved("caption_p95_ms")], CauseKind.STORE),
        ([moved("loop_lag_p95_ms"), moved("caption_p95_ms")], CauseKind.SATURATED),
        ([moved("auth_failures")], CauseKind.CLIENTS),
        ([moved("connections", kind=Kind.SILENT, direction="")], CauseKind.NO_FIGURES),
    ],
)
def test_patterns_of_figures_are_causes(anomalies: list[Anomaly], cause: CauseKind) -> None:
    assert causes(anomalies)[0][0] == cause


def test_memory_that_grows_with_use_is_no_leak() -> None:
    found = causes([moved("memory_bytes", kind=Kind.DRIFT), moved("connections"), moved("sessions")])
    assert found[0][0] == CauseKind.LOAD
    assert CauseKind.GROWTH not in {cause for cause, _ in found}


def test_shares_are_of_a_whole_with_something_unknown_in_it() -> None:
    found = rank(Group(anomalies=(moved("auth_failures"),)), (), GRAPH, FIGURES)
    assert [0.5 < each.share < 1 for each in found] == [True]
    assert rank(Group(anomalies=(moved("finals", direction="down"),)), (), GRAPH, FIGURES) == ()


# --- insights -----------------------------------------------------------------------------------------------


def test_an_insight_has_title_evidence_and_the_next_step() -> None:
    down = event("audio-service", "http://a failed 5 times in a row.")
    (found,) = insights([moved(AUDIO_SLOW), moved("caption_p95_ms", NOON + 300)], down)
    assert found.severity == "bad"
    assert found.title == (
        "service_p95_ms audio-service: 4 × the usual for this hour: 400, usually 100, with 1 other figure. "
        "Probably: audio-service fails."
    )
    assert found.evidence[0].text == "http://a failed 5 times in a row."
    assert [each.key for each in found.evidence] == ["", AUDIO_SLOW, "caption_p95_ms"]
    assert "audio-service" in found.next_step.text
    assert set(found.keys) == {AUDIO_SLOW, "caption_p95_ms"}
    assert shown([found]) == (found,)


def test_without_a_cause_it_says_so() -> None:
    (found,) = insights([moved("finals", direction="down")])
    assert (found.causes, found.subject) == ((), "speech")
    assert found.next_step == UNKNOWN.next_step("speech")
    assert "robably" not in found.title


def test_what_is_serious_needs_no_anomaly_and_ends() -> None:
    opened = event("audio-service", "Incident 3 opened: The service is down.", at=NOON)
    closed = event("audio-service", "Incident 3 closed: It is up again.", "ok", at=NOON + 90)
    (found,) = insights([], opened)
    assert (found.is_open, found.severity, found.subject) == (True, "bad", "audio-service")
    (found,) = insights([], opened, closed)
    assert (found.is_open, found.until) == (False, NOON + 90)
    assert insights([], event("settings", "Applied: x.", "info")) == ()


def test_an_incident_that_explains_anomalies_is_one_insight_with_them() -> None:
    opened = event("audio-service", "Incident 3 opened: The service is down.")
    (found,) = insights([moved(AUDIO_SLOW), moved(AUDIO_ERRORS)], opened)
    assert found.causes[0].cause == "incident"


def test_what_is_weak_short_or_for_the_better_is_not_shown() -> None:
    weak = moved("connections", strength=1.05, lasts=300)
    better = moved(AUDIO_SLOW, direction="down", strength=5)
    neither = moved("pipeline_streams", strength=5)
    found = insights([weak, better, neither])
    assert len(found) == 3
    assert shown(found) == ()
    assert len(shown(insights([replace(weak, until=NOON + 3_600)]))) == 1
    assert len(shown(insights([weak, moved("sessions", strength=1.05, lasts=300)]))) == 1


def test_the_same_cause_on_one_day_is_shown_once_and_counted() -> None:
    times = [moved(AUDIO_SLOW, NOON + hour * 3_600, lasts=1_900) for hour in (0, 3, 6)]
    ended = [replace(each, ended=each.until) for each in times]
    (found,) = shown(insights(ended))
    assert (found.times, found.began, found.until) == (3, NOON, NOON + 6 * 3_600 + 1_900)
    assert len(found.evidence) <= 8
    next_day = moved(AUDIO_SLOW, NOON + 3 * 86_400, lasts=1_900)
    assert [each.times for each in shown(insights([*ended, next_day]))] == [1, 3]


def test_open_and_bad_ones_come_first() -> None:
    old_and_open = moved(AUDIO_SLOW)
    ended = replace(moved("store_p95_ms", NOON + 7_200), ended=NOON + 9_000)
    assert [each.is_open for each in shown(insights([ended, old_and_open]))] == [True, False]


def test_alerts_about_the_same_are_evidence_and_make_a_cause_likelier() -> None:
    """A failed back end that Prometheus has noticed too."""
    fails = event("audio-service", "It does not respond.")
    (before,) = insights([moved(AUDIO_SLOW)], fails)
    (after,) = insights(
        [moved(AUDIO_SLOW)], fails, alerts=[alert(), alert("TranslationSlow", "translation-service")]
    )
    assert [each.text for each in after.evidence][-1] == "Alert BackendDegraded: Its checks take 4 s."
    assert len(after.evidence) == len(before.evidence) + 1
    assert after.causes[0].cause == before.causes[0].cause == CauseKind.BACK_END
    assert after.causes[0].share > before.causes[0].share


def test_what_prometheus_sees_too_is_worth_a_look() -> None:
    """A weak and short anomaly alone is not; a critical alert makes it bad."""
    weak = moved(AUDIO_SLOW, strength=1.05, lasts=300)
    assert shown(insights([weak])) == ()
    (warned,) = shown(insights([weak], alerts=[alert()]))
    assert warned.severity == "warn"
    (bad,) = shown(insights([weak], alerts=[alert(severity="critical")]))
    assert bad.severity == "bad"


@pytest.mark.parametrize(
    "unfit",
    [
        alert(at=NOON - 3_600),
        alert(at=NOON + 7_200),
        alert(severity="info"),
        alert(silenced=True),
        alert(inhibited=True),
        alert("CertificateExpires", "orchestration", area="security"),
        alert("PrometheusTargetMissing", "monitoring", area="monitoring"),
        alert("BackendDegraded", "translation-service"),
    ],
)
def test_other_alerts_are_no_evidence(unfit: AlertShown) -> None:
    """Earlier and later ones, what is expected, what follows, and what is about something else."""
    assert insights([moved(AUDIO_SLOW)], alerts=[unfit]) == insights([moved(AUDIO_SLOW)])


def test_an_alert_of_the_service_itself_is_about_its_area() -> None:
    late = alert("CaptionsLate", "orchestration", area="speech")
    (found,) = insights([moved(AUDIO_SLOW)], alerts=[late])
    assert found.evidence[-1].text.startswith("Alert CaptionsLate")
    assert insights([moved("auth_failures")], alerts=[late]) == insights([moved("auth_failures")])


@pytest.mark.parametrize(
    ("service", "key", "is_cause"),
    [
        ("redis", "store_p95_ms", True),
        ("host", "caption_p95_ms", True),
        ("host", AUDIO_SLOW, False),
        ("containers", "loop_lag_p95_ms", True),
        ("postgres", AUDIO_SLOW, False),
    ],
)
def test_what_the_service_runs_on_may_be_the_cause(service: str, key: str, *, is_cause: bool) -> None:
    """As its alert says, where what moved depends on it."""
    (found,) = insights([moved(key)], alerts=[alert("ItsAlert", service, at=NOON + 60, area="other")])
    assert ("beneath" in {each.cause for each in found.causes}) is is_cause
    if is_cause:
        assert "ItsAlert" in found.causes[0].text or len(found.causes) > 1


def test_an_incident_has_the_alerts_of_its_back_end_as_evidence() -> None:
    opened = event("audio-service", "Incident 3 opened: down.", at=NOON)
    (found,) = insights([], opened, alerts=[alert(), alert("Other", "translation-service")])
    assert [each.text for each in found.evidence] == [
        "Incident 3 opened: down.",
        "Alert BackendDegraded: Its checks take 4 s.",
    ]


def test_a_thousand_alerts_leave_room_for_other_evidence() -> None:
    """Three are listed, those that began last."""
    many = [alert(f"Alert{number}", at=NOON + number / 10) for number in range(1_000)]
    (found,) = insights([moved(AUDIO_SLOW), moved(AUDIO_ERRORS)], alerts=many)
    texts = [each.text for each in found.evidence]
    assert sum(each.startswith("Alert ") for each in texts) == 3
    assert len(texts) == 5


def test_alerts_alone_are_no_insight() -> None:
    """The page of alerts has them."""
    assert insights([], alerts=[alert(severity="critical"), alert("RedisDown", "redis")]) == ()


def test_series_that_are_gone_are_left_out() -> None:
    assert conclude([Group(anomalies=(moved("gone"),))], (), GRAPH, FIGURES) == ()


def test_every_cause_has_a_step_to_a_page_and_a_request_that_exist() -> None:
    paths = {path for method, path in ROUTES if method == "GET"} | {"/analytics", "/api/analytics/anomalies"}
    assert set(STEPS) == set(CauseKind)
    for step in (*STEPS.values(), UNKNOWN):
        assert step.href in paths, step
        assert re.fullmatch(r"curl -s http://localhost:3000(/\S+)", step.command), step
        assert step.command.removeprefix("curl -s http://localhost:3000") in paths, step


def test_what_happens_has_a_cause() -> None:
    assert {each.value for each in What} <= {each.value for each in CauseKind}


def test_the_events_that_are_read_are_worded_so_in_the_code() -> None:
    """A changed sentence would no longer be understood."""
    root = Path(__file__).parents[2] / "orch"
    for file, text in (
        ("serving.py", '"Ready at '),
        ("telemetry/pulse.py", '"The service was suspended for'),
        ("telemetry/pulse.py", "\"The machine's clock jumped"),
        ("health/incidents/service.py", 'f"Incident {incident.number} opened'),
        ("gateway/discovery/service.py", 'f"DNS fails for'),
        ("gateway/discovery/service.py", 'f"Registered instances: '),
        ("gateway/outlier_events.py", "is ejected:"),
    ):
        assert text in (root / file).read_text(encoding="utf-8"), (file, text)
