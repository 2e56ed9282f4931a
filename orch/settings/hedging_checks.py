"""Checks which routes may send extra requests. Pure."""

from orch.settings.service_structs import Service
from orch.settings.shedding import DECLARED, FOUND
from orch.settings.structs import Fault, Settings


def find_hedging_faults(settings: Settings) -> list[Fault]:
    """Return the faults of ``orchestration.gateway.routes[…].hedging``."""
    faults: list[Fault] = []
    for number, route in enumerate(settings.orchestration.gateway.routes):
        hedging, service = route.hedging, settings.services.get(route.service)
        where = f"orchestration.gateway.routes[{number}].hedging"
        if not hedging.extra or service is None:
            continue
        if not hedging.percentile and not hedging.delay:
            expected = "expected more than 0 while percentile is 0; each request would be sent twice"
            faults.append(Fault(f"{where}.delay", expected))
        if route.uploads == "streamed":
            expected = "expected 0 with uploads: streamed, as such a body can be sent once only"
            faults.append(Fault(f"{where}.extra", expected))
        if route.repeatable == "never":
            expected = "expected 0 with repeatable: never, as an extra request repeats the first"
            faults.append(Fault(f"{where}.extra", expected))
        if not hedging.budget and (why := costs_of(route.service, service)):
            expected = f"expected a share above 0, such as 0.05, as the {route.service} {why}"
            faults.append(Fault(f"{where}.budget", expected))
    return faults


def costs_of(name: str, service: Service) -> str:
    """Return why an extra request to a service is dear: what it computes, or what it costs; "" if it is not.

    A service whose instances have a limit of requests at a time computes: one that is slow because it has too
    much to do would get more of it.
    """
    if service.is_paid:
        return "is paid for each request"
    has_limit = (
        any(each.max_concurrency for each in service.all_instances())
        or service.concurrency == "found"
        or (service.concurrency == "auto" and ((name, service.dialect) in {*DECLARED, *FOUND}))
    )
    return "does a limited number of requests at a time" if has_limit else ""
