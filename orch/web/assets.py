"""Static files: read once, with a content hash in their URL, compressed once, when first asked for.

The address of every file begins with a version that is a digest of all of them
(``/static/v-0123456789/js/shell.js``), so that a relative ``import`` or ``url()`` inherits it and everything
can be cached for ever; a change anywhere changes all addresses. The folder is some hundred kilobytes, read
when the application is created: requests need no file system, and a deployment during a page load cannot mix
two versions. Of our own scripts and styles, comments are not sent. What is sent of a file is made when it is
first asked for, in a few milliseconds for the largest: made for all files, it would take most of the start.
"""

import gzip
import hashlib
import posixpath
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Final

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


class Asset:
    """One file, and how it is sent.

    path: in the folder.
    content_type: the media type, for scripts and texts with their character set.
    etag: with quotes; it changes with the file.
    """

    def __init__(self, path: str, content: bytes) -> None:
        self.path = path
        self.content_type = TYPES.get(posixpath.splitext(path)[1], FALLBACK_TYPE)
        self.etag = f'"{hashlib.sha256(content).hexdigest()[:20]}"'
        self._content = content

    @cached_property
    def body(self) -> bytes:
        """What a client gets: our own scripts and styles without their comments."""
        if not self.path.startswith(_OWN):
            return self._content
        return without_comments(self._content.decode(), has_line_comments=self._is_script).encode()

    @cached_property
    def compressed(self) -> bytes | None:
        """The gzip form of ``body``, or None where that is not smaller."""
        if len(self.body) < COMPRESS_FROM:
            return None
        compressed = gzip.compress(self.body, 9, mtime=0)
        return compressed if len(compressed) <= len(self.body) * WORTH_IT else None

    @cached_property
    def imports(self) -> tuple[str, ...]:
        """The paths of the modules that a script imports itself."""
        if not self._is_script:
            return ()
        folder = posixpath.dirname(self.path)
        names = (match[0] or match[1] for match in _IMPORT.findall(self.body.decode()))
        return tuple(posixpath.normpath(posixpath.join(folder, name)) for name in names)

    @property
    def _is_script(self) -> bool:
        return self.path.endswith(".js")


class Assets:
    """All files below one folder, by their path in it."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self._assets = {path: Asset(path, content) for path, content in sorted(files.items())}
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
