"""What became of the WebSockets through this process."""

from collections import Counter
from typing import Final

from orch.gateway.sockets.relay import Ending
from orch.gateway.statistics import GatewaySockets
from orch.settings.gateway_sockets import Sockets


class SocketCounts:
    """Counts since the start; the mutable state is the numbers."""

    def __init__(self) -> None:
        self.opened = 0
        self.refused = 0
        self.from_clients = 0
        """Bytes of frames."""
        self.from_back_ends = 0
        self.endings: Final[Counter[tuple[str, str]]] = Counter()
        self.codes: Final[Counter[int]] = Counter()
        """Close codes below 3000; those of applications count as 3000 and 4000, so that there are few."""

    def ended(self, ending: Ending) -> None:
        """Count the end of a socket."""
        self.endings[ending.how, ending.side] += 1
        self.codes[ending.code if ending.code < 3000 else ending.code // 1000 * 1000] += 1  # noqa: PLR2004 - RFC 6455 §7.4.2

    def statistics(self, settings: Sockets, *, active: int, limit: int, reason: str) -> GatewaySockets:
        """Return the figures. ``limit``: how many may be open, ``reason``: why not as many as configured."""
        return GatewaySockets(
            open=active,
            limit=limit,
            limit_reason=reason,
            limit_per_address=settings.max_connections_per_address,
            opened=self.opened,
            refused=self.refused,
            bytes_from_clients=self.from_clients,
            bytes_from_back_ends=self.from_back_ends,
            endings={f"{how}_{side}": count for (how, side), count in sorted(self.endings.items())},
            codes={str(code): count for code, count in sorted(self.codes.items())},
        )
