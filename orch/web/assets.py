"""Static files: read once, with a content hash in their URL, compressed once.

The address of every file begins with a version that is a digest of all of them
(``/static/v-0123456789/js/shell.js``), so that a relative ``import`` or ``url()`` inherits it and everything
can be cached for ever; a change anywhere changes all addresses. The folder is some hundred kilobytes, read
when the application is created: requests need no file system, and a deployment during a page load cannot mix
two versions. Of our own scripts and styles, comments are not sent.
"""

import gzip
import hashlib
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct

from orch.web.script_comments import without_comments

TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".json": "application/json",
    ".wasm": "application/wasm",
    ".txt": "text/plain; charset=utf-8",
    ".md": "text/plain; charset=utf-8",
}
FALLBACK_TYPE: Final = "text/plain; charset=utf-8"

# Below one packet there is nothing to win, and a picture that hardly shrinks only costs the reader time.
COMPRESS_FROM: Final = 1024
WORTH_IT: Final = 0.9

IMMUTABLE: Final = "public, max-age=31536000, immutable"
REVALIDATE: Final = "no-cache"

_OWN: Final = ("js/", "css/")

_IMPORT: Final = re.compile(
    r"""^\s*(?:import|export)\b[^'";]*?\bfrom\s*["'](\.[^"']+)["']|^\s*import\s*["'](\.[^"']+)["']""",
    re.MULTILINE,
)


class Asset(Struct, frozen=True):
    """One file, as it is sent. ``compressed``: its gzip form, if smaller. ``imports``: paths of modules."""

    path: str
    content_type: str
    body: bytes
    compressed: bytes | None
    etag: str
    imports: tuple[str, ...]


class Assets:
    """All files below one folder, by their path in it."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self._assets = {path: _asset(path, body) for path, body in sorted(files.items())}
        digest = hashlib.sha256()
        for asset in self._assets.values():
            digest.update(f"{asset.path}\0{asset.etag}\0".encode())
        self.version = "v-" + digest.hexdigest()[:10]

    @classmethod
    def load(cls, folder: Path) -> "Assets":
        """Read every file below ``folder``; hidden ones are left out."""
        return cls(
            {
                path.relative_to(folder).as_posix(): path.read_bytes()
                for path in folder.rglob("*")
                if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
            }
        )

    def __iter__(self) -> Iterator[Asset]:
        return iter(self._assets.values())

    def get(self, path: str) -> Asset | None:
        """Return the file, or None."""
        return self._assets.get(path)

    def url(self, path: str) -> str:
        """Return the URL of ``path``. KeyError: a template names a missing file."""
        return f"/static/{self.version}/{self._assets[path].path}"

    def split(self, address: str) -> tuple[str, str]:
        """Return the path in ``address`` (after ``/static/``) and how long the response may be cached.

        An address with another version (from a page loaded before an upgrade) or with none returns the
        current file, marked for revalidation.
        """
        first, _, rest = address.partition("/")
        if first == self.version:
            return rest, IMMUTABLE
        if first.startswith("v-") and rest:
            return rest, REVALIDATE
        return address, REVALIDATE

    def modules(self, entry: str | None) -> tuple[str, ...]:
        """Return every module that ``entry`` imports directly or indirectly, nearest first.

        A page loads all of them at once; otherwise a browser would find each file only in the one before.
        """
        if entry is None:
            return ()
        found: dict[str, None] = {}
        waiting = [entry]
        while waiting:
            asset = self._assets.get(waiting.pop(0))
            for path in asset.imports if asset is not None else ():
                if path not in found and path in self._assets and path != entry:
                    found[path] = None
                    waiting.append(path)
        return tuple(found)


def _asset(path: str, content: bytes) -> Asset:
    body = _sent(path, content)
    compressed = gzip.compress(body, 9, mtime=0) if len(body) >= COMPRESS_FROM else None
    if compressed is not None and len(compressed) > len(body) * WORTH_IT:
        compressed = None
    suffix = posixpath.splitext(path)[1]
    imports: tuple[str, ...] = ()
    if suffix == ".js":
        names = (match[0] or match[1] for match in _IMPORT.findall(body.decode()))
        imports = tuple(posixpath.normpath(posixpath.join(posixpath.dirname(path), name)) for name in names)
    return Asset(
        path=path,
        content_type=TYPES.get(suffix, FALLBACK_TYPE),
        body=body,
        compressed=compressed,
        etag=f'"{hashlib.sha256(body).hexdigest()[:20]}"',
        imports=imports,
    )


def _sent(path: str, content: bytes) -> bytes:
    """Return what a client gets of a file: our own scripts and styles without their comments."""
    if not path.startswith(_OWN):
        return content
    return without_comments(content.decode(), has_line_comments=path.endswith(".js")).encode()
