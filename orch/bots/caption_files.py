"""Stored lists of captions: lines with names, and system lines, with the times of SRT and VTT. Pure.

Accepted are plain text, SRT and VTT. A line says who speaks in one of four forms, or in VTT's voice tag:

    Ann: text      [Ann] text      Ann - text      <Ann> text      <v Ann>text</v>

A line in none of them continues the speaker before. A line of text may begin with a time (``00:12:03``, or
in brackets). Lines about the meeting itself ("Ann joined", "Recording started") become events, in eight
languages.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

import regex
from msgspec import Struct

from orch.bots.caption_words import clean, split_words
from orch.bots.interface_texts import spoken_text
from orch.bots.speaker_ids import speaker_id
from orch.bots.timeline import Kind, TimelineEvent

LONGEST: Final = 10_000_000
"""Characters of a file; a three-hour meeting has about 300,000."""

GAP: Final = 1.0
"""Seconds between two lines of one speaker that are no pause."""

WORD: Final = 0.5
"""Seconds of a word, at most, where the end is not known."""

_NAME_WORDS: Final = 6
_NAME_LETTERS: Final = 60
_SECONDS: Final = r"(?:(?P<h{0}>\d{{1,3}}):)?(?P<m{0}>\d{{1,2}}):(?P<s{0}>\d{{1,2}}(?:[.,]\d{{1,3}})?)"
_CUE: Final = regex.compile(rf"\s*{_SECONDS.format(1)}\s*-->\s*{_SECONDS.format(2)}(?:\s.*)?")
_DASH: Final = r"[-\u2013\u2014]"
_COLON: Final = r"[:\uff1a]"
_STAMP: Final = regex.compile(rf"\s*[\[(]?{_SECONDS.format(1)}[\])]?\s*(?:{_DASH}\s+)?(?=\S)")
_TAG: Final = regex.compile(r"</?(?:[cibu]|ruby|rt|lang|font)(?:[.\s][^>]*)?>|</v>|<\d[\d:.]*>")
_FORMS: Final = (
    regex.compile(r"<v(?:\.[^\s>]*)?\s+(?P<name>[^>]+)>(?P<text>.*)"),
    regex.compile(r"\[(?P<name>[^\]]+)\]:?\s*(?P<text>.*)"),
    regex.compile(r"<(?P<name>[^>]+)>:?\s*(?P<text>.*)"),
    regex.compile(rf"(?P<name>[^:\uff1a]+){_COLON}(?!//)\s*(?P<text>.*)"),
    regex.compile(rf"(?P<name>[^\u2013\u2014]+?)\s+{_DASH}\s+(?P<text>.*)"),
)
_NOT_NAME: Final = regex.compile(
    r"\p{L}{4}\.\s|[!?;]|[\u3001\u3002\uff01\uff1f\uff0c]|https?$|^\d[\d:.,\s]*$"
)

_JOINED: Final = (
    r"(?P<name>.+?) (?:has |have )?joined(?: the (?:meeting|call|conference))?",
    r"(?P<name>.+?) (?:ist (?:dem Meeting |der Besprechung |der Videokonferenz )?beigetreten)",
    r"(?P<name>.+?) (?:se ha unido|se unió)(?: a la (?:reunión|llamada))?",
    r"(?P<name>.+?) a rejoint(?: la réunion| l'appel)?",
    r"(?P<name>.+?) entrou(?: na (?:reunião|chamada))?",
    r"(?P<name>.+?) (?:si è unito|si è unita|è entrato|è entrata)(?: alla riunione)?",
    r"(?P<name>.+?)\s?さん?が(?:会議に)?参加しました",
    r"(?P<name>.+?)\s?(?:已)?加入了?(?:会议|會議)",
)
_LEFT: Final = (
    r"(?P<name>.+?) (?:has |have )?left(?: the (?:meeting|call|conference))?",
    r"(?P<name>.+?) hat (?:das Meeting|die Besprechung|die Videokonferenz) verlassen",
    r"(?P<name>.+?) (?:ha salido de|ha abandonado|salió de|abandonó) la (?:reunión|llamada)",
    r"(?P<name>.+?) a quitté(?: la réunion| l'appel)",
    r"(?P<name>.+?) saiu(?: da (?:reunião|chamada))?",
    r"(?P<name>.+?) ha (?:lasciato|abbandonato) la riunione",
    r"(?P<name>.+?)\s?さん?が(?:会議から)?退出しました",
    r"(?P<name>.+?)\s?(?:已)?(?:离开了?|離開了?|退出了?)(?:会议|會議)",
)
_PRESENTS: Final = (
    r"(?P<name>.+?) (?:is presenting|(?:has )?started presenting|is sharing (?:the |their )?screen)",
    r"(?P<name>.+?) (?:präsentiert(?: gerade)?)",
    r"(?P<name>.+?) está (?:presentando|apresentando|compartiendo pantalla)",
    r"(?P<name>.+?) (?:présente|est en train de présenter)",
    r"(?P<name>.+?) sta presentando",
    r"(?P<name>.+?)\s?さん?が(?:画面を共有しています|プレゼンテーション中です)",
    r"(?P<name>.+?)\s?正在(?:演示|展示|共享屏幕)",
)
_STOPPED: Final = (
    r"(?P<name>.+?) (?:has )?stopped (?:presenting|sharing)",
    r"(?P<name>.+?) präsentiert nicht mehr",
    r"(?P<name>.+?) (?:dejó de presentar|ha dejado de presentar|parou de apresentar)",
    r"(?P<name>.+?) a arrêté (?:de présenter|la présentation)",
    r"(?P<name>.+?) ha smesso di presentare",
    r"(?P<name>.+?)\s?さん?が(?:画面の共有|プレゼンテーション)を(?:停止|終了)しました",
    r"(?P<name>.+?)\s?(?:已)?停止(?:演示|展示|共享)",
)
_RECORDING: Final = (
    r"(?:the )?recording (?:has )?(?:been )?started|(?:this|the) (?:meeting|call) is being recorded",
    r"(?:die )?Aufzeichnung (?:wurde )?gestartet|diese Videokonferenz wird aufgezeichnet",
    r"(?:se ha iniciado la grabación|grabación iniciada|esta reunión se está grabando)",
    r"(?:l')?enregistrement (?:a )?(?:commencé|démarré)|cette réunion est enregistrée",
    r"(?:a )?gravação (?:foi )?iniciada|esta reunião está sendo gravada",
    r"registrazione (?:avviata|iniziata)",
    r"録画(?:を|が)開始(?:しました|されました)",
    r"(?:录制已开始|开始录制|錄製已開始)",
)
_RECORDED: Final = (
    r"(?:the )?recording (?:has |was )?(?:been )?(?:stopped|ended)",
    r"(?:die )?Aufzeichnung (?:wurde )?(?:beendet|gestoppt)",
    r"(?:se ha detenido la grabación|grabación (?:detenida|finalizada))",
    r"(?:l')?enregistrement (?:a été )?(?:arrêté|terminé)",
    r"(?:a )?gravação (?:foi )?(?:interrompida|encerrada)",
    r"registrazione (?:interrotta|terminata)",
    r"録画(?:を|が)停止(?:しました|されました)",
    r"(?:录制已停止|停止录制|錄製已停止)",
)


def _compiled(patterns: tuple[str, ...]) -> regex.Pattern[str]:
    return regex.compile("|".join(f"(?:{each})" for each in patterns), regex.IGNORECASE)


_SYSTEM: Final = (
    (Kind.STOP_PRESENTING, _compiled(_STOPPED)),
    (Kind.START_PRESENTING, _compiled(_PRESENTS)),
    (Kind.JOIN, _compiled(_JOINED)),
    (Kind.LEAVE, _compiled(_LEFT)),
)
_RECORDINGS: Final = ((True, _compiled(_RECORDING)), (False, _compiled(_RECORDED)))


class Line(Struct, frozen=True, kw_only=True):
    """What someone said. ``start``, ``end``: seconds from the file's start, None where it has no times."""

    speaker: str
    name: str
    text: str
    start: float | None = None
    end: float | None = None


