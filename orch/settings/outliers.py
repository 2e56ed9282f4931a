"""When an instance, or a whole service, gets no requests for a while: breakers and ejection. Pure."""

from typing import Annotated

from msgspec import Meta

from orch.settings.section import Count, NotNegative, Positive, Section

_Number = Annotated[int, Meta(ge=0)]
_Percent = Annotated[float, Meta(ge=0, le=100)]


class Breakers(Section, frozen=True):
    """The breakers of a service's instances, and of the service. Durations in seconds.

    ``threshold``, ``cooldown``: of each instance; 0: ``gateway.circuit_breaker_threshold``, ``…_cooldown``.
    ``service_threshold``: failures in a row, at several instances, after which the whole service gets no
    requests for ``service_cooldown``; 0: never. ``trials``: requests at once that a half-open breaker admits.
    """

    threshold: _Number = 0
    cooldown: NotNegative = 0
    service_threshold: _Number = 20
    service_cooldown: Positive = 10
    trials: Count = 3


class Ejection(Section, frozen=True):
    """The ejection of instances that fail while others work. Durations in seconds; defaults are Envoy's.

    ``consecutive``: failures of the back end in a row; ``consecutive_connects``: attempts in a row without a
    connection; 0: never. ``base``: of the first ejection; the n-th takes n times as long, at most
    ``longest``. ``percent``: of the instances that may be ejected, but one in any case; 0: none.
    ``hosts``, ``requests``, ``deviations``: shares of successes are compared if so many instances had so many
    requests in an ``interval``; one that is so many standard deviations below the mean is ejected; 0: never.
    """

    consecutive: _Number = 5
    consecutive_connects: _Number = 5
    interval: Positive = 10
    base: Positive = 30
    longest: Positive = 300
    percent: _Percent = 10
    hosts: Count = 5
    requests: Count = 100
    deviations: NotNegative = 1.9
