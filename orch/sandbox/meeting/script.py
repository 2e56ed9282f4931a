"""The script of a meeting: who takes part, who speaks which clip when, and what happens to a guest. Pure.

A script is YAML; :func:`orch.sandbox.meeting.script_decoding.decode_script` returns a :class:`Script`, or all
faults. Times are seconds from the start of the meeting. Shares are between 0 and 1.
"""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from orch.settings import Fault

LONGEST: Final = 86_400.0
"""Seconds of the longest meeting."""

MOST_SAID: Final = 20_000
"""Utterances of one script; three hours with one each second have 10,800."""

Seconds = Annotated[float, Meta(ge=0, le=LONGEST)]
Share = Annotated[float, Meta(ge=0, le=1)]
Identifier = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,40}\Z")]
Name = Annotated[str, Meta(min_length=1, max_length=120)]
Text = Annotated[str, Meta(min_length=1, max_length=2000)]
Code = Annotated[str, Meta(pattern=r"^[a-z]{3}-[a-z]{4}-[a-z]{3}\Z")]

JoinButton = Literal["join_now", "ask_to_join", "ask_to_join_anyway"]
Verdict = Literal["admit", "deny", "silence"]
Consent = Literal["cookies", "devices", "recording"]
Captcha = Literal["none", "harmless", "blocking"]
Mode = Literal["per_speaker", "rotating", "mixed", "none"]
PlaceChanged = Literal["nowhere", "door", "call"]
Layout = Literal["first", "second"]
Route = Literal["dom", "data_channel", "both"]
Language = Literal["en", "de", "es", "fr", "pt", "zh", "ja", "ar"]


class ScriptError(ValueError):
    """The script is invalid. ``faults`` has all reasons, each with its path."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = tuple(faults)


class _Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A section of a script: an unknown field is a fault."""


class Word(_Part, frozen=True, kw_only=True):
    """A word and when it is spoken: seconds from the beginning of its clip."""

    word: Name
    begin: Seconds
    end: Seconds


class Clip(_Part, frozen=True, kw_only=True):
    """A recording. Without ``file`` it is noise of the amplitude ``noise``, which has no words.

    ``words``: what is said, as a text or with times. Without times they are spread over ``speech`` (begin
    and end of the speech in the clip; by default all of it) by their lengths.
    """

    file: str = ""
    seconds: Annotated[float, Meta(gt=0, le=3600)] | None = None
    words: str | tuple[Word, ...] = ""
    speech: tuple[Seconds, Seconds] | None = None
    noise: Share = 0.0


class Stay(_Part, frozen=True, kw_only=True):
    """When a participant is in the meeting; ``leaves`` null: to its end."""

    joins: Seconds = 0.0
    leaves: Seconds | None = None


class Participant(_Part, frozen=True, kw_only=True):
    """Somebody in the meeting. ``camera``: sends video. ``present``: in order, not overlapping."""

    id: Identifier
    name: Name
    present: Annotated[tuple[Stay, ...], Meta(min_length=1, max_length=100)] = (Stay(),)
    is_host: bool = False
    camera: bool = False


class Say(_Part, frozen=True, kw_only=True):
    """An utterance: one clip, by one participant.

    It begins at ``at``; if that is null, ``gap`` seconds after the end of the one before it in the list. A
    negative gap is an overlap. ``words`` replaces the clip's. ``gain`` multiplies the amplitude.
    """

    who: Identifier
    clip: Identifier
    at: Seconds | None = None
    gap: Annotated[float, Meta(ge=-3600, le=LONGEST)] = 0.4
    words: str | tuple[Word, ...] | None = None
    gain: Annotated[float, Meta(ge=0, le=4)] = 1.0


class ChatLine(_Part, frozen=True, kw_only=True):
    """A chat message of a participant."""

    who: Identifier
    at: Seconds
    text: Text


class Presenting(_Part, frozen=True, kw_only=True):
    """A participant shares a screen."""

    who: Identifier
    at: Seconds
    until: Seconds


class Outage(_Part, frozen=True, kw_only=True):
    """The guests' network is lost; ``returns`` null: for good."""

    drops: Seconds
    returns: Seconds | None = None


class Lobby(_Part, frozen=True, kw_only=True):
    """What the host does with a guest who asks to join, and how many seconds later."""

    verdict: Verdict = "admit"
    after: Seconds = 1.0


class Entry(_Part, frozen=True, kw_only=True):
    """What a guest meets before the call.

    ``button``: "Join now" needs nobody's consent, the others lead to the lobby. ``consents``: dialogs, in
    this order: cookies and devices before the call, recording in it. ``captcha``: harmless is a frame on each
    page that means nothing. ``login_wall``: guests without an account are refused. ``blocked``: all guests
    are. ``names_account``: a signed-in guest has the account's name, without a field for it.
    """

    button: JoinButton = "ask_to_join"
    lobby: Lobby = Lobby()
    consents: tuple[Consent, ...] = ()
    captcha: Captcha = "none"
    login_wall: bool = False
    blocked: bool = False
    names_account: bool = True


