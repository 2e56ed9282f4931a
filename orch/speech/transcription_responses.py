"""What a response with a transcription means, in this system's own dialect and in OpenAI's. Pure.

A response must have the text; all other fields are optional, and invalid ones are ignored. A segment that the
engine itself doubts (:func:`is_doubted`) is left out. The "words" of whisper.cpp's server are tokens: they
are joined to words (:func:`joined_tokens`).

Confidence is the back end's own, else the mean of its words' probabilities, else null: OpenAI's
``avg_logprob`` is a mean log-likelihood of tokens, which is no statement about words being right.
"""

import re
import zlib
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice
from typing import Any, Final

from orch.speech.joined_text import FIRST_CJK, joined_text
from orch.speech.languages import reported
from orch.speech.requests import AUDIO, Response
from orch.speech.responses import (
    LARGEST,
    confidence_of,
    number,
    objects,
    read_object,
    text,
    unusable,
)
from orch.speech.results import TranscribedSegment, TranscribedWord, Transcription

MODELS_PATH: Final = "/api/models"

# Whisper's own thresholds (``no_speech_threshold``, ``logprob_threshold``, ``compression_ratio_threshold``).
NO_SPEECH: Final = 0.6
LOGPROB: Final = -1.0
COMPRESSION: Final = 2.4

