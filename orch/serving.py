"""One process: the tree, its front, and the signals that end it."""

import signal
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

import structlog
import trio

from orch.access.addresses import is_in, is_loopback, read_network
from orch.asgi import Application
from orch.configuration import Configuration
from orch.front import kinds
from orch.front.admission import Admission
from orch.front.certificate import Certificate
from orch.front.listeners import listeners
from orch.health.processes import ProcessSpec
from orch.telemetry.events import EventLog
from orch.tree import build, running
from orch.workers.lifeline import Lifeline

log = structlog.get_logger("serving")

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


async def serve(
    configuration: Configuration,
    events: EventLog,
    processes: Mapping[str, ProcessSpec],
    *,
    on_ready: Callable[[Sequence[str]], None] = lambda _addresses: None,
    lifeline: Lifeline | None = None,
    on_hangup: Callable[[], None] | None = None,
    invite: Callable[[Sequence[str], str, str, str], None] | None = None,
) -> int:
    """Run the service until a signal or a branch past its limit; return the exit code.

    ``on_ready`` is given the addresses it listens on. ``lifeline``: this process is one worker of several.
    ``on_hangup`` is called when the terminal is closed, which ends the service; without it, SIGHUP reads the
    settings again. ``invite`` is given the addresses, the control token, and the name and key of a session
    that was made for the occasion.
    """
    parts = build(configuration, events, processes, worker=None if lifeline is None else lifeline.place)
    frontend = configuration.current.orchestration.frontend

    if lifeline is not None and frontend.worker_ports:
        lifeline.listen_apart(frontend.worker_ports + lifeline.place)

    def grace() -> float:
        return configuration.current.orchestration.shutdown_grace

    certificate = None
    if frontend.tls_certificate:
        certificate = Certificate(frontend.tls_certificate, frontend.tls_key, events=events)
    is_many = partial(_is_many, configuration)
    front = kinds.make(
        frontend.server,
        Application(parts),
        host=frontend.host,
        port=frontend.port,
        stopping=parts.tree.stopping,
        drain=parts.hub.drain,
        grace=grace,
        heartbeat=lambda: configuration.current.orchestration.websocket.heartbeat_interval,
        deflate=frontend.compression,
        tls=None if certificate is None else certificate.context,
        admission=Admission(parts.capacity, parts.capacity.per_address, is_many),
        on_shortage=parts.shortages.note,
        heartbeat_timeout=lambda: configuration.current.orchestration.websocket.heartbeat_timeout,
        listen=None
        if lifeline is None
        else partial(listeners, (*lifeline.own, *lifeline.apart), lifeline.neighbours),
    )
    if lifeline is not None:
        lifeline.watch(parts.tree.stop, grace)
    async with trio.open_nursery() as nursery:
        await nursery.start(
            _obey_signals,
            parts.tree.stop,
            partial(_reload, configuration, certificate),
            on_hangup,
            nursery.cancel_scope,
        )
        if certificate is not None:
            await nursery.start(certificate.watch)
        async with running(parts, front) as tree:
            if not tree.stopping.is_set():
                log.info("ready", addresses=front.bound)
                events.record("ok", "service", f"Ready at {', '.join(front.bound)}.")
                on_ready(front.bound)
                if invite is not None:
                    made = await parts.hub.create_session()
                    token = configuration.current.orchestration.control_token
                    invite(front.bound, token, made.session_id, made.keys.speak or "")
                if lifeline is not None:
                    lifeline.ready(grace())
            await tree.stopping.wait()
            if lifeline is not None:
                lifeline.leaving(grace())
        nursery.cancel_scope.cancel()
    log.info("stopped", reason=parts.tree.reason, failed=parts.tree.is_failed)
    return 1 if parts.tree.is_failed else 0


def _is_many(configuration: Configuration, address: str) -> bool:
    """Return whether an address stands for many clients: this machine, or a proxy that is trusted."""
    proxies = configuration.current.orchestration.frontend.trusted_proxies
    return is_loopback(address) or is_in(address, tuple(map(read_network, proxies)))


def _reload(configuration: Configuration, certificate: Certificate | None) -> None:
    configuration.reload()
    if certificate is not None:
        certificate.reload()


async def _obey_signals(
    stop: Callable[[str], None],
    reload: Callable[[], object],
    on_hangup: Callable[[], None] | None,
    root: trio.CancelScope,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """SIGTERM and SIGINT stop in order, a second one at once; SIGHUP reads the settings again.

    With ``on_hangup``, SIGHUP stops in order as well. It may come several times, from the shell and from the
    terminal.
    """
    with trio.open_signal_receiver(*SIGNALS, signal.SIGHUP) as received:
        task_status.started()
        asked = False
        async for number in received:
            if number == signal.SIGHUP:
                if on_hangup is None:
                    reload()
                    continue
                on_hangup()
                if not asked:
                    asked = True
                    stop("The terminal was closed.")
            elif asked:
                log.warning("stopping at once", signal=signal.Signals(number).name)
                root.cancel()
            else:
                asked = True
                stop(f"Asked to by {signal.Signals(number).name}.")
