"""Turns what is seen of an instance into its verdict, and passes on what follows."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import structlog
import trio

from orch.health.certificates import days_left, mark_passed, reminder
from orch.health.feed import HealthFeed
from orch.health.flapping import DAMPING, is_change, reviewed
from orch.health.health_events import InstanceChanged
from orch.health.history import Check, check_state
from orch.health.starts import follow, reasons_of
from orch.health.verdict import Finding, Limits, Observation, Verdict, judge
from orch.health.watched import WatchedInstance, WatchedService
from orch.health.words import change_in_words, flapping_in_words, severity_of
from orch.settings import Monitoring
from orch.settings.probe_structs import Probe
from orch.settings.source import SettingsSource
from orch.telemetry.events import Severity
from orch.telemetry.metrics import Metrics

log = structlog.get_logger("health")

NOTICE_LOG: Final = 10.0
"""Seconds between two lines in the log about an instance's notice at least."""

_PLAIN: Final = frozenset({Finding.BEGUN, Finding.EXITED, Finding.GOOD})
"""Findings that show how a start goes without a verdict, which there is none of during maintenance."""

_RESPONDED: Final = frozenset({Finding.GOOD, Finding.SLOW, Finding.IMPAIRED, Finding.STARTING, Finding.STUCK})


class Observer:
    """Judges instances. ``record`` stores an event, ``review`` judges the service, ``publish`` shows it."""

    def __init__(
        self,
        *,
        settings: SettingsSource,
        metrics: Metrics,
        feed: HealthFeed,
        wall: Callable[[], float],
        record: Callable[[WatchedService, Severity, str], None],
        review: Callable[[WatchedService], None],
        publish: Callable[[], None],
        on_engine_change: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._feed = feed
        self._wall = wall
        self._record = record
        self._review = review
        self._publish = publish
        self._on_engine_change = on_engine_change

    def observe(self, instance: WatchedInstance, observation: Observation) -> None:
        """Update the verdict with an observation; during maintenance only the history."""
        service, before, at = instance.service, instance.verdict, self._wall()
        limits = self._limits(instance)
        if service.maintenance is None:
            instance.verdict = judge(before, observation, now=trio.current_time(), at=at, limits=limits)
        if service.maintenance is None or observation.finding in _PLAIN:
            instance.start = follow(
                instance.start, observation, before=before, after=instance.verdict, at=at, limit=limits.start
            )
        if service.maintenance is None:
            reasons = reasons_of(instance.start, instance.verdict, limits.start)
            instance.verdict = replace(instance.verdict, reasons=reasons)
        if observation.finding is Finding.UNSEEN:
            self._review(service)
            self._publish()
            return
        self._note_engine(instance, observation)
        self._note_certificate(instance, observation, at)
        latency = observation.elapsed * 1000 if observation.elapsed is not None else None
        interval = self._probe(service).interval or self._monitoring.health_check_interval
        state = check_state(observation.finding, instance.verdict)
        instance.history.add(Check(at=at, state=state, latency_ms=latency), interval=interval)
        if observation.finding in {Finding.BEGUN, Finding.EXITED}:
            instance.generation += 1
            instance.real_fault = ""
            instance.nudge()
        if service.maintenance is not None:
            self._publish()
            return
        if instance.verdict.state is not before.state:
            instance.changed_at = trio.current_time()
            self._announce(instance, before)
        self._note_flapping(instance, before)
        self._review(service)
        service.update_restarter(instance)
        self._publish()

    @property
    def _monitoring(self) -> Monitoring:
        return self._settings.current.orchestration.monitoring

    def _probe(self, service: WatchedService) -> Probe:
        configured = self._settings.current.services.get(service.name)
        return Probe() if configured is None else configured.probe

    def _limits(self, instance: WatchedInstance) -> Limits:
        probe = self._probe(instance.service)
        is_damped = instance.flapping.is_on
        return Limits(
            misses=probe.misses,
            slow=probe.slow,
            good=probe.good * (DAMPING if is_damped else 1),
            busy=self._monitoring.busy_limit
            or self._settings.current.orchestration.gateway.longest_total(instance.service.name),
            start=instance.service.restarter_of(instance).policy.verify_limit,
            is_damped=is_damped,
        )

    def _note_engine(self, instance: WatchedInstance, observation: Observation) -> None:
        """Note the instance's engine and its notice, and record what changed."""
        service, engine = instance.service, observation.engine
        if observation.finding in _RESPONDED:
            if observation.notice != instance.notice:
                instance.notice, instance.noticed_at = observation.notice, trio.current_time()
            self._log_notice(instance)
        if engine is None:
            return
        if instance.engine is not None and engine != instance.engine:
            self._record(service, "info", f"Uses {engine} now instead of {instance.engine}.")
            self._on_engine_change(service.name)
        instance.engine = engine

    def _log_notice(self, instance: WatchedInstance) -> None:
        """Log a notice that has changed, at most every :data:`NOTICE_LOG` seconds: it may be progress."""
        now, notice = trio.current_time(), instance.notice
        if notice == instance.logged_notice or now - instance.notice_logged_at < NOTICE_LOG:
            return
        instance.logged_notice, instance.notice_logged_at = notice, now
        if notice:
            log.info("notice", service=instance.service.name, instance=instance.shown, notice=notice)

    def _note_certificate(self, instance: WatchedInstance, observation: Observation, at: float) -> None:
        """Remind operators of a certificate that expires, once for each mark."""
        until = observation.certificate_until
        if until is None:
            return
        if until != instance.certificate_until:
            instance.certificate_until, instance.reminded_at = until, None
        days = days_left(until, at)
        mark = mark_passed(days, self._probe(instance.service).expiry_days)
        if mark is not None and (instance.reminded_at is None or mark < instance.reminded_at):
            instance.reminded_at = mark
            if instance.service.maintenance is None:
                self._record(instance.service, "warn", f"{instance.label} {reminder(days)}")

    def _note_flapping(self, instance: WatchedInstance, before: Verdict) -> None:
        """Note a change that counts, and announce that the instance flaps, or no longer does."""
        probe, was_on = self._probe(instance.service), instance.flapping.is_on
        instance.flapping = reviewed(
            instance.flapping,
            now=trio.current_time(),
            limit=probe.flaps,
            window=probe.flap_window,
            has_changed=is_change(before.state, instance.verdict.state),
        )
        if instance.flapping.is_on is not was_on:
            severity, text = flapping_in_words(
                instance.flapping, good=probe.good * DAMPING, window=probe.flap_window
            )
            self._record(instance.service, severity, f"{instance.label} {text}")

    def _announce(self, instance: WatchedInstance, before: Verdict) -> None:
        service, verdict = instance.service, instance.verdict
        self._metrics.service_state(service.name, instance.shown, str(verdict.state))
        self._feed.publish(
            InstanceChanged(
                at=self._wall(),
                service=service.name,
                instance=instance.shown,
                before=before.state,
                after=verdict.state,
                reasons=verdict.reasons,
            )
        )
        is_alone = len(service.instances) == 1
        text = change_in_words(before, verdict, instance.history.latency_ms)
        sentence = text[0].upper() + text[1:] if is_alone else f"{instance.label} {text}"
        self._record(service, severity_of(verdict.state), sentence)
