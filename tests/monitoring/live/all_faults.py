"""All faults, in the order in which they can be injected. Programs are started for those that need them."""

from collections.abc import Callable, Iterator
from typing import Final

from tests.monitoring.live.bot_faults import Bots
from tests.monitoring.live.client_faults import CLIENTS
from tests.monitoring.live.faults import SERVICE, Fault
from tests.monitoring.live.gateway_faults import GATEWAY
from tests.monitoring.live.host_faults import Host, can_break_hosts
from tests.monitoring.live.process_faults import Processes, can_mount
from tests.monitoring.live.stack_faults import Stack
from tests.monitoring.live.world import World
from tests.monitoring.rule_files import alerts

Faults = tuple[Fault, ...]

OF_PROCESSES: Final = frozenset(
    {
        "WorkerRestarts",
        "VersionSkew",
        "AuditWriteFailed",
        "CpuSaturated",
        "FileDescriptorsNearLimit",
        "Overloaded",
        "SeriesExplosion",
        "TracesUndelivered",
        "HostShmFull",
    }
)
OF_HOSTS: Final = frozenset(
    {"HostDiskFillsIn24h", "HostDiskAlmostFull", "HostInodesAlmostOut", "HostOomKill"}
)
#: Alerts on bots that are raised without browsers, in the stack.
OF_BOTS: Final = frozenset(
    {rule.name for rule in alerts() if rule.group == "bots"} | {"SpoolGrowing", "SpoolNearlyFull"}
)


class AllFaults:
    """The faults of a world. Those that need more programs come after those that need fewer."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._made: Stack | None = None

    def wanted(self, only: frozenset[str]) -> Iterator[Fault]:
        """Yield the faults that raise one of these alerts; empty: all of them."""
        parts: tuple[tuple[Callable[[], Faults], frozenset[str]], ...] = (
            (of_the_service, frozenset(name for fault in of_the_service() for name in fault.alerts)),
            (lambda: Processes(self._world, mounts=can_mount()).faults(), OF_PROCESSES),
            (lambda: self._stack().faults(), others()),
            (self._of_hosts, OF_HOSTS),
            (lambda: Bots(self._stack()).faults(), OF_BOTS),
        )
        for make, names in parts:
            if not only or only & names:
                yield from (fault for fault in make() if not only or only & set(fault.alerts))

    def _stack(self) -> Stack:
        if self._made is None:
            self._made = Stack(self._world)
        return self._made

    def _of_hosts(self) -> Faults:
        return Host(self._world).faults() if can_break_hosts() else ()


def of_the_service() -> Faults:
    return (*SERVICE, *GATEWAY, *CLIENTS)


def others() -> frozenset[str]:
    """Return the alerts of no other part."""
    service = {name for fault in of_the_service() for name in fault.alerts}
    return frozenset(rule.name for rule in alerts()) - service - OF_PROCESSES - OF_HOSTS - OF_BOTS
