"""The client's public interface."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Self, TypeVar

import msgspec
import trio
from msgspec import UNSET, Raw, UnsetType

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
from orch.client.session_requests import OpenedCode, SearchResult, SessionDetails, SessionRequests
from orch.client.speech import SpeechStream, speaking
from orch.client.transport import Dial, dial
from orch.protocol.messages import (
    AnyClientMessage,
    AudioReceiving,
    AudioStart,
    Broadcast,
    CreateSession,
    EndSession,
    JoinSession,
    LeaveSession,
    ModerationChanged,
    MuteParticipant,
    NameSpeaker,
    NewKeys,
    Ping,
    PipelineChoice,
    PipelineSet,
    ReceiveAudio,
    RemoveParticipant,
    RenameParticipant,
    ServiceMessage,
    ServiceResponse,
    SessionCreated,
    SessionJoined,
    SessionKeys,
    SessionLeft,
    SessionMessage,
    SessionTitled,
    SetPipeline,
    SetSession,
    SetTerms,
    SpeakerNamed,
    Speaking,
    Subscribe,
    TermsSet,
    TitleSession,
    Unmute,
)
from orch.protocol.terms import Term

Reply = TypeVar("Reply")


class Client:
    """A client of the service, which is iterated over for events: see ``connect``.

    Errors of its methods: RefusedError (the service replied ``error``; ``code`` says which),
    ConnectionLostError (the message was sent, and whether it was carried out is not known),
    TooManyRequestsError (64 requests are waiting) and StoppedError (the service asked not to reconnect).
    Without a connection they wait for one. Nothing is sent twice. Cancelling a request that was sent does not
    undo it.
    """

    def __init__(self, connection: Connection, requests: SessionRequests) -> None:
        self._connection = connection
        self._requests = requests

    # Events.

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
        """The state of the connection."""
        return self._connection.state

    def statistics(self) -> ClientStatistics:
        """Return the figures of this client."""
        return self._connection.statistics()

    # Requests.

    async def request(self, message: AnyClientMessage) -> Message:
        """Send a message and return the reply."""
        reply, _ = await self._connection.exchange(message)
        return reply

    async def create(
        self,
        session_id: str | None = None,
        *,
        name: str | None = None,
        languages: Sequence[str] = (),
        growing: bool = False,
        config: dict[str, Any] | None = None,
        terms: Iterable[Term] = (),
        pipeline: PipelineChoice | None = None,
    ) -> SessionCreated:
        """Create a session and join it; ``keys`` in the reply let others join.

        ``languages``: the languages that this participant reads; ``growing``: lines are also translated into
        them while they grow. ``terms``: the session's names and terms. ``pipeline``: what its
        speech passes through, a preset's name or exported settings.
        """
        message = CreateSession(
            session_id=session_id,
            name=name,
            languages=tuple(languages),
            growing=growing,
            config=config or {},
            terms=tuple(terms),
            pipeline=pipeline,
        )
        return await self._ask(SessionCreated, message)

    async def join(
        self,
        session_id: str,
        *,
        key: str | None = None,
        name: str | None = None,
        languages: Sequence[str] = (),
        growing: bool = False,
        observe: bool = False,
        history: bool = False,
        recovery_token: str | None = None,
    ) -> SessionJoined:
        """Join a session; with ``history``, its stored messages are delivered as events.

        ``HistoryDelivered`` follows the last of them; the reply has only the first ones.

        ``growing``: lines are also translated into ``languages`` while they grow.

        ``key``: the session's speak or read key, which is needed from another machine. The reply's ``keys``
        and ``role`` show what it gives access to. ``recovery_token``: of an earlier reply, to be the same
        participant as before; then no key is needed, and the session may be locked.
        """
        message = JoinSession(
            session_id=session_id,
            key=key,
            name=name,
            languages=tuple(languages),
            growing=growing,
            role="observer" if observe else "participant",
            history=history,
            recovery_token=recovery_token,
        )
        return await self._ask(SessionJoined, message)

    async def leave(self, session_id: str) -> None:
        """Leave a session."""
        await self._ask(SessionLeft, LeaveSession(session_id=session_id))

    async def broadcast(self, session_id: str, data: Any) -> SessionMessage:
        """Send ``data`` (JSON) to all in the session, including this client; return the stored message."""
        message = Broadcast(session_id=session_id, data=Raw(msgspec.json.encode(data)))
        return await self._ask(SessionMessage, message)

    async def name_speaker(self, session_id: str, speaker_label: str, name: str) -> SpeakerNamed:
        """Give a speaker at a shared microphone a name, for everyone; an empty one takes it back."""
        message = NameSpeaker(session_id=session_id, speaker_label=speaker_label, name=name)
        return await self._ask(SpeakerNamed, message)

    async def title_session(self, session_id: str, title: str) -> SessionTitled:
        """Give a session a title, for everyone; an empty one removes it. For its owner and operators."""
        return await self._ask(SessionTitled, TitleSession(session_id=session_id, title=title))

    # For the owner of a session, and for operators.

    async def set_session(
        self, session_id: str, *, locked: bool | None = None, speaking: Speaking | None = None
    ) -> ModerationChanged:
        """Lock or unlock a session, and decide who may speak: ``everyone``, or only the ``host``."""
        return await self._ask(
            ModerationChanged, SetSession(session_id=session_id, locked=locked, speaking=speaking)
        )

    async def mute(self, session_id: str, participant_id: str | None = None) -> ModerationChanged:
        """Mute a participant; None: all who may speak now, except owners."""
        return await self._ask(
            ModerationChanged, MuteParticipant(session_id=session_id, participant_id=participant_id)
        )

    async def let_speak(self, session_id: str, participant_id: str) -> ModerationChanged:
        """Let a muted participant speak."""
        message = MuteParticipant(session_id=session_id, participant_id=participant_id, muted=False)
        return await self._ask(ModerationChanged, message)

    async def unmute(self, session_id: str) -> ModerationChanged:
        """Take back that the host has muted this client; refused with ``muted`` if the host forbids it."""
        return await self._ask(ModerationChanged, Unmute(session_id=session_id))

    async def remove(
        self, session_id: str, participant_id: str, *, new_keys: bool = False
    ) -> ModerationChanged:
        """Remove a participant; ``new_keys``: so that they cannot join again with their link."""
        message = RemoveParticipant(session_id=session_id, participant_id=participant_id, new_keys=new_keys)
        return await self._ask(ModerationChanged, message)

    async def rename_participant(self, session_id: str, participant_id: str, name: str) -> ModerationChanged:
        """Give another participant a name, also in earlier lines."""
        message = RenameParticipant(session_id=session_id, participant_id=participant_id, name=name)
        return await self._ask(ModerationChanged, message)

    async def new_keys(self, session_id: str) -> SessionKeys:
        """Replace a session's keys: former links and codes stop, participants stay."""
        return await self._ask(SessionKeys, NewKeys(session_id=session_id))

    async def end(self, session_id: str) -> ModerationChanged:
        """End a session for everyone; ``SessionLeft`` follows once the last words are transcribed."""
        return await self._ask(ModerationChanged, EndSession(session_id=session_id))

    async def set_pipeline(self, session_id: str, pipeline: PipelineChoice | None) -> PipelineSet:
        """Have a session's speech pass through another pipeline, or through none."""
        return await self._ask(PipelineSet, SetPipeline(session_id=session_id, pipeline=pipeline))

    async def set_terms(self, session_id: str, terms: Iterable[Term]) -> TermsSet:
        """Replace the names and terms of a session; return the reply once they are stored."""
        return await self._ask(TermsSet, SetTerms(session_id=session_id, terms=tuple(terms)))

    async def ask_service(
        self, service: str, action: str, payload: dict[str, Any] | None = None
    ) -> ServiceResponse:
        """Send a request to a back end through the gateway."""
        message = ServiceMessage(target_service=service, action=action, payload=payload)
        return await self._ask(ServiceResponse, message)

    async def ping(self) -> float:
        """Return the seconds of a round trip."""
        begun = trio.current_time()
        await self.request(Ping())
        return trio.current_time() - begun

    async def subscribe(self, topic: str) -> None:
        """Receive a topic's state now and whenever it changes, also after a lost connection."""
        if not self._connection.core.follow(topic):
            await trio.lowlevel.checkpoint()
            return
        try:
            await self.request(Subscribe(topic=topic))
        except ConnectionLostError:
            pass  # the next connection subscribes to all followed topics
        except RefusedError:
            self._connection.core.unfollow(topic, is_refused=True)
            raise
        except BaseException:
            self.unsubscribe(topic)
            raise

    def unsubscribe(self, topic: str) -> None:
        """Undo one ``subscribe``."""
        self._connection.do(self._connection.core.unfollow(topic))

    def speak(
        self,
        session_id: str,
        *,
        sample_rate: int,
        source_language: str = "auto",
        target_languages: Sequence[str] = (),
        diarization: bool = False,
        pipeline: PipelineChoice | UnsetType | None = UNSET,
    ) -> AbstractAsyncContextManager[SpeechStream]:
        """Speak in a session for the block, with ``sample_rate`` samples a second.

        The block begins when the service has started the stream. After it, the last words are waited for.
        ``diarization``: several people speak, and the transcripts should say which (``speaker_label``).
        ``pipeline``: what this stream passes through in place of what the session's do; None: nothing.
        """
        start = AudioStart(
            session_id=session_id,
            sample_rate=sample_rate,
            source_language=source_language,
            target_languages=tuple(target_languages),
            diarization=diarization,
            pipeline=pipeline,
        )
        return speaking(self._connection, start)

    async def receive_audio(self, session_id: str, *, enabled: bool = True) -> AudioReceiving:
        """Receive the sound of a meeting that a bot publishes in a session, or (``enabled`` False) no longer.

        ``SpeakerAudio`` events follow, of each track: ``data`` is 16-bit little-endian mono PCM, ``first`` is
        the number of its first sample. Where that is higher than expected, sound is missing, as it is after a
        lost connection.

        It is requested again on every connection on which the session is recovered; if that is refused, an
        ``Error`` event says so. After ``Lost``, join and request it again. For those who may speak in the
        session.
        """
        return await self._ask(AudioReceiving, ReceiveAudio(session_id=session_id, enabled=enabled))

    # Requests over HTTP, which need no connection and no membership.

    async def enter_code(self, code: str) -> OpenedCode:
        """Return the session that a short code opens, with the key to ``join`` it."""
        return await self._requests.enter_code(code)

    async def session(self, session_id: str, *, key: str | None = None) -> SessionDetails:
        """Return a session's title, times and number of participants; ``key`` as in ``join``."""
        return await self._requests.session(session_id, key)

    async def search(self, session_id: str, query: str, *, key: str | None = None) -> SearchResult:
        """Return the stored lines that have the words, in the original or a translation.

        Case and accents make no difference. The first 20 lines are returned, and the number of all. ``key``
        as in ``join``.
        """
        return await self._requests.search(session_id, query, key)

    # Sessions that outlive this object.

    def credentials(self, session_id: str) -> tuple[str, str] | None:
        """Return the token and epoch for ``resume``, or None if the client is not in the session."""
        return self._connection.core.credentials(session_id)

    def resume(self, session_id: str, *, token: str, epoch: str, offset: int) -> None:
        """Join a session again that an earlier client was in, as the same participant.

        ``offset``: of the last message that was processed. All messages since then follow and ``Recovered``,
        or ``Lost``.
        """
        core = self._connection.core
        self._connection.do(
            core.resume(session_id, token=token, epoch=epoch, offset=offset, now=trio.current_time())
        )

    async def _ask(self, kind: type[Reply], message: AnyClientMessage) -> Reply:
        answer = await self.request(message)
        if not isinstance(answer, kind):
            raise BadMessageError(f"{message} got the reply {answer}.")
        return answer