class Recording(Struct, frozen=True):
    """The meeting's own recording started or stopped."""

    at: float | None
    is_started: bool


class CaptionFile(Struct, frozen=True, kw_only=True):
    """What a file says. ``events``: of lines with a time; ``undated``: those without one."""

    lines: tuple[Line, ...]
    events: tuple[TimelineEvent, ...] = ()
    recordings: tuple[Recording, ...] = ()
    undated: tuple[tuple[Kind, str], ...] = ()


class _Row(Struct, frozen=True):
    text: str
    start: float | None
    end: float | None


def parse_captions(text: str) -> CaptionFile:
    """Return what a file of captions says, in its order.

    The name of a speaker who was not named is empty, and so is the id. Lines of one speaker at most
    :data:`GAP` seconds apart are one time of speaking; a line without an end has :data:`WORD` seconds for
    each word at most. :class:`ValueError` for a file of more than :data:`LONGEST` characters.
    """
    if len(text) > LONGEST:
        raise ValueError(f"a file of captions has at most {LONGEST:,} characters, this one has {len(text):,}")
    lines: list[Line] = []
    events: list[TimelineEvent] = []
    recordings: list[Recording] = []
    undated: list[tuple[Kind, str]] = []
    name = ""
    for row in _rows(text):
        is_started = next((kind for kind, form in _RECORDINGS if form.fullmatch(_plain(row.text))), None)
        if is_started is not None:
            recordings.append(Recording(row.start, is_started))
            continue
        event = _event(row.text)
        if event is not None:
            kind, who = event
            if row.start is None:
                undated.append(event)
            else:
                events.append(TimelineEvent(row.start, kind, speaker_id(who), who))
            continue
        name, said = _named(row.text, name)
        said = spoken_text(said)
        if said:
            speaker = speaker_id(name) if name else ""
            lines.append(Line(speaker=speaker, name=name, text=said, start=row.start, end=row.end))
    events += _speaking(lines)
    return CaptionFile(
        lines=tuple(lines),
        events=tuple(sorted(events, key=lambda each: each.at)),
        recordings=tuple(recordings),
        undated=tuple(undated),
    )


