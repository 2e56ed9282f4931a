"""What the API asks of the bots; :class:`orch.bots.service.BotsService` does it. Pure.

A request reaches any worker; what only the worker that runs the bot can do is forwarded to it.
"""

from typing import Literal, Protocol

from msgspec import Struct

from orch.bots.requests import BotRequest, LanguagesChange, WebcamChange
from orch.bots.shown import BotLive, BotsCounted, BotShown, BotsListed


class CameraFrame(Struct, frozen=True, kw_only=True):
    """The picture of a bot's camera: its number, which grows with each that differs, and the file."""

    number: int
    file: bytes


FrameKind = Literal["png", "jpeg"]


class BotsControl(Protocol):
    """The bots of all workers.

    Error handling: ProblemError. Of every method with a bot: ``unknown_bot``; of commands:
    ``wrong_bot_state`` with the ``command``, the ``state`` and those that are ``expected``, ``bot_silent``,
    ``worker_silent``, ``overloaded``, ``shutting_down``; of all: ``store_unavailable``.
    """

    async def create(self, request: BotRequest) -> tuple[BotShown, bool]:
        """Store a bot that is to join a meeting; return it, and whether it is new.

        With the idempotency key of an earlier request, that one's bot is returned.

        Problems: ``bad_meeting_url``, ``bots_off``, ``browser_missing``, ``too_many_bots``;
        ``idempotency_key_reused`` where the earlier request was another one.
        """

    async def list(self, *, active: bool | None, before: str | None, limit: int) -> BotsListed:
        """Return bots: all (None), those that have not ended, or those that have; after ``before``."""

    async def count(self) -> BotsCounted:
        """Return how many there are in each state."""

    async def get(self, bot_id: str) -> BotLive:
        """Return one bot."""

    async def leave(self, bot_id: str) -> BotShown:
        """Have a bot leave; one that has not started is cancelled, and one that has ended stays as it is."""

    async def pause(self, bot_id: str) -> BotShown:
        """Have a bot capture nothing until it is resumed."""

    async def resume(self, bot_id: str) -> BotShown:
        """Have a paused bot capture again."""

    async def chat(self, bot_id: str, text: str) -> BotShown:
        """Write in the meeting's chat. Returns when the page has accepted it."""

    async def speak(self, bot_id: str, pcm: bytes) -> BotShown:
        """Play 16-bit little-endian mono sound at 16 kHz as the bot's microphone. Returns at its begin."""

    async def change_languages(self, bot_id: str, change: LanguagesChange) -> BotShown:
        """Change the languages of a bot, also in the call."""

    async def change_webcam(self, bot_id: str, change: WebcamChange) -> BotShown:
        """Change what the camera shows, or switch it on or off."""

    async def camera(self, bot_id: str, kind: FrameKind, *, after: int = -1) -> CameraFrame:
        """Return the camera's picture as soon as its number is not ``after``.

        Problems: ``camera_off`` where there is none, also when it ends while this waits;
        ``picture_too_large`` where another worker runs the bot.
        """

    async def delete_data(self, bot_id: str) -> BotShown:
        """Delete what was captured, in every table, file and log. It can be asked for twice."""
