"""One flow's share of one instance."""

from collections.abc import Callable
from typing import Final

from orch.gateway.breaker import Breaker, Permit, State
from orch.gateway.first_byte import FirstByte
from orch.gateway.flows import Flow
from orch.gateway.hedging.silence import Silence
from orch.gateway.outliers import Outliers
from orch.gateway.refusal_row import RefusalRow
from orch.gateway.resting import Rests
from orch.gateway.slow_start import SlowStart
from orch.gateway.statistics import GatewayLane
from orch.gateway.upstream import Upstream
from orch.gateway.window import Window
from orch.gateway.work import WorkInProgress
from orch.masking import mask_url

OnChange = Callable[["Lane"], None]


class Lane:
    """One flow's share of one instance: its connections, its queue, its breaker and its figures.

    The breaker is used through this class, so that each change of its state is announced once.
    """

    def __init__(
        self,
        service: str,
        url: str,
        flow: Flow,
        upstream: Upstream,
        outliers: Outliers,
        slow_start: SlowStart,
        now: float,
        on_change: OnChange,
    ) -> None:
        self.service: Final = service
        self.url: Final = url
        self.shown: Final = mask_url(url)
        self.flow: Final = flow
        self.upstream: Final = upstream
        self.breaker: Final = Breaker(outliers.breaker.policy)
        self.outliers: Final = outliers
        self.record: Final = outliers.ejector.records[url]
        self.slow_start: Final = slow_start
        self.window: Final = Window(now)
        self.in_flight = 0
        self.sockets = 0
        """WebSockets that are open to it."""
        self.work: Final = WorkInProgress()
        self.refusals: Final = RefusalRow()
        self.first_byte = FirstByte()
        """The instance's, in all of its lanes."""
        self.silence = Silence()
        """The instance's overtaken tries, in all of its lanes."""
        self.last_failure = ""
        self.is_gone = False
        """Whether its instance has left: what becomes of it is no news any more."""
        self.rests: Final = Rests()
        """For whom it has asked for no requests, and until when, on Trio's clock."""
        self._announced = State.CLOSED
        self._on_change = on_change

    def __repr__(self) -> str:
        return f"<Lane {self.shown} of {self.service}, {self.flow}: {self.breaker!r} {self.upstream!r}>"

    def admit(self, now: float, caller: str) -> Permit | None:
        """Return the breakers' permit for one request, or None."""
        of_service = None
        if self.outliers.has_breaker:
            of_service = self.outliers.breaker.admit(now, caller)
            self.outliers.notify()
            if of_service is None:
                return None
        permit = self.breaker.admit(now, caller)
        self.notify()
        if permit is None:
            if of_service is not None:
                self.outliers.breaker.abandoned(of_service)
            return None
        return Permit(permit.generation, caller, of_service, self.record.generation)

    def is_resting(self, now: float, caller: str) -> bool:
        """Return whether the instance has asked for no requests of a caller for now."""
        return bool(self.rests) and self.rests.until(now, caller) > now

    def is_ejected(self, now: float) -> bool:
        """Return whether the instance gets no requests of this flow because it failed while others worked."""
        return self.record.is_ejected(now)

    def is_admitting(self, now: float, caller: str = "") -> bool:
        """Return whether breakers and ejection would let a request through."""
        return (
            not self.is_ejected(now)
            and self.breaker.is_admitting(now, caller)
            and (not self.outliers.has_breaker or self.outliers.breaker.is_admitting(now, caller))
        )

    def succeeded(self, permit: Permit) -> None:
        """Note that a request succeeded."""
        self.breaker.succeeded(permit)
        self.outliers.succeeded(permit, self.record)

    def failed(
        self, permit: Permit, now: float, *, is_doubtful: bool = False, is_connected: bool = True
    ) -> None:
        """Note that a request failed.

        ``is_doubtful``: what was sent may be the reason; ``is_connected``: there was a connection.
        """
        self.breaker.failed(permit, now, is_doubtful=is_doubtful)
        self.outliers.failed(permit, self.record, now, is_connected=is_connected, is_doubtful=is_doubtful)

    def report_failure(self, now: float) -> None:
        """Count a failure that was noticed outside of the gateway."""
        if (permit := self.admit(now, "")) is not None:
            self.last_failure = "a failure was reported"
            self.failed(permit, now)
            self.notify()

    def abandoned(self, permit: Permit) -> None:
        """Note that a request ended for a reason that shows nothing about the instance."""
        self.breaker.abandoned(permit)
        self.outliers.abandoned(permit)

    def notify(self) -> None:
        """Call ``on_change`` if the breaker's state has changed since the last call."""
        if self.breaker.state is not self._announced and not self.is_gone:
            self._announced = self.breaker.state
            self._on_change(self)

    def statistics(self, now: float) -> GatewayLane:
        """Return the figures."""
        is_admitting = self.is_admitting(now)
        self.breaker.tick(now)
        self.notify()
        minute = self.window.summary(now)
        pool = self.upstream.statistics()
        return GatewayLane(
            flow=self.flow.value,
            breaker=self.breaker.state.value,
            breaker_retry_in=self.breaker.retry_in(now),
            consecutive_failures=self.breaker.consecutive_failures,
            ejected_for=self.outliers.ejector.left(self.url, now),
            ejection_cause=self.record.cause_at(now),
            ejections=self.record.times,
            ejections_total=self.record.total,
            rests_for=max(0.0, self.rests.until_for_all(now) - now) or None,
            overtaken_in_a_row=self.silence.row,
            resting_callers=self.rests.resting_callers(now),
            in_flight=self.in_flight,
            sockets=self.sockets,
            connections=self.upstream.limit,
            busy=pool.busy,
            waiting=pool.waiting,
            waiting_limit=self.upstream.waiting_limit,
            requests=self.window.total,
            errors=self.window.total_errors,
            requests_last_minute=minute.count,
            errors_last_minute=minute.errors,
            p95_ms=minute.p95_ms,
            is_admitting=is_admitting,
        )
