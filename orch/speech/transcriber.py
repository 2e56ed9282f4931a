"""Requests transcriptions from an audio-service, in the dialect of its API.

``livetranslate``: ``POST /api/transcribe``, multipart: ``audio`` (WAV), ``language``, ``session_id``,
``enable_vad``. ``openai``: ``POST /v1/audio/transcriptions`` (or the settings' ``path``), multipart:
``file``, ``model``, ``language``, ``response_format``, ``timestamp_granularities[]``; the API of
faster-whisper's servers, whisper.cpp's, LocalAI and vLLM. ``deepgram``: ``POST /v1/listen``, in
:mod:`orch.speech.dialects.deepgram`.

"Detect" is sent to an ``openai`` server as ``language=auto``: without a language whisper.cpp's server assumes
English. Servers that refuse it (OpenAI, vLLM, faster-whisper's) are sent no language from then on.
``temperature`` is not sent: 0 is every server's default, and at OpenAI, whisper.cpp and faster-whisper it
allows another attempt where a text repeats itself. ``prompt`` is not sent: an engine that is given its
earlier output tends to repeat it.

A response must have the text; all other fields are optional, and invalid ones are ignored. A segment that the
engine itself doubts (:func:`is_doubted`) is left out. The "words" of whisper.cpp's server are tokens: they
are joined to words (:func:`joined_tokens`).

Confidence is the back end's own, else the mean of its words' probabilities, else null: OpenAI's
``avg_logprob`` is a mean log-likelihood of tokens, which is no statement about words being right.
"""

import re
import secrets
import time
import zlib
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, islice
from typing import Any, Final

from orch.audio.wav import wav
from orch.problems import ProblemError
from orch.settings import Service
from orch.settings.credentials import own_headers, with_query
from orch.settings.source import SettingsSource
from orch.speech.back_end import BackEnd
from orch.speech.dialects import deepgram
from orch.speech.joined_text import FIRST_CJK, joined_text
from orch.speech.languages import AUTO, closest, reported, whisper_code
from orch.speech.live_socket import Dial, Dialer
from orch.speech.live_transcriber import LiveTranscriber
from orch.speech.requests import AUDIO, Fetch, Request, Response, multipart
from orch.speech.responses import LARGEST, confidence_of, number, objects, read_object, text, unusable
from orch.speech.results import TranscribedSegment, TranscribedWord, Transcription

DEFAULT_MODEL: Final = "whisper-1"  # OpenAI's dialect requires one; servers with a single model ignore it
LIVETRANSLATE_PATH: Final = "/api/transcribe"
MODELS_PATH: Final = "/api/models"
OPENAI_PATH: Final = "/v1/audio/transcriptions"
_PATHS: Final = {
    "livetranslate": LIVETRANSLATE_PATH,
    "openai": OPENAI_PATH,
    "deepgram": deepgram.LISTEN_PATH,
}

# Fields that a server may refuse, as it names them.
LANGUAGE: Final = "language"
FORMAT: Final = "response_format"
GRANULARITIES: Final = "timestamp_granularities"

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
class AudioFile:
    """A recording. ``content_type`` and ``name`` (with its suffix) state its format."""

    data: bytes
    content_type: str = "audio/wav"
    name: str = "speech.wav"


@dataclass(frozen=True, slots=True)
class Limits:
    """What of a response is read: bytes, characters of the text, words."""

    largest: int = LARGEST
    longest_text: int = LONGEST_TEXT
    most_words: int = MOST_WORDS


OF_UTTERANCES: Final = Limits()
OF_RECORDINGS: Final = Limits(LARGEST_RECORDING, LONGEST_RECORDING_TEXT, MOST_RECORDING_WORDS)


def livetranslate_request(
    file: bytes,
    *,
    language: str,
    session_id: str,
    service: Service,
    boundary: str,
    segment_id: str | None = None,
) -> Request:
    """Return a request in the system's own dialect. The segmenter has found the speech: no second VAD.

    ``segment_id``: the name of an utterance whose speaker is requested too.
    """
    fields = [("language", language), ("session_id", session_id), ("enable_vad", "false")]
    if segment_id is not None:
        fields += [("diarization", "true"), ("segment_id", segment_id)]
    if service.model:
        fields.append(("model", service.model))
    headers, body = multipart(
        fields, file_field="audio", file_name="speech.wav", file=file, boundary=boundary
    )
    path = with_query(service, service.path or LIVETRANSLATE_PATH)
    return Request("POST", path, (*headers, *own_headers(service)), body)


def openai_request(
    file: AudioFile, *, language: str, service: Service, boundary: str, left_out: Collection[str] = ()
) -> Request:
    """Return a request in OpenAI's dialect, without the optional fields that the server refuses."""
    fields = [("model", service.model or DEFAULT_MODEL)]
    if language != AUTO:
        fields.append(("language", whisper_code(language)))
    elif LANGUAGE not in left_out:
        fields.append(("language", AUTO))
    if FORMAT in left_out:
        fields.append(("response_format", "json"))
    else:
        fields.append(("response_format", "verbose_json"))
        if GRANULARITIES not in left_out:
            # Both: if only words are requested, OpenAI leaves out the segments, with their probabilities.
            fields += [("timestamp_granularities[]", "word"), ("timestamp_granularities[]", "segment")]
    headers, body = multipart(
        fields,
        file_field="file",
        file_name=file.name,
        file=file.data,
        boundary=boundary,
        content_type=file.content_type,
    )
    path = with_query(service, service.path or OPENAI_PATH)
    return Request("POST", path, (*headers, *own_headers(service)), body)


