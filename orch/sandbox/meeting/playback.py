"""Where a running meeting is in its schedule, what is to come, and what has happened."""

import heapq
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

import trio
from msgspec import Struct, structs

from orch.sandbox.meeting import schedule as s
from orch.sandbox.meeting.script import Clip, Participant, Say, Script
from orch.sandbox.meeting.situation import Situation
from orch.sandbox.meeting.truth import Truth, truth

LEAD: Final = 1.0
"""Seconds before an utterance at which the far pages are sent it, so that it begins in time."""

RECORDS: Final = 20_000
"""Records of what happened that are kept; older ones are dropped."""

LIVE_FROM: Final = 1_000_000
"""Numbers of utterances that were spoken by request begin here; a thousand blocks belong to each."""

MOST_LIVE: Final = 10_000

SECONDS_PER_WORD: Final = 0.35
"""Of a text without a recording."""


class Record(Struct, frozen=True):
    """Something that happened. ``at``: seconds since the start, null before it; ``wall``: of the clock."""

    at: float | None
    wall: float
    what: str
    details: dict[str, Any]


class Playback:
    """The mutable state is the time of the start, the situation, what is to come, and the records."""

    def __init__(
        self, script: Script, library: Mapping[str, Clip], *, wall: Callable[[], float] = time.time
    ) -> None:
        self.script = script
        self.library = library
        self.planned = s.schedule(script, library)
        self.records: deque[Record] = deque(maxlen=RECORDS)
        self.started_wall: float | None = None
        self._wall = wall
        self.reset()

    def reset(self) -> None:
        """Return to the time before the start."""
        self.situation = Situation(self.script)
        self.started_wall = None
        self._started: float | None = None
        self._order = 0
        self._coming: list[tuple[float, int, s.Happening]] = []
        self._live: list[s.Schedule] = []
        for each in self.planned.happenings:
            # Participants of the beginning are present before the first guest.
            if each.at <= 0 and isinstance(each, s.Joined | s.ChannelOpened):
                self.situation.apply(each)
            else:
                self._push(each)

    def start(self) -> None:
        """Start the meeting's clock."""
        self._started = trio.current_time()
        self.started_wall = self._wall()
        self.record("started")

    @property
    def is_running(self) -> bool:
        """Whether the meeting has started."""
        return self._started is not None

    def now(self) -> float:
        """Return the seconds since the start; 0 before it."""
        return 0.0 if self._started is None else trio.current_time() - self._started

    def wait(self) -> float:
        """Return the seconds until :meth:`take` has something; infinite if nothing is to come."""
        return self._coming[0][0] - self.now() if self._coming else float("inf")

    def take(self) -> s.Happening:
        """Remove and return the next happening. IndexError if nothing is to come."""
        return heapq.heappop(self._coming)[2]

    def apply(self, happening: s.Happening) -> None:
        """Change the situation by a happening, and record it."""
        self.situation.apply(happening)
        details = {} if not self.is_running else {"late": round(self.now() - happening.at, 4)}
        self.record(str(type(happening).__struct_config__.tag), **details)

    def record(self, what: str, **details: Any) -> None:
        """Record that something happened now."""
        at = round(self.now(), 4) if self.is_running else None
        self.records.append(Record(at, self._wall(), what, details))

    def _push(self, happening: s.Happening) -> None:
        lead = LEAD if isinstance(happening, s.Spoken) else 0.0
        heapq.heappush(self._coming, (happening.at - lead, self._order, happening))
        self._order += 1

    def say(self, who: str, *, clip: str = "", text: str = "", guest_name: str | None = None) -> float:
        """Have a participant speak a clip soon; with ``text`` alone, captions without sound.

        ``guest_name``: of a guest whose own speech is captioned, as a meeting does with what a bot says.

        Returns when it begins, in seconds since the start. Raises
        :class:`orch.sandbox.meeting.script.ScriptError`, KeyError for an unknown participant, RuntimeError
        beyond the limit.
        """
        people = self.script.participants
        if guest_name is not None:
            people = (*people, Participant(id=who, name=guest_name))
            self.situation.name_guest(who, guest_name)
        else:
            self.script.participant(who)
        if len(self._live) >= MOST_LIVE:
            raise RuntimeError(f"{MOST_LIVE} utterances can be requested")
        begins = round(self.now() + LEAD, 3)
        clips = dict(self.script.clips)
        has_sound = bool(clip)
        if not has_sound:
            clip = "text"
            seconds = round(SECONDS_PER_WORD * max(1, len(text.split())), 3)
            clips[clip] = Clip(seconds=seconds, words=text)
        script = structs.replace(
            self.script,
            participants=people,
            clips=clips,
            says=(Say(who=who, clip=clip, at=begins, words=text or None),),
            seed=self.script.seed + len(self._live) + 1,
            ends=None,
        )
        made = s.schedule(script, self.library)
        number = LIVE_FROM + len(self._live)
        channels = self.situation.channels.items()
        channel = next((each for each, whose in channels if whose in (who, None)), None)
        made = _renumbered(made, number, channel if has_sound else None)
        self._live.append(made)
        for each in made.happenings:
            self._push(each)
        return begins

    def truth(self) -> Truth:
        """Return the truth, with what was spoken by request."""
        planned = truth(self.planned)
        extra = (each for made in self._live for each in truth(made).utterances)
        return structs.replace(planned, utterances=(*planned.utterances, *extra))


def _renumbered(made: s.Schedule, number: int, channel: int | None) -> s.Schedule:
    """Return a schedule of one utterance, without all else, with numbers of its own."""
    kept: list[s.Happening] = []
    for each in made.happenings:
        match each:
            case s.Spoken():
                kept.append(structs.replace(each, utterance=number, channel=channel))
            case s.Captioned() | s.CaptionRemoved():
                kept.append(structs.replace(each, block=number * 1000 + each.block))
            case s.MarkOn() | s.MarkOff():
                kept.append(each)
    said = structs.replace(made.utterances[0], number=number)
    return structs.replace(
        made,
        happenings=tuple(kept),
        utterances=(said,),
        revisions=tuple(structs.replace(each, utterances=(number,)) for each in made.revisions),
        channels=structs.replace(made.channels, carried_by={number: channel}),
    )
