"""Finds the back end of a path. Pure.

A path is compared segment by segment, decoded, after dot segments are resolved; the longest prefix wins. The
back end's path is built from the segments as the client encoded them, so that an encoded slash stays data.

A prefix that ends in ``/`` matches everything below it. One that does not matches itself and everything below
it: ``/api/translate`` matches ``/api/translate`` and ``/api/translate/batch``, never ``/api/translation``.

Paths that back ends are known to read in different ways are refused: ``..`` hidden behind an encoded slash or
a backslash, ``..;`` (Tomcat), control characters, broken percent encoding, invalid UTF-8 (some read an
overlong ``%c0%ae`` as a dot). Some decode twice: a dot, a slash, a backslash or a control character that is
encoded more than once (``%252e``) is refused, too. Empty segments are merged, so that no path begins with
``//`` (which some read as an authority).
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final, NamedTuple
from urllib.parse import quote, unquote_to_bytes

from msgspec import structs

from orch.gateway.timeouts import UNLIMITED, Limits
from orch.settings import Fallback, Repeatable, Route, RoutePriority, Uploads
from orch.settings.hedging import Hedging

# RFC 3986 §3.3 allows less; other visible characters are forwarded unchanged, since clients do send them.
_WELL_FORMED: Final = re.compile(r"/(?:[!-\"$&->@-~]|%[0-9A-Fa-f]{2})*")
_PLAIN: Final = re.compile(r"[A-Za-z0-9_-]+")
_SEPARATORS: Final = re.compile(rb"[/\\]")
_DOTS: Final = frozenset({b".", b".."})
# A dot, a slash, a backslash or a control character that is encoded twice or more often, or the beginning of
# an overlong form of one of them.
_ENCODED_AGAIN: Final = re.compile(
    rb"%(?:25)*(?:2[ef]|5c|[01][0-9a-f]|7f|c[01]|e0%(?:25)*[89])", re.IGNORECASE
)
_FIRST_VISIBLE: Final = 0x20
# Cached matches: a request's path is looked up for access control and again by the proxy, and most requests
# are for the same few paths.
_REMEMBERED: Final = 1024
_SHORT: Final = 256
_DELETE: Final = 0x7F
# Characters that quote() leaves unchanged when a decoded path is encoded again: those of _WELL_FORMED except
# "%".
_SAFE: Final = "/!\"$&'()*+,-.:;<=>@[\\]^_`{|}~"


class UnroutableError(ValueError):
    """A path that cannot be forwarded. The text says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Match:
    """Where a path leads: ``path`` is the back end's own, percent-encoded, without a query.

    ``repeatable``, ``priority``, ``limits`` (time-outs), ``uploads``, ``fallbacks`` and ``hedging`` (None: no
    extra requests) are the route's.
    """

    prefix: str
    service: str
    path: str
    repeatable: Repeatable = "safe"
    priority: RoutePriority = "auto"
    limits: Limits = UNLIMITED
    uploads: Uploads = "stored"
    fallbacks: tuple["Step", ...] = ()
    hedging: Hedging | None = None


class Step(NamedTuple):
    """A fallback of a route, and where it leads if it is another service."""

    rule: Fallback
    match: Match | None


class Path(NamedTuple):
    """The parts of a path: its segments as sent and decoded, and whether it ends in a slash."""

    sent: tuple[str, ...]
    decoded: tuple[str, ...]
    is_directory: bool


def read_path(path: str) -> Path:
    """Split a percent-encoded path; dot segments are resolved and empty ones merged.

    A query (from the first ``?``) is ignored. Raises :class:`UnroutableError` if back ends could read the
    path differently.
    """
    path = path.partition("?")[0]
    if not _WELL_FORMED.fullmatch(path):
        raise UnroutableError("the path is not well-formed")
    sent: list[str] = []
    decoded: list[str] = []
    is_directory = False
    for segment in path.split("/"):
        is_directory = not segment
        if not segment:
            continue
        if _PLAIN.fullmatch(segment):  # most are, and are read by everyone as they are
            decoded.append(segment)
            sent.append(segment)
            continue
        plain = unquote_to_bytes(segment)
        if plain in _DOTS:
            is_directory = True
            if plain == b"..":
                if not sent:
                    raise UnroutableError("the path leads above the root")
                sent.pop()
                decoded.pop()
            continue
        decoded.append(_text(plain))
        sent.append(segment)
    return Path(tuple(sent), tuple(decoded), is_directory)


