"""Runs one process: the tree, its front, and the signals that end it."""

import gc
import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import structlog
import trio

from orch.access.addresses import is_in, is_loopback, read_network
from orch.companions import keep_all
from orch.front import servers
from orch.front.admission import Admission
from orch.front.certificate import Certificate
from orch.front.listeners import Listener, listeners
from orch.front.server import Server
from orch.front.servers import FrontServer
from orch.processes import Children, ProcessSpec
from orch.settings.live import LiveSettings
from orch.sockets import addresses
from orch.startup_responses import StartupApplication, StartupResponder
from orch.supervision.branches import State
from orch.telemetry.events import EventLog
from orch.tree import running
from orch.wiring.applications import create_application
from orch.wiring.build import build
from orch.wiring.parts import Parts
from orch.workers.lifeline import Lifeline

log = structlog.get_logger("serving")

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


async def serve(
    configuration: LiveSettings,
    events: EventLog,
    processes: Children,
    sockets: Sequence[socket.socket],
    *,
    on_ready: Callable[[Sequence[str]], None] = lambda _addresses: None,
    lifeline: Lifeline | None = None,
    on_hangup: Callable[[], None] | None = None,
    invite: Callable[[Sequence[str], str, str, str], None] | None = None,
    companions: Sequence[ProcessSpec] = (),
) -> int:
    """Run the service until a signal, or until a branch fails too often; return the exit code.

    ``sockets`` are listening sockets, closed when the service stops. ``lifeline``: the connection to the
    parent, if this process is one of several workers; its sockets come from there. ``on_ready`` receives the
    addresses that the service listens on. ``on_hangup`` is called when the terminal is closed, which ends the
    service; without it, SIGHUP reloads the settings. ``invite`` receives the addresses, the control token,
    and the name and key of a session created for the invitation. ``companions``: programs that run beside
    it, from before its branches start until after they have ended.
    """
    parts = build(
        configuration,
        events,
        processes,
        worker=None if lifeline is None else lifeline.place,
        restarts=0 if lifeline is None else lifeline.restarts,
    )
    frontend = configuration.current.orchestration.frontend

    def grace() -> float:
        return configuration.current.orchestration.shutdown_grace

    certificate = None
    if frontend.tls_certificate:
        protocols = ("h2", "http/1.1") if frontend.http2 else ("http/1.1",)
        pair = (frontend.tls_certificate, frontend.tls_key)
        certificate = Certificate(*pair, events=events, protocols=protocols)
        parts.metrics.read_from(certificate.readings)
    startup = StartupResponder()
    front, startup_front = _fronts(
        configuration,
        parts,
        listen=_listen_at(sockets, lifeline, frontend.worker_ports),
        certificate=certificate,
        startup=startup,
    )
    async with trio.open_nursery() as nursery:
        if lifeline is not None:
            _answer_to_parent(lifeline, parts, grace, startup, nursery)
        await nursery.start(
            _obey_signals,
            parts.tree.stop,
            partial(_reload, configuration, certificate),
            on_hangup,
            nursery.cancel_scope,
        )
        nursery.start_soon(configuration.serve_requests)
        nursery.start_soon(keep_all, companions)
        if certificate is not None:
            await nursery.start(certificate.watch)
        nursery.start_soon(startup.run, startup_front)
        async with running(parts, front, before_front=startup.end) as tree:
            if not tree.stopping.is_set():
                _keep_what_was_built()
                own = () if lifeline is None else lifeline.at_own_port
                parts.journey.serve_at(addresses(own, scheme="https" if certificate else "http"), front.bound)
                log.info("ready", addresses=front.bound)
                events.record("ok", "service", f"Ready at {', '.join(front.bound)}.")
                on_ready(front.bound)
                if invite is not None:
                    await _invite(parts, front.bound, invite)
                if lifeline is not None:
                    lifeline.ready(grace())
            await tree.stopping.wait()
            startup.end()  # it may be about to listen at them
            for each in sockets:
                each.close()
            if lifeline is not None:
                lifeline.leaving(grace())
        nursery.cancel_scope.cancel()
    log.info("stopped", reason=parts.tree.reason, failed=parts.tree.is_failed)
    return 1 if parts.tree.is_failed else 0


