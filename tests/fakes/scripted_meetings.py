"""Meetings as data, from a seed: who says which word when, and what a bot would receive of it.

Truth is made first: turns with pauses, overlaps and short replies, words by Zipf's law. From it come
transcribed segments with an engine's errors and rough times, captions that grow, correct their last word,
arrive late by a constant and a noise on a clock that drifts, or are lost, and marks that begin and end late,
are missing, or are lit on others.
"""

import random
from dataclasses import dataclass, field
from statistics import median

from orch.bots.correlation.events import Caption, Event, Layout, Level, Mark, Participant, Segment
from orch.protocol.messages import Word

NAMES = (
    "Ana Souza",
    "Ben Okafor",
    "Chen Wei",
    "Dana Levi",
    "Emil Novák",
    "Fatima Ali",
    "Goran Ilić",
    "Hana Sato",
)
ALIKE = (
    "Anna Kovács",
    "Anna Kovács",
    "Ana Kovacs",
    "Anna Kovač",
    "Anna K.",
    "A. Kovács",
    "Anna",
    "ANNA KOVÁCS",
)
COMMON = [
    "the",
    "of",
    "and",
    "to",
    "a",
    "in",
    "that",
    "it",
    "is",
    "was",
    "i",
    "for",
    "on",
    "you",
    "he",
    "be",
    "with",
    "as",
    "by",
    "at",
    "have",
    "are",
    "this",
    "not",
    "but",
    "had",
    "his",
    "they",
    "from",
    "she",
    "which",
    "or",
    "we",
    "an",
    "there",
    "her",
    "were",
    "one",
    "do",
    "been",
    "all",
    "their",
    "has",
    "would",
    "will",
    "what",
    "if",
    "can",
    "when",
    "so",
    "no",
    "said",
    "who",
    "more",
    "about",
    "up",
    "them",
    "some",
    "could",
    "him",
    "into",
    "its",
    "then",
    "two",
    "out",
    "time",
    "like",
    "my",
    "now",
    "did",
    "our",
    "me",
    "even",
    "new",
    "way",
    "may",
    "any",
]
REPLIES = (("yes",), ("okay",), ("right",), ("yeah", "exactly"), ("no",), ("i", "agree"), ("sure",))
SYLLABLES = [one + other for one in "bdfgklmnprstv" for other in "aeio"]
CHARACTERS = [chr(0x4E00 + 37 * number) for number in range(400)]


@dataclass(frozen=True, slots=True)
class Scene:
    """What a meeting is like. ``errors``: of the transcript. ``delay``: s; ``drift``: s a second."""

    speakers: int = 3
    seconds: float = 600.0
    layout: Layout = "rotating"
    has_captions: bool = True
    has_marks: bool = True
    has_levels: bool = False
    delay: float = 1.0
    drift: float = 0.0
    loss: float = 0.1
    errors: float = 0.15
    overlap: float = 0.2
    leak: float = 0.1
    names: tuple[str, ...] = NAMES
    is_unspaced: bool = False
    seed: int = 1


@dataclass(slots=True)
class TrueWord:
    """A word that was said."""

    speaker: int
    text: str
    start: float
    end: float


@dataclass(slots=True)
class ScriptedMeeting:
    """A meeting. ``speakers``: who said each transcribed word, by segment. ``delay``: captions' median."""

    scene: Scene
    events: list[Event]
    speakers: dict[str, list[int]]
    delay: float

    def name(self, speaker: int) -> str:
        """Return a speaker's name."""
        return self.scene.names[speaker]


@dataclass(slots=True)
class _Turn:
    speaker: int
    words: list[TrueWord] = field(default_factory=list)

    @property
    def start(self) -> float:
        return self.words[0].start

    @property
    def end(self) -> float:
        return self.words[-1].end


def meeting(scene: Scene) -> ScriptedMeeting:
    """Return the meeting of a scene; the same for the same scene."""
    dice = random.Random(f"{scene}")
    words = _vocabulary(scene)
    turns = _turns(scene, dice, words)
    events: list[Event] = [
        Participant(at=0.0, participant_id=f"p{each}", name=scene.names[each])
        for each in range(scene.speakers)
    ]
    segments, speakers, spans = _segments(scene, dice, turns, words)
    events += segments
    delay = scene.delay
    if scene.has_captions:
        captions, delay = _captions(scene, dice, turns, words)
        events += captions
    if scene.has_marks:
        events += _marks(scene, dice, turns)
    if scene.has_levels:
        events += _levels(scene, dice, spans)
    events.sort(key=lambda event: event.at)
    return ScriptedMeeting(scene, events, speakers, delay)


def _vocabulary(scene: Scene) -> list[str]:
    if scene.is_unspaced:
        return CHARACTERS
    dice = random.Random(7)
    content = ["".join(dice.choice(SYLLABLES) for _ in range(dice.randint(2, 4))) for _ in range(1500)]
    return COMMON + content