def make_request(
    file: AudioFile,
    service: Service,
    language: str,
    session_id: str,
    segment_id: str | None,
    left_out: Collection[str] = (),
) -> Request:
    """Return a request in the dialect of the service, without the optional fields that it refuses.

    Speakers are requested in the system's own dialect alone: other servers' labels hold within one request,
    so those of two utterances cannot be compared.
    """
    if service.dialect == "deepgram":
        return deepgram.recording_request(
            file.data, content_type=file.content_type, language=language, service=service
        )
    # 128 random bits: the chance to find them in the file is nil.
    boundary = secrets.token_hex(16)
    if service.dialect == "openai":
        return openai_request(file, language=language, service=service, boundary=boundary, left_out=left_out)
    return livetranslate_request(
        file.data,
        language=language,
        session_id=session_id,
        service=service,
        boundary=boundary,
        segment_id=segment_id,
    )


def read_response(service: Service, limits: Limits, response: Response) -> Transcription:
    """Return the transcription in a response of the service. Raises the error that it describes."""
    path = service.path or _PATHS[service.dialect]
    if service.dialect == "deepgram":
        return deepgram.read_recording(
            response,
            path,
            largest=limits.largest,
            longest_text=limits.longest_text,
            most_words=limits.most_words,
        )
    return read_transcription(path, response, limits=limits)


def optional_fields(service: Service, language: str) -> tuple[str, ...]:
    """Return the names of the fields that a server may refuse."""
    if service.dialect != "openai":
        return ()
    return (GRANULARITIES, FORMAT, *((LANGUAGE,) if language == AUTO else ()))


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


class Transcriber:
    """Sends requests to the audio-service through ``fetch``. The settings are read at each request."""

    def __init__(
        self,
        *,
        fetch: Fetch,
        settings: SettingsSource,
        wall: Callable[[], float] = time.time,
        dial: Dial | None = None,
    ) -> None:
        self.back_end: Final = BackEnd(AUDIO, fetch=fetch, settings=settings, wall=wall)
        self.offered: tuple[str, ...] | None = None
        self._dial = dial or Dialer()
        self.diarizes = False
        """Whether the audio-service said that it can distinguish speakers, when its languages were listed."""

    @property
    def is_streaming(self) -> bool:
        """Whether live speech goes over a WebSocket, by the settings as they are now."""
        try:
            return self.back_end.service.is_streaming
        except ProblemError:
            return False

    def live(self, language: str, *, diarizes: bool = False) -> LiveTranscriber:
        """Return what transcribes one stream over a WebSocket. ``language``: a code, or ``auto``.

        ``diarizes``: its speakers are distinguished, if the vendor can.
        """
        return LiveTranscriber(back_end=self.back_end, dial=self._dial, language=language, diarizes=diarizes)

    async def languages(self) -> tuple[str, ...] | None:
        """Return the languages it can transcribe; None if its dialect cannot list them."""
        service = self.back_end.service
        if service.dialect != "livetranslate":
            # Deepgram can, over its socket.
            self.offered = None
            self.diarizes = service.dialect == "deepgram" and service.is_streaming
            return None
        request = Request("GET", with_query(service, MODELS_PATH), own_headers(service))
        offered, self.diarizes = await self.back_end.send(
            lambda _: request, lambda response: (read_models(response), read_diarization(response))
        )
        self.offered = offered or None
        return self.offered

    async def transcribe(
        self,
        pcm: bytes,
        *,
        sample_rate: int,
        language: str,
        session_id: str,
        segment_id: str | None = None,
    ) -> Transcription:
        """Return the transcription of 16-bit mono PCM. ``language``: a code, or ``auto``.

        ``segment_id``: of an utterance whose speaker is requested too. ProblemError: the gateway's or the
        back end's. A cancelled request leaves nothing behind.
        """
        return await self.transcribe_file(
            AudioFile(wav(pcm, sample_rate)), language=language, session_id=session_id, segment_id=segment_id
        )

    async def transcribe_file(
        self,
        file: AudioFile,
        *,
        language: str,
        session_id: str,
        segment_id: str | None = None,
        limits: Limits = OF_UTTERANCES,
        fetch: Fetch | None = None,
    ) -> Transcription:
        """Return the transcription of a recording. ``language``: a code, or ``auto``.

        ``fetch``: sends the request on behalf of a client, whose inputs are no news about the back end.
        ProblemError as in :meth:`transcribe`.
        """
        service = self.back_end.service
        if self.offered is not None and language != AUTO:
            language = closest(language, self.offered) or language
        return await self.back_end.send(
            partial(make_request, file, service, language, session_id, segment_id),
            partial(read_response, service, limits),
            optional=optional_fields(service, language),
            fetch=fetch,
        )
