"""A scripted meeting as a bot observes it, and an engine that recognises its sound: without a browser.

The observations are what the page's and the media socket's scripts send for the same schedule that the
meeting sandbox plays: sound in blocks of each channel, captions as they are on the page, marks, participants.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import av
import numpy as np

from orch.bots.caption_blocks import Block
from orch.bots.observations import (
    CaptionsSeen,
    ChatSeen,
    MarksSeen,
    Observation,
    OwnerSeen,
    PageObservation,
    PeopleSeen,
    Person,
    Sound,
    TrackBegan,
    TrackEnded,
)
from orch.sandbox.meeting import schedule as s
from orch.sandbox.meeting.clips import ClipLibrary
from orch.sandbox.meeting.schedule import Schedule

RATE: Final = 16_000
BLOCK: Final = 0.1
TRAVEL: Final = 0.07
"""Seconds from a sample's time to its arrival."""
SELF: Final = Person(id="bot", name="Live captions (bot)", is_self=True)
VOICES: Final = Path(__file__).parents[1] / "data" / "voices"


@dataclass
class Channels:
    """The sound of each channel, from its opening to its end."""

    plan: Schedule
    library: ClipLibrary
    sounds: dict[int, "np.ndarray[Any, np.dtype[np.int16]]"] = field(default_factory=dict)

    def __post_init__(self) -> None:
        decoded: dict[str, np.ndarray[Any, np.dtype[np.int16]]] = {}
        for channel in self.plan.channels.channels:
            until = self.plan.seconds if channel.closes is None else channel.closes
            self.sounds[channel.number] = np.zeros(round((until - channel.opens) * RATE), np.int16)
        for each in self.plan.utterances:
            number = self.plan.channels.carried_by[each.number]
            if number is None:
                continue
            if each.clip not in decoded:
                decoded[each.clip] = self._decoded(each.clip)
            clip = decoded[each.clip]
            opens = self.plan.channels.channels[number].opens
            begin = round((each.begin - opens) * RATE)
            part = self.sounds[number][begin : begin + len(clip)]
            part += (clip[: len(part)] * each.gain).astype(np.int16)

    def _decoded(self, name: str) -> "np.ndarray[Any, np.dtype[np.int16]]":
        clip = self.plan.script.clips.get(name) or self.library.clips[name]
        file = io.BytesIO(self.library.recording(clip).data)
        resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
        parts = []
        with av.open(file, "r") as container:
            for frame in container.decode(audio=0):
                parts += [each.to_ndarray()[0] for each in resampler.resample(frame)]
        parts += [each.to_ndarray()[0] for each in resampler.resample(None)]
        return np.concatenate(parts).astype(np.int16)


def observations(plan: Schedule, channels: Channels, *, shows_owners: bool = False) -> list[Observation]:
    """Return what a bot observes of a meeting, in order; ``shows_owners``: the page says whose a track is."""
    found: list[tuple[float, int, Observation]] = []

    def add(at: float, observation: Observation) -> None:
        found.append((at, len(found), observation))

    for at, each in _sound(plan, channels):
        add(at, each)
    for each in _page(plan):
        add(each.at, each)
    if shows_owners:
        for channel in plan.channels.channels:
            if channel.who is not None:
                at = channel.opens + 0.2
                add(at, OwnerSeen(at=at, track=f"t{channel.number}", participant_id=channel.who))
    found.sort(key=lambda each: each[:2])
    return [each[2] for each in found]


def _sound(plan: Schedule, channels: Channels) -> Iterator[tuple[float, Observation]]:
    mode = plan.script.channels.mode
    layout: Any = {"per_speaker": "own", "rotating": "rotating", "mixed": "mixed"}.get(mode, "mixed")
    step = round(BLOCK * RATE)
    for channel in plan.channels.channels:
        sound = channels.sounds[channel.number]
        track = f"t{channel.number}"
        yield channel.opens, TrackBegan(at=channel.opens, track=track, layout=layout)
        at = channel.opens
        for first in range(0, len(sound), step):
            pcm = sound[first : first + step].tobytes()
            at = channel.opens + (first + len(pcm) // 2) / RATE + TRAVEL
            yield at, Sound(at=at, track=track, first=first, pcm=pcm)
        yield at, TrackEnded(at=at, track=track)


def _page(plan: Schedule) -> Iterator[PageObservation]:
    page = _Page({each.id: each.name for each in plan.script.participants})
    for number, each in enumerate(plan.happenings):
        seen = page.seen(each, number)
        if seen is not None:
            yield seen


@dataclass
class _Page:
    """What the page shows now."""

    names: dict[str, str]
    people: dict[str, Person] = field(default_factory=dict)
    blocks: dict[int, Block] = field(default_factory=dict)
    lit: set[str] = field(default_factory=set)

    def seen(self, each: s.Happening, number: int) -> PageObservation | None:
        """Apply what happens; return what a bot observes of it."""
        match each:
            case s.Joined() | s.Left() | s.PresentingStarted() | s.PresentingStopped():
                self.people.pop(each.who, None)
                if not isinstance(each, s.Left):
                    presents = isinstance(each, s.PresentingStarted)
                    self.people[each.who] = Person(
                        id=each.who, name=self.names[each.who], is_presenting=presents
                    )
                return PeopleSeen(at=each.at, people=(SELF, *self.people.values()))
            case s.MarkOn() | s.MarkOff():
                (self.lit.add if isinstance(each, s.MarkOn) else self.lit.discard)(each.who)
                return MarksSeen(at=each.at, speaking=tuple(sorted(self.lit)))
            case s.Captioned():
                self.blocks[each.block] = Block(f"b{each.block}", self.names[each.who], each.text)
                return CaptionsSeen(at=each.at, blocks=tuple(self.blocks.values()))
            case s.CaptionRemoved():
                self.blocks.pop(each.block, None)
                return CaptionsSeen(at=each.at, blocks=tuple(self.blocks.values()))
            case s.ChatPosted():
                name = self.names[each.who]
                return ChatSeen(at=each.at, id=f"m{number}", sender=name, sender_id=each.who, text=each.text)
            case _:
                return None


class TruthfulEngine:
    """Recognises the sound of a meeting by finding it there: what was said in it, with the times."""

    def __init__(self, plan: Schedule, channels: Channels) -> None:
        self._plan = plan
        self._whole = {number: sound.tobytes() for number, sound in channels.sounds.items()}
        self.missed = 0

    def words(self, pcm: bytes) -> list[dict[str, Any]]:
        """Return the words of a piece of sound, as an audio-service does."""
        probe = len(pcm) // 4 * 2
        piece = pcm[probe : probe + 3_200]
        for number, whole in self._whole.items():
            at = whole.find(piece)
            if at < 0 or at % 2:
                continue
            start = (at - probe) / 2 / RATE + self._plan.channels.channels[number].opens
            end = start + len(pcm) / 2 / RATE
            spoken = [
                word
                for each in self._plan.utterances
                if self._plan.channels.carried_by[each.number] == number
                for word in each.words
                if word.begin >= start - 0.2 and word.end <= end + 0.2
            ]
            return [
                {
                    "word": each.word,
                    "start": max(0.0, each.begin - start),
                    "end": max(0.0, each.end - start),
                    "confidence": 0.9,
                }
                for each in spoken
            ]
        self.missed += 1
        return []

    def text(self, pcm: bytes) -> str:
        """Return the same as a text."""
        return " ".join(each["word"] for each in self.words(pcm))