LONGEST_TEXT: Final = 20_000  # characters; a minute of the fastest speech has 2,000
LONGEST_WORD: Final = 200
LONGEST_LANGUAGE: Final = 35  # RFC 5646 §4.4.1
MOST_WORDS: Final = 2_000
LARGEST_RECORDING: Final = 8 * 2**20  # bytes of the response for a long recording, and its limits
LONGEST_RECORDING_TEXT: Final = 2_000_000
MOST_RECORDING_WORDS: Final = 200_000
LONGEST_LABEL: Final = 64  # of a speaker
MOST_CORRECTIONS: Final = 64
MOST_LANGUAGES: Final = 500  # every request searches all of them
_OF_ONE_REQUEST: Final = re.compile(r"(?:(?:speaker|spk)[ _-]?)?(?:\d+|[A-Z])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Limits:
    """What of a response is read: bytes, characters of the text, words."""

    largest: int = LARGEST
    longest_text: int = LONGEST_TEXT
    most_words: int = MOST_WORDS


OF_UTTERANCES: Final = Limits()
OF_RECORDINGS: Final = Limits(LARGEST_RECORDING, LONGEST_RECORDING_TEXT, MOST_RECORDING_WORDS)


def read_transcription(path: str, response: Response, *, limits: Limits = OF_UTTERANCES) -> Transcription:
    """Return the transcription in a response. Raises the error that it describes."""
    document = read_object(AUDIO, path, response, largest=limits.largest)
    segments = objects(document.get("segments"))
    kept = [segment for segment in segments if not is_doubted(segment)]
    doubted = [segment for segment in segments if is_doubted(segment)]
    words = _words(document, kept, doubted, limits.most_words)
    confidence = confidence_of(document.get("confidence"))
    language = text(document.get("detected_language")) or text(document.get("language"))
    return Transcription(
        text=" ".join(_text(path, document, segments, kept, limits.longest_text).split()),
        language=reported(None if language is None else language[:LONGEST_LANGUAGE]),
        confidence=confidence if confidence is not None else _mean(words),
        words=words,
        model=text(document.get("model_used")),
        seconds=number(document.get("processing_time")),
        doubted=len(doubted),
        language_probability=_language_probability(document),
        segments=tuple(known for each in kept if (known := _segment(each)) is not None),
        speaker=speaker_of(document, kept),
        speaker_corrections=_speaker_corrections(document),
    )


def speaker_of(document: Mapping[str, Any], segments: Sequence[Mapping[str, Any]]) -> str | None:
    """Return the label of who spoke: of the whole, else the one that all segments have.

    A numbered or lettered label of a segment ("SPEAKER_00", "A") holds within its request only, and would
    make one person of all who speak; a name is passed on, such as OpenAI's ``known_speaker_names[]``.
    """
    whole = _label(document.get("speaker"))
    if whole is not None:
        return whole
    labels = {_label(segment.get("speaker")) for segment in segments}
    if len(labels) != 1:
        return None
    label = labels.pop()
    return None if label is None or _OF_ONE_REQUEST.fullmatch(label) else label


def _speaker_corrections(document: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    found = objects(document.get("speaker_corrections"))[:MOST_CORRECTIONS]
    pairs = [(text(each.get("segment_id")), _label(each.get("speaker"))) for each in found]
    return tuple((segment, label) for segment, label in pairs if segment and label)


def _label(value: Any) -> str | None:
    """Return a speaker's label that can be sent on; None for anything else."""
    label = (text(value) or "").strip()
    return label if 0 < len(label) <= LONGEST_LABEL and label.isprintable() else None


def _language_probability(document: Mapping[str, Any]) -> float | None:
    """Return the probability of the detected language; whisper.cpp's server has a name of its own for it."""
    found = confidence_of(document.get("language_probability"))
    return found if found is not None else confidence_of(document.get("detected_language_probability"))


def is_doubted(segment: Mapping[str, Any]) -> bool:
    """Return whether an engine doubts a segment itself, by Whisper's own rules for silence and for loops.

    Such texts are what Whisper has learned to produce for music and noise ("Thank you for watching!"), or the
    same words again and again.
    """
    no_speech, logprob = number(segment.get("no_speech_prob")), number(segment.get("avg_logprob"))
    if no_speech is not None and logprob is not None and no_speech > NO_SPEECH and logprob < LOGPROB:
        return True
    ratio = number(segment.get("compression_ratio"))
    if ratio is None or ratio <= COMPRESSION:
        return False
    # faster-whisper has one ratio for all segments of a window: only those that repeat themselves are loops.
    own = (text(segment.get("text")) or "").encode("utf-8", "replace")[:LONGEST_TEXT]
    return len(own) > COMPRESSION * len(zlib.compress(own))


def _text(
    path: str,
    document: dict[str, Any],
    segments: Sequence[Mapping[str, Any]],
    kept: Sequence[Mapping[str, Any]],
    longest: int,
) -> str:
    """Return the text without doubted segments; from the segments alone if there is no other."""
    whole = text(document.get("text"))
    if segments and not kept:
        return ""
    texts = [text(segment.get("text")) for segment in kept]
    parts = [part for part in texts if part is not None]
    if whole is None or (len(kept) < len(segments) and len(parts) == len(kept)):
        if not parts and whole is None:
            raise unusable(AUDIO, path, document, "text")
        whole = joined_text(parts)
    if len(whole) > longest:
        raise unusable(AUDIO, path, {}, f"a text of at most {longest} characters")
    return whole


def _segment(segment: Mapping[str, Any]) -> TranscribedSegment | None:
    start, end, shown = number(segment.get("start")), number(segment.get("end")), text(segment.get("text"))
    if shown is None or start is None or end is None or not 0 <= start <= end:
        return None
    return TranscribedSegment(" ".join(shown.split()), start, end)


def _words(
    document: dict[str, Any],
    kept: Sequence[Mapping[str, Any]],
    doubted: Sequence[Mapping[str, Any]],
    most: int,
) -> tuple[TranscribedWord, ...]:
    """Return the words that have times, without those of doubted segments."""
    listed = objects(document.get("words"))
    spans = Spans(())
    if listed:
        spans = Spans((number(segment.get("start")), number(segment.get("end"))) for segment in doubted)
    else:
        listed = [word for segment in kept for word in objects(segment.get("words"))]
    listed = joined_tokens(listed[:most])
    found = [known for word in listed if (known := _word(word)) is not None]
    return tuple(word for word in found if (word.start + word.end) / 2 not in spans)


def joined_tokens(listed: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return words, where a server lists tokens as words: " Inter", "pre", "ter", ",".

    Of a list in which some begin with a blank, one without a blank continues the one before it, unless
    both are in a script without blanks. A joined word's probability is the mean of its tokens'.
    """
    texts = [text(word.get("word")) or "" for word in listed]
    if not any(each[:1].isspace() for each in texts):
        return list(listed)
    groups: list[list[int]] = []
    for index, each in enumerate(texts):
        before = texts[index - 1] if index else ""
        is_own = not before.strip() or not each.strip() or each[0].isspace() or before[-1].isspace()
        is_unspaced = bool(each and before) and each[0].isalnum() and max(each[0], before[-1]) >= FIRST_CJK
        if is_own or is_unspaced:
            groups.append([index])
        else:
            groups[-1].append(index)
    return [_joined_word([listed[index] for index in group]) for group in groups]


def _joined_word(tokens: Sequence[dict[str, Any]]) -> dict[str, Any]:
    if len(tokens) == 1:
        return tokens[0]
    known = [confidence_of(token.get("probability")) for token in tokens]
    probabilities = [each for each in known if each is not None]
    word = dict(tokens[0], word="".join(text(token.get("word")) or "" for token in tokens))
    ends = [end for token in tokens if (end := number(token.get("end"))) is not None]
    if ends:
        word["end"] = max(ends)
    if probabilities:
        word["probability"] = sum(probabilities) / len(probabilities)
    return word


class Spans:
    """Spans of time, in any order, that may overlap. A search takes logarithmic time."""

    def __init__(self, spans: Iterable[tuple[float | None, float | None]]) -> None:
        known = sorted((start, end) for start, end in spans if start is not None and end is not None)
        self._starts = [start for start, _ in known]
        self._latest = list(accumulate((end for _, end in known), max))

    def __contains__(self, moment: float) -> bool:
        begun = bisect_right(self._starts, moment)
        return begun > 0 and moment <= self._latest[begun - 1]


def _word(word: Mapping[str, Any]) -> TranscribedWord | None:
    """Return a word with its times; None if it has none: it is in the text alone."""
    shown = text(word.get("word"))
    shown = (shown if shown is not None else text(word.get("text")) or "").strip()[:LONGEST_WORD]
    start, end = number(word.get("start")), number(word.get("end"))
    if not shown or start is None or end is None or not 0 <= start <= end:
        return None
    confidence = confidence_of(word.get("confidence"))
    return TranscribedWord(
        shown, start, end, confidence if confidence is not None else confidence_of(word.get("probability"))
    )


def _mean(words: Sequence[TranscribedWord]) -> float | None:
    known = [word.confidence for word in words if word.confidence is not None]
    return round(sum(known) / len(known), 3) if known else None


def read_models(response: Response) -> tuple[str, ...]:
    """Return the languages of an audio-service's models, sorted."""
    document = read_object(AUDIO, MODELS_PATH, response)
    lists = [
        document.get("languages"),
        *(model.get("languages") for model in objects(document.get("models"))),
    ]
    codes = [code for each in lists if isinstance(each, list) for code in each if isinstance(code, str)]
    found = (reported(code[:LONGEST_LANGUAGE]) for code in codes)
    return tuple(sorted(islice(dict.fromkeys(code for code in found if code is not None), MOST_LANGUAGES)))


def read_diarization(response: Response) -> bool:
    """Return whether an audio-service says that it can distinguish speakers."""
    return read_object(AUDIO, MODELS_PATH, response).get("diarization") is True
