"""Interprets a back end's response to a health check. Pure.

A back end of this system responds ``{"status": "healthy" | "degraded" | "starting" | "unhealthy",
"engine"?, "detail"?, "notice"?}``; others respond as they like, so any 200 counts as healthy unless its
``status`` has another meaning, and a missing endpoint (404) shows a server that runs but cannot be judged.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from orch.health.verdict import Finding, Observation
from orch.masking import mask_path
from orch.untrusted_json import UnreadableError, read_document, unpacked

WORDS: Final[Mapping[str, Finding]] = {
    "degraded": Finding.IMPAIRED,
    "warn": Finding.IMPAIRED,  # draft-inadarei-api-health-check: pass, warn, fail
    "warning": Finding.IMPAIRED,
    "starting": Finding.STARTING,
    "initializing": Finding.STARTING,
    "loading": Finding.STARTING,
    "loading model": Finding.STARTING,  # whisper.cpp and llama.cpp, with 503
    "unhealthy": Finding.MISSED,
    "fail": Finding.MISSED,
    "error": Finding.MISSED,
    "down": Finding.MISSED,
}
"""The meaning of each ``status`` that is not healthy; any other word is."""

DETAIL_FIELDS: Final = ("detail", "reason", "message", "error")
LONGEST_DETAIL: Final = 300
LONGEST_ENGINE: Final = 100
LONGEST_NOTICE: Final = 600

WELL_KNOWN: Final[Mapping[str, tuple[str, ...]]] = {
    "livetranslate": (),
    # vLLM, speaches, whisper.cpp and llama.cpp have the first; OpenAI, Groq, LocalAI and Ollama the second.
    "openai": ("/health", "/v1/models"),
    "libretranslate": ("/health", "/languages"),  # the first since 1.6
    "deepgram": ("/v1/status", "/v1/projects"),  # of a server of one's own; of Deepgram itself
    "deepl": ("/v2/usage",),
}
"""The health endpoints of servers of each dialect, tried if the settings name none."""

LARGEST: Final = 262_144
"""Bytes that a response may have after decompression."""

_NOT_THERE: Final = frozenset({404, 405, 410, 501})
_KEY_WANTED: Final = frozenset({401, 403})


def read_response(
    service: str, endpoint: str, status: int, body: bytes, *, elapsed: float, limit: float
) -> Observation:
    """Return what the response shows. ``elapsed`` and ``limit`` (above which it is slow) in seconds."""
    document = _document(body)
    status_word = document.get("status")
    word = status_word.strip().lower() if isinstance(status_word, str) else ""
    engine = document.get("engine")
    seen, reasons = _judge_status(service, endpoint, status, word, _detail(document))
    if elapsed > limit and seen in {Finding.GOOD, Finding.IMPAIRED}:
        reasons = (*reasons, f"responds in {in_words(elapsed)}, limit {in_words(limit)}")
        seen = Finding.SLOW if seen is Finding.GOOD else seen
    name = " ".join(engine.split())[:LONGEST_ENGINE] if isinstance(engine, str) else None
    notice = document.get("notice")
    text = " ".join(notice.split())[:LONGEST_NOTICE] if isinstance(notice, str) else ""
    return Observation(seen, reasons, elapsed=elapsed, engine=name or None, notice=text)


def _judge_status(
    service: str, endpoint: str, status: int, word: str, detail: str
) -> tuple[Finding, tuple[str, ...]]:
    endpoint = mask_path(endpoint)
    meant = WORDS.get(word)
    if meant is not None and (status < HTTPStatus.BAD_REQUEST or status == HTTPStatus.SERVICE_UNAVAILABLE):
        return meant, (f"reports {word}" + (f": {detail}" if detail else ""),)
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return Finding.GOOD, ()
    if status in _NOT_THERE:
        return Finding.IMPAIRED, (f"has no {endpoint}; set services.{service}.health_endpoint",)
    if status in _KEY_WANTED:
        return Finding.IMPAIRED, (f"requires a key at {endpoint}; set services.{service}.api_key",)
    answered = f"responds {status} to GET {endpoint}" + (f": {detail}" if detail else "")
    return (Finding.MISSED if status >= HTTPStatus.INTERNAL_SERVER_ERROR else Finding.IMPAIRED), (answered,)


def is_not_there(status: int) -> bool:
    """Return whether a status means that the server has nothing at this path."""
    return status in _NOT_THERE


def _document(body: bytes) -> Mapping[str, Any]:
    try:
        document = read_document(unpacked(body, limit=LARGEST))
    except UnreadableError:
        return {}  # a server of another kind may respond "OK"
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
