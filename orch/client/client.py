"""The client's public interface."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Self, TypeVar

import msgspec
import trio
from msgspec import Raw

from orch.client.connection import CLOSE_WITHIN, ClientStatistics, Connection
from orch.client.events import (
    BadMessageError,
    ConnectionLostError,
    Event,
    Message,
    RefusedError,
    StateChanged,
)
from orch.client.reconnect_policy import Backoff
from orch.client.speech import SpeechStream, speaking
from orch.client.transport import Dial, dial
from orch.protocol.messages import (
    AnyClientMessage,
    AudioStart,
    Broadcast,
    CreateSession,
    JoinSession,
    LeaveSession,
    Ping,
    ServiceMessage,
    ServiceResponse,
    SessionCreated,
    SessionJoined,
    SessionLeft,
    SessionMessage,
    Subscribe,
)

Answer = TypeVar("Answer")


class Client:
    """A client of the service, iterated over for what it is told: see ``connect``.

    Errors of what it does: RefusedError (the service answered ``error``; ``code`` says which),
    ConnectionLostError (it was sent, and whether it was carried out is not known), TooManyRequestsError
    (64 wait) and StoppedError (the service said not to come back). Without a connection it waits for one.
    Nothing is sent twice. Who cancels something that was sent takes nothing back.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # What it is told.

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        """Return the next event. Raises StoppedError after the last."""
        return await self._connection.next_event()

    async def live(self) -> None:
        """Wait until there is a connection. Raises StoppedError."""
        await self._connection.live()

    @property
    def state(self) -> StateChanged:
        """How the connection is."""
        return self._connection.state

    def statistics(self) -> ClientStatistics:
        """Return what it holds."""
        return self._connection.statistics()

    # What it does.

    async def request(self, message: AnyClientMessage) -> Message:
        """Send a message and return its answer."""
        answer, _ = await self._connection.exchange(message)
        return answer

    async def create(
        self,
        session_id: str | None = None,
        *,
        name: str | None = None,
        languages: Sequence[str] = (),
        config: dict[str, Any] | None = None,
    ) -> SessionCreated:
        """Begin a session and be in it; ``keys`` in the answer let others in.

        ``languages``: what this participant reads.
        """
        message = CreateSession(
            session_id=session_id, name=name, languages=tuple(languages), config=config or {}
        )
        return await self._ask(SessionCreated, message)

    async def join(
        self,
        session_id: str,
        *,
        key: str | None = None,
        name: str | None = None,
        languages: Sequence[str] = (),
        observe: bool = False,
        history: bool = False,
    ) -> SessionJoined:
        """Be in a session; with ``history``, what it keeps of before is told too, as events.

        ``HistoryDelivered`` follows the last of them; the answer has the first ones at most.

        ``key``: the session's speak or read key, which from another machine is needed. The answer's ``keys``
        and ``role`` say what it gave.
        """
        message = JoinSession(
            session_id=session_id,
            key=key,
            name=name,
            languages=tuple(languages),
            role="observer" if observe else "participant",
            history=history,
        )
        return await self._ask(SessionJoined, message)

    async def leave(self, session_id: str) -> None:
        """Be in a session no more."""
        await self._ask(SessionLeft, LeaveSession(session_id=session_id))

    async def broadcast(self, session_id: str, data: Any) -> SessionMessage:
        """Say ``data`` (JSON) to all in the session, this client too; return it once it is kept."""
        message = Broadcast(session_id=session_id, data=Raw(msgspec.json.encode(data)))
        return await self._ask(SessionMessage, message)

    async def ask_service(
        self, service: str, action: str, payload: dict[str, Any] | None = None
    ) -> ServiceResponse:
        """Ask a back end through the gateway."""
        message = ServiceMessage(target_service=service, action=action, payload=payload)
        return await self._ask(ServiceResponse, message)

    async def ping(self) -> float:
        """Return the seconds that a round trip took."""
        begun = trio.current_time()
        await self.request(Ping())
        return trio.current_time() - begun

    async def subscribe(self, topic: str) -> None:
        """Be told a topic's state now and whenever it changes, also after a lost connection."""
        if not self._connection.core.follow(topic):
            await trio.lowlevel.checkpoint()
            return
        try:
            await self.request(Subscribe(topic=topic))
        except ConnectionLostError:
            pass  # the next connection subscribes to all that is followed
        except RefusedError:
            self._connection.core.unfollow(topic, is_refused=True)
            raise
        except BaseException:
            self.unsubscribe(topic)
            raise

    def unsubscribe(self, topic: str) -> None:
        """Take one ``subscribe`` back."""
        self._connection.do(self._connection.core.unfollow(topic))

    def speak(
        self,
        session_id: str,
        *,
        sample_rate: int,
        source_language: str = "auto",
        target_languages: Sequence[str] = (),
    ) -> AbstractAsyncContextManager[SpeechStream]:
        """Speak in a session for the block, as many samples a second as ``sample_rate`` says.

        The block begins when the service listens. After it, the last words are waited for.
        """
        start = AudioStart(
            session_id=session_id,
            sample_rate=sample_rate,
            source_language=source_language,
            target_languages=tuple(target_languages),
        )
        return speaking(self._connection, start)

    # Sessions beyond this object's life.

    def credentials(self, session_id: str) -> tuple[str, str] | None:
        """Return the token and epoch for ``resume``, or None if the client is not in the session."""
        return self._connection.core.credentials(session_id)

    def resume(self, session_id: str, *, token: str, epoch: str, offset: int) -> None:
        """Be in a session again that an earlier client was in, as the same participant.

        ``offset``: of the last message that was worked off. All since then follows and ``Recovered``, or
        ``Lost``.
        """
        core = self._connection.core
        self._connection.do(
            core.resume(session_id, token=token, epoch=epoch, offset=offset, now=trio.current_time())
        )

    async def _ask(self, kind: type[Answer], message: AnyClientMessage) -> Answer:
        answer = await self.request(message)
        if not isinstance(answer, kind):
            raise BadMessageError(f"{message} was answered with {answer}.")
        return answer


@asynccontextmanager
async def connect(url: str, *, dial: Dial = dial, backoff: Backoff | None = None) -> AsyncIterator[Client]:
    """Be a client of the service at ``url`` (``http://host:3000``) for the block.

    The connection is made in the background and again whenever it is lost, as the close code asks (see
    ``closes.py``), after ``closing.reconnect_after`` or a full-jitter back-off. Then every session is
    recovered and every topic subscribed to again. Messages of a session come in order and exactly once; where
    some cannot be had, ``Lost`` says so.

    The client is iterated over for events: the service's messages other than answers, ``StateChanged``,
    ``Recovered``, ``HistoryDelivered`` and ``Lost``. Of those that are not taken 4,096 and 16 MiB are held:
    of states (topics, participants, progress) the last one each, of session messages the first ones, and the
    rest is asked for again once half has been taken; other messages are dropped and counted.

    Resource handling: the block's end writes what waits and closes the connection, within 2 seconds.

    Raises ValueError for an address that is none. A service that cannot be reached raises nothing: ``state``
    says why, and ``live`` waits for it.
    """
    connection = Connection(url, dial=dial, backoff=backoff or Backoff())
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(connection.run)
        try:
            yield Client(connection)
        except Exception as error:  # noqa: BLE001 - raised again below, not wrapped in a group
            failure = error
        else:
            with trio.move_on_after(CLOSE_WITHIN):
                await connection.close()
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure
