"""A bot as the API, the topics of the hub and the pages show it. Pure."""

from typing import Any

from msgspec import Struct, field

from orch.bots.ends import EndReason
from orch.bots.requests import Languages, Recording
from orch.bots.states import Stage, State
from orch.bots.webcam.appearance import Appearance


class EndShown(Struct, frozen=True, kw_only=True):
    """Why a bot has ended, or why it leaves. ``sentence``: for people."""

    reason: EndReason
    stage: Stage
    sentence: str
    has_evidence: bool = False


class SpeakerShown(Struct, frozen=True, kw_only=True):
    """A participant. ``spoke``: seconds so far."""

    id: str
    name: str
    is_present: bool
    is_speaking: bool = False
    is_presenting: bool = False
    is_bot: bool = False
    spoke: float = 0.0


class QualityShown(Struct, frozen=True, kw_only=True):
    """How well words are attributed. None: not known yet.

    ``offset``: seconds by which the meeting's captions are later than the sound; ``drift_ppm``: of the two
    clocks. ``words``: transcribed; ``named``: of these, with a name; ``revised``: names changed after they
    were shown.
    """

    words: int = 0
    named: int = 0
    revised: int = 0
    offset: float | None = None
    drift_ppm: float | None = None


class MediaShown(Struct, frozen=True, kw_only=True):
    """What arrived. Sound in seconds; ``lost``: marked as missing."""

    tracks: int = 0
    sound: float = 0.0
    lost: float = 0.0
    frames: int = 0
    memory: int | None = None
    processor: float | None = None


class BotShown(Struct, frozen=True, kw_only=True):
    """A bot. Times in seconds since the epoch.

    ``position``: in the queue, from 1, while it waits for a place. ``can``: names of the commands that its
    state allows (:data:`orch.bots.states.COMMANDS`). ``worker``: which runs it.
    """

    bot_id: str
    session_id: str
    name: str
    meeting_url: str
    state: State
    since: float
    requested_at: float
    revision: int
    can: tuple[str, ...] = ()
    due_at: float | None = None
    position: int | None = None
    admitted_at: float | None = None
    ended_at: float | None = None
    recoveries: int = 0
    lost_to: EndReason | None = None
    end: EndShown | None = None
    languages: Languages = Languages()
    camera: Appearance | None = None
    recording: Recording = Recording()
    people: int = 0
    utterances: int = 0
    metadata: dict[str, Any] = field(default_factory=dict)


class LineShown(Struct, frozen=True, kw_only=True):
    """An utterance as known now. ``start``, ``end``: seconds from the session's start.

    ``speaker``: None: withheld. ``translations``: by language.
    """

    segment: str
    revision: int
    is_final: bool
    text: str
    start: float
    end: float
    speaker: str | None = None
    speaker_id: str | None = None
    language: str | None = None
    confidence: float | None = None
    translations: dict[str, str] = field(default_factory=dict)


class BotLive(Struct, frozen=True, kw_only=True):
    """One bot as its page shows it, the state of the topic ``bots/ID``.

    ``lines``: the last ones, the newest last; all of them are in the transcript. ``is_here``: what
    is live is here: a worker runs it, this one or one that replied.
    """

    bot: BotShown
    is_here: bool
    people: tuple[SpeakerShown, ...] = ()
    lines: tuple[LineShown, ...] = ()
    quality: QualityShown = QualityShown()
    media: MediaShown = MediaShown()
    camera_frame: int = 0
    recording_allowed: bool | None = None


class BotsListed(Struct, frozen=True, kw_only=True):
    """Bots, the active ones first, then those that ended last: the state of the topic ``bots``.

    ``limit``: how many run at a time. ``unavailable``: why no bot can be started now, for operators; "" if
    one can. ``more``: there are older ones. ``demo_meeting``: the URL of the demo's meeting to send a bot to;
    "" outside of the demo.
    """

    now: float
    limit: int
    running: int
    waiting: int
    bots: tuple[BotShown, ...]
    unavailable: str = ""
    more: bool = False
    demo_meeting: str = ""


class BotsCounted(Struct, frozen=True, kw_only=True):
    """How many bots there are.

    ``limit``: that run at a time; ``queue_limit``: that wait for a place. ``states``: by state, without those
    of none. ``unavailable``: as in :class:`BotsListed`. ``last_failed``: of the last
    bots that have ended, the one that failed last.
    """

    now: float
    limit: int
    queue_limit: int
    running: int
    waiting: int
    states: dict[str, int]
    unavailable: str = ""
    last_failed: BotShown | None = None
