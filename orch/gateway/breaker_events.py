"""Publishes the states of the instances' breakers: as events, log lines and metrics."""

import structlog

from orch.gateway.breaker import State
from orch.gateway.lane import Lane
from orch.gateway.outlier_events import OF_FLOW
from orch.gateway.recorder import Metrics
from orch.telemetry.events import EventLog
from orch.telemetry.topics import Topics

log = structlog.get_logger(__name__)


class BreakerEvents:
    """Is notified by every lane whose breaker changes."""

    def __init__(self, *, events: EventLog, topics: Topics, topic: str, metrics: Metrics) -> None:
        self._events = events
        self._topics = topics
        self._topic = topic
        self._metrics = metrics

    def measure(self, lane: Lane) -> None:
        """Set the metric of a lane's breaker."""
        self._metrics.breaker_state(lane.service, lane.shown, lane.flow, lane.breaker.state.value)

    def changed(self, lane: Lane) -> None:
        """Publish the state of a lane's breaker."""
        state = lane.breaker.state
        self.measure(lane)
        log.info(
            "breaker changed",
            service=lane.service,
            instance=lane.shown,
            flow=lane.flow.value,
            state=state.value,
        )
        if lane.breaker.is_by_hand:
            pass  # the command's own event says who did it
        elif state is State.OPEN:
            failures = lane.breaker.consecutive_failures
            times = "once" if failures == 1 else f"{failures} times in a row"
            self._events.record(
                "bad",
                lane.service,
                f"{lane.shown} failed {times}. It gets no {OF_FLOW[lane.flow]} for "
                f"{lane.breaker.policy.cooldown:g} s. Last failure: {lane.last_failure}.",
            )
        elif state is State.CLOSED:
            self._events.record(
                "ok", lane.service, f"{lane.shown} works again and gets {OF_FLOW[lane.flow]}."
            )
        self._topics.touch(self._topic)
