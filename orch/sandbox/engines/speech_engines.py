"""Chooses and loads the speech engine: faster-whisper if installed, else PocketSphinx."""

from importlib.util import find_spec
from typing import Final, Literal

from msgspec import Struct

from orch.sandbox.engines import whisper
from orch.sandbox.engines.speech import SpeechEngine

ADVICE: Final = "Install an engine: pip install 'orchestration-service[whisper]', or pocketsphinx"

EngineChoice = Literal["auto", "whisper", "pocketsphinx"]


class EngineOptions(Struct, frozen=True, kw_only=True):
    """The requested engine. ``fetch_seconds``: time allowed to download a missing model."""

    engine: EngineChoice = "auto"
    model: str = whisper.DEFAULT_MODEL
    fetch_seconds: float = 60


class LoadedEngine(Struct, frozen=True):
    """The loaded engine, or None. ``detail``: why it is not the requested one."""

    engine: SpeechEngine | None
    detail: str = ""


async def load_engine(options: EngineOptions) -> LoadedEngine:
    """Load the requested engine, or else the best available one."""
    detail = ""
    if options.engine != "pocketsphinx":
        if whisper.is_installed():
            try:
                return LoadedEngine(await whisper.load(options.model, fetch_seconds=options.fetch_seconds))
            except whisper.ModelUnavailable as error:
                detail = f"Whisper cannot be used. {error}"
        elif options.engine == "whisper":
            detail = "faster-whisper is not installed: pip install 'orchestration-service[whisper]'"
    if options.engine != "whisper" and find_spec("pocketsphinx") is not None:
        from orch.sandbox.engines.pocketsphinx import PocketSphinx  # noqa: PLC0415 - imported only if it is installed

        return LoadedEngine(
            PocketSphinx(), f"{detail} PocketSphinx is used instead: English only." if detail else ""
        )
    return LoadedEngine(None, detail or f"No engine is installed. {ADVICE}")
