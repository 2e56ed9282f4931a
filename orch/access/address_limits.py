"""Connection limits of one address. Pure."""

from collections.abc import Mapping

from orch.access.addresses import group, is_address, is_loopback
from orch.capacity import websockets_per_address


def address_limit(setting: int, connections: int, address: str) -> int:
    """Return an address's limit out of ``connections``. ``setting`` 0: a share.

    All clients of a proxy or tunnel on this machine that does not report their addresses share its loopback
    address, so without a setting that address may use every connection.
    """
    if not setting and (is_loopback(address) or not is_address(address)):
        return connections
    return websockets_per_address(setting, connections)


class AddressCounts:
    """Counts connections by address; bounded by the number of connections."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"<AddressCounts {len(self._counts)}>"

    @property
    def counts(self) -> Mapping[str, int]:
        """Connections by address."""
        return self._counts

    def count(self, host: str) -> int:
        """Return the number of connections of the address group of ``host``."""
        return self._counts.get(group(host), 0)

    def add(self, host: str) -> None:
        """Count a connection."""
        address = group(host)
        self._counts[address] = self._counts.get(address, 0) + 1

    def remove(self, host: str) -> None:
        """Stop counting a connection."""
        address = group(host)
        left = self._counts[address] - 1
        if left:
            self._counts[address] = left
        else:
            del self._counts[address]
