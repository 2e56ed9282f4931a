"""A connection to the service that reconnects when it is lost."""

from collections import deque
from collections.abc import Callable
from typing import Final

import trio
from msgspec import Struct

from orch.client.backlog import Backlog
from orch.client.events import (
    BadMessageError,
    ClientError,
    Event,
    Message,
    State,
    StateChanged,
    StoppedError,
    decode,
)
from orch.client.reconnect_policy import ABNORMAL, SPEECH_RETRY, Backoff, Liveness, Reconnection, Stop
from orch.client.sessions import SessionStatistics
from orch.client.state import Action, ClientState, Forward, Send, Settle
from orch.client.transport import Dial, DialError, Socket, SocketClosedError, address
from orch.protocol import closes
from orch.protocol.messages import (
    AnyClientMessage,
    AudioEnded,
    AudioStatus,
    ClientMessage,
    Connected,
    Error,
    Transcript,
    encode,
)

#: Time limits in seconds: for the service's ``connected``, for sending one frame, and for closing.
CONNECT_WITHIN: Final = 10.0
CONNECT_WITHIN_SPEECH: Final = 5.0  # speech is stored for a minute only
SEND_WITHIN: Final = 30.0
CLOSE_WITHIN: Final = 2.0

#: Seconds of silence after which a ping is sent, if the service does not announce its own interval.
QUIET_LIMIT: Final = 25.0

#: RFC 6455 §7.4.1: a frame was not a message of the protocol.
_PROTOCOL_ERROR: Final = 1002


class ClientStatistics(Struct, frozen=True):
    """The figures of a client. ``backlog``: unread events; ``dropped``: events dropped for lack of room."""

    state: str
    attempt: int
    connections: int
    requests: int
    topics: tuple[str, ...]
    sessions: tuple[SessionStatistics, ...]
    backlog: int
    dropped: int


class _Waiter:
    """A task that waits for a reply; ``generation``: of the connection on which it arrived."""

    __slots__ = ("arrived", "generation", "outcome")

    def __init__(self) -> None:
        self.arrived = trio.Event()
        self.outcome: Message | ClientError | None = None
        self.generation = 0


class _Block:
    """A block of audio to be sent; ``settled`` once it was sent, or cannot be (``is_lost``)."""

    __slots__ = ("is_lost", "pcm", "settled")

    def __init__(self, pcm: bytes) -> None:
        self.pcm = pcm
        self.settled = trio.Event()
        self.is_lost = False


class _Goodbye:
    """Closes the connection once everything before it was sent."""