class HostAnswer(_Part, frozen=True, kw_only=True):
    """How the host answers a guest who wants to record.

    The request is the toolbar's record button, or the guest's first chat message. ``reply`` is the host's
    chat message; "" for none.
    """

    recording: Literal["allow", "refuse", "silence"] = "allow"
    after: Seconds = 1.0
    reply: Annotated[str, Meta(max_length=2000)] = ""


class InterfaceText(_Part, frozen=True, kw_only=True):
    """A text of the interface in the captions region, which is no speech."""

    at: Seconds
    text: Text
    seconds: Seconds = 3.0


class Captions(_Part, frozen=True, kw_only=True):
    """How captions arrive.

    route: in the page's DOM, on a data channel, or both. starts_on: else the guest switches them on.
    delay: seconds from the end of a word to the first caption with it; jitter: each utterance's differs by
    up to this much; interval: seconds between revisions; settles: from the last word to the final revision.
    loss: share of revisions lost; utterances_lost: share of utterances without captions.
    corrections: share of words that are first shown as another word. splits: share of utterances cut into
    two blocks; longest: words of a block, 0 for no limit. continues_within: an utterance of the same speaker
    that begins within so many seconds goes on in the same block, if nobody else spoke.
    wrong_speaker: share of utterances shown under another participant's name.
    drift_ppm: the clock of the captions runs faster by this.
    removed_after: seconds from a block's last revision to its removal.
    """

    route: Route = "dom"
    starts_on: bool = False
    delay: Annotated[float, Meta(ge=0, le=60)] = 0.5
    jitter: Annotated[float, Meta(ge=0, le=30)] = 0.1
    interval: Annotated[float, Meta(ge=0.02, le=60)] = 0.3
    settles: Annotated[float, Meta(ge=0, le=60)] = 0.4
    loss: Share = 0.0
    utterances_lost: Share = 0.0
    corrections: Share = 0.0
    splits: Share = 0.0
    longest: Annotated[int, Meta(ge=0, le=1000)] = 0
    continues_within: Seconds = 0.0
    wrong_speaker: Share = 0.0
    drift_ppm: Annotated[float, Meta(ge=-10_000, le=10_000)] = 0.0
    removed_after: Seconds = 6.0
    punctuated: bool = True
    interface: tuple[InterfaceText, ...] = ()


class Marks(_Part, frozen=True, kw_only=True):
    """Speaking marks on the tiles.

    delay, hang: seconds from the beginning (end) of an utterance until its mark is on (off). leak: share of
    utterances during which another participant's mark is on, too. missing: share without a mark.
    """

    delay: Seconds = 0.2
    hang: Seconds = 0.5
    leak: Share = 0.0
    missing: Share = 0.0


class Channels(_Part, frozen=True, kw_only=True):
    """Remote audio: a track per speaker, a pool of anonymous tracks, one with everybody, or none at all.

    size: tracks of the pool. audio_elements: whether the tracks are played by elements in the document.
    """

    mode: Mode = "per_speaker"
    size: Annotated[int, Meta(ge=1, le=16)] = 3
    audio_elements: bool = True


class Script(_Part, frozen=True, kw_only=True):
    """A whole meeting.

    code: the path of its page. seed: of everything that is drawn by chance. class_names: the seed of the
    names of classes; 0 for plain names. changed: where the page has nothing of what it had, no text, label or
    structure: from the door on, or from the call on. starts: when the first guest's sound is connected, or
    at once. reopens: after everybody has left, the meeting begins again for the next guest. removal: when
    guests are removed. ends: when the meeting ends; null for never.
    """

    name: Name = "Meeting"
    code: Code = "abc-defg-hij"
    seed: Annotated[int, Meta(ge=0)] = 0
    language: Language = "en"
    speech_language: Annotated[str, Meta(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*\Z")] = "en"
    layout: Layout = "first"
    class_names: Annotated[int, Meta(ge=0)] = 0
    changed: PlaceChanged = "nowhere"
    starts: Literal["first_guest", "at_once"] = "first_guest"
    reopens: bool = True
    entry: Entry = Entry()
    host: HostAnswer = HostAnswer()
    participants: Annotated[tuple[Participant, ...], Meta(min_length=1, max_length=100)]
    clips: dict[str, Clip] = {}
    says: Annotated[tuple[Say, ...], Meta(max_length=MOST_SAID)] = ()
    chat: Annotated[tuple[ChatLine, ...], Meta(max_length=MOST_SAID)] = ()
    presenting: tuple[Presenting, ...] = ()
    captions: Captions = Captions()
    marks: Marks = Marks()
    channels: Channels = Channels()
    network: tuple[Outage, ...] = ()
    removal: Seconds | None = None
    ends: Annotated[float, Meta(gt=0, le=LONGEST)] | None = None

    def participant(self, identifier: str) -> Participant:
        """Return a participant. KeyError if there is none."""
        for each in self.participants:
            if each.id == identifier:
                return each
        raise KeyError(identifier)
