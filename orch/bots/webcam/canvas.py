"""Draws pictures, and only what changed of them.

The problem: at 1280x720 a frame is 3.7 MB, and most of it is as before. The naive answer, drawing everything
and comparing, costs a whole frame for each word. Here a picture becomes elements
(:mod:`orch.bots.webcam.layout`). Those that are the same as before stay; each area of the others is drawn
again and compared with the frame, and only the rectangle that differs becomes a patch. Left out: moving what
is already drawn when captions move up; such a frame is drawn again where it changed.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from PIL import Image, ImageChops, ImageDraw, ImageOps

from orch.bots.webcam.appearance import Appearance
from orch.bots.webcam.fonts import Fonts
from orch.bots.webcam.layout import Box, Element, Layout, Letters, Panel
from orch.bots.webcam.picture import Picture
from orch.bots.webcam.themes import THEMES

_SMOOTH: Final = 4
"""Corners are drawn so many times as large, then reduced."""


@dataclass(frozen=True, slots=True)
class Patch:
    """A rectangle that changed. ``pixels``: RGBA, four bytes each, row by row; opaque."""

    x: int
    y: int
    width: int
    height: int
    pixels: bytes


class Canvas:
    """The frame that a camera shows, and what differs from the frame before. Not for several threads at once.

    The mutable state is the frame, its number, and the elements that are drawn in it.
    """

    def __init__(self, fonts: Fonts, *, camera: Image.Image | None = None) -> None:
        """``camera``: what is seen behind the captions, cut to the frame's shape; else the theme's colour."""
        self._fonts = fonts
        self._layout = Layout(fonts)
        self._camera = camera
        self._picture: Picture | None = None
        self._elements: tuple[Element, ...] = ()
        self._backdrop = self._image = Image.new("RGB", (1, 1))
        self._corner = lru_cache(8)(_corner)
        self.frame = 0
        """Number of the frame: it grows with each that differs from the one before."""

    def __repr__(self) -> str:
        size = f"{self._image.width}x{self._image.height}"
        return f"<Canvas frame {self.frame}, {size}, {len(self._elements)} elements>"

    @property
    def image(self) -> Image.Image:
        """The frame (mode RGB), a copy."""
        return self._image.copy()

    def whole(self) -> Patch:
        """Return the whole frame, for who has none yet."""
        return _patch(self._image, (0, 0, *self._image.size))

    def draw(self, picture: Picture) -> list[Patch]:
        """Draw a picture; return what differs from the frame before, nothing if nothing does.

        The first frame, and the first after a change of size, is one patch of the whole.
        """
        if picture == self._picture:
            return []
        before = None if self._picture is None else self._picture.appearance
        look = picture.appearance
        elements = self._layout.elements(picture)
        if before is None or (before.width, before.height) != (look.width, look.height):
            self._backdrop = self._behind(look)
            self._image = self._drawn((0, 0, look.width, look.height), elements)
            patches = [self.whole()]
        else:
            patches = [
                patch
                for area in self._changed(elements, look, is_new_theme=before.theme != look.theme)
                if (patch := self._update(area, elements)) is not None
            ]
        self._picture, self._elements = picture, elements
        self.frame += bool(patches)
        return patches

    def _changed(self, elements: tuple[Element, ...], look: Appearance, *, is_new_theme: bool) -> list[Box]:
        """Return the areas in which a picture may differ from the frame."""
        if is_new_theme and self._camera is None:
            self._backdrop = self._behind(look)
            return [(0, 0, look.width, look.height)]
        changed = Counter(elements)
        changed.subtract(Counter(self._elements))
        return _apart((each.box for each, count in changed.items() if count), look)

    def _behind(self, look: Appearance) -> Image.Image:
        size = (look.width, look.height)
        if self._camera is None:
            return Image.new("RGB", size, THEMES[look.theme].backdrop)
        return ImageOps.fit(self._camera.convert("RGB"), size)

    def _update(self, area: Box, elements: tuple[Element, ...]) -> Patch | None:
        """Draw an area again; return what differs in it."""
        new = self._drawn(area, elements)
        differs = ImageChops.difference(new, self._image.crop(area)).getbbox()
        if differs is None:
            return None
        self._image.paste(new, area[:2])
        left, top = area[:2]
        box = (differs[0] + left, differs[1] + top, differs[2] + left, differs[3] + top)
        return _patch(self._image, box)

    def _drawn(self, area: Box, elements: Iterable[Element]) -> Image.Image:
        tile = self._backdrop.crop(area)
        for element in elements:
            box = _common(element.box, area)
            if box is None:
                continue
            if isinstance(element, Panel):
                self._draw_panel(tile, element, area)
            else:
                self._draw_letters(tile, element, box, area)
        return tile

    def _draw_letters(self, tile: Image.Image, letters: Letters, box: Box, area: Box) -> None:
        mask = self._fonts.mask(letters.run)
        if mask is None:
            return
        left, top = letters.x + mask.left, letters.y + mask.top
        part = mask.image.crop((box[0] - left, box[1] - top, box[2] - left, box[3] - top))
        tile.paste(letters.colour, (box[0] - area[0], box[1] - area[1]), part)

    def _draw_panel(self, tile: Image.Image, panel: Panel, area: Box) -> None:
        left, top, right, bottom = panel.box
        place = (left - area[0], top - area[1])
        outer = self._shape((right - left, bottom - top), panel.radius)
        edge = panel.border_width
        if not edge:
            tile.paste(panel.fill, place, _faded(outer, panel.opacity))
            return
        inner = self._shape((right - left - 2 * edge, bottom - top - 2 * edge), max(panel.radius - edge, 0))
        filled = Image.new("L", outer.size)
        filled.paste(inner, (edge, edge))
        tile.paste(panel.fill, place, _faded(filled, panel.opacity))
        tile.paste(panel.border, place, ImageChops.subtract(outer, filled))

    def _shape(self, size: tuple[int, int], radius: int) -> Image.Image:
        """Return what a rectangle with round corners covers."""
        width, height = size
        shape = Image.new("L", size, 255)
        radius = min(radius, width // 2, height // 2)
        if radius > 0:
            corner = self._corner(radius)
            mirrored, flipped = ImageOps.mirror(corner), ImageOps.flip(corner)
            shape.paste(corner, (0, 0))
            shape.paste(mirrored, (width - radius, 0))
            shape.paste(flipped, (0, height - radius))
            shape.paste(ImageOps.mirror(flipped), (width - radius, height - radius))
        return shape


def _corner(radius: int) -> Image.Image:
    """Return the top left corner of a rectangle with round corners."""
    large = Image.new("L", (_SMOOTH * radius, _SMOOTH * radius))
    ImageDraw.Draw(large).ellipse((0, 0, 2 * _SMOOTH * radius - 1, 2 * _SMOOTH * radius - 1), fill=255)
    return large.reduce(_SMOOTH)


def _faded(mask: Image.Image, opacity: float) -> Image.Image:
    return mask if opacity >= 1 else mask.point([round(level * opacity) for level in range(256)])


def _patch(image: Image.Image, box: Box) -> Patch:
    part = image.crop(box).convert("RGBA")
    return Patch(box[0], box[1], part.width, part.height, part.tobytes())


def _common(one: Box, other: Box) -> Box | None:
    box = (max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3]))
    return box if box[0] < box[2] and box[1] < box[3] else None


def _apart(boxes: Iterable[Box], look: Appearance) -> list[Box]:
    """Return rectangles within the frame that cover all of some boxes and do not overlap."""
    frame = (0, 0, look.width, look.height)
    waiting = [common for box in boxes if (common := _common(box, frame)) is not None]
    found: list[Box] = []
    while waiting:
        box = waiting.pop()
        touching = next((each for each in found if _common(each, box) is not None), None)
        if touching is None:
            found.append(box)
            continue
        found.remove(touching)
        waiting.append(
            (
                min(box[0], touching[0]),
                min(box[1], touching[1]),
                max(box[2], touching[2]),
                max(box[3], touching[3]),
            )
        )
    return sorted(found, key=lambda box: (box[1], box[0]))
