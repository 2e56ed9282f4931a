"""What one bot's nursery joins: stays in the meeting, and what is made of what is observed there."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import msgspec
import trio
from msgspec import Struct

from orch.bots.bot_traces import BotTraces
from orch.bots.chromium.evidence import Evidence
from orch.bots.control import CameraFrame, FrameKind
from orch.bots.ends import EndReason
from orch.bots.leave_rules import LeaveRules
from orch.bots.lifecycle import Limits
from orch.bots.observations import Observation, SoundObservation
from orch.bots.requests import BotRequest, Languages
from orch.bots.shown import LineShown, MediaShown, QualityShown, SpeakerShown
from orch.bots.webcam.appearance import Appearance
from orch.bots.webcam.canvas import Patch
from orch.stores.bot_records import Captured
from orch.stores.bot_writer import Offload


class Presence(Protocol):
    """A bot's page in its meeting. All methods are bounded in time.

    Error handling of those that operate the page: :class:`CommandFailedError`.
    """

    @property
    def process(self) -> int:
        """The id of its browser's first process; 0: it is not ours."""

    @property
    def is_operable(self) -> bool:
        """Whether the page has been opened, so that it can be operated."""

    async def leave(self) -> None:
        """Leave the meeting as a person would."""

    async def chat(self, text: str) -> None:
        """Write in the chat, to everyone."""

    async def caption_language(self, code: str) -> None:
        """Have the meeting caption another language."""

    async def ask_recording(self) -> None:
        """Ask the host to allow the recording."""

    async def microphone(self, *, is_on: bool) -> None:
        """Switch the bot's microphone on or off in the meeting."""

    async def evidence(self, now: float) -> Evidence:
        """Return what the page shows; raises nothing."""


class CommandFailedError(Exception):
    """The page could not be operated; the text is a sentence for people."""


class MediaChannel(Protocol):
    """Sound from a bot's pages, camera and speech to them; :class:`orch.bots.media.channel.Channel`."""

    scripts: tuple[str, ...]

    async def receive(
        self, observed: Callable[[SoundObservation], Awaitable[None]], clock: Callable[[], float]
    ) -> None:
        """Pass on sound, in order, until cancelled."""

    def own(self, track: str, participant_id: str | None) -> None:
        """Note whose track the page shows one to be."""

    async def show(self, patches: Sequence[Patch]) -> None:
        """Show changed parts of the camera's picture."""

    async def speak(self, pcm: bytes) -> None:
        """Say sound (16-bit mono at 16 kHz); returns when it has been said."""


class Visit(Protocol):
    """What a stay reports to its bot, and the bot's media."""

    url: str
    adapter: str
    bot_id: str

    @property
    def channel(self) -> MediaChannel:
        """The bot's media, for all its pages."""

    @property
    def request(self) -> BotRequest:
        """What the bot was asked for, with the languages as they are now."""

    def clock(self) -> float:
        """Return seconds from the session's start, 0 before."""

    async def ready(self, presence: Presence) -> None:
        """Apply that the browser runs and the page is about to be opened."""

    async def observed(self, observation: Observation) -> None:
        """Apply what the page shows; return when there is room for more."""

    async def over(self, reason: EndReason, detail: str = "") -> None:
        """Apply that the stay is over, while the page still shows why; return when that is stored."""


Stay = Callable[[Visit], Awaitable[None]]
"""Stays in a meeting with one browser until the stay is over.

Resource handling: nothing of the browser is left when it returns or raises. Error handling: errors of
:mod:`orch.bots.chromium.errors`.
"""


class PipelineLive(Struct, frozen=True, kw_only=True):
    """What a bot's page shows of its meeting."""

    people: tuple[SpeakerShown, ...] = ()
    lines: tuple[LineShown, ...] = ()
    quality: QualityShown = QualityShown()
    media: MediaShown = MediaShown()
    camera_frame: int = 0
    utterances: int = 0


class Pipeline(Protocol):
    """What is made of a bot's observations: captions, transcript, translations, camera, records."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run until cancelled; usable once started."""

    async def observe(self, observation: Observation) -> None:
        """Accept an observation, once there is room."""

    def capture(self, *, is_on: bool) -> None:
        """Begin or end to capture. While it is off, nothing that is said is transcribed, shown or stored."""

    def disconnected(self) -> None:
        """Apply that the bot's browser is gone: it sees and hears nobody until it joins again."""

    async def change_languages(self, languages: Languages) -> None:
        """Transcribe and translate other languages from now on."""

    async def change_camera(self, camera: Appearance | None) -> None:
        """Draw another picture, or none."""

    async def finish(self) -> None:
        """Return when what was observed so far has been recorded."""

    def live(self) -> PipelineLive:
        """Return what the bot's page shows."""

    async def camera(self, kind: FrameKind, *, after: int = -1) -> CameraFrame:
        """Return the camera's picture as soon as its number is not ``after``; ``camera_off`` if it is off."""


class Session(Struct, frozen=True, kw_only=True):
    """What a pipeline is made for.

    ``started``: of the session, in seconds since the epoch. ``traceparent``: of the bot's span; "": not
    recorded.
    """

    bot_id: str
    session_id: str
    name: str
    request: BotRequest
    started: float
    clock: Callable[[], float]
    channel: MediaChannel
    metadata: Any = None
    traceparent: str = ""


class RunParts(Struct, frozen=True, kw_only=True):
    """What a bot's nursery needs of its service.

    ``channel``: makes the bot's media channel. ``pipeline``: makes one for a session. ``put``: stores what is
    captured. ``ended``: computes what is computed once. ``store_evidence``: writes files and returns their
    records. ``others``: display names of our other bots in a meeting. ``reachable``: raises
    :class:`~orch.bots.runs.reachability.UnreachableError`. ``offload``: runs what
    blocks. ``no_audio``: seconds without sound, while
    participants speak, after which a bot gives up. ``browser_started``: notes the first process of a browser;
    0: it is none of ours. ``traces``: records the bot.
    """

    stay: Stay
    channel: Callable[[str, BotRequest], AbstractContextManager[MediaChannel]]
    pipeline: Callable[[Session], Awaitable[Pipeline]]
    put: Callable[[Captured], Awaitable[None]]
    ended: Callable[[str], Awaitable[None]]
    store_evidence: Callable[[str, Evidence], Awaitable[Collection[Captured]]]
    others: Callable[[str, str], Collection[str]]
    reachable: Callable[[str], Awaitable[None]]
    offload: Offload
    wall: Callable[[], float]
    limits: Limits
    rules: LeaveRules
    no_audio: float = 60.0
    browser_started: Callable[[int], None] = lambda _process: None
    traces: BotTraces = msgspec.field(default_factory=BotTraces)
