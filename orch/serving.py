"""One process: the tree, its front, and the signals that end it."""

import errno
import ipaddress
import signal
import socket
from collections.abc import Callable, Mapping
from typing import Final

import structlog
import trio

from orch.asgi import Application
from orch.configuration import Configuration
from orch.front.hypercorn import Front
from orch.health.processes import ProcessSpec
from orch.telemetry.events import EventLog
from orch.tree import build, running

log = structlog.get_logger("serving")

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class AddressError(Exception):
    """The service cannot listen where it was told to; the message says what to do."""


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach ``host``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def require_free(host: str, port: int) -> None:
    """Raise AddressError where ``host``:``port`` cannot be listened on, before anything is started."""
    if port == 0:
        return
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise AddressError(f"{host!r} is no address of this machine: {error.strerror}.") from error
    family, kind, protocol, _, address = found[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            raise AddressError(_bind_words(host, port, error)) from error


def _bind_words(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} is taken by another program. Stop it, or choose another: PORT={port + 1}."
    if error.errno == errno.EACCES:
        return f"Port {port} is for privileged programs only. Choose one above 1023, such as PORT=3000."
    return f"Cannot listen on {host}:{port}: {error.strerror}."


async def serve(
    configuration: Configuration,
    events: EventLog,
    processes: Mapping[str, ProcessSpec],
    *,
    on_ready: Callable[[Front], None] = lambda _front: None,
) -> int:
    """Run the service until a signal or a branch past its limit; return the exit code.

    ``on_ready`` is given the front once it listens.
    """
    parts = build(configuration, events, processes)
    frontend = configuration.current.orchestration.frontend
    front = Front(
        Application(parts),
        host=frontend.host,
        port=frontend.port,
        stopping=parts.tree.stopping,
        drain=parts.hub.drain,
        grace=lambda: configuration.current.orchestration.shutdown_grace,
        heartbeat=lambda: configuration.current.orchestration.websocket.heartbeat_interval,
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(_obey_signals, parts.tree.stop, configuration.reload, nursery.cancel_scope)
        async with running(parts, front) as tree:
            if not tree.stopping.is_set():
                log.info("ready", addresses=front.bound)
                events.record("ok", "service", f"Ready at {', '.join(front.bound)}.")
                on_ready(front)
            await tree.stopping.wait()
        nursery.cancel_scope.cancel()
    log.info("stopped", reason=parts.tree.reason, failed=parts.tree.is_failed)
    return 1 if parts.tree.is_failed else 0


async def _obey_signals(
    stop: Callable[[str], None],
    reload: Callable[[], object],
    root: trio.CancelScope,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """SIGTERM and SIGINT stop in order, a second one at once; SIGHUP reads the settings again."""
    with trio.open_signal_receiver(*SIGNALS, signal.SIGHUP) as received:
        task_status.started()
        asked = False
        async for number in received:
            if number == signal.SIGHUP:
                reload()
            elif asked:
                log.warning("stopping at once", signal=signal.Signals(number).name)
                root.cancel()
            else:
                asked = True
                stop(f"Asked to by {signal.Signals(number).name}.")
