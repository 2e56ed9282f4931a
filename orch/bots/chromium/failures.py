"""Why a browser did not start or has ended, from its exit code and its last output. Pure."""

import re
from collections.abc import Sequence
from typing import Final

from orch.shortages import ADVICE, Shortage

_SIGNS: Final[tuple[tuple[re.Pattern[str], Shortage | None, str], ...]] = (
    (
        re.compile(r"No usable sandbox|setuid sandbox|credentials\.cc|Failed to move to new namespace"),
        None,
        (
            "Its sandbox does not work here: the system forbids user namespaces. Allow them"
            " (kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0; Docker:"
            " --security-opt seccomp=unconfined), or set bots.sandbox to off."
        ),
    ),
    (
        re.compile(r"[Rr]unning as root without --no-sandbox"),
        None,
        (
            "It runs as root, where its sandbox cannot be used. Run the service as another user, or set"
            " bots.sandbox to off."
        ),
    ),
    (
        re.compile(r"error while loading shared libraries: (?P<name>[\w.+-]+)"),
        None,
        "A library that it needs is missing ({name}). Install Chromium with the system's package tool.",
    ),
    (
        re.compile(r"No space left on device|errno 28|ENOSPC|Disk quota exceeded"),
        Shortage.DISK,
        "The disk that holds its profile is full. Free space there, or point bots.profiles to another disk.",
    ),
    (
        re.compile(r"Too many open files|EMFILE|ENFILE"),
        Shortage.DESCRIPTORS,
        ADVICE[Shortage.DESCRIPTORS],
    ),
    (
        re.compile(
            r"/dev/shm|shared memory.*(?:fail|small)|[Ff]ailed to (?:create|allocate|reserve).*shared memory"  # noqa: S108 - in a message, not used
        ),
        Shortage.MEMORY,
        (
            "It could not get shared memory. Its files are in the profile's folder (--disable-dev-shm-usage):"
            " free space there."
        ),
    ),
    (
        re.compile(r"Resource temporarily unavailable|pthread_create|[Cc]annot fork|EAGAIN"),
        Shortage.PROCESSES,
        ADVICE[Shortage.PROCESSES],
    ),
    (
        re.compile(r"[Oo]ut of memory|Cannot allocate memory|ENOMEM|\bOOM\b"),
        Shortage.MEMORY,
        ADVICE[Shortage.MEMORY],
    ),
)

_SIGKILL: Final = -9
_SIGBUS: Final = -7


def cause(lines: Sequence[str]) -> tuple[str, Shortage | None]:
    """Return what the last output reveals: the remedy in a sentence or two, "" if nothing; the shortage."""
    for line in reversed(lines):
        for pattern, shortage, words in _SIGNS:
            if (found := pattern.search(line)) is not None:
                return words.format(**found.groupdict()), shortage
    return "", None


def ended(how: str, code: int | None, lines: Sequence[str]) -> tuple[str, Shortage | None]:
    """Return how the browser ended, as sentences, and the shortage behind it.

    ``how``: follows "The browser". ``code``: of its process, negative for a signal; None if unknown.
    """
    words, shortage = cause(lines)
    if not words and code == _SIGKILL:
        words = "Another program killed it, or the system was out of memory."
    if not words and code == _SIGBUS:
        words = "It ran out of shared memory: the disk that holds its profile is full."
        shortage = Shortage.DISK
    return f"The browser {how}. {words}".rstrip(), shortage


class LogTail:
    """The last lines that a browser and its page have logged, at most ``lines`` of ``width`` characters."""

    def __init__(self, lines: int = 200, width: int = 500) -> None:
        self._most = lines
        self._width = width
        self._lines: list[str] = []

    def add(self, source: str, text: str) -> None:
        """Store a line; the oldest one makes room. ``source``: where it is from."""
        shown = "".join(each if each.isprintable() else " " for each in text[: self._width]).strip()
        if shown:
            self._lines.append(f"{source}: {shown}")
            del self._lines[: -self._most]

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines, oldest first."""
        return tuple(self._lines)
