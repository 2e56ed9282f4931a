"""Figures that no metric has: the gateway's rates and latencies by route and service, the captions'. Pure.

Their quantiles are exact and of the last minute (the captions': of the last 15 minutes), as on the pages.
"""

from collections.abc import Iterator
from functools import cache
from typing import Final

from orch.analytics.sampling import Measured, Rates
from orch.analytics.series import Figure, Unit, Worse
from orch.gateway.statistics import GatewayStatistics
from orch.speech.statistics import SpeechStatistics

ROUTES: Final = 30
"""Routes with series of their own: the first ones of the settings."""


@cache
def _figure(
    name: str, title: str, area: str, unit: Unit, worse: Worse, floor: float, subject: str = ""
) -> Figure:
    return Figure(name=name, title=title, area=area, unit=unit, worse=worse, floor=floor, subject=subject)


def gateway_figures(gateway: GatewayStatistics, rates: Rates, now: float) -> Iterator[Measured]:
    """Yield the figures of all requests, of each service and of each route."""

    def rate(figure: Figure, total: int) -> Measured:
        return Measured(figure, rates.of(figure.key, total, now))

    requests = _figure("requests", "Requests", "gateway", "/s", "both", 0.5)
    errors = _figure("errors", "Requests with errors", "gateway", "/s", "up", 0.02)
    seen = [requests.key, errors.key]
    yield rate(requests, gateway.requests)
    yield rate(errors, gateway.errors)
    for share, value in (
        ("50", gateway.clients.p50_ms),
        ("95", gateway.clients.p95_ms),
        ("99", gateway.clients.p99_ms),
    ):
        yield Measured(
            _figure(f"requests_p{share}_ms", f"Clients' requests, p{share}", "gateway", "ms", "up", 5.0),
            value,
        )
    yield Measured(
        _figure("caption_requests_p95_ms", "Requests for captions, p95", "gateway", "ms", "up", 20.0),
        gateway.captions.p95_ms,
    )
    yield Measured(
        _figure("requests_in_progress", "Clients' requests in progress", "gateway", "", "up", 5.0),
        gateway.places,
        gateway.places_limit,
    )
    for service in sorted({each.service for each in gateway.instances}):
        instances = [each for each in gateway.instances if each.service == service]
        requests = _figure("service_requests", "Requests to", "gateway", "/s", "both", 0.5, service)
        errors = _figure("service_errors", "Errors of", "gateway", "/s", "up", 0.02, service)
        seen += [requests.key, errors.key]
        yield rate(requests, sum(each.requests for each in instances))
        yield rate(errors, sum(each.errors for each in instances))
        yield Measured(
            _figure("service_p95_ms", "Slowest instance of, p95", "gateway", "ms", "up", 5.0, service),
            max((each.p95_ms for each in instances if each.p95_ms is not None), default=None),
        )
        yield Measured(
            _figure("service_usable", "Usable instances of", "gateway", "", "down", 0.5, service),
            sum(each.usable for each in instances),
        )
    for route in gateway.routes[:ROUTES]:
        requests = _figure("route_requests", "Requests to", "routes", "/s", "both", 0.5, route.prefix)
        errors = _figure("route_errors", "Errors of", "routes", "/s", "up", 0.02, route.prefix)
        seen += [requests.key, errors.key]
        yield rate(requests, route.requests)
        yield rate(errors, route.errors)
        yield Measured(
            _figure("route_p95_ms", "Response time, p95, of", "routes", "ms", "up", 5.0, route.prefix),
            route.p95_ms,
        )
    rates.forget(seen)


def speech_figures(speech: SpeechStatistics) -> Iterator[Measured]:
    """Yield the time from the end of speech to its caption."""
    for share, value in (("50", speech.caption_p50_ms), ("95", speech.caption_p95_ms)):
        yield Measured(
            _figure(
                f"caption_p{share}_ms", f"End of speech to caption, p{share}", "speech", "ms", "up", 50.0
            ),
            value,
        )
