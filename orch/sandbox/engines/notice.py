"""The sentences about a better engine that is not ready yet. Pure."""

from typing import Final

from orch.sandbox.models.catalog import MODELS
from orch.sandbox.models.plan import in_words
from orch.sandbox.models.progress import Progress

ADVICE: Final = (
    "Without the model hub, start with --model FOLDER or ORCH_DEMO_MODEL; the README says how, under "
    "“Better engines”."
)

LONG: Final = 90.0
"""Seconds above which minutes are stated."""


def title(name: str) -> str:
    """Return a model's name for people."""
    model = MODELS.get(name)
    return f"Whisper {name}" if model is None else model.title


def better_engine_notice(name: str, progress: Progress | None, *, problem: str, instead: str) -> str:
    """Return what people should know about the model ``name``.

    ``problem``: why it will not be used, if it will not. ``instead``: the engine in use, or an empty string.
    """
    engine = f"A better engine, {title(name)}," if instead else f"{title(name)}"
    meanwhile = f" Until then {_named(instead)} transcribes." if instead else ""
    if problem:
        now = f" {_named(instead)} transcribes instead." if instead else ""
        return f"{engine} cannot be used. {problem}{now}"
    if progress is None:
        return f"{engine} is being downloaded.{meanwhile}"
    return f"{engine} {_in_words(name, progress)}{meanwhile}"


def _in_words(name: str, progress: Progress) -> str:
    """Return the progress as the end of a sentence, and what can be done."""
    match progress.state:
        case "checking":
            return "is being looked for."
        case "downloading":
            return f"is being downloaded: {_amount(name, progress)}."
        case "other_process":
            return f"is being downloaded by another process: {_amount(name, progress)}."
        case "complete":
            return "is being loaded."
        case "waiting":
            again = "" if progress.next_in is None else f" Next attempt in {_duration(progress.next_in)}."
            return f"cannot be downloaded: {progress.problem}{again} {ADVICE}"


def _named(engine: str) -> str:
    return "PocketSphinx (English only)" if engine == "pocketsphinx" else engine


def _amount(name: str, progress: Progress) -> str:
    return in_words(MODELS[name], progress.received)


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < LONG else f"{seconds / 60:.0f} min"
