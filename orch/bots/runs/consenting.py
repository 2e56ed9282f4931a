"""Carries out what :mod:`orch.bots.runs.consent` decides, for one bot."""

from typing import TYPE_CHECKING, Final

import structlog
import trio
from msgspec.structs import replace

from orch.bots.ends import EndReason
from orch.bots.observations import ChatSeen, RecordingAnswered
from orch.bots.runs.consent import RETRIES, Progress, Step, announced_in, announcement, is_opt_out, next_step
from orch.bots.runs.parts import CommandFailedError
from orch.bots.states import Event, State
from orch.protocol.identifiers import new_name
from orch.stores.bot_records import Consent, ConsentAction, SessionEvent

if TYPE_CHECKING:
    from orch.bots.runs.run import BotRun

ASKED_AGAIN: Final = 60.0
"""Seconds after a request to the host that could not be made, until the next one."""

_CAPTURES: Final = (State.CAPTURING, State.PAUSED)
_log = structlog.get_logger(__name__)


class Consenting:
    """The consent of one bot's meeting. The mutable state is the progress, which starts again with each page.

    That a participant has opted out is never forgotten.
    """

    def __init__(self, run: "BotRun", *, has_opt_out: bool) -> None:
        self._run = run
        self.progress = Progress(has_opt_out=has_opt_out)

    @property
    def allowed(self) -> bool | None:
        """Whether the bot may capture; None: it is not known yet."""
        if self.progress.has_opt_out or self.progress.answer is False:
            return False
        return True if self._run.journal.state in _CAPTURES else None

    def forget_page(self) -> None:
        """Start again: another page joins, and its participants have read nothing of what this one wrote."""
        self.progress = Progress(has_opt_out=self.progress.has_opt_out)

    async def run(self) -> None:
        """Do the next step whenever there is one, until cancelled."""
        while True:
            changed = self._run.changed
            presence = self._run.presence
            if self._run.journal.state is State.IN_CALL_NOT_RECORDING and presence is not None:
                match next_step(self._run.request.consent, self.progress):
                    case Step.ANNOUNCE:
                        await self._announce()
                        continue
                    case Step.ASK:
                        await self._ask()
                        continue
                    case Step.CAPTURE:
                        await self._capture()
                        continue
                    case Step.GIVE_UP:
                        await self._run.leave(
                            EndReason.PAGE_CHANGED,
                            "The announcement could not be written in the chat. Ask for a bot that does not"
                            " announce itself (consent.announce: false) if the meeting has no chat.",
                        )
                    case Step.STOP | Step.WAIT:
                        pass
            await changed.wait()

    async def answered(self, answer: RecordingAnswered) -> None:
        """Apply that the host has allowed or refused, or has withdrawn what was allowed."""
        if self.progress.answer is answer.is_allowed:
            return
        was_allowed = self.progress.answer is True
        self.progress = replace(self.progress, answer=answer.is_allowed)
        action: ConsentAction = "granted" if answer.is_allowed else "withdrawn" if was_allowed else "refused"
        if answer.is_allowed:
            self._run.note_refusal(is_refused=self.progress.has_opt_out)
        else:
            await self._stop()
        await self._record(action, name=answer.by or None)
        self._run.notify()

    async def chatted(self, message: ChatSeen) -> None:
        """Apply what somebody has written in the chat, perhaps the word that opts out."""
        row = announced_in(self._run.request.languages)
        if self.progress.has_opt_out or not is_opt_out(message.text, row):
            return
        self.progress = replace(self.progress, has_opt_out=True)
        await self._stop()
        await self._record(
            "opted_out", participant=message.sender_id, name=message.sender, statement=message.text
        )
        self._run.notify()

    async def _stop(self) -> None:
        """Capture nothing more, and count the time until the bot leaves."""
        self._run.stop_capture()
        self._run.note_refusal(is_refused=True)
        if self._run.journal.state in _CAPTURES:
            await self._run.advance(Event.RECORDING_REFUSED)

    async def _announce(self) -> None:
        presence = self._run.presence
        if presence is None:
            return
        request = self._run.request
        text, row = announcement(request.languages, is_recorded=request.recording.audio != "none")
        try:
            await presence.chat(text)
        except CommandFailedError as error:
            if self._run.presence is not presence:
                return
            failures = self.progress.failures + 1
            self.progress = replace(self.progress, failures=failures)
            await self._note("announcement_failed", str(error))
            if failures <= len(RETRIES):
                await trio.sleep(RETRIES[failures - 1])
            return
        if self._run.presence is presence:
            self.progress = replace(self.progress, is_announced=True)
        await self._record("announced", statement=text, language=row.language)

    async def _ask(self) -> None:
        presence = self._run.presence
        if presence is None:
            return
        try:
            await presence.ask_recording()
        except CommandFailedError as error:
            await self._note("request_failed", str(error))
            with trio.move_on_after(ASKED_AGAIN):
                while self._run.presence is presence and self._is_to_ask():
                    await self._run.changed.wait()
            return
        if self._run.presence is presence:
            self.progress = replace(self.progress, is_asked=True)

    def _is_to_ask(self) -> bool:
        run = self._run
        is_waiting = run.journal.state is State.IN_CALL_NOT_RECORDING
        return is_waiting and next_step(run.request.consent, self.progress) is Step.ASK

    async def _capture(self) -> None:
        """Capture; a bot that was paused before it was out of the call is paused again."""
        was_paused = self._run.journal.stored.was_paused
        if await self._run.advance(Event.RECORDING_ALLOWED) and was_paused:
            await self._run.advance(Event.PAUSED)

    async def _record(
        self,
        action: ConsentAction,
        *,
        participant: str | None = None,
        name: str | None = None,
        statement: str = "",
        language: str | None = None,
    ) -> None:
        parts = self._run.parts
        await parts.put(
            Consent(
                consent_id=new_name(),
                session_id=self._run.journal.stored.session_id,
                action=action,
                at=parts.wall(),
                participant_id=participant,
                participant_name=name,
                language_code=language,
                statement=statement,
            )
        )

    async def _note(self, subtype: str, detail: str) -> None:
        """Store an event of the session, and log it."""
        _log.warning("consent", bot=self._run.bot_id, step=subtype)
        await self._run.parts.put(
            SessionEvent(
                event_id=new_name(),
                session_id=self._run.journal.stored.session_id,
                event_type="consent",
                event_subtype=subtype,
                at=self._run.parts.wall(),
                source_component="bots",
                event_data={"detail": detail},
                severity="warning",
            )
        )
