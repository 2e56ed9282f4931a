"""What Prometheus reads of the back ends' states. Checks and restarts are counted where they happen."""

from collections.abc import Iterable, Iterator

from orch.health.verdict import State
from orch.health.watched import WatchedInstance, WatchedService
from orch.telemetry.names import health as names
from orch.telemetry.names.front import CERTIFICATE_EXPIRY
from orch.telemetry.names.metric import Reading


def readings_of(services: Iterable[WatchedService]) -> Iterator[Reading]:
    """Yield the readings of services and of their instances."""
    for service in services:
        of_service = (service.name,)
        yield Reading(names.MAINTENANCE, float(service.maintenance is not None), of_service)
        left = [
            each for _, restarter in service.restarters() if (each := restarter.attempts_left) is not None
        ]
        if left:
            yield Reading(names.RECOVERY_ATTEMPTS_LEFT, min(left), of_service)
        for instance in service.instances.values():
            yield from _of_instance(service, instance)


def _of_instance(service: WatchedService, instance: WatchedInstance) -> Iterator[Reading]:
    labels = (service.name, instance.shown)
    is_busy = instance.verdict.state is State.BUSY
    yield Reading(names.PROBE_FAILED_WHILE_SERVING, float(is_busy), labels)
    yield Reading(names.FLAPPING, float(instance.flapping.is_on), labels)
    if instance.certificate_until is not None:
        yield Reading(CERTIFICATE_EXPIRY, instance.certificate_until, (instance.shown,))