def _keep_what_was_built() -> None:
    """Take what lives as long as the process out of the garbage collection.

    It would be looked at again and again, for up to 111 ms each time, in which nobody is served.
    """
    gc.collect()
    gc.freeze()


def _listen_at(
    sockets: Sequence[socket.socket], lifeline: Lifeline | None, worker_ports: int
) -> Callable[[], Sequence[Listener]]:
    """Return the function that opens a front's listeners, including a worker's own port."""
    if lifeline is None:
        return partial(listeners, sockets, ())
    if worker_ports:
        lifeline.listen_at_own_port(worker_ports + lifeline.place)
    return partial(listeners, (*lifeline.own, *lifeline.at_own_port), lifeline.of_others)


def _answer_to_parent(
    lifeline: Lifeline,
    parts: Parts,
    grace: Callable[[], float],
    startup: StartupResponder,
    nursery: trio.Nursery,
) -> None:
    """Report to the parent and obey it; record an event if this worker's predecessor failed."""
    lifeline.watch(parts.tree.stop, grace, startup.end)
    if lifeline.before:
        parts.events.record("bad", "workers", lifeline.before)
    nursery.start_soon(lifeline.beat, lambda: _awaits_store(parts.tree.states()))


async def _invite(
    parts: Parts, addresses: Sequence[str], invite: Callable[[Sequence[str], str, str, str], None]
) -> None:
    made = await parts.hub.create_session()
    token = parts.settings.current.orchestration.control_token
    invite(addresses, token, made.session_id, made.keys.speak or "")


def _fronts(
    configuration: LiveSettings,
    parts: Parts,
    *,
    listen: Callable[[], Sequence[Listener]],
    certificate: Certificate | None,
    startup: StartupResponder,
) -> tuple[FrontServer, FrontServer]:
    """Return the tree's front, and the small one that responds on the same sockets during start."""
    frontend = configuration.current.orchestration.frontend
    application = create_application(parts)

    def grace() -> float:
        return configuration.current.orchestration.shutdown_grace

    both: dict[str, Any] = {
        "host": frontend.host,
        "port": frontend.port,
        "grace": grace,
        "admission": Admission(parts.capacity, parts.capacity.per_address, partial(_is_many, configuration)),
        "on_shortage": parts.shortages.note,
        "outgoing": parts.hub.outgoing,
        "listen": listen,
    }
    front = servers.create_server(
        frontend.server,
        application,
        stopping=parts.tree.stopping,
        drain=partial(drain, parts),
        heartbeat=lambda: configuration.current.orchestration.websocket.heartbeat_interval,
        heartbeat_timeout=lambda: configuration.current.orchestration.websocket.heartbeat_timeout,
        deflate=frontend.compression,
        tls=None if certificate is None else certificate.context,
        http2=frontend.http2,
        http3=certificate.pair if frontend.http3 and certificate is not None else None,
        **both,
    )
    answering = StartupApplication(
        access=parts.access, tree=parts.tree, store=parts.stores.engine, application=application
    )
    tls = None if certificate is None else certificate.context_http1
    return front, Server(answering, stopping=startup.over, drain=trio.lowlevel.checkpoint, tls=tls, **both)


async def drain(parts: Parts) -> None:
    """Ask the clients of all WebSockets to leave, and return when they have."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(parts.hub.drain)
        nursery.start_soon(parts.gateway.drain)


def _awaits_store(states: Mapping[str, State]) -> bool:
    """Return whether the tree is still starting its store."""
    return all(state is not State.RUNNING for state in states.values())


def _is_many(configuration: LiveSettings, address: str) -> bool:
    """Return whether many clients may share the address: this machine's, or a trusted proxy's."""
    proxies = configuration.current.orchestration.frontend.trusted_proxies
    return is_loopback(address) or is_in(address, tuple(map(read_network, proxies)))


def _reload(configuration: LiveSettings, certificate: Certificate | None) -> None:
    configuration.request_reload()
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
    """Handle signals: SIGTERM and SIGINT stop in order, a second one at once; SIGHUP reloads the settings.

    With ``on_hangup``, SIGHUP stops in order too. It may arrive several times, from the shell and from the
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
                stop(f"Received {signal.Signals(number).name}.")
