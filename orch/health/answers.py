"""What a back end's answer to a health check means.

Pure. A back end of this system answers ``{"status": "healthy" | "degraded" | "starting" | "unhealthy",
"engine"?, "detail"?}``; a foreign one answers what it likes, so any 200 counts as healthy unless its own
words say otherwise, and an address that is not there (404) shows a server that lives but cannot be judged.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from orch.health.verdict import Observation, Seen
from orch.masking import mask_path
from orch.untrusted_json import UnreadableError, read_document, unpacked

WORDS: Final[Mapping[str, Seen]] = {
    "degraded": Seen.IMPAIRED,
    "warn": Seen.IMPAIRED,  # draft-inadarei-api-health-check: pass, warn, fail
    "warning": Seen.IMPAIRED,
    "starting": Seen.STARTING,
    "initializing": Seen.STARTING,
    "loading": Seen.STARTING,
    "loading model": Seen.STARTING,  # whisper.cpp and llama.cpp, with 503
    "unhealthy": Seen.MISSED,
    "fail": Seen.MISSED,
    "error": Seen.MISSED,
    "down": Seen.MISSED,
}
"""What a ``status`` means where it is not well; any other word is well."""

DETAIL_FIELDS: Final = ("detail", "reason", "message", "error")
LONGEST_DETAIL: Final = 300
LONGEST_ENGINE: Final = 100

WELL_KNOWN: Final[Mapping[str, tuple[str, ...]]] = {
    "livetranslate": (),
    # vLLM, speaches, whisper.cpp and llama.cpp have the first; OpenAI, Groq, LocalAI and Ollama the second.
    "openai": ("/health", "/v1/models"),
    "libretranslate": ("/health", "/languages"),  # the first since 1.6
}
"""Where servers of each dialect can be asked how they are, tried where the settings do not say."""

LARGEST: Final = 262_144
"""Bytes that an answer may unpack to."""

_NOT_THERE: Final = frozenset({404, 405, 410, 501})
_KEY_WANTED: Final = frozenset({401, 403})


def read_answer(
    service: str, endpoint: str, status: int, body: bytes, *, elapsed: float, limit: float
) -> Observation:
    """Return what the answer shows. ``elapsed`` and ``limit`` (from where on it is slow) in seconds."""
    document = _document(body)
    said = document.get("status")
    word = said.strip().lower() if isinstance(said, str) else ""
    engine = document.get("engine")
    seen, reasons = _judge_status(service, endpoint, status, word, _detail(document))
    if elapsed > limit and seen in {Seen.GOOD, Seen.IMPAIRED}:
        reasons = (*reasons, f"answers in {in_words(elapsed)}, limit {in_words(limit)}")
        seen = Seen.SLOW if seen is Seen.GOOD else seen
    name = " ".join(engine.split())[:LONGEST_ENGINE] if isinstance(engine, str) else None
    return Observation(seen, reasons, elapsed=elapsed, engine=name or None)


def _judge_status(
    service: str, endpoint: str, status: int, word: str, detail: str
) -> tuple[Seen, tuple[str, ...]]:
    endpoint = mask_path(endpoint)
    meant = WORDS.get(word)
    if meant is not None and (status < HTTPStatus.BAD_REQUEST or status == HTTPStatus.SERVICE_UNAVAILABLE):
        return meant, (f"says {word}" + (f": {detail}" if detail else ""),)
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return Seen.GOOD, ()
    if status in _NOT_THERE:
        return Seen.IMPAIRED, (f"has no {endpoint}; set services.{service}.health_endpoint",)
    if status in _KEY_WANTED:
        return Seen.IMPAIRED, (f"requires a key at {endpoint}; set services.{service}.api_key",)
    answered = f"answers {status} to GET {endpoint}" + (f": {detail}" if detail else "")
    return (Seen.MISSED if status >= HTTPStatus.INTERNAL_SERVER_ERROR else Seen.IMPAIRED), (answered,)


def is_not_there(status: int) -> bool:
    """Whether a status says that the server has nothing at this path."""
    return status in _NOT_THERE


def _document(body: bytes) -> Mapping[str, Any]:
    try:
        document = read_document(unpacked(body, limit=LARGEST))
    except UnreadableError:
        return {}  # a foreign server may answer "OK"
    return document if isinstance(document, dict) else {}


def _detail(document: Mapping[str, Any]) -> str:
    for name in DETAIL_FIELDS:
        text = document.get(name)
        if isinstance(text, str) and text.strip():
            return " ".join(text.split())[:LONGEST_DETAIL]
    return ""


def in_words(seconds: float) -> str:
    """Return a duration with two significant figures: 0.0123 reads "12 ms", 2.41 "2.4 s", 300 "5 min"."""
    rounded = float(f"{seconds:.2g}")
    if rounded < 1:
        return f"{rounded * 1000:g} ms"
    if rounded < 120:  # noqa: PLR2004 - under two minutes people count in seconds
        return f"{rounded:g} s"
    return f"{float(f'{seconds / 60:.2g}'):g} min"
