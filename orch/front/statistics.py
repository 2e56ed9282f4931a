"""What a front says of itself."""

from msgspec import Struct, field


class FrontStatistics(Struct, frozen=True, kw_only=True):
    """Where it listens and how many sockets are open.

    ``refused``: how often a client was refused or cut off, by kind, such as ``host_missing`` or ``no_pong``.
    """

    bound: tuple[str, ...]
    open: int
    accepted: int
    closed_by_force: int
    refused: dict[str, int] = field(default_factory=dict)
