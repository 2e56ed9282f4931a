"""The requests that anyone may send to back ends: those that the settings list. Pure.

Paths are compared segment by segment, decoded, like routes. An entry whose path ends in ``/`` opens
everything below it, any other only that path. ``GET`` includes ``HEAD``.
"""

from collections.abc import Iterable
from typing import Final

from orch.gateway.routes import Path, RouteTable, UnroutableError, read_path
from orch.settings import PublicRoute

_IMPLIED: Final = {"HEAD": "GET"}


class PublicRoutes:
    """The entries of one version of the settings, for its routes. An entry opens no path without a route."""

    def __init__(self, entries: Iterable[PublicRoute], table: RouteTable) -> None:
        self._outside: list[tuple[frozenset[str], Path]] = []
        self._inside: list[tuple[frozenset[str], str, Path]] = []
        for entry in entries:
            methods = frozenset(entry.methods)
            self._outside.append((methods, read_path(entry.path)))
            found = table.match(entry.path)
            if found is not None:
                self._inside.append((methods, found.service, read_path(found.path)))

    def opens(self, method: str, path: str) -> bool:
        """Return whether a request at a percent-encoded path is open to everyone."""
        read = _read(path)
        return read is not None and any(
            _has(methods, method) and _covers(entry, read) for methods, entry in self._outside
        )

    def opens_inside(self, service: str, method: str, path: str) -> bool:
        """Return whether a request to a service at its own path is open, because an entry leads to it."""
        read = _read(path)
        return read is not None and any(
            name == service and _has(methods, method) and _covers(entry, read)
            for methods, name, entry in self._inside
        )


def _read(path: str) -> Path | None:
    try:
        return read_path(path)
    except UnroutableError:
        return None


def _has(methods: frozenset[str], method: str) -> bool:
    return method in methods or _IMPLIED.get(method) in methods


def _covers(entry: Path, path: Path) -> bool:
    if entry.is_directory:
        depth = len(entry.decoded)
        return path.decoded[:depth] == entry.decoded and (len(path.decoded) > depth or path.is_directory)
    return path.decoded == entry.decoded and not path.is_directory
