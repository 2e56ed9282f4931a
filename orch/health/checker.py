"""Checks one instance after the other of each back end, each in a task of its own."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final, Never

import httpx2
import trio

from orch.health.history import next_check
from orch.health.probes import probe
from orch.health.real_prober import RealProber
from orch.health.verdict import Finding, Observation
from orch.health.watched import WatchedInstance, WorkOf
from orch.health.words import refusal_in_words, stuck_in_words, work_in_words
from orch.settings.source import SettingsSource
from orch.telemetry.boundaries import Boundary
from orch.telemetry.metrics import Metrics
from orch.telemetry.pulse import Pulse
from orch.telemetry.shortages import ShortageLog
from orch.tls.trust import TrustStore

SOONEST: Final = 0.25
"""Seconds between two checks of one instance at least, however many are requested."""

SUSPENDED: Final = Observation(Finding.UNSEEN, ("not checked: the orchestration service was suspended",))

_ANSWERED: Final = frozenset({Finding.GOOD, Finding.SLOW, Finding.IMPAIRED, Finding.STARTING})


class Checker:
    """Checks instances at intervals and on request. ``observe`` is called with what each check shows."""

    def __init__(
        self,
        *,
        settings: SettingsSource,
        metrics: Metrics,
        pulse: Pulse,
        shortages: ShortageLog,
        jitter: Callable[[], float],
        boundary: Boundary,
        observe: Callable[[WatchedInstance, Observation], None],
        work_of: WorkOf,
        real: RealProber,
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._pulse = pulse
        self._shortages = shortages
        self._jitter = jitter
        self._boundary = boundary
        self._observe = observe
        self._work_of = work_of
        self._real = real
        self._trust = TrustStore()

    async def watch(self, instance: WatchedInstance, client: httpx2.AsyncClient) -> None:
        """Check one instance again and again, and send it real requests, until its scope is cancelled."""
        self._metrics.service_state(instance.service.name, instance.shown, str(instance.verdict.state))
        with instance.scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._real.watch, instance, client)
                await self._watch(instance, client)

    async def _watch(self, instance: WatchedInstance, client: httpx2.AsyncClient) -> Never:
        while True:
            child = instance.child
            if child is not None and not child.is_up:
                await instance.nudged()  # the process has ended, which is known without a check
                continue
            with self._boundary.item(service=instance.service.name, instance=instance.shown):
                await self._check(instance, client)
            pause = next_check(
                instance.verdict,
                interval=self._interval(instance),
                in_state_for=trio.current_time() - instance.changed_at,
                noticed_for=trio.current_time() - instance.noticed_at,
                jitter=self._jitter(),
            )
            soonest = trio.current_time() + min(SOONEST, pause)
            with trio.move_on_after(pause):
                await instance.nudged()
            await trio.sleep_until(soonest)

    def _interval(self, instance: WatchedInstance) -> float:
        settings = self._settings.current
        configured = settings.services.get(instance.service.name)
        own = 0.0 if configured is None else configured.probe.interval
        return own or settings.orchestration.monitoring.health_check_interval

    async def _check(self, instance: WatchedInstance, client: httpx2.AsyncClient) -> None:
        name = instance.service.name
        settings = self._settings.current
        configured = settings.services.get(name)
        if configured is None:
            await trio.lowlevel.checkpoint()
            return  # the service has just been removed from the settings; this task is about to be cancelled
        monitoring = settings.orchestration.monitoring
        began, generation = trio.current_time(), instance.generation
        observation = await probe(
            client,
            name,
            configured,
            instance.url,
            patience=configured.probe.timeout or monitoring.health_check_timeout,
            limit=monitoring.alert_thresholds.response_time / 1000,
            trust=self._trust,
        )
        took = trio.current_time() - began
        if self._pulse.was_stopped_since(began) and observation.finding is not Finding.GOOD:
            observation = SUSPENDED
        if observation.finding is Finding.UNSEEN:
            if observation.shortage is not None:
                self._shortages.note(observation.shortage, f"{instance.shown} cannot be checked.")
            self._observe(instance, observation)
            return
        self._metrics.health_check(name, instance.shown, observation.finding in _ANSWERED, took)
        if generation == instance.generation:
            self._observe(instance, self._weighed(instance, observation))

    def _weighed(self, instance: WatchedInstance, observation: Observation) -> Observation:
        """Return the observation with the instance's work.

        One that does not respond may be busy. One that responds is stuck if no request gets done, and
        impaired if it refuses requests or fails real ones.
        """
        work = self._work_of(instance.service.name, instance.url)
        match observation.finding:
            case Finding.MISSED:
                if work.makes_progress:
                    words = work_in_words(work)
                elif instance.asked_at is not None:
                    words = "busy with a real request of the checks"
                else:
                    return observation
                reasons = (f"{words}; {'; '.join(observation.reasons)}",)
                return replace(observation, finding=Finding.BUSY, reasons=reasons)
            case Finding.GOOD | Finding.SLOW if work.is_stuck:
                return replace(observation, finding=Finding.STUCK, reasons=(stuck_in_words(work),))
            case Finding.GOOD | Finding.SLOW if work.refused is not None:
                reasons = (refusal_in_words(instance.service.name, *work.refused),)
                return replace(observation, finding=Finding.IMPAIRED, reasons=reasons)
            case Finding.GOOD | Finding.SLOW if instance.real_fault:
                reasons = (f"answers checks, but fails a real request: {instance.real_fault}",)
                return replace(observation, finding=Finding.IMPAIRED, reasons=reasons)
            case _:
                return observation