def _rows(text: str) -> Iterator[_Row]:
    """Yield the lines of text with the times of their cue, or of the time that they begin with."""
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    has_cues = any(_CUE.fullmatch(line) for line in lines)
    start: float | None = None
    end: float | None = None
    is_in_cue = not has_cues
    for line in lines:
        cue = _CUE.fullmatch(line) if has_cues else None
        if cue:
            start, end = _seconds(cue, 1), _seconds(cue, 2)
            is_in_cue = True
        elif not line.strip():
            is_in_cue = not has_cues
        elif is_in_cue and has_cues:
            yield _Row(clean(_TAG.sub("", line)), start, end)
        elif is_in_cue:
            stamp = _STAMP.match(line)
            rest = line[stamp.end() :] if stamp else line
            yield _Row(clean(rest), _seconds(stamp, 1) if stamp else None, None)


def _seconds(found: regex.Match[str], number: int) -> float:
    hours, minutes, seconds = (found[f"{unit}{number}"] or "0" for unit in "hms")
    return round(int(hours) * 3600 + int(minutes) * 60 + float(seconds.replace(",", ".")), 3)


def _plain(text: str) -> str:
    return text.strip(" .。[]()*")


def _event(text: str) -> tuple[Kind, str] | None:
    plain = _plain(text)
    for kind, form in _SYSTEM:
        found = form.fullmatch(plain)
        name = found["name"] if found else None
        if name and _is_name(name):
            return kind, name.strip()
    return None


def _named(text: str, before: str) -> tuple[str, str]:
    """Return who says a line and what; the speaker before where it names none."""
    for form in _FORMS:
        found = form.fullmatch(text)
        if found and _is_name(found["name"]):
            return found["name"].strip(), found["text"]
    return before, text


def _is_name(text: str) -> bool:
    name = text.strip()
    return (
        0 < len(name) <= _NAME_LETTERS
        and len(name.split()) <= _NAME_WORDS
        and _NOT_NAME.search(name) is None
        and not set(name) & set("<>[]:\uff1a")
        and any(letter.isalnum() for letter in name)
    )


def _speaking(lines: list[Line]) -> list[TimelineEvent]:
    """Return when each speaker began and ended; a line without an end lasts until the next at most."""
    timed = [line for line in lines if line.start is not None]
    following = [after.start for _, after in pairwise(timed)]
    spans: dict[str, list[tuple[float, float]]] = {}
    names: dict[str, str] = {}
    for line, after in zip(timed, [*following, None][: len(timed)], strict=True):
        start = line.start or 0.0
        spoken = start + WORD * len(split_words(line.text))
        end = line.end if line.end is not None else min(spoken, spoken if after is None else after)
        if line.name:
            names[line.speaker] = line.name
            spans.setdefault(line.speaker, []).append((start, max(start, end)))
    events = []
    for speaker, found in spans.items():
        for start, end in _joined(sorted(found)):
            events.append(TimelineEvent(start, Kind.SPEAKING_START, speaker, names[speaker]))
            events.append(TimelineEvent(end, Kind.SPEAKING_END, speaker, names[speaker]))
    return events


def _joined(spans: list[tuple[float, float]]) -> list[tuple[float, float]]:
    joined: list[tuple[float, float]] = []
    for start, end in spans:
        if joined and start - joined[-1][1] <= GAP:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined
