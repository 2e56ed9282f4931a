"""The sentences that everyone in a session reads about an error: what it means for them. Pure.

Captions, exports and the list of languages are shown to guests. The back end's own message is for operators:
it is in the service's state, the events and the log.
"""

from typing import Final

from orch.problems import ProblemError

_NOW: Final = frozenset(
    {
        "service_unavailable",
        "gateway_timeout",
        "overloaded",
        "shed",
        "rate_limited",
        "own_shortage",
        "store_unavailable",
        "starting",
        "shutting_down",
    }
)
"""Temporary errors."""

_SPEECH: Final = {
    "now": "Speech cannot be transcribed right now.",
    "this": "This could not be transcribed.",
    "speech_lost": "This could not be transcribed in time.",
    "unsupported_language": "The language that is spoken here cannot be transcribed.",
    "engine_missing": "Speech cannot be transcribed here.",
}
_TRANSLATION: Final = {
    "now": "Translation is not available right now.",
    "this": "This could not be translated.",
    "unsupported_language": "This cannot be translated between these two languages.",
    "engine_missing": "Translation is not available here.",
}


def error_text(error: ProblemError, *, is_translation: bool, is_final: bool) -> str:
    """Return a sentence about a failed transcription or translation, without the back end's own message.

    ``is_final``: there will be no further attempt.
    """
    words = _TRANSLATION if is_translation else _SPEECH
    if error.code in words:
        return words[error.code]
    return words["now" if error.code in _NOW or not is_final else "this"]
