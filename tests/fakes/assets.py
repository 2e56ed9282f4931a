"""Prepares static files (comments removed, compressed) once for a process and all that are forked from it.

That is two thirds of the processor time of a start, and tests start the service, or its pages alone, hundreds
of times.
"""

from functools import cache

from orch.web import assets


def prepare_once() -> None:
    """Keep what a file becomes, by its path and content, until this process ends."""
    if not hasattr(assets._asset, "cache_info"):
        assets._asset = cache(assets._asset)
