"""Where models are searched and stored, according to the environment. Pure.

The order: the demo's own folder, then the cache of ``huggingface_hub``, which faster-whisper uses. Its
layout::

    models--Systran--faster-whisper-base/snapshots/REVISION/model.bin -> ../../blobs/HASH

Only complete snapshots are used, and nothing is written there: its locks and links belong to that library.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from msgspec import Struct

from orch.sandbox.models.catalog import Model

HUB: Final = "https://huggingface.co"

_TRUE: Final = frozenset({"1", "ON", "YES", "TRUE"})


class Locations(Struct, frozen=True, kw_only=True):
    """The hub's address, whether it may be contacted, and the folders.

    ``offline``: the variable that forbids the network, or an empty string.
    """

    hub: str
    offline: str
    own: Path
    hub_cache: Path

    def folder(self, model: Model) -> Path:
        """Return the demo's own folder of a model; its revision is in the name, so that no two are mixed."""
        return self.own / f"whisper-{model.name}-{model.revision[:12]}"

    def snapshots(self, model: Model) -> Path:
        """Return the folder of a model's snapshots in the cache of ``huggingface_hub``."""
        return self.hub_cache / f"models--{model.repository.replace('/', '--')}" / "snapshots"

    def url(self, model: Model, file: str) -> str:
        """Return a file's address at the hub."""
        return f"{self.hub}/{model.repository}/resolve/{model.revision}/{file}"


def locations(environ: Mapping[str, str], home: Path) -> Locations:
    """Return the locations. ``HF_HOME`` and the others mean what they mean to the hub's library."""
    cache = Path(environ.get("XDG_CACHE_HOME") or home / ".cache")
    hub_home = _path(environ, "HF_HOME", cache / "huggingface", home)
    older = _path(environ, "HUGGINGFACE_HUB_CACHE", hub_home / "hub", home)
    offline = [
        name
        for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
        if environ.get(name, "").strip().upper() in _TRUE
    ]
    return Locations(
        hub=(environ.get("HF_ENDPOINT") or HUB).rstrip("/"),
        offline=offline[0] if offline else "",
        own=cache / "orchestration-service" / "models",
        hub_cache=_path(environ, "HF_HUB_CACHE", older, home),
    )


def _path(environ: Mapping[str, str], name: str, default: Path, home: Path) -> Path:
    text = environ.get(name)
    if not text:
        return default
    return home / text.removeprefix("~").lstrip("/") if text.startswith("~/") else Path(text)