@asynccontextmanager
async def connect(url: str, *, dial: Dial = dial, backoff: Backoff | None = None) -> AsyncIterator[Client]:
    """Connect to the service at ``url`` (``http://host:3000``) for the block.

    The connection is made in the background, and again whenever it is lost, as the close code asks (see
    ``closes.py``), after ``closing.reconnect_after`` or a full-jitter back-off. Then every session is
    recovered and every topic subscribed to again. Messages of a session are delivered in order and exactly
    once; if some are no longer available, ``Lost`` reports it.

    The client is iterated over for events: the service's messages other than replies, ``StateChanged``,
    ``Recovered``, ``HistoryDelivered`` and ``Lost``. At most 4,096 events and 16 MiB are stored unread: of
    states (topics, participants, progress) the last one each; of session messages the first ones, and the
    rest is requested again once half of them have been read; other messages are dropped and counted.

    Resource handling: at the end of the block, queued messages are sent and the connection is closed, within
    2 seconds.

    Raises ValueError for an invalid address. A service that cannot be reached raises nothing: ``state`` has
    the reason, and ``live`` waits for a connection.
    """
    connection = Connection(url, dial=dial, backoff=backoff or Backoff())
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(connection.run)
        try:
            yield Client(connection, SessionRequests(url))
        except Exception as error:  # noqa: BLE001 - raised again below, not wrapped in a group
            failure = error
        else:
            with trio.move_on_after(CLOSE_WITHIN):
                await connection.close()
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure
