"""What the correlator is fed, and the changes of names that it returns. Pure.

``at`` of each event is when the bot received it, in seconds on the bot's clock from the session's start.
Times of transcribed words are on the clock of the audio, which has the same start and may drift. Captions and
marks are late by delays that are estimated. Events are structs with a tag, so that a stored list of them can
be replayed: ``msgspec.json.decode(line, type=Event)``.
"""

from typing import Literal

from msgspec import Struct

from orch.protocol.messages import Word

Layout = Literal["own", "rotating", "mixed"]
"""What one channel of audio has: one participant for good (``own``), one participant at a time from a pool
of anonymous channels (``rotating``), or everyone (``mixed``)."""

Source = Literal["captions", "marks", "track", "owner", "person", "none"]
"""What a name comes from: captions with the same words; speaking marks; the channel's usual speaker; the
page, which names the channel's owner; a person; nothing, for a withheld name."""

Kind = Literal["exact", "interpolated", "inferred", "none"]
"""``exact``: a caption has this word. ``interpolated``: it has words next to it. ``inferred``: from marks or
the channel. ``none``: no name."""


class Participant(Struct, frozen=True, kw_only=True, tag="participant"):
    """A participant is known, has another name, or has left (``is_present`` false)."""

    at: float
    participant_id: str
    name: str
    is_present: bool = True


class Caption(Struct, frozen=True, kw_only=True, tag="caption"):
    """A caption in its newest version; an earlier one with the same ``caption_id`` is revised by it.

    ``began``: when its first version arrived, if only the last one was stored: its words are then taken to
    have arrived evenly from ``began`` to ``at``. ``participant_id``: if the page gives more than the name.
    """

    at: float
    caption_id: str
    name: str
    text: str
    participant_id: str | None = None
    began: float | None = None


class Segment(Struct, frozen=True, kw_only=True, tag="segment"):
    """Transcribed words of a channel, with their times. The same ``segment_id`` again replaces it."""

    at: float
    segment_id: str
    channel: str
    words: tuple[Word, ...]
    layout: Layout = "rotating"


class Mark(Struct, frozen=True, kw_only=True, tag="mark"):
    """The page begins or ends to mark a participant as speaking."""

    at: float
    participant_id: str
    is_on: bool


class Level(Struct, frozen=True, kw_only=True, tag="level"):
    """The level of a channel in dB below full scale, over the time since its last one (at most 1 s).

    ``time``: of the audio, at the end of what was measured.
    """

    at: float
    channel: str
    time: float
    dbfs: float


class Owner(Struct, frozen=True, kw_only=True, tag="owner"):
    """The page shows that a channel belongs to a participant from now on, or (None) no longer does."""

    at: float
    channel: str
    participant_id: str | None


class Correction(Struct, frozen=True, kw_only=True, tag="correction"):
    """A person names the speaker of words ``first`` to ``last`` of a segment; it stays. ``by``: who."""

    at: float
    by: str
    segment_id: str
    first: int
    last: int
    name: str | None
    participant_id: str | None = None


class Tick(Struct, frozen=True, kw_only=True, tag="tick"):
    """Nothing happened until ``at``: names that waited for evidence are decided."""

    at: float


Event = Participant | Caption | Segment | Mark | Level | Owner | Correction | Tick


class Name(Struct, frozen=True, kw_only=True):
    """A speaker. ``participant_id`` is None if several participants with this name are possible."""

    name: str
    participant_id: str | None = None


class Change(Struct, frozen=True, kw_only=True):
    """Words ``first`` to ``last`` of a segment have another speaker; one entry of the audit trail.

    ``old`` and ``new``: None: withheld. ``by``: the source, or the person's name after ``person:``.
    ``reason``: in words. ``confidence``: of the new name, 0 to 1; without a name, of the likeliest one.
    """

    at: float
    segment_id: str
    first: int
    last: int
    old: Name | None
    new: Name | None
    confidence: float
    source: Source
    kind: Kind
    by: str
    reason: str

    @property
    def is_revision(self) -> bool:
        """Whether a name that was shown is replaced or withdrawn."""
        return self.old is not None and (self.new is None or self.new.name != self.old.name)
