"""HTTP/3: receives datagrams and passes each to its connection.

One task reads each socket. Each connection is a task of its own: a slow one loses datagrams, a broken one
ends, and neither delays another. Connections share the limit of TCP connections. While many handshakes are in
progress, clients must first prove their address (RFC 9000 §8.1.2), for which we store nothing.
"""

import os
import socket as stdlib_socket
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import structlog
import trio
from aioquic.buffer import Buffer  # type: ignore[attr-defined]  # it is the documented place
from aioquic.h3.connection import H3_ALPN
from aioquic.quic.configuration import SMALLEST_MAX_DATAGRAM_SIZE, QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.packet import (
    QuicHeader,
    QuicPacketType,
    encode_quic_retry,
    encode_quic_version_negotiation,
    pull_quic_header,
)
from aioquic.quic.retry import QuicRetryTokenHandler
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificates
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.worker_context import WorkerContext

from orch.front.admission import Admission, Place
from orch.front.hypercorn.http3_connection import Address, Http3Connection
from orch.telemetry.boundaries import Boundary

log = structlog.get_logger("front")

READ: Final = 65_536
CID_BYTES: Final = 8
HANDSHAKES: Final = 32
"""Handshakes in progress from which on clients must prove their address."""
RECEIVE_BUFFER: Final = 2**20
"""Bytes of the kernel's receive buffer that we ask for."""


class Datagrams:
    """Serves HTTP/3 at the addresses of the TCP sockets.

    ``pair`` returns the certificate and the key in PEM, as used now. ``app_at`` returns the
    application for a bound address. The mutable state is the connections, by their connection ids.
    """

    def __init__(
        self,
        *,
        app_at: Callable[[tuple[str, int]], Any],
        config: Callable[[], Config],
        context: WorkerContext,
        pair: Callable[[], tuple[bytes, bytes]],
        admission: Admission | None,
        on_empty: Callable[[], None],
        boundary: Boundary,
    ) -> None:
        self._app_at = app_at
        self._config = config
        self._context = context
        self._pair = pair
        self._admission = admission
        self._on_empty = on_empty
        self._connections: dict[bytes, Http3Connection] = {}
        self._open: dict[Http3Connection, frozenset[bytes]] = {}
        self._greeting: set[Http3Connection] = set()
        self._retry = QuicRetryTokenHandler()
        self._configured: tuple[tuple[bytes, bytes], QuicConfiguration] | None = None
        self._is_leaving = False
        self.accepted = 0
        self._boundary = boundary

    @property
    def open(self) -> int:
        """How many connections there are."""
        return len(self._open)

    async def serve(self, sockets: Sequence[stdlib_socket.socket], connections: trio.Nursery) -> None:
        """Read the sockets until cancelled; connections run in ``connections`` and outlive the reading."""
        async with trio.open_nursery() as nursery:
            for each in sockets:
                nursery.start_soon(self._read, each, connections)

    def leave(self) -> None:
        """Accept no new connections or requests; each connection ends after its last response."""
        self._is_leaving = True
        for each in tuple(self._open):
            each.leave()

    async def _read(self, sock: stdlib_socket.socket, connections: trio.Nursery) -> None:
        readable = trio.socket.from_stdlib_socket(sock)
        while True:
            try:
                data, address = await readable.recvfrom(READ)
            except ConnectionError:
                continue  # an earlier datagram was not delivered
            with self._boundary.item():
                self._take(sock, data, address, connections)

    def _take(
        self, sock: stdlib_socket.socket, data: bytes, address: Address, connections: trio.Nursery
    ) -> None:
        """Pass a datagram to its connection, or begin a new one."""
        try:
            header = pull_quic_header(Buffer(data=data), host_cid_length=CID_BYTES)
        except ValueError:
            return
        known = self._connections.get(header.destination_cid)
        if known is not None:
            known.offer(data, address)
            return
        if len(data) < SMALLEST_MAX_DATAGRAM_SIZE or header.version is None:
            return
        if header.packet_type == QuicPacketType.VERSION_NEGOTIATION:
            return
        configuration = self._configuration()
        if header.version not in configuration.supported_versions:
            versions = configuration.supported_versions
            answer = encode_quic_version_negotiation(
                source_cid=header.destination_cid,
                destination_cid=header.source_cid,
                supported_versions=versions,
            )
            _send(sock, answer, address)
            return
        if header.packet_type == QuicPacketType.INITIAL and not self._is_leaving:
            self._begin(sock, header, data, address, connections)

    def _begin(
        self,
        sock: stdlib_socket.socket,
        header: QuicHeader,
        data: bytes,
        address: Address,
        connections: trio.Nursery,
    ) -> None:
        """Begin a connection, or ask the client to prove its address first."""
        original, retried = header.destination_cid, None
        now = trio.current_time()
        if header.token:
            try:
                original = self._retry.validate_token(
                    address=address, destination_cid=header.destination_cid, token=header.token, now=now
                )
            except ValueError:
                return
            retried = header.destination_cid
        elif self._is_crowded():
            source = os.urandom(CID_BYTES)
            token = self._retry.create_token(
                address=address,
                original_destination_connection_id=header.destination_cid,
                retry_source_connection_id=source,
                now=now,
            )
            assert header.version is not None  # noqa: S101 - a long header has one
            answer = encode_quic_retry(
                version=header.version,
                source_cid=source,
                destination_cid=header.source_cid,
                original_destination_cid=header.destination_cid,
                retry_token=token,
            )
            _send(sock, answer, address)
            return
        host = str(address[0])
        place = Place.SERVED if self._admission is None else self._admission.enter(host)
        if place is not Place.SERVED:
            # The client tries TCP next, where it gets the reason.
            if self._admission is not None:
                self._admission.leave(host, place)
            return
        quic = QuicConnection(
            configuration=self._configuration(),
            original_destination_connection_id=original,
            retry_source_connection_id=retried,
        )
        own = sock.getsockname()[:2]
        connection = Http3Connection(
            quic,
            ASGIWrapper(self._app_at(own)),
            config=self._config(),
            context=self._context,
            client=address,
            server=own,
            send=partial(_send, sock),
            names={header.destination_cid, quic.host_cid},
            rename=lambda: self._name(connection),
        )
        self._name(connection)
        self._greeting.add(connection)
        self.accepted += 1
        connection.offer(data, address)
        connections.start_soon(self._run, connection, host)

    async def _run(self, connection: Http3Connection, host: str) -> None:
        try:
            with self._boundary.item(client=host):
                await connection.run()
        finally:
            self._greeting.discard(connection)
            connection.names.clear()
            self._name(connection)
            del self._open[connection]
            if self._admission is not None:
                self._admission.leave(host, Place.SERVED)
            if not self._open:
                self._on_empty()

    def _name(self, connection: Http3Connection) -> None:
        """Register a connection under its current ids only."""
        names = frozenset(connection.names)
        for gone in self._open.get(connection, frozenset()) - names:
            del self._connections[gone]
        self._open[connection] = names
        self._connections |= dict.fromkeys(names, connection)

    def _is_crowded(self) -> bool:
        """Whether many handshakes are in progress."""
        if len(self._greeting) >= HANDSHAKES:
            self._greeting = {each for each in self._greeting if not each.is_established}
        return len(self._greeting) >= HANDSHAKES

    def _configuration(self) -> QuicConfiguration:
        """Return the configuration of new connections; made again after the certificate was replaced."""
        pair = self._pair()
        if self._configured is None or self._configured[0] != pair:
            self._configured = pair, _configuration(*pair)
        return self._configured[1]


