"""What the service has counted of alerts since it started. Pure."""

from collections.abc import Iterator

from msgspec import Struct, field

from orch.telemetry.names.alerts import ACKNOWLEDGEMENTS, ALERTS_RECEIVED, ESCALATIONS, NOTIFICATIONS_REFUSED
from orch.telemetry.names.metric import Name, Reading


def _zeros(name: Name) -> dict[str, int]:
    return dict.fromkeys(name.labels[0].values, 0)


class Counts(Struct, kw_only=True):
    """Counts by the values of the label of their metric."""

    received: dict[str, int] = field(default_factory=lambda: _zeros(ALERTS_RECEIVED))
    refused: dict[str, int] = field(default_factory=lambda: _zeros(NOTIFICATIONS_REFUSED))
    acknowledgements: dict[str, int] = field(default_factory=lambda: _zeros(ACKNOWLEDGEMENTS))
    escalations: dict[str, int] = field(default_factory=lambda: _zeros(ESCALATIONS))

    def readings(self) -> Iterator[Reading]:
        """Yield what Prometheus reads."""
        for name, counts in (
            (ALERTS_RECEIVED, self.received),
            (NOTIFICATIONS_REFUSED, self.refused),
            (ACKNOWLEDGEMENTS, self.acknowledgements),
            (ESCALATIONS, self.escalations),
        ):
            yield from (Reading(name, number, (value,)) for value, number in counts.items())