class Connection:
    """One connection after another, until ``run`` is cancelled or the service asks not to reconnect.

    The mutable state is the pure ``ClientState``, the messages to be sent on the current connection, and the
    waiting tasks. The messages to be sent are bounded: by the requests (64), one recovery of each session,
    one message of each topic, a ping, and one block of audio.
    """

    def __init__(self, url: str, *, dial: Dial, backoff: Backoff) -> None:
        self._url = address(url)
        self._dial = dial
        self._reconnection = Reconnection(backoff)
        self._outgoing: deque[ClientMessage | _Block | _Goodbye] = deque()
        self._writable = trio.Event()
        self._waiters: dict[int, _Waiter] = {}
        self._attempt = trio.CancelScope()
        self._abandoned = ""
        self._liveness: Liveness | None = None
        self._retimed = trio.Event()
        self._watched_until = 0.0
        self._finished = trio.Event()
        self._is_closing = False
        self.core = ClientState(Backlog())
        #: Wakes the tasks that wait for an event, a connection or a stream's end.
        self.changed = trio.lowlevel.ParkingLot()
        #: The number of connections on which ``connected`` was received.
        self.generation = 0
        self.state = StateChanged("connecting")
        self.stopped: StoppedError | None = None
        #: The speech streams; each receives the messages about the progress of speech.
        self.speakers: set[Callable[[AudioEnded | AudioStatus | Error | Transcript], None]] = set()

    def statistics(self) -> ClientStatistics:
        """Return the figures of this client."""
        return ClientStatistics(
            state=self.state.state,
            attempt=self.state.attempt,
            connections=self.generation,
            requests=self.core.requests,
            topics=self.core.topics,
            sessions=self.core.sessions(),
            backlog=len(self.core.backlog),
            dropped=self.core.backlog.dropped,
        )

    # For its owner.

    async def next_event(self) -> Event:
        """Return the next event. Raises StoppedError after the last."""
        await trio.lowlevel.checkpoint()
        while True:
            event = self.core.backlog.take()
            if event is not None:
                self.do(self.core.drained(trio.current_time()))
                return event
            if self.stopped is not None:
                raise self.stopped
            await self.changed.park()

    async def live(self) -> None:
        """Wait until ``connected`` was received. Raises StoppedError."""
        await trio.lowlevel.checkpoint()
        while not self.core.is_live:
            if self.stopped is not None:
                raise self.stopped
            await self.changed.park()

    async def exchange(self, message: AnyClientMessage) -> tuple[Message, int]:
        """Send a message; return the reply, and the generation of the connection on which it arrived."""
        await trio.lowlevel.checkpoint_if_cancelled()
        if self.stopped is not None:
            raise self.stopped
        identity, actions = self.core.request(message)
        waiter = self._waiters[identity] = _Waiter()
        self.do(actions)
        try:
            await waiter.arrived.wait()
        finally:
            del self._waiters[identity]
            self.do(self.core.abandon(identity, trio.current_time()))
        if isinstance(waiter.outcome, ClientError):
            raise waiter.outcome
        assert waiter.outcome is not None  # noqa: S101 - set before the event is
        return waiter.outcome, waiter.generation

    def is_current(self, generation: int) -> bool:
        """Whether this is the current connection."""
        return self.core.is_live and generation == self.generation

    async def carry(self, pcm: bytes, generation: int) -> bool:
        """Send a block of audio on one connection; return False if that was lost before."""
        await trio.lowlevel.checkpoint_if_cancelled()
        if not self.is_current(generation):
            return False
        block = _Block(pcm)
        self._put(block)
        await block.settled.wait()
        return not block.is_lost

    def post(self, message: ClientMessage) -> None:
        """Send a message without waiting for a reply; without a connection, do nothing."""
        if self.core.is_live:
            self._put(message)

    def do(self, actions: list[Action]) -> None:
        """Carry out actions."""
        for action in actions:
            match action:
                case Send(message):
                    self._put(message)
                case Settle(identity, outcome):
                    waiter = self._waiters.get(identity)
                    if waiter is not None:
                        waiter.outcome, waiter.generation = outcome, self.generation
                        waiter.arrived.set()
                case Forward(message):
                    for receive in tuple(self.speakers):
                        receive(message)
        due = self.core.next_due()
        if due is not None and due < self._watched_until:
            self._retimed.set()

    async def close(self) -> None:
        """Send what is queued, and close the connection. The caller bounds the time and cancels ``run``."""
        self._is_closing = True
        if self.core.is_live:
            self._put(_Goodbye())
            await self._finished.wait()

    # Connecting.

    async def run(self) -> None:
        """Connect and reconnect, until the service asks not to."""
        try:
            while not self._is_closing:
                self._reconnection.connecting()
                self.core.connecting()
                self._set_state("connecting", reason=self.state.reason)
                code, reason = await self._run_once()
                closing = self.core.closing
                self.do(self.core.lost())
                verdict = self._reconnection.closed(
                    code,
                    reason,
                    trio.current_time(),
                    closing=None if closing is None else (closing.reason, closing.reconnect_after),
                    within=SPEECH_RETRY if self.speakers else float("inf"),
                )
                if isinstance(verdict, Stop):
                    self.stopped = StoppedError(verdict.code, verdict.words)
                    self.do(self.core.stopped(self.stopped))
                    self._set_state("stopped", reason=verdict.words)
                    return
                self._set_state("waiting", retry_in=verdict.seconds, reason=verdict.words)
                if not self._is_closing:
                    await trio.sleep(verdict.seconds)
        finally:
            self._finished.set()

    async def _run_once(self) -> tuple[int, str]:
        """Run one connection to its end; return the close code and reason."""
        ended = (ABNORMAL, "")
        self._abandoned = "The service did not respond in time."
        try:
            within = CONNECT_WITHIN_SPEECH if self.speakers else CONNECT_WITHIN
            with trio.CancelScope(deadline=trio.current_time() + within) as self._attempt:
                async with self._dial(self._url) as socket, trio.open_nursery() as nursery:
                    nursery.start_soon(self._write, socket)
                    ended = await self._read(socket, nursery)
                    nursery.cancel_scope.cancel()
        except DialError as error:
            return (closes.POLICY.code if error.is_final else ABNORMAL), error.reason
        except OSError as error:
            return ABNORMAL, f"The service cannot be reached: {error}."
        finally:
            self._liveness = None
            for item in self._outgoing:
                if isinstance(item, _Block):
                    item.is_lost = True
                    item.settled.set()
            self._outgoing.clear()
        return (ABNORMAL, self._abandoned) if self._attempt.cancelled_caught else ended

    def _abandon(self, words: str) -> None:
        """End the connection without waiting for a close frame: a dead network never sends one."""
        self._abandoned = words
        self._attempt.cancel()

    async def _read(self, socket: Socket, nursery: trio.Nursery) -> tuple[int, str]:
        """Process messages until the connection ends; return the close code and reason."""
        while True:
            try:
                frame = await socket.receive()
                message = decode(frame)
            except SocketClosedError as error:
                return error.code, error.reason
            except BadMessageError as error:
                return _PROTOCOL_ERROR, f"The service sent an invalid message: {error}."
            now = trio.current_time()
            if self._liveness is not None:
                self._liveness.received(now)
            if isinstance(message, Connected):
                quiet = message.ping_interval if message.ping_interval > 0 else QUIET_LIMIT
                self._attempt.deadline = float("inf")
                self._liveness = Liveness(quiet=quiet, now=now)
                self._reconnection.greeted(now)
                self.generation += 1
                self._set_state("live")
                nursery.start_soon(self._watch, self._liveness)
            self.do(self.core.receive(message, len(frame), now))
            self.changed.unpark_all()

    async def _write(self, socket: Socket) -> None:
        """Send the items of ``_outgoing``, in order."""
        while True:
            while self._outgoing:
                item = self._outgoing[0]
                if isinstance(item, _Block) and self._liveness and self._liveness.sent(trio.current_time()):
                    self._retimed.set()
                with trio.move_on_after(SEND_WITHIN) as limit:
                    try:
                        if isinstance(item, _Goodbye):
                            await socket.close(closes.NORMAL.code)
                            return
                        await socket.send(item.pcm if isinstance(item, _Block) else encode(item).decode())
                    except SocketClosedError:
                        return  # the reader gets the reason
                if limit.cancelled_caught:
                    self._abandon("The service stopped reading.")
                    return
                self._outgoing.popleft()
                if isinstance(item, _Block):
                    item.settled.set()
            self._writable = trio.Event()
            await self._writable.wait()

    async def _watch(self, liveness: Liveness) -> None:
        """Ping a silent connection, and retry recoveries without a reply."""
        while True:
            self._retimed = trio.Event()
            self._watched_until = min(liveness.due_at, self.core.next_due() or float("inf"))
            with trio.move_on_at(self._watched_until):
                await self._retimed.wait()
            now = trio.current_time()
            self.do(self.core.tick(now))
            match liveness.look(now):
                case "ask":
                    self.do([self.core.ping()])
                case "die":
                    self._abandon("The service stopped responding.")
                    return
                case None:
                    pass

    def _put(self, item: ClientMessage | _Block | _Goodbye) -> None:
        self._outgoing.append(item)
        self._writable.set()

    def _set_state(self, state: State, *, retry_in: float | None = None, reason: str = "") -> None:
        attempt = 0 if state == "live" else self._reconnection.tries
        self.state = StateChanged(state, retry_in, attempt, reason)
        self.core.backlog.offer(self.state)
        self.changed.unpark_all()
