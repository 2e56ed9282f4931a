"""What has to happen to back ends from time to time, whether or not requests arrive."""

from orch.gateway.backends import Backends, IsUsable
from orch.gateway.rotation_events import RotationEvents
from orch.telemetry.boundaries import Boundary


def sweep(
    backends: Backends,
    boundary: Boundary,
    is_usable: IsUsable,
    rotation: RotationEvents,
    now: float,
) -> None:
    """Pass on places, end drains and idle connections, and move breakers, ejections and slow starts on.

    A failure of one step is counted at ``boundary``, and the others are done.
    """
    for backend in backends:
        with boundary.item(service=backend.name, step="queue"):
            backend.gate.advance(now)
    with boundary.item(step="draining"):
        backends.draining.sweep(now)
    for lane in backends.lanes():
        with boundary.item(service=lane.service, instance=lane.shown):
            lane.upstream.close_idle(now)
            lane.breaker.tick(now)
            lane.notify()
    for backend in backends:
        with boundary.item(service=backend.name, step="slow start"):
            backend.see(now, is_usable)
        for outliers in backend.outliers.values():
            with boundary.item(service=backend.name, flow=outliers.flow):
                outliers.review(now)
        with boundary.item(service=backend.name, step="rotation"):
            rotation.see(backend, now)
    rotation.forget_all_but({backend.name for backend in backends})
