"""Deepgram's WebSocket for live speech, ``/v1/listen``. Pure.

Its documentation: https://developers.deepgram.com/reference/speech-to-text/listen-streaming. Sound is sent as
binary messages. ``Results`` come for stretches of it: again and again while they grow, then once with
``is_final``. ``Finalize`` requests the rest, which comes with ``from_finalize``, or not at all if there is
nearly none. ``KeepAlive`` keeps a silent connection open beyond 10 s.

Its times count the seconds of sound sent over the connection, so silence that was not sent is missing in
them; the conversation remembers which sample of the stream each stretch began with. Words are assigned to
utterances by their times, so that a cut in the middle of speech neither loses nor doubles one.

With ``diarize`` each word has the number of its speaker. It holds within the connection: the label of an
utterance is the number and the connection's own characters, so that another connection's numbers are others.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from orch.audio.resampling import BACK_END_RATE
from orch.protocol.client_messages import UNSURE
from orch.protocol.terms import Terms
from orch.settings import Service
from orch.settings.credentials import with_query
from orch.speech.dialects.deepgram import (
    DEFAULT_MODEL,
    LISTEN_PATH,
    LONGEST_LANGUAGE,
    language_code,
    read_words,
    term_fields,
)
from orch.speech.dialects.live import CUT, Frame, Sound
from orch.speech.joined_text import joined_text
from orch.speech.languages import AUTO, reported
from orch.speech.requests import AUDIO, Answer, RefusedError
from orch.speech.responses import number, objects, text, unusable
from orch.speech.results import TranscribedWord, Transcription
from orch.untrusted_json import UnreadableError, read_document

MOST_WORDS: Final = 2_000  # of one utterance
DETECTING: Final = "multi"  # the language of models that recognise several at once
BLOCK: Final = BACK_END_RATE * 2 * 5  # bytes of sound in one message
SLACK: Final = 0.05  # s within which all of the sound counts as final
NEARLY: Final = 0.5  # s without a final for which Deepgram may send none
MAJORITY: Final = 0.75  # of an utterance's words, from which it is one speaker's
EARLY: Final = 0.3  # s before an utterance that its first word may seem to have


class DeepgramConversation:
    """The conversation over one connection.

    The mutable state is what was sent and where it belongs in the stream, the final and the growing words of
    the current utterance, and up to which second of the connection Deepgram has sent finals.
    """

    keep_alive: str | None = '{"type":"KeepAlive"}'
    closing: str | None = '{"type":"CloseStream"}'

    def __init__(self, service: Service, language: str, *, label: str = "", terms: Terms = ()) -> None:
        """``label``: what labels of speakers end in; "": speakers are not distinguished."""
        self.news = 0
        self._language = language
        self._label = label
        self.path = _path(service, language, terms, diarizes=bool(label))
        self._sent = 0  # samples over this connection
        self._until = 0  # the stream's sample after the last one sent
        self._stretches: list[tuple[int, int]] = []  # first sample: on the connection, of the stream
        self._final: list[TranscribedWord] = []
        self._growing: tuple[TranscribedWord, ...] = ()
        self._final_until = 0.0
        self._requested = False
        self._flushed = False
        self._detected: str | None = None

    def opening(self) -> list[Frame]:
        """Return nothing: all is in the query."""
        return []

    def begin(self, start: int) -> list[Frame]:
        """Begin an utterance; words of the one before are dropped, but not those after a cut."""
        self._requested = self._flushed = False
        earliest = start / BACK_END_RATE - (0.0 if start < self._until - CUT else EARLY)
        self._final = [word for word in self._final if _middle(word) >= earliest]
        self._growing = tuple(word for word in self._growing if _middle(word) >= earliest)
        if start < self._until and self._final + list(self._growing):
            self.news += 1
        return []

    def sound(self, sound: Sound) -> list[Frame]:
        """Return what was not sent of the utterance, in blocks of 5 s."""
        begin = max(sound.start, self._until)
        if begin >= sound.end:
            return []
        if not self._stretches or begin != self._until:
            self._stretches = [*self._stretches[-50:], (self._sent, begin)]
        self._sent += sound.end - begin
        self._until = sound.end
        pcm = sound.pcm[(begin - sound.start) * 2 :]
        return [pcm[at : at + BLOCK] for at in range(0, len(pcm), BLOCK)]

    def finish(self, sound: Sound) -> list[Frame]:
        """Request what is not final. Nothing, if all of it is."""
        frames = self.sound(sound)
        self._requested, self._flushed = True, False
        if not frames and self._rest() <= SLACK:
            self._flushed = True
            return []
        return [*frames, '{"type":"Finalize"}']

    @property
    def can_begin(self) -> bool:
        """Whether no text is awaited: what was sent of an utterance that was given up can be left."""
        return not self.is_finishing

    def can_continue(self, sound: Sound) -> bool:  # noqa: ARG002 - whatever was sent
        """Return True: what was sent beyond the end of an utterance can be left out."""
        return True

    @property
    def is_finishing(self) -> bool:
        """Whether finals are requested and have not all come."""
        return self._requested and not self._flushed and self._rest() > SLACK

    @property
    def is_nearly_finished(self) -> bool:
        """Whether so little is not final that Deepgram may send nothing for it."""
        return self._rest() <= NEARLY

    def _rest(self) -> float:
        """Return how many seconds were sent for which there is no final."""
        return self._sent / BACK_END_RATE - self._final_until

    def receive(self, message: Frame) -> None:
        """Apply a message."""
        try:
            document = read_document(message.encode() if isinstance(message, str) else message)
        except UnreadableError:
            raise unusable(AUDIO, LISTEN_PATH, {}, "JSON") from None
        kind = document.get("type") if isinstance(document, dict) else None
        if kind == "Results":
            self._results(document)
        elif kind == "Error":
            raise RefusedError(LISTEN_PATH, Answer(502, (), msgspec.json.encode(document)))

    def _results(self, document: dict[str, Any]) -> None:
        channel = document.get("channel")
        alternatives = objects(channel.get("alternatives")) if isinstance(channel, dict) else []
        alternative: dict[str, Any] = alternatives[0] if alternatives else {}
        start, duration = number(document.get("start")) or 0.0, number(document.get("duration")) or 0.0
        words = self._in_stream(read_words(alternative, MOST_WORDS) or _whole(alternative, start, duration))
        languages = alternative.get("languages")
        if isinstance(languages, list) and languages and isinstance(languages[0], str):
            self._detected = languages[0][:LONGEST_LANGUAGE]
        if document.get("is_final") is True:
            self._final = [*self._final, *words][-MOST_WORDS:]
            self._growing = ()
            self._final_until = max(self._final_until, start + duration)
        else:
            self._growing = words
        if document.get("from_finalize") is True:
            self._flushed = True
        self.news += 1

    def _in_stream(self, words: Sequence[TranscribedWord]) -> tuple[TranscribedWord, ...]:
        """Return words with times of the stream."""
        return tuple(
            replace(word, start=word.start + shift, end=word.end + shift)
            for word in words
            for shift in [self._shift(_middle(word))]
        )

    def _shift(self, second: float) -> float:
        at = round(second * BACK_END_RATE)
        found = next((each for each in reversed(self._stretches) if each[0] <= at), None)
        first, begun = found or (self._stretches[0] if self._stretches else (0, 0))
        return (begun - first) / BACK_END_RATE

    def transcription(self, sound: Sound) -> Transcription:
        """Return the words of an utterance, with times from its beginning."""
        begin, end = sound.start / BACK_END_RATE, sound.end / BACK_END_RATE
        is_cut = self._until - sound.end > CUT
        heard = [
            replace(
                word, start=max(0.0, round(word.start - begin, 3)), end=max(0.0, round(word.end - begin, 3))
            )
            for word in (*self._final, *self._growing)
            if not is_cut or _middle(word) < end
        ]
        known = [word.confidence for word in heard if word.confidence is not None]
        return Transcription(
            text=joined_text(word.text for word in heard),
            language=reported(self._detected if self._language == AUTO else None),
            confidence=round(sum(known) / len(known), 3) if known else None,
            words=tuple(heard),
            speaker=self._speaker_of(heard),
        )

    def _speaker_of(self, words: Sequence[TranscribedWord]) -> str | None:
        """Return the label of who said most of the words; unsure if that is no clear majority."""
        counts = Counter(word.speaker for word in words if word.speaker is not None)
        if not self._label or not counts:
            return None
        ((speaker, count), *_) = counts.most_common(1)
        return f"{speaker + 1}-{self._label}" if count >= MAJORITY * counts.total() else UNSURE


def _path(service: Service, language: str, terms: Terms, *, diarizes: bool) -> str:
    model = service.streaming_model or service.model or DEFAULT_MODEL
    fields = [
        ("model", model),
        ("language", DETECTING if language == AUTO else language_code(language)),
        ("encoding", "linear16"),
        ("sample_rate", f"{BACK_END_RATE}"),
        ("channels", "1"),
        ("interim_results", "true"),
        ("smart_format", "true"),
        ("endpointing", "false"),
        *term_fields(model, terms),
    ]
    if diarizes and "diarize" not in service.query:
        fields.append(("diarize", "true"))
    return with_query(service, f"{service.path or LISTEN_PATH}?{urlencode(fields)}")


def _middle(word: TranscribedWord) -> float:
    return (word.start + word.end) / 2


def _whole(alternative: dict[str, Any], start: float, duration: float) -> tuple[TranscribedWord, ...]:
    """Return a transcript without words as one word."""
    shown = text(alternative.get("transcript")) or ""
    return (TranscribedWord(shown.strip(), start, start + duration, None),) if shown.strip() else ()
