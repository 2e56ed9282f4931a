"""The camera's frame as a page must have it, and what of it the page lacks. Pure.

The problem: patches arrive when words do, and a page takes them when it can. Queued, they would grow without
bound while it cannot, and a page that was loaded again would lack all earlier ones. So patches are drawn into
the frame here, the page is sent what is *different* for it, and a slow page skips what was drawn over
meanwhile.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from orch.bots.webcam.appearance import SIZES
from orch.bots.webcam.canvas import Patch

MOST_RECTANGLES: Final = 24
"""Rectangles that are different; with more, the page is sent the rectangle around all of them."""


class _Box(Struct, frozen=True):
    left: int
    top: int
    right: int
    bottom: int

    @property
    def area(self) -> int:
        return (self.right - self.left) * (self.bottom - self.top)

    def has(self, other: "_Box") -> bool:
        return (
            self.left <= other.left
            and self.top <= other.top
            and other.right <= self.right
            and other.bottom <= self.bottom
        )


class PictureStore:
    """One frame, RGBA. The mutable state is its size, its pixels, and the rectangles the page lacks."""

    def __init__(self) -> None:
        self.width = 0
        self.height = 0
        self._pixels = bytearray()
        self._lacking: list[_Box] = []

    def __repr__(self) -> str:
        return f"<PictureStore {self.width}x{self.height}, {len(self._lacking)} rectangles to send>"

    @property
    def is_lacking(self) -> bool:
        """Whether the page lacks anything."""
        return bool(self._lacking)

    def put(self, patches: Sequence[Patch]) -> None:
        """Draw patches. ValueError, with nothing drawn, if one is not inside of the frame.

        A patch at the corner with one of the sizes that a camera has is the whole of a frame of that size.
        """
        width, height = self.width, self.height
        for patch in patches:
            if _is_whole(patch):
                width, height = patch.width, patch.height
            right, bottom = patch.x + patch.width, patch.y + patch.height
            if min(patch.x, patch.y) < 0 or min(patch.width, patch.height) < 1:
                raise ValueError("a patch has no area, or is outside of the frame")
            if right > width or bottom > height:
                raise ValueError(f"a patch reaches {right}x{bottom} in a frame of {width}x{height}")
            if len(patch.pixels) != 4 * patch.width * patch.height:
                raise ValueError("a patch has not four bytes a pixel")
        for patch in patches:
            self._draw(patch)

    def _draw(self, patch: Patch) -> None:
        if _is_whole(patch):
            self.width, self.height = patch.width, patch.height
            self._pixels = bytearray(patch.pixels)
            self._lacking = [_Box(0, 0, patch.width, patch.height)]
            return
        line, row = 4 * self.width, 4 * patch.width
        at = patch.y * line + 4 * patch.x
        source = memoryview(patch.pixels)
        for begin in range(0, len(source), row):
            self._pixels[at : at + row] = source[begin : begin + row]
            at += line
        self._lack(_Box(patch.x, patch.y, patch.x + patch.width, patch.y + patch.height))

    def _lack(self, box: _Box) -> None:
        if any(each.has(box) for each in self._lacking):
            return
        self._lacking = [each for each in self._lacking if not box.has(each)]
        self._lacking.append(box)
        around = _Box(
            min(each.left for each in self._lacking),
            min(each.top for each in self._lacking),
            max(each.right for each in self._lacking),
            max(each.bottom for each in self._lacking),
        )
        # Rectangles overlap: several of one place would be sent several times.
        if len(self._lacking) > MOST_RECTANGLES or sum(each.area for each in self._lacking) > around.area:
            self._lacking = [around]

    def forget(self) -> None:
        """Note that the page has nothing of the frame: it is another one, or connects again."""
        self._lacking = [_Box(0, 0, self.width, self.height)] if self._pixels else []

    def take(self) -> list[Patch]:
        """Return what the page lacks; from then on it counts as sent."""
        found = [self._cut(each) for each in self._lacking]
        self._lacking = []
        return found

    def _cut(self, box: _Box) -> Patch:
        line, row = 4 * self.width, 4 * (box.right - box.left)
        if row == line:
            pixels = bytes(self._pixels[box.top * line : box.bottom * line])
        else:
            begin = 4 * box.left
            view = memoryview(self._pixels)
            pixels = b"".join(
                view[y * line + begin : y * line + begin + row] for y in range(box.top, box.bottom)
            )
        return Patch(box.left, box.top, box.right - box.left, box.bottom - box.top, pixels)


def _is_whole(patch: Patch) -> bool:
    return (patch.x, patch.y) == (0, 0) and (patch.width, patch.height) in SIZES
