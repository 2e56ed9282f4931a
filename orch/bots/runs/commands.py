"""What a person or a program asks of a bot that runs here."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec
import trio
from msgspec.structs import replace

from orch.bots.ends import EndReason
from orch.bots.media.errors import NoPageError, SpeechCutError
from orch.bots.requests import BotRequest, LanguagesChange, WebcamChange
from orch.bots.runs.journal import OwnerLostError
from orch.bots.runs.parts import CommandFailedError
from orch.bots.states import COMMANDS, FINAL, IN_CALL, Event, State
from orch.problems import ProblemError
from orch.protocol.identifiers import new_name
from orch.stores.bot_records import JSON, SessionEvent

if TYPE_CHECKING:
    from orch.bots.runs.run import BotRun

SPEECHES: Final = 4
"""Speeches of one bot that may wait for each other; more are refused."""

CARRIED_OUT_WITHIN: Final = 20.0
"""Seconds that the page may take for a command."""


def check_state(command: str, state: State) -> None:
    """Raise ``wrong_bot_state`` if a bot in this state cannot carry out a command."""
    expected = COMMANDS[command]
    if state not in expected:
        names = ", ".join(sorted(expected))
        raise ProblemError(
            "wrong_bot_state",
            f"The bot is {state}; {command} needs one of: {names}.",
            command=command,
            state=state.value,
            expected=sorted(expected),
        )


def changed_settings(request: BotRequest, **fields: Any) -> tuple[BotRequest, Callable[[JSON], JSON]]:
    """Return a request with other fields, and what changes the stored settings likewise."""
    built = {name: msgspec.to_builtins(value) for name, value in fields.items()}
    return replace(request, **fields), lambda settings: {**settings, **built}


def applied_webcam(request: BotRequest, change: WebcamChange) -> BotRequest:
    """Return a request with the change of its camera; ``invalid_request`` for a value out of its range."""
    try:
        return replace(request, camera=change.applied_to(request.camera))
    except ValueError as error:
        raise ProblemError("invalid_request", str(error)) from error


class Commands:
    """The commands of one run. The mutable state is the speeches that have not been said."""

    def __init__(self, run: "BotRun") -> None:
        self.run = self._run = run
        self._speeches = 0

    async def leave(self) -> None:
        """Decide that the bot leaves; one that leaves already, or has ended, stays as it is."""
        await self._stored(self._run.leave(EndReason.LEFT_ON_REQUEST))

    async def pause(self) -> None:
        """Capture nothing until it is resumed."""
        check_state("pause", self._run.journal.state)
        if not await self._stored(self._run.advance(Event.PAUSED)):
            check_state("pause", self._run.journal.state)

    async def resume(self) -> None:
        """Capture again."""
        check_state("resume", self._run.journal.state)
        if not await self._stored(self._run.advance(Event.RESUMED)):
            check_state("resume", self._run.journal.state)

    async def chat(self, text: str) -> None:
        """Write in the chat."""
        check_state("chat", self._run.journal.state)
        await self._operate("chat", lambda presence: presence.chat(text))

    async def speak(self, pcm: bytes) -> None:
        """Begin to say sound, after what is being said."""
        check_state("speak", self._run.journal.state)
        if self._speeches >= SPEECHES:
            raise ProblemError("overloaded", f"{SPEECHES} speeches wait already. Wait until they were said.")
        self._speeches += 1  # before the page is waited for: others may come meanwhile
        is_begun = False
        try:
            await self._operate("speak", lambda presence: presence.microphone(is_on=True))
            is_begun = self._run.start_soon(self._say, pcm)
        finally:
            if not is_begun:
                self._speeches -= 1
        if not is_begun:
            check_state("speak", self._run.journal.state)
            raise ProblemError("bot_silent", "The bot is leaving its meeting.")

    async def _say(self, pcm: bytes) -> None:
        try:
            await self._run.channel.speak(pcm)
        except (NoPageError, SpeechCutError) as error:
            await self._note("speech_cut", str(error))
        finally:
            self._speeches -= 1
        presence = self._run.presence
        if presence is not None and not self._speeches and self._run.journal.state in IN_CALL:
            try:
                await presence.microphone(is_on=False)
            except CommandFailedError as error:
                await self._note("microphone_on", str(error))

    async def _note(self, subtype: str, detail: str) -> None:
        """Store an event about a command."""
        await self._run.parts.put(
            SessionEvent(
                event_id=new_name(),
                session_id=self._run.journal.stored.session_id,
                event_type="command",
                event_subtype=subtype,
                at=self._run.parts.wall(),
                source_component="bots",
                event_data={"detail": detail},
                severity="warning",
            )
        )

    async def change_languages(self, change: LanguagesChange) -> None:
        """Use other languages from now on; those of the page's interface when it joins again."""
        run = self._run
        check_state("language", run.journal.state)
        before = run.request.languages
        languages = change.applied_to(before)
        run.request, settings = changed_settings(run.request, languages=languages)
        await self._stored(run.journal.change_settings(settings))
        if run.pipeline is not None:
            await run.pipeline.change_languages(languages)
        code = languages.captions
        if code is None or code == before.captions:
            return
        if run.presence is not None and run.journal.state in IN_CALL:
            await self._operate("language", lambda presence: presence.caption_language(code))

    async def change_webcam(self, change: WebcamChange) -> None:
        """Draw another picture, or none."""
        run = self._run
        if run.journal.state in FINAL:
            raise ProblemError("camera_off", "The bot has ended.")
        request = applied_webcam(run.request, change)
        if request.camera is not None and not run.has_camera:
            raise ProblemError(
                "camera_off", "This bot joined without a camera. Ask for another bot with one."
            )
        run.request, settings = changed_settings(run.request, camera=request.camera)
        await self._stored(run.journal.change_settings(settings))
        if run.pipeline is not None:
            await run.pipeline.change_camera(request.camera)

    async def _operate(self, command: str, operate: Callable[[Any], Any]) -> None:
        presence = self._run.presence
        if presence is None:
            check_state(command, State.RECOVERING)
            raise ProblemError("bot_silent", "The bot has no page now: its browser is started again.")
        try:
            with trio.fail_after(CARRIED_OUT_WITHIN):
                await operate(presence)
        except CommandFailedError as error:
            raise ProblemError("bot_silent", str(error)) from error
        except trio.TooSlowError:
            raise ProblemError(
                "bot_silent", f"The meeting's page did not carry it out within {CARRIED_OUT_WITHIN:g} s."
            ) from None

    async def _stored(self, storing: Any) -> Any:
        try:
            return await storing
        except OwnerLostError:
            raise ProblemError("bot_silent", "Another worker runs this bot now. Try again.") from None