def _word(dice: random.Random, words: list[str]) -> str:
    """Return a word: rank r is said in proportion to 1 / (r + 3)."""
    return words[min(len(words) - 1, int(3 * ((len(words) + 3) / 3) ** dice.random()) - 3)]


def _turns(scene: Scene, dice: random.Random, words: list[str]) -> list[_Turn]:
    turns: list[_Turn] = []
    now = 1.0
    speaker = 0
    busy = [0.0] * scene.speakers
    while now < scene.seconds:
        others = [each for each in range(scene.speakers) if each != speaker and busy[each] <= now]
        if others:
            speaker = dice.choice(others)
        count = min(60, max(2, int(dice.lognormvariate(2.6, 0.7))))
        turn = _Turn(speaker, _said(scene, dice, speaker, now, [_word(dice, words) for _ in range(count)]))
        turns.append(turn)
        busy[speaker] = turn.end + 0.3
        if turn.end - turn.start > 4 and dice.random() < scene.overlap:
            at = dice.uniform(turn.start + 1.5, turn.end - 1)
            free = [each for each in range(scene.speakers) if busy[each] <= at and each != speaker]
            if free:
                who = dice.choice(free)
                reply = dice.choice(REPLIES) if not scene.is_unspaced else (words[3],)
                turns.append(_Turn(who, _said(scene, dice, who, at, list(reply))))
                busy[who] = turns[-1].end + 0.3
        is_overlap = dice.random() < scene.overlap
        now = turn.end + (-dice.uniform(0.3, 1.5) if is_overlap else dice.uniform(0.15, 1.4))
        now = max(now, turn.start + 0.5)
    return sorted(turns, key=lambda each: each.start)


def _said(scene: Scene, dice: random.Random, speaker: int, at: float, texts: list[str]) -> list[TrueWord]:
    found = []
    for text in texts:
        length = (
            dice.uniform(0.12, 0.22)
            if scene.is_unspaced
            else 0.12 + 0.045 * len(text) * dice.uniform(0.8, 1.2)
        )
        found.append(TrueWord(speaker, text, at, at + length))
        at += length + (dice.uniform(0.25, 0.7) if dice.random() < 0.06 else dice.uniform(0.0, 0.08))
    return found


def _channels(scene: Scene, dice: random.Random, turns: list[_Turn]) -> list[tuple[str, TrueWord]]:
    """Return on which channel each word is heard; a fourth voice at once is not heard on a rotating pool."""
    if scene.layout != "rotating":
        return [
            (f"c{word.speaker}" if scene.layout == "own" else "mix", word)
            for turn in turns
            for word in turn.words
        ]
    until = [0.0] * 3
    holder = [-1] * 3
    heard = []
    for turn in turns:
        held = [each for each in range(3) if holder[each] == turn.speaker and turn.start - until[each] < 2]
        free = [each for each in range(3) if until[each] + 0.6 <= turn.start]
        if not held and not free:
            continue
        channel = held[0] if held else dice.choice(free)
        rest = [each for each in free if each != channel]
        cut = len(turn.words)
        if rest and len(turn.words) > 8 and dice.random() < 0.03:
            cut = len(turn.words) // 2
        for index, word in enumerate(turn.words):
            heard.append((f"r{channel if index < cut else rest[0]}", word))
        holder[channel], until[channel] = turn.speaker, turn.words[cut - 1].end
        if cut < len(turn.words):
            holder[rest[0]], until[rest[0]] = turn.speaker, turn.end
    return heard


def _segments(
    scene: Scene, dice: random.Random, turns: list[_Turn], words: list[str]
) -> tuple[list[Event], dict[str, list[int]], dict[str, list[TrueWord]]]:
    spans: dict[str, list[TrueWord]] = {}
    for channel, word in _channels(scene, dice, turns):
        spans.setdefault(channel, []).append(word)
    events: list[Event] = []
    speakers: dict[str, list[int]] = {}
    for channel, said in spans.items():
        said.sort(key=lambda word: word.start)
        groups: list[list[TrueWord]] = []
        for word in said:
            latest = max((each.end for each in groups[-1]), default=0.0) if groups else 0.0
            if not groups or word.start - latest > 0.6 or word.end - groups[-1][0].start > 12:
                groups.append([])
            groups[-1].append(word)
        for group in groups:
            heard = _recognised(scene, dice, group, words)
            if not heard:
                continue
            segment_id = f"{channel}-{len(speakers)}"
            speakers[segment_id] = [speaker for _, speaker in heard]
            at = (1 + scene.drift) * heard[-1][0].end + dice.uniform(0.8, 2.0)
            found = tuple(word for word, _ in heard)
            events.append(
                Segment(at=at, segment_id=segment_id, channel=channel, layout=scene.layout, words=found)
            )
    return events, speakers, spans


