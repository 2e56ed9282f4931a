"""Names and addresses under which other machines reach this one."""

import ipaddress
import re
import socket
from typing import Final

#: Destinations whose route is looked up; nothing is sent. The first finds the default route; the others are
#: networks of a machine without one (RFC 1918, and link-local addresses).
_TOWARDS: Final = ("192.0.2.1", "192.168.255.254", "10.255.255.254", "172.31.255.254", "169.254.255.254")
_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,61}[A-Za-z0-9])?")


def lan_addresses() -> tuple[str, ...]:
    """Return this machine's IPv4 addresses on its networks, that of the default route first."""
    found = [address for towards in _TOWARDS if (address := _own_towards(towards)) is not None]
    usable = (each for each in found if not ipaddress.ip_address(each).is_loopback)
    return tuple(dict.fromkeys(usable))


def own_names() -> tuple[str, ...]:
    """Return this machine's names that are valid in a certificate."""
    name = socket.gethostname().rstrip(".")
    if not _NAME.fullmatch(name):
        return ()
    return (name,) if "." in name else (name, f"{name}.local")


def _own_towards(address: str) -> str | None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address, 9))
        except OSError:
            return None  # no route
        return str(probe.getsockname()[0])
