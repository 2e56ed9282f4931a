"""One process that serves a service, as the gateway sees it."""

from collections.abc import Mapping
from math import inf
from typing import Final

from orch.gateway.balancer import Candidate
from orch.gateway.first_byte import FirstByte
from orch.gateway.flows import Flow
from orch.gateway.hedging.silence import Silence
from orch.gateway.lane import Lane
from orch.gateway.shedding.instance_places import InstancePlaces
from orch.gateway.statistics import GatewayInstance
from orch.gateway.warmth import Warmth
from orch.gateway.window import p95_of
from orch.masking import mask_url
from orch.telemetry.work import Work

_BADNESS: Final = {"closed": 0, "half_open": 1, "open": 2}


class Instance:
    """One process that serves a service, with a lane for each flow."""

    def __init__(self, service: str, url: str, lanes: Mapping[Flow, Lane]) -> None:
        self.service: Final = service
        self.url: Final = url
        self.shown: Final = mask_url(url)
        self.weight = 1
        self.configured_weight = 1
        """That of the settings; an operator may have set another one."""
        self.is_drained = False
        """Whether an operator has taken it out of use; its requests in flight go on."""
        self.lanes: Final = lanes
        self.warmth: Final = Warmth()
        self.first_byte: Final = FirstByte()
        self.silence: Final = Silence()
        self.places: Final = InstancePlaces()
        for lane in lanes.values():
            lane.first_byte = self.first_byte
            lane.silence = self.silence

    def __repr__(self) -> str:
        return f"<Instance {self.shown} of {self.service}: {list(self.lanes.values())!r}>"

    def candidate(self, now: float, slow_start: float, flow: Flow) -> Candidate:
        """Return it as the balancer of a flow sees it."""
        return Candidate(
            self.url,
            self.weight * self.lanes[flow].slow_start.share(now, slow_start),
            sum(lane.in_flight + lane.sockets for lane in self.lanes.values()),
            self.first_byte.average(now),
        )

    def attempts(self, now: float) -> int:
        """Return how many attempts of both flows ended in the last minute."""
        return sum(lane.window.count(now) for lane in self.lanes.values())

    def work(self, now: float) -> Work:
        """Return what it has to do for requests that went through this gateway."""
        began = [task.began for lane in self.lanes.values() for task in lane.work.tasks]
        makes_progress = any(lane.work.makes_progress(now) for lane in self.lanes.values())
        stuck = [lane.work for lane in self.lanes.values() if lane.work.is_stuck(now)]
        return Work(
            len(began),
            now - min(began, default=now),
            makes_progress=makes_progress,
            is_stuck=bool(stuck) and not makes_progress,
            usual=stuck[0].usual(now) if stuck else None,
            refused=self.lanes[Flow.REQUESTS].refusals.current(now),
        )

    def statistics(
        self, now: float, *, of_service: int, is_healthy: bool, is_last_resort: bool, slow_start: float
    ) -> GatewayInstance:
        """Return the figures; ``of_service``: last minute's attempts of all the service's instances."""
        # A flow to which it has not returned lately has all of its weight.
        candidate = min(
            (self.candidate(now, slow_start, flow) for flow in self.lanes), key=lambda each: each.weight
        )
        slow = (lane.slow_start.left(now, slow_start) for lane in self.lanes.values())
        left = [seconds for seconds in slow if seconds is not None]
        lanes = tuple(lane.statistics(now) for lane in self.lanes.values())
        worst = max(lanes, key=lambda lane: _BADNESS[lane.breaker])
        return GatewayInstance(
            service=self.service,
            url=self.shown,
            weight=self.weight,
            configured_weight=self.configured_weight,
            is_drained=self.is_drained,
            weight_now=candidate.weight,
            first_byte_ms=None if self.first_byte.last is None else self.first_byte.last * 1000,
            breaker=worst.breaker,
            breaker_retry_in=worst.breaker_retry_in,
            consecutive_failures=max(lane.consecutive_failures for lane in lanes),
            in_flight=sum(lane.in_flight for lane in lanes),
            sockets=sum(lane.sockets for lane in lanes),
            requests=sum(lane.requests for lane in lanes),
            errors=sum(lane.errors for lane in lanes),
            requests_last_minute=sum(lane.requests_last_minute for lane in lanes),
            errors_last_minute=sum(lane.errors_last_minute for lane in lanes),
            share=self.attempts(now) / of_service if of_service else None,
            p95_ms=p95_of([lane.window for lane in self.lanes.values()], now),
            usable=is_healthy and not self.is_drained and any(lane.is_admitting for lane in lanes),
            places_taken=self.places.taken,
            places_limit=None if self.places.limit == inf else int(self.places.limit),
            places_from=self.places.source,
            lanes=lanes,
            warm_up=self.warmth.state,
            slow_start_left=max(left, default=None),
            is_last_resort=is_last_resort,
        )
