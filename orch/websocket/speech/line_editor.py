"""Corrects and deletes lines for the owner of a session, and has corrected ones translated again."""

from collections.abc import Collection, Iterable
from typing import Final

import msgspec
import structlog
import trio
from msgspec import Struct

from orch.problems import ProblemError
from orch.protocol.messages import (
    AudioStatus,
    CorrectLine,
    DeleteLine,
    SpeakerIdentified,
    Transcript,
    Translation,
    TranslationUsage,
)
from orch.protocol.terms import Terms
from orch.speech.line_edits import corrected, deleted, is_editable
from orch.speech.lines import of_history
from orch.speech.service import SpeechService
from orch.stores.records import Origin
from orch.telemetry.boundaries import Boundary
from orch.websocket.connections.connection import Connection
from orch.websocket.sessions.session import Session
from orch.websocket.sessions.sessions import Sessions
from orch.websocket.speech.speech_streams import SpeechStreams

#: Corrected lines that are translated at a time.
TRANSLATED_AT_ONCE: Final = 32

#: Deleted lines whose translations may still be on their way, and are erased again.
ERASED_LATER: Final = 256

#: Bytes of a history read at a time.
READ_AT_ONCE: Final = 2**20

#: Seconds after which no translation of a deleted line is on its way any more.
LATE: Final = 60.0

_log = structlog.get_logger("websocket")


class _Captioned(Struct):
    """The segment that a stored message is about; None: it is no caption."""

    segment_id: str | None = None


_SEGMENT: Final = msgspec.json.Decoder(_Captioned)


