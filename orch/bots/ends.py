"""The closed list of reasons why a bot ends. Pure."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from msgspec import Struct

from orch.bots.states import Stage, State


class EndReason(StrEnum):
    """Why a bot ended; its row in :data:`ENDS` says whether it failed, and what a person reads."""

    LEFT_ON_REQUEST = "left_on_request"
    CANCELLED = "cancelled"
    MEETING_ENDED = "meeting_ended"
    REMOVED = "removed"
    ALONE = "alone_timeout"
    ONLY_BOTS = "only_bots_left"
    NOBODY_CAME = "nobody_came"
    SILENCE = "silence_timeout"
    MAX_DURATION = "max_duration"
    RECORDING_REFUSED = "recording_refused"
    NEVER_ADMITTED = "never_admitted"
    ADMISSION_DENIED = "admission_denied"
    LOGIN_REQUIRED = "login_required"
    SIGNED_OUT = "auth_session_missing"
    BLOCKED = "blocked"
    CAPTCHA = "captcha"
    PAGE_CHANGED = "page_changed"
    UNREACHABLE = "meeting_unreachable"
    NO_AUDIO = "no_audio"
    NETWORK_LOST = "network_lost"
    BROWSER_CRASHED = "browser_crashed"
    BROWSER_STALLED = "browser_stalled"
    BROWSER_MISSING = "browser_missing"
    OWNER_LOST = "owner_lost"
    INTERNAL_ERROR = "internal_error"


class End(Struct, frozen=True):
    """One reason: the state it leads to, the stages in which it may arise, and its sentence for people.

    ``has_evidence``: a screenshot, the trimmed DOM and the last log lines are stored with it.
    """

    state: State
    stages: frozenset[Stage]
    sentence: str
    has_evidence: bool = False


_ANY: Final = frozenset(Stage)
_WITH_BROWSER: Final = _ANY - {Stage.BEFORE_START}
_ENTERING: Final = frozenset({Stage.JOIN, Stage.LOBBY, Stage.RECOVERY})
_JOINING: Final = frozenset({Stage.JOIN, Stage.RECOVERY})
_MEETING: Final = frozenset({Stage.MEETING, Stage.RECOVERY})

ENDS: Final[Mapping[EndReason, End]] = {
    EndReason.LEFT_ON_REQUEST: End(State.ENDED, _WITH_BROWSER, "It left because it was asked to."),
    EndReason.CANCELLED: End(
        State.ENDED,
        frozenset({Stage.BEFORE_START}),
        "It was cancelled before it started.",
    ),
    EndReason.MEETING_ENDED: End(State.ENDED, _ENTERING | _MEETING, "The meeting has ended."),
    EndReason.REMOVED: End(State.ENDED, _MEETING, "A participant removed it from the meeting."),
    EndReason.ALONE: End(State.ENDED, _MEETING, "Everyone else had left."),
    EndReason.ONLY_BOTS: End(State.ENDED, _MEETING, "Only bots were left in the meeting."),
    EndReason.NOBODY_CAME: End(State.ENDED, _MEETING, "Nobody else joined the meeting."),
    EndReason.SILENCE: End(State.ENDED, _MEETING, "Nobody had spoken for long."),
    EndReason.MAX_DURATION: End(State.ENDED, _WITH_BROWSER, "It had run for the longest time allowed."),
    EndReason.RECORDING_REFUSED: End(
        State.ENDED, _MEETING, "The participants did not allow it to transcribe, so it left."
    ),
    EndReason.NEVER_ADMITTED: End(
        State.FAILED,
        _ENTERING,
        "Nobody let it in. Ask a participant to admit it, then start it again.",
        has_evidence=True,
    ),
    EndReason.ADMISSION_DENIED: End(
        State.FAILED, _ENTERING, "Someone in the meeting refused to let it in.", has_evidence=True
    ),
    EndReason.LOGIN_REQUIRED: End(
        State.FAILED,
        _JOINING,
        "The meeting admits no guests. Set bots.profile_dir to a signed-in profile.",
        has_evidence=True,
    ),
    EndReason.SIGNED_OUT: End(
        State.FAILED,
        _JOINING,
        "The profile in bots.profile_dir is signed out. Sign it in again.",
        has_evidence=True,
    ),
    EndReason.BLOCKED: End(
        State.FAILED, _ENTERING, "The meeting's provider refused to let it join.", has_evidence=True
    ),
    EndReason.CAPTCHA: End(
        State.FAILED,
        _ENTERING,
        "The meeting's provider asked for a captcha, which it does not solve.",
        has_evidence=True,
    ),
    EndReason.PAGE_CHANGED: End(
        State.FAILED,
        _ENTERING | _MEETING,
        "The meeting's page looks different from what it knows. The evidence shows what it saw.",
        has_evidence=True,
    ),
    EndReason.UNREACHABLE: End(
        State.FAILED,
        frozenset({Stage.BEFORE_START, Stage.START, Stage.JOIN, Stage.RECOVERY}),
        "The meeting's address could not be reached from this machine.",
    ),
    EndReason.NO_AUDIO: End(
        State.FAILED,
        _MEETING,
        "It received no sound from the meeting although participants spoke.",
        has_evidence=True,
    ),
    EndReason.NETWORK_LOST: End(
        State.FAILED, _WITH_BROWSER, "Its connection to the meeting was lost.", has_evidence=True
    ),
    EndReason.BROWSER_CRASHED: End(
        State.FAILED, _WITH_BROWSER, "Its browser crashed more often than it may be started again."
    ),
    EndReason.BROWSER_STALLED: End(
        State.FAILED,
        _WITH_BROWSER,
        "Its browser stopped responding. The machine may lack memory.",
        has_evidence=True,
    ),
    EndReason.BROWSER_MISSING: End(
        State.FAILED,
        frozenset({Stage.BEFORE_START, Stage.START, Stage.RECOVERY}),
        "Chromium could not be started. Install it, or set bots.chromium to where it is.",
    ),
    EndReason.OWNER_LOST: End(
        State.FAILED, _ANY, "The process that ran it ended, and no other could go on with it."
    ),
    EndReason.INTERNAL_ERROR: End(
        State.FAILED,
        _ANY,
        "It failed for a reason of its own, which its events and the log name.",
        has_evidence=True,
    ),
}
