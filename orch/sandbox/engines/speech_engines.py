"""Chooses and loads the speech engine: faster-whisper if it and a model are installed, else PocketSphinx."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Literal

import trio
from msgspec import Struct

from orch.sandbox.engines import whisper
from orch.sandbox.engines.speech import SpeechEngine
from orch.sandbox.models import disk
from orch.sandbox.models.catalog import MODELS
from orch.sandbox.models.locations import Locations, locations

ADVICE: Final = "Install an engine: pip install 'orchestration-service[whisper]', or pocketsphinx"

NOT_INSTALLED: Final = "faster-whisper is not installed: pip install 'orchestration-service[whisper]'"

EngineChoice = Literal["auto", "whisper", "pocketsphinx"]


class EngineOptions(Struct, frozen=True, kw_only=True):
    """The requested engine. ``may_download``: whether a missing model may be requested from the hub."""

    engine: EngineChoice = "auto"
    model: str = whisper.DEFAULT_MODEL
    may_download: bool = True


class LoadedEngine(Struct, frozen=True):
    """The loaded engine, or None. ``detail``: why it is not the requested one.

    ``awaited``: the name of the Whisper model that has to be downloaded for the requested one, or None.
    """

    engine: SpeechEngine | None
    detail: str = ""
    awaited: str | None = None


def own_locations() -> Locations:
    """Return where models are on this machine, by this process's environment."""
    return locations(os.environ, Path("~").expanduser())


async def load_engine(options: EngineOptions) -> LoadedEngine:
    """Load the requested engine, or else the best one that needs no download."""
    detail, awaited = "", None
    if options.engine != "pocketsphinx":
        if whisper.is_installed():
            try:
                return LoadedEngine(await _load_whisper(options.model))
            except whisper.ModelUnavailable as error:
                detail = f"Whisper cannot be used. {error}"
            if not whisper.is_folder(options.model):
                awaited, detail = _may_download(options, detail)
        elif options.engine == "whisper":
            detail = NOT_INSTALLED
    if options.engine != "whisper" and find_spec("pocketsphinx") is not None:
        from orch.sandbox.engines.pocketsphinx import PocketSphinx  # noqa: PLC0415 - imported only if it is installed

        because = f"{detail} PocketSphinx is used instead: English only." if detail else ""
        return LoadedEngine(PocketSphinx(), because, awaited)
    return LoadedEngine(None, detail or f"No engine is installed. {ADVICE}", awaited)


def _may_download(options: EngineOptions, detail: str) -> tuple[str | None, str]:
    """Return the model to download, or None, and why Whisper is not used."""
    places = own_locations()
    if not options.may_download:
        return None, f"{detail} Downloads are turned off (--no-download)."
    if places.offline:
        return None, f"{detail} Downloads are turned off ({places.offline})."
    return options.model, detail


async def _load_whisper(model: str) -> whisper.Whisper:
    """Return the engine with a model that is on this machine. Raises :class:`whisper.ModelUnavailable`."""
    pinned = MODELS.get(model)
    if pinned is None or whisper.is_folder(model):
        return await whisper.load(model, fetch_seconds=0)
    folder = await trio.to_thread.run_sync(disk.find, pinned, own_locations())
    if folder is None:
        raise whisper.ModelUnavailable(f"The model {pinned.title} is not on this machine.")
    return await whisper.load_folder(folder, model)