class LineEditor:
    """Handles ``correct_line`` and ``delete_line``. Who may send them is decided before.

    The mutable state is the number of corrected lines that are being translated, at most
    :data:`TRANSLATED_AT_ONCE`, and of deleted ones that are erased again, at most :data:`ERASED_LATER`; above
    these, corrections and deletions are refused.
    """

    def __init__(self, *, sessions: Sessions, streams: SpeechStreams, speech: SpeechService) -> None:
        self._sessions = sessions
        self._streams = streams
        self._speech = speech
        self._translated = 0
        self._erased_later = 0
        self.boundary = Boundary("corrected lines")

    async def correct(self, connection: Connection, message: CorrectLine) -> None:
        """Publish a line with another text; the reply is that ``transcript``. Then have it translated.

        Raises ``unknown_line``, ``invalid_message``, ``rate_limited``.
        """
        async with self._sessions.open(message.session_id) as session:
            line = await self._line(connection, session, message)
            if self._translated >= TRANSLATED_AT_ONCE:
                raise ProblemError(
                    "rate_limited",
                    f"{TRANSLATED_AT_ONCE} corrected lines are being translated. Try again in a moment.",
                )
            try:
                edited = corrected(line, message.text)
            except ValueError as error:
                raise ProblemError(
                    "invalid_message",
                    "$.text: Empty. Send delete_line to delete the line.",
                    path="$.text",
                ) from error
            await self._publish(connection, session, edited, message)
            languages, terms = session.languages(), session.terms
        nursery = self._streams.require_accepting()
        self._translated += 1
        nursery.start_soon(self._translate, edited, languages, terms)

    async def delete(self, connection: Connection, message: DeleteLine) -> None:
        """Publish a line without its text, and erase it from the history; the reply is that ``transcript``.

        Erased again after :data:`LATE` seconds: a translation of it may have been on its way. Raises
        ``unknown_line``, ``rate_limited``.
        """
        async with self._sessions.open(message.session_id) as session:
            line = await self._line(connection, session, message)
            if self._erased_later >= ERASED_LATER:
                raise ProblemError(
                    "rate_limited",
                    f"{ERASED_LATER} lines were deleted within a minute. Try again in a minute.",
                )
            offset = await self._publish(connection, session, deleted(line), message)
            await self._erase(session.session_id, line.segment_id, but=offset)
        nursery = self._streams.require_accepting()
        self._erased_later += 1
        nursery.start_soon(self._erase_late, session.session_id, line.segment_id, offset)

    async def _erase(self, session_id: str, segment_id: str, *, but: int) -> None:
        """Erase all captions of a segment, except the message at offset ``but``."""
        session = await self._sessions.view(session_id)
        after, found = 0, list[int]()
        while stored := await self._sessions.store.read(
            session_id, after=after, until=session.offset, size=READ_AT_ONCE
        ):
            after = stored[-1].offset
            found += [
                each.offset
                for each in stored
                if each.offset != but and _SEGMENT.decode(each.frame).segment_id == segment_id
            ]
            await trio.lowlevel.checkpoint()
        if found:
            await self._sessions.store.erase(session_id, found)

    async def _erase_late(self, session_id: str, segment_id: str, but: int) -> None:
        try:
            await trio.sleep(LATE)
            await self._erase(session_id, segment_id, but=but)
        except ProblemError as error:
            if error.code != "unknown_session":
                _log.warning("translations of a deleted line not erased", reason=error.detail)
        except Exception:  # noqa: BLE001 - one line's boundary
            self.boundary.count()
            _log.exception("translations of a deleted line not erased", session_id=session_id)
        finally:
            self._erased_later -= 1

    async def _line(
        self, connection: Connection, session: Session, message: CorrectLine | DeleteLine
    ) -> Transcript:
        """Return the line that a message names."""
        if message.session_id not in connection.members:
            raise ProblemError(
                "not_in_session", f"Join session {message.session_id} before you edit its lines."
            )
        offset = message.offset
        stored = await self._sessions.store.read(session.session_id, after=offset - 1, until=offset)
        for line in of_history(each.frame for each in stored):
            if isinstance(line, Transcript) and line.segment_id == message.segment_id and is_editable(line):
                return line
        raise ProblemError(
            "unknown_line",
            "This line is gone: it was deleted, or is no longer stored. Nothing was changed.",
        )

    async def _publish(
        self,
        connection: Connection,
        session: Session,
        edited: Transcript,
        message: CorrectLine | DeleteLine,
    ) -> int:
        origin = None if message.id is None else Origin(connection.connection_id, message.id)
        ticket = await self._sessions.begin_publish(session, edited, origin)
        return await ticket.wait()

    async def _translate(self, edited: Transcript, languages: Collection[str], terms: Terms) -> None:
        output = _Output(self._sessions, edited.session_id, languages, terms)
        try:
            await self._speech.translate_line(edited, output)
        except* ProblemError as group:
            # The session has ended, or the store is away.
            _log.warning("corrected line not translated", reason=str(group.exceptions[0]))
        except* Exception:  # noqa: BLE001 - one line's boundary
            self.boundary.count()
            _log.exception("corrected line not translated", session_id=edited.session_id)
        finally:
            self._translated -= 1


class _Output:
    """Where translations of a corrected line go: its session. The output of a stream without sound."""

    def __init__(self, sessions: Sessions, session_id: str, languages: Iterable[str], terms: Terms) -> None:
        self._sessions = sessions
        self._session_id = session_id
        self._languages = tuple(languages)
        self._terms = terms

    def languages(self) -> Collection[str]:
        """Return what the participants read."""
        return self._languages

    def growing_languages(self) -> Collection[str]:
        """Return none: a corrected line does not grow."""
        return ()

    def terms(self) -> Terms:
        """Return the session's names and terms."""
        return self._terms

    async def publish(self, message: Transcript | Translation | SpeakerIdentified) -> int:
        """Publish a translation."""
        return await self._sessions.publish(self._session_id, message)

    def send(self, message: Transcript | Translation | TranslationUsage | AudioStatus) -> None:
        """Do nothing: a corrected line has no revisions."""

    def acknowledge(self, status: AudioStatus) -> None:
        """Do nothing: there is no speaker to notify."""
