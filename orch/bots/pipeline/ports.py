"""What a bot's pipeline needs of others: the hub, the store, webhooks, the camera in the page. Pure."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from orch.bots.observations import SoundObservation
from orch.bots.webcam.canvas import Patch
from orch.bots.webhooks.payloads import Data, Trigger
from orch.protocol.messages import (
    MeetingMessage,
    ServerMessage,
    SpeakerAudio,
    SpeakerIdentified,
    Transcript,
    Translation,
)
from orch.protocol.terms import Terms
from orch.stores.bot_records import Captured

Published = Transcript | Translation | SpeakerIdentified | MeetingMessage
"""What is stored in the session's history, so that clients recover it."""


class HubSession(Protocol):
    """The hub's session in which a bot publishes, held open while the bot uses it."""

    @property
    def wants_audio(self) -> bool:
        """Whether any participant receives the raw sound of speakers."""

    def languages(self) -> Collection[str]:
        """Return the languages that its participants read now."""

    def growing_languages(self) -> Collection[str]:
        """Return the languages into which growing lines are translated now."""

    def terms(self) -> Terms:
        """Return its names and terms."""

    async def publish(self, message: Published, *, speaker: str) -> object:
        """Store a message and send it to everyone; ``speaker``: whose share of the history it takes.

        ProblemError ``unknown_session``: the session has ended; ``store_unavailable``: try again.
        """

    def send(self, message: ServerMessage) -> None:
        """Send a message to everyone, without storing it; slow clients may miss it."""

    def send_audio(self, message: SpeakerAudio) -> None:
        """Send sound to those who receive it; slow clients may miss it."""


class Hub(Protocol):
    """The hub, as a bot sees it."""

    def attend(self, session_id: str, *, title: str = "") -> AbstractAsyncContextManager[HubSession]:
        """Hold a session open for the block, and create it if there is none."""


class Records(Protocol):
    """Where captured records go: :class:`orch.stores.bot_writer.BotWriter`."""

    async def put(self, record: Captured) -> None:
        """Accept a record, once there is room."""


class Announce(Protocol):
    """Sends webhooks. Called in order, one at a time."""

    async def __call__(self, trigger: Trigger, at: float, data: Data) -> None:
        """``at``: when it happened, seconds since the epoch."""


CameraSink = Callable[[Sequence[Patch]], Awaitable[None]]
"""Shows changed rectangles in the page's camera; the pipeline draws the next ones when it returns."""

SoundSink = Callable[[SoundObservation], Awaitable[None]]
"""Receives the sound that is captured, in order: a recording."""
