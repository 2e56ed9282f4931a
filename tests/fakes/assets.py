"""Makes static files ready (comments removed, compressed) once for a process and all that are forked from it.

Tests start the service, or its pages alone, hundreds of times.
"""

from functools import cache

from orch.package_files import resource
from orch.web import assets


def prepare_once() -> None:
    """Keep each file with what becomes of it, by its path and content, until this process ends."""
    if not hasattr(assets.Asset, "cache_info"):
        assets.Asset = cache(assets.Asset)  # type: ignore[assignment, misc]


def prepare_all() -> None:
    """Make ready all static files, for the processes that are forked from this one."""
    prepare_once()
    for asset in assets.Assets.load(resource("static")):
        for form in ("compressed", "imports"):
            getattr(asset, form)
