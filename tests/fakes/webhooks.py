"""An outbox in memory, and receivers of webhooks that can be reached without a network."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

import trio
import trio.testing

from orch.bots.webhooks.outbox import Attempt, Claim, Delivery, Endpoint, Requeued
from orch.bots.webhooks.schedule import State, Verdict
from orch.bots.webhooks.signature import Secret, SigningKeys
from orch.problems import ProblemError

EPOCH = 1_700_000_000.0
KEYS = SigningKeys(Secret(bytes(range(32))))


def wall() -> float:
    """Return the wall clock of the tests, which passes as Trio's does."""
    return EPOCH + trio.current_time()


@dataclass
class StoredEndpoint:
    """An endpoint, and what the verdicts made of it."""

    endpoint: Endpoint
    rests_until: float = 0.0
    is_disabled: bool = False


@dataclass
class StoredDelivery:
    """A delivery, its place in its bot's order, and what became of it."""

    delivery: Delivery
    endpoint_id: str
    bot_id: str
    sequence: int
    due_at: float = EPOCH
    lease_until: float = 0.0
    state: State | None = None
    attempts: list[Attempt] = field(default_factory=list)


class MemoryOutbox:
    """What :class:`orch.bots.webhooks.outbox.Outbox` promises. ``is_away``: it cannot be reached."""

    def __init__(self) -> None:
        self.endpoints: dict[str, StoredEndpoint] = {}
        self.deliveries: dict[str, StoredDelivery] = {}
        self.is_away = False
        self.claims = 0

    def add_endpoint(self, endpoint_id: str, url: str) -> None:
        """Store an endpoint."""
        self.endpoints[endpoint_id] = StoredEndpoint(Endpoint(endpoint_id, url, KEYS))

    def add(self, name: str, endpoint_id: str, *, bot: str = "bot", body: bytes = b"{}") -> StoredDelivery:
        """Store a delivery that is due."""
        delivery = Delivery(name, f"msg_{name}", body, bot_id=bot)
        stored = StoredDelivery(delivery, endpoint_id, bot, len(self.deliveries))
        self.deliveries[name] = stored
        return stored

    async def claim(
        self,
        *,
        now: float,
        lease_until: float,
        most: int,
        without: frozenset[str],
        only: frozenset[str] | None,
    ) -> Sequence[Claim]:
        await self._reached()
        self.claims += 1
        found: dict[str, StoredDelivery] = {}
        for each in sorted(self.deliveries.values(), key=lambda stored: (stored.due_at, stored.sequence)):
            endpoint = self.endpoints[each.endpoint_id]
            if (
                self._is_due(each, now)
                and each.endpoint_id not in without
                and (only is None or each.endpoint_id in only)
                and each.endpoint_id not in found
                and not endpoint.is_disabled
                and endpoint.rests_until <= now
                and not any(self._is_before(other, each, now) for other in self.deliveries.values())
            ):
                found[each.endpoint_id] = each
        claimed = list(found.values())[:most]
        for each in claimed:
            each.lease_until = lease_until
        return [
            Claim(each.delivery, each.endpoint_id, self.endpoints[each.endpoint_id].endpoint)
            for each in claimed
        ]

    async def record(self, attempt: Attempt, verdict: Verdict) -> bool:
        await self._reached()
        stored = self.deliveries.get(attempt.delivery_id)
        if stored is None:
            return False
        first_at = attempt.at if stored.delivery.first_at is None else stored.delivery.first_at
        stored.delivery = replace(stored.delivery, attempts=attempt.number, first_at=first_at)
        stored.attempts.append(attempt)
        stored.lease_until = 0.0
        stored.state = None if verdict.state is State.RETRYING else verdict.state
        stored.due_at = verdict.next_at or 0.0
        endpoint = self.endpoints[stored.endpoint_id]
        if verdict.rests_until is not None:
            endpoint.rests_until = verdict.rests_until
        if verdict.disables:
            endpoint.is_disabled = True
            for each in self.deliveries.values():
                if each.endpoint_id == stored.endpoint_id and each.state is None:
                    each.state = State.FAILED
        return True

    async def release(self, delivery_id: str) -> None:
        await self._reached()
        if delivery_id in self.deliveries:
            self.deliveries[delivery_id].lease_until = 0.0

    async def requeue(self, delivery_id: str, now: float) -> Requeued:
        await self._reached()
        stored = self.deliveries.get(delivery_id)
        if stored is None:
            return Requeued.UNKNOWN
        if stored.lease_until > now:
            return Requeued.IN_PROGRESS
        if self.endpoints[stored.endpoint_id].is_disabled:
            return Requeued.DISABLED
        stored.delivery = replace(stored.delivery, attempts=0, first_at=None)
        stored.state, stored.due_at = None, now
        return Requeued.QUEUED

    async def _reached(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.is_away:
            raise ProblemError("store_unavailable", "The store is away.")

    @staticmethod
    def _is_due(each: StoredDelivery, now: float) -> bool:
        return each.state is None and each.due_at <= now and each.lease_until <= now

    def _is_before(self, other: StoredDelivery, each: StoredDelivery, now: float) -> bool:
        if other is each or (other.bot_id, other.endpoint_id) != (each.bot_id, each.endpoint_id):
            return False
        return other.lease_until > now or (self._is_due(other, now) and other.sequence < each.sequence)


Receiver = Callable[[trio.abc.Stream], Awaitable[None]]


class Net:
    """Hosts with addresses, and what listens there. ``resolved`` and ``connected`` note what was asked for.

    ``hosts``: for each name its addresses; if it has several lists, each look-up gets the next of them.
    """

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self.hosts: dict[str, list[list[str]]] = {}
        self.receivers: dict[str, Receiver | OSError] = {}
        self.resolved: list[str] = []
        self.connected: list[str] = []

    def add(self, name: str, address: str, receiver: Receiver | OSError) -> None:
        """Have a name lead to one address, where a receiver listens."""
        self.hosts[name] = [[address]]
        self.receivers[address] = receiver

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        """Return the addresses of a name."""
        await trio.lowlevel.checkpoint()
        self.resolved.append(host)
        found = self.hosts[host]
        return found.pop(0) if len(found) > 1 else found[0]

    async def connect(self, address: str, port: int) -> trio.abc.Stream:
        """Connect to an address."""
        await trio.lowlevel.checkpoint()
        self.connected.append(f"{address} {port}")
        receiver = self.receivers[address]
        if isinstance(receiver, OSError):
            raise receiver
        ours, theirs = trio.testing.memory_stream_pair()
        self._nursery.start_soon(self._serve, receiver, theirs)
        return ours

    @staticmethod
    async def _serve(receiver: Receiver, stream: trio.abc.Stream) -> None:
        try:
            await receiver(stream)
        except trio.BrokenResourceError:
            pass  # the client has closed
        finally:
            await trio.aclose_forcefully(stream)


@dataclass(frozen=True)
class Received:
    """A request as it arrived."""

    line: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


async def read_request(stream: trio.abc.Stream) -> Received:
    """Read a request with a Content-Length, or without a body."""
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = await stream.receive_some()
        if not chunk:
            raise trio.BrokenResourceError
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    line, *lines = head.decode("ascii").split("\r\n")
    headers = tuple((name, value) for name, _, value in (each.partition(": ") for each in lines))
    length = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
    while len(body) < length:
        chunk = await stream.receive_some()
        if not chunk:
            raise trio.BrokenResourceError
        body += chunk
    return Received(line, headers, body)


def responding(status: int, *headers: str, body: bytes = b"", log: list[Received] | None = None) -> Receiver:
    """Return a receiver that reads a request and responds."""

    async def receive(stream: trio.abc.Stream) -> None:
        received = await read_request(stream)
        if log is not None:
            log.append(received)
        lines = [f"HTTP/1.1 {status} X", f"content-length: {len(body)}", *headers]
        await stream.send_all("\r\n".join([*lines, "", ""]).encode() + body)

    return receive


def sending(*chunks: bytes, after_request: bool = True, then_hang: bool = False) -> Receiver:
    """Return a receiver that sends these bytes, whatever they are, and closes or goes on in silence."""

    async def receive(stream: trio.abc.Stream) -> None:
        if after_request:
            await read_request(stream)
        for chunk in chunks:
            await stream.send_all(chunk)
        if then_hang:
            await trio.sleep_forever()

    return receive
