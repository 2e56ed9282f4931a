"""The settings of extra requests to a second instance while the first one is slow. Pure."""

from typing import Annotated

from msgspec import Meta

from orch.settings.section import Count, NotNegative, Section


class Hedging(Section, frozen=True):
    """When a request that waits for its response is sent to another instance as well.

    ``extra``: how many times at most; 0: never. ``percentile`` of the route's times to the first byte, and at
    least ``delay`` seconds, are waited before each; 0: ``delay`` alone. ``min_samples``: how many times of
    the last minute a percentile needs; with fewer no extra request is sent.
    ``budget``: extra requests as a share of the route's; 0: what the retry budget of the service allows,
    which holds in any case.
    """

    extra: Annotated[int, Meta(ge=0, le=3)] = 0
    percentile: Annotated[int, Meta(ge=0, le=99)] = 95
    delay: NotNegative = 0.05
    min_samples: Count = 50
    budget: Annotated[float, Meta(ge=0, le=1)] = 0
