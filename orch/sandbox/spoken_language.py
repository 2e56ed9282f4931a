"""Which of an engine's languages a client means."""

from orch.problems import ProblemError
from orch.sandbox.engines.speech import SpeechEngine
from orch.speech.languages import AUTO, closest, english_name


def choose_language(language: str, engine: SpeechEngine) -> str | None:
    """Return the engine's code of a language; None: ``auto``. Problem ``unsupported_language``."""
    if language in {"", AUTO}:
        return None
    found = closest(language, engine.languages)
    if found is None:
        offered = ", ".join(english_name(code) for code in engine.languages)
        raise ProblemError(
            "unsupported_language",
            f"{engine.name} does not support {english_name(language)}. It supports: {offered}.",
            languages=list(engine.languages),
        )
    return found
