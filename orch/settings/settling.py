"""When a changed settings file may be applied. Pure.

The problem: a file is read while it is being written, and half of a YAML file is often a valid one, with
fewer services in it. Programs write files in two ways. Some write beside the file and rename: what is then at
the path is whole from the first moment. Others empty the file and write into it, in one piece or in several;
nothing says when they have ended, so such a file counts once two looks, :data:`SETTLE` seconds apart, are
alike in size, modification time, inode and content.

A rename is recognised by a new inode whose content was last modified before the inode itself was: renaming
changes the inode's time, writing changes both. Editors that move the old file away and write a new one in its
place have a new inode with equal times, so they are waited for.

A disk that becomes full cuts a file for good. Nothing distinguishes that from intent, except that texts end
with a line break: :func:`find_doubt`.
"""

from enum import Enum, auto
from typing import Final

from msgspec import Struct

from orch.settings.yaml_parser import NotYamlError, read_yaml

#: Seconds for which a file that is written in place must stay the same.
SETTLE: Final = 1.0

_REMEDY: Final = (
    "It may have been cut off, so it was not applied. Write it again with a line break at its end; SIGHUP "
    "applies it as it is"
)


class Look(Struct, frozen=True, kw_only=True):
    """A file at one moment. ``digest``: of its whole content; the times are in nanoseconds."""

    device: int
    inode: int
    size: int
    modified_ns: int
    inode_changed_ns: int
    digest: bytes

    def is_like(self, other: "Look") -> bool:
        """Whether both are the same file with the same content; permissions may differ."""
        return self.identity() == other.identity()

    def replaces(self, other: "Look") -> bool:
        """Whether the file was complete when it was renamed to this path in the place of ``other``."""
        return (
            (self.device, self.inode) != (other.device, other.inode)
            and self.size > 0
            and self.inode_changed_ns > self.modified_ns
        )

    def identity(self) -> tuple[int, int, int, int, bytes]:
        """Return all but the inode's time, which changes with permissions too."""
        return self.device, self.inode, self.size, self.modified_ns, self.digest


class Missing(Struct, frozen=True):
    """There is no file that can be read, and why."""

    reason: str


Seen = Look | Missing


class Step(Enum):
    """What must be done now. ``WAIT``: look again later; ``GIVE_UP``: there is no file to read."""

    NOTHING = auto()
    WAIT = auto()
    READ = auto()
    GIVE_UP = auto()


class Settling(Struct, frozen=True, kw_only=True):
    """What is known of the file.

    ``settled``: as it was last read or given up. ``candidate``: as it was last seen, if that is not the same,
    at ``seen_at``; it has been changing since ``changing_since``. Both are seconds of one monotonic clock.
    """

    settled: Seen
    candidate: Seen | None = None
    seen_at: float = 0
    changing_since: float = 0


def consider(
    state: Settling, seen: Seen, now: float, *, is_requested: bool = False
) -> tuple[Settling, Step, float]:
    """Return what is known after a look at ``now``, what to do, and the seconds until the next look.

    ``is_requested``: somebody asked for it to be read, even if it has not changed.
    """
    if _is_like(seen, state.settled):
        done = Settling(settled=seen)
        if not is_requested:
            return done, Step.NOTHING, 0
        return done, _end(seen), 0
    if isinstance(seen, Look) and isinstance(state.settled, Look) and seen.replaces(state.settled):
        return Settling(settled=seen), Step.READ, 0
    if state.candidate is None or not _is_like(seen, state.candidate):
        since = now if state.candidate is None else state.changing_since
        changed = Settling(settled=state.settled, candidate=seen, seen_at=now, changing_since=since)
        return changed, Step.WAIT, SETTLE
    left = state.seen_at + SETTLE - now
    if left > 0:
        return state, Step.WAIT, left
    return Settling(settled=seen), _end(seen), 0


def find_doubt(before: str, text: str) -> str | None:
    """Return why ``text``, valid or not, may be a part of a file that had the text ``before``; else None.

    A text that ends with a line break is taken for whole.
    """
    if text.endswith(("\n", "\r")):
        return None
    lost = [name for name in _sections(before) if name not in _sections(text)]
    if lost:
        names = ", ".join(f"«{name}»" for name in lost)
        return f"expected {names} as before, or a line break at its end. {_REMEDY}"
    if before.endswith(("\n", "\r")) and len(text) < len(before):
        return f"expected a line break at its end, as before; it has become shorter. {_REMEDY}"
    return None


def _is_like(one: Seen, other: Seen) -> bool:
    if isinstance(one, Look) and isinstance(other, Look):
        return one.is_like(other)
    return one == other


def _end(seen: Seen) -> Step:
    return Step.READ if isinstance(seen, Look) else Step.GIVE_UP


def _sections(text: str) -> list[str]:
    """Return the names of the top-level sections; none if it is no valid document."""
    try:
        document = read_yaml(text)
    except NotYamlError:
        return []
    return list(document) if isinstance(document, dict) else []