def _text(plain: bytes) -> str:
    """Return a segment's text. Raises :class:`UnroutableError` if back ends could read it differently."""
    if any(piece.partition(b";")[0] in _DOTS for piece in _SEPARATORS.split(plain)):
        raise UnroutableError("the path hides a dot segment")
    if any(byte < _FIRST_VISIBLE or byte == _DELETE for byte in plain):
        raise UnroutableError("the path holds a control character")
    if _ENCODED_AGAIN.search(plain):
        raise UnroutableError("the path hides a character by encoding it twice")
    try:
        return plain.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnroutableError("the path is not UTF-8") from error


def is_canonical(path: str) -> bool:
    """Return whether a percent-encoded path (with or without a query) reads the same to everyone.

    That is: well-formed, without dot or empty segments, plain or encoded.
    """
    try:
        read = read_path(path)
    except UnroutableError:
        return False
    whole = "/" + "/".join(read.sent) + ("/" if read.sent and read.is_directory else "")
    return path.partition("?")[0] == whole


class RouteTable:
    """The routes of one version of the settings. Of two routes with the same prefix the first holds.

    ``limits`` returns a route's time-outs.
    A look-up costs one dictionary access per segment of the path, whatever the number of routes.
    """

    def __init__(self, routes: Iterable[Route], limits: Callable[[Route], Limits] | None = None) -> None:
        self.routes: tuple[Route, ...] = tuple(routes)
        self._exact: dict[tuple[str, ...], tuple[Route, Limits]] = {}
        self._below: dict[tuple[str, ...], tuple[Route, Limits]] = {}
        self._remembered: dict[str, Match | None] = {}
        for route in self.routes:
            prefix = tuple(segment for segment in route.prefix.split("/") if segment)
            table = self._below if route.prefix.endswith("/") else self._exact
            table.setdefault(prefix, (route, UNLIMITED if limits is None else limits(route)))

    def match(self, path: str) -> Match | None:
        """Return where a percent-encoded path leads, or None if no route matches it.

        Raises :class:`UnroutableError`.
        """
        if path in self._remembered:
            return self._remembered[path]
        found = self._match(path)
        if len(path) <= _SHORT:
            if len(self._remembered) >= _REMEMBERED:
                self._remembered.clear()
            self._remembered[path] = found
        return found

    def _match(self, path: str) -> Match | None:
        read = read_path(path)
        depth = len(read.decoded)
        for length in range(depth, -1, -1):
            prefix = read.decoded[:length]
            # At the same length a prefix with a slash is the longer one.
            found = self._below.get(prefix) if length < depth or read.is_directory else None
            found = found or self._exact.get(prefix)
            if found is not None:
                route, limits = found
                match = Match(
                    route.prefix,
                    route.service,
                    _join(route.path, read, length),
                    route.repeatable,
                    route.priority,
                    limits,
                    route.uploads,
                    hedging=route.hedging if route.hedging.extra else None,
                )
                if not route.fallbacks:
                    return match
                return replace(match, fallbacks=tuple(_steps(match, route, read, length)))
        return None

    def outside(self, match: Match, path: str) -> str | None:
        """Return the path under which clients reach ``path`` of the service that ``match`` leads to.

        The route of the match is preferred, then the one that matches most of the path. None: no route leads
        there.
        """
        candidates = sorted(
            (route for route in self.routes if route.service == match.service),
            key=lambda route: (route.prefix == match.prefix, len(route.path)),
            reverse=True,
        )
        for route in candidates:
            base = route.path.removesuffix("/")
            if path == base or path.startswith(base + "/"):
                rest = path[len(base) :]
                return route.prefix.removesuffix("/") + rest if rest else route.prefix
        return None

    def takes(self, decoded_path: str, raw_path: str | None = None) -> bool:
        """Return whether a request's path belongs to a route.

        ``decoded_path`` is ASGI's ``path``, ``raw_path`` what the client sent, if the server says so. A path
        that cannot be forwarded belongs to the route that it begins with, which refuses it.
        """
        try:
            return self.match(raw_path or quote(decoded_path, safe=_SAFE)) is not None
        except UnroutableError:
            return any(
                decoded_path == route.prefix or decoded_path.startswith(route.prefix.rstrip("/") + "/")
                for route in self.routes
            )


def _steps(match: Match, route: Route, read: Path, length: int) -> Iterator[Step]:
    """Yield the fallbacks of a route for a path."""
    for rule in route.fallbacks:
        if rule.use != "service":
            yield Step(rule, None)
            continue
        limits = structs.replace(match.limits, total=rule.timeout) if rule.timeout else match.limits
        path = _join(rule.path or route.path, read, length)
        yield Step(rule, replace(match, service=rule.service, path=path, limits=limits, hedging=None))


def _join(base: str, path: Path, length: int) -> str:
    rest = path.sent[length:]
    if not rest:
        return base + "/" if path.is_directory and not base.endswith("/") else base
    return base.removesuffix("/") + "/" + "/".join(rest) + ("/" if path.is_directory else "")