def _configuration(certificate: bytes, key: bytes) -> QuicConfiguration:
    chain = load_pem_x509_certificates(certificate)
    return QuicConfiguration(
        is_client=False,
        alpn_protocols=H3_ALPN,
        connection_id_length=CID_BYTES,
        max_data=2**20,
        max_stream_data=2**18,
        certificate=chain[0],
        certificate_chain=chain[1:],
        private_key=load_pem_private_key(key, password=None),
    )


def _send(sock: stdlib_socket.socket, data: bytes, address: Address) -> None:
    """Send a datagram now, or drop it: QUIC sends its content again."""
    try:
        sock.sendto(data, address)
    except OSError:
        log.debug("datagram not sent", client=str(address[0]))


def bind(addresses: Sequence[tuple[int, tuple[Any, ...]]]) -> list[stdlib_socket.socket]:
    """Return a socket for datagrams at each address (family, name); all of them or, with OSError, none."""
    made: list[stdlib_socket.socket] = []
    try:
        for family, name in addresses:
            sock = stdlib_socket.socket(family, stdlib_socket.SOCK_DGRAM)
            made.append(sock)
            sock.setblocking(False)  # noqa: FBT003 - the library's
            if family == stdlib_socket.AF_INET6:
                sock.setsockopt(stdlib_socket.IPPROTO_IPV6, stdlib_socket.IPV6_V6ONLY, 1)
            sock.setsockopt(stdlib_socket.SOL_SOCKET, stdlib_socket.SO_RCVBUF, RECEIVE_BUFFER)
            sock.bind(name)
    except BaseException:
        for each in made:
            each.close()
        raise
    return made