def _recognised(
    scene: Scene, dice: random.Random, group: list[TrueWord], words: list[str]
) -> list[tuple[Word, int]]:
    """Return what an engine makes of words: substitutions, deletions and insertions, and rough times."""
    found: list[tuple[Word, int]] = []
    last = 0.0
    for index, word in enumerate(group):
        is_covered = scene.layout == "mixed" and any(
            each.speaker != word.speaker and each.start < word.end and each.end > word.start
            for each in group[max(0, index - 3) : index + 4]
        )
        if is_covered and dice.random() < 0.3:
            continue
        text = word.text
        if dice.random() < scene.errors:
            kind = dice.random()
            if kind < 0.2:
                continue
            text = _word(dice, words) if kind < 0.6 or len(text) < 6 else text[:-2]
            if kind > 0.85:
                middle = (word.start + word.end) / 2
                found.append(
                    (Word(text=_word(dice, words), start=max(last, word.start), end=middle), word.speaker)
                )
                last = middle
        start = max(last, word.start + dice.gauss(0, 0.06), 0.0)
        if scene.layout == "mixed":
            start = max(0.0, word.start + dice.gauss(0, 0.06))
        end = max(start + 0.02, word.end + dice.gauss(0, 0.06))
        last = end
        found.append((Word(text=text, start=start, end=end), word.speaker))
    found.sort(key=lambda each: each[0].start)
    return found


def _captions(
    scene: Scene, dice: random.Random, turns: list[_Turn], words: list[str]
) -> tuple[list[Event], float]:
    events: list[Event] = []
    delays: list[float] = []
    joiner = "" if scene.is_unspaced else " "
    for number, turn in enumerate(turns):
        is_lost = dice.random() < scene.loss
        texts = [_word(dice, words) if dice.random() < 0.06 else word.text for word in turn.words]
        shown = 0
        update = turn.start + dice.uniform(0.2, 0.5)
        latest = 0.0
        while shown < len(texts):
            count = sum(word.end <= update for word in turn.words)
            if count > shown:
                noise = dice.gauss(0, 0.1) + (dice.uniform(0.4, 1.5) if dice.random() < 0.03 else 0.0)
                at = max(latest, (1 + scene.drift) * update + scene.delay + noise)
                latest = at + 0.01
                text = list(texts[:count])
                if count < len(texts) and dice.random() < 0.15:
                    text[-1] = _word(dice, words)
                delays += [at - (1 + scene.drift) * word.end for word in turn.words[shown:count]]
                shown = count
                if not is_lost:
                    events.append(
                        Caption(
                            at=at,
                            caption_id=f"k{number}",
                            name=scene.names[turn.speaker],
                            text=joiner.join(text),
                        )
                    )
            update += dice.uniform(0.2, 0.5)
    return events, median(delays)


def _marks(scene: Scene, dice: random.Random, turns: list[_Turn]) -> list[Event]:
    spans: dict[int, list[tuple[float, float]]] = {}
    for turn in turns:
        is_short = turn.end - turn.start < 0.6
        if dice.random() >= (0.4 if is_short else 0.04):
            spans.setdefault(turn.speaker, []).append(
                (turn.start + dice.uniform(0.1, 0.4), turn.end + dice.uniform(0.3, 0.8))
            )
        others = [each for each in range(scene.speakers) if each != turn.speaker]
        # The host's mark leaks more than others'.
        leaking = [0] if turn.speaker != 0 and dice.random() < 1.5 * scene.leak else []
        leaking += [dice.choice(others)] if dice.random() < scene.leak else []
        for each in leaking:
            start = turn.start + dice.uniform(0.1, 0.6)
            spans.setdefault(each, []).append(
                (start, start + (turn.end - turn.start) * dice.uniform(0.3, 1.0))
            )
    for each in range(scene.speakers):
        now = dice.expovariate(1 / 60)
        while now < scene.seconds:
            spans.setdefault(each, []).append((now, now + dice.uniform(0.2, 1.0)))
            now += dice.expovariate(1 / 60)
    events: list[Event] = []
    for speaker, each_spans in spans.items():
        merged: list[list[float]] = []
        for start, end in sorted(each_spans):
            if merged and start - merged[-1][1] < 0.2:
                merged[-1][1] = max(merged[-1][1], end)
            else:
                merged.append([start, end])
        for start, end in merged:
            scale = 1 + scene.drift
            events.append(Mark(at=scale * start, participant_id=f"p{speaker}", is_on=True))
            events.append(Mark(at=scale * end, participant_id=f"p{speaker}", is_on=False))
    return events


def _levels(scene: Scene, dice: random.Random, spans: dict[str, list[TrueWord]]) -> list[Event]:
    events: list[Event] = []
    for channel, said in spans.items():
        position = 0
        for step in range(int(scene.seconds / 0.2)):
            time = 0.2 * (step + 1)
            while position < len(said) and said[position].end < time - 0.2:
                position += 1
            is_heard = position < len(said) and said[position].start < time
            dbfs = dice.gauss(-26, 3) if is_heard else dice.gauss(-62, 3)
            at = (1 + scene.drift) * time + 0.05
            events.append(Level(at=at, channel=channel, time=time, dbfs=dbfs))
    return events
