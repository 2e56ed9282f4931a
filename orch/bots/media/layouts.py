"""Whose sound a track has, as far as a page shows. Pure.

A meeting with many participants sends a few anonymous tracks and has speakers take them in turn (Google Meet:
three), or mixes everybody into one. Neither shows in a track itself, and its id proves nothing: only a page
that shows a track as a participant's own is believed. Rotating is the careful assumption; with it, names
need captions or marks for each run of words, and no name is carried from one run to the next.
"""

from typing import Final

from orch.bots.observations import Layout

MOST_OWNED: Final = 256
"""Tracks that are known to be owned, also before they begin; beyond, the first is forgotten."""


class Layouts:
    """The layout of each live track.

    One single track is mixed, several are rotating; once there were several, a single one that is left is
    still one of a pool. A page may show whose a track is before its sound arrives. The mutable state is the
    live tracks, those that are owned, and whether there were several.
    """

    def __init__(self) -> None:
        self._live: set[str] = set()
        self._owned: dict[str, None] = {}
        self._is_pool = False

    def begin(self, track: str) -> None:
        """Add a track."""
        self._live.add(track)
        self._is_pool = self._is_pool or len(self._live) > 1

    def end(self, track: str) -> None:
        """Remove a track. Without any, the next one begins as the first."""
        self._live.discard(track)
        self._owned.pop(track, None)
        if not self._live:
            self._is_pool = False

    def own(self, track: str, *, is_owned: bool) -> None:
        """Note whether the page shows a track as one participant's."""
        self._owned.pop(track, None)
        if is_owned:
            self._owned[track] = None
        if len(self._owned) > MOST_OWNED:
            del self._owned[next(iter(self._owned))]

    def layout(self, track: str) -> Layout:
        """Return the layout of a live track."""
        if track in self._owned:
            return "own"
        return "rotating" if self._is_pool else "mixed"
