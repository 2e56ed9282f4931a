"""Publishes ejections, returns, and the state of the services' breakers: as events, and log lines."""

from typing import Final

import structlog

from orch.gateway.breaker import Breaker, State
from orch.gateway.ejection import Cause, Ejected
from orch.gateway.flows import Flow
from orch.masking import mask_url
from orch.telemetry.events import EventLog
from orch.telemetry.topics import Topics

OF_FLOW: Final = {Flow.CAPTIONS: "captions", Flow.REQUESTS: "requests of clients"}
CAUSES: Final = {
    Cause.BACK_END: "it failed several times in a row",
    Cause.CONNECT: "it could not be reached several times in a row",
    Cause.SUCCESS_RATE: "it failed more often than the other instances",
    Cause.CONNECT_RATE: "it could not be reached more often than the other instances",
    Cause.OPERATOR: "an operator ejected it",
}

log = structlog.get_logger(__name__)


class OutlierEvents:
    """Is notified by every service's outliers."""

    def __init__(self, *, events: EventLog, topics: Topics, topic: str) -> None:
        self._events = events
        self._topics = topics
        self._topic = topic

    def ejected(self, service: str, flow: Flow, ejected: Ejected) -> None:
        """Publish an ejection."""
        shown = mask_url(ejected.url)
        log.info(
            "instance ejected",
            service=service,
            instance=shown,
            flow=flow.value,
            cause=ejected.cause.value,
            seconds=ejected.seconds,
        )
        self._events.record(
            "bad",
            service,
            f"{shown} is ejected: {ejected.detail}. It gets no {OF_FLOW[flow]} for {ejected.seconds:g} s "
            "while others work.",
        )
        self._topics.touch(self._topic)

    def returned(self, service: str, flow: Flow, url: str) -> None:
        """Publish that an ejection is over."""
        shown = mask_url(url)
        log.info("instance returned", service=service, instance=shown, flow=flow.value)
        self._events.record("ok", service, f"The ejection of {shown} is over. It gets {OF_FLOW[flow]} again.")
        self._topics.touch(self._topic)

    def service_breaker(self, service: str, flow: Flow, breaker: Breaker) -> None:
        """Publish the state of a service's breaker."""
        state = breaker.state
        log.info("service breaker changed", service=service, flow=flow.value, state=state.value)
        if breaker.is_by_hand:
            pass  # the command's own event says who did it
        elif state is State.OPEN:
            self._events.record(
                "bad",
                service,
                f"{breaker.consecutive_failures} requests in a row failed, at several instances. The service "
                f"gets no {OF_FLOW[flow]} for {breaker.policy.cooldown:g} s.",
            )
        elif state is State.CLOSED:
            self._events.record("ok", service, f"The service works again and gets {OF_FLOW[flow]}.")
        self._topics.touch(self._topic)
