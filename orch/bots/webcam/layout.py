"""Where everything of a picture is: modes as geometry.

Captions stand on a panel, the newest at the bottom. Where there is not room for all, the oldest are left out;
of one that is longer than its place the end is shown. Distances are for a height of 720 pixels, and grow with
it.
"""

from dataclasses import dataclass
from typing import Final

from orch.bots.webcam.appearance import Appearance, Mode
from orch.bots.webcam.contrast import Colour
from orch.bots.webcam.fonts import Fonts, Run
from orch.bots.webcam.picture import Line, Picture
from orch.bots.webcam.themes import THEMES, Theme
from orch.bots.webcam.typesetting import ELLIPSIS, Paragraph, Style, Typesetter
from orch.bots.webcam.wording import cleaned_name

Box = tuple[int, int, int, int]
"""Left, top, right, bottom; right and bottom are outside."""

_BASE: Final = 720


@dataclass(frozen=True, slots=True)
class Panel:
    """A surface. opacity: how much of it covers the picture under it, 0 to 1."""

    box: Box
    fill: Colour
    opacity: float
    radius: int
    border: Colour
    border_width: int


@dataclass(frozen=True, slots=True)
class Letters:
    """A run with its origin, clipped to ``box``."""

    box: Box
    run: Run
    x: int
    y: int
    colour: Colour


Element = Panel | Letters


@dataclass(frozen=True, slots=True)
class _Geometry:
    """A mode's distances at a height of 720.

    area: where the panel may be. hugs: the panel is as high as its captions, and there is none without;
    otherwise it has the whole area. beside: names are in a column of this width beside the text, 0: above it.
    size, name_size: pixels of an em. rows: of one caption at most.
    """

    area: tuple[float, float, float, float]
    hugs: bool
    shines_through: bool
    beside: int
    size: int
    name_size: int
    padding: tuple[int, int]
    gap: int
    rows: int


# Areas are shares of the width and height.
_GEOMETRY: Final = {
    Mode.OVERLAY: _Geometry(
        area=(0.05, 0.28, 0.95, 0.945),
        hugs=True,
        shines_through=True,
        beside=262,
        size=32,
        name_size=23,
        padding=(26, 16),
        gap=8,
        rows=4,
    ),
    Mode.SIDEBAR: _Geometry(
        area=(0.66, 0.0, 1.0, 1.0),
        hugs=False,
        shines_through=False,
        beside=0,
        size=27,
        name_size=22,
        padding=(26, 24),
        gap=18,
        rows=8,
    ),
    Mode.BOTTOM_BANNER: _Geometry(
        area=(0.0, 0.65, 1.0, 1.0),
        hugs=False,
        shines_through=False,
        beside=270,
        size=29,
        name_size=23,
        padding=(40, 14),
        gap=3,
        rows=4,
    ),
    Mode.FLOATING: _Geometry(
        area=(0.19, 0.14, 0.81, 0.90),
        hugs=True,
        shines_through=True,
        beside=0,
        size=31,
        name_size=23,
        padding=(32, 24),
        gap=14,
        rows=6,
    ),
    Mode.FULLSCREEN: _Geometry(
        area=(0.0, 0.0, 1.0, 1.0),
        hugs=False,
        shines_through=False,
        beside=0,
        size=44,
        name_size=28,
        padding=(72, 46),
        gap=16,
        rows=7,
    ),
}
_TITLE_SIZE: Final = 22
_LEADING: Final = 1.42
"""Height of a row in ems: Thai, Khmer and Arabic letters with their marks need so much."""
_BASELINE: Final = 1.06
"""From a row's top to its baseline, in ems."""
_MARK: Final = 5
"""Width of the bar in the speaker's colour."""


@dataclass(frozen=True, slots=True)
class _Block:
    """One caption, set: its text, its name and its confidence."""

    line: Line
    text: Paragraph
    name: Paragraph | None
    percent: Paragraph | None
    height: int
    is_cut: bool


class Layout:
    """Places pictures' elements, with some fonts."""

    def __init__(self, fonts: Fonts) -> None:
        self._fonts = fonts
        self._typesetter = Typesetter(fonts)

    def elements(self, picture: Picture) -> tuple[Element, ...]:
        """Return what is drawn over the backdrop, from the lowest to the topmost."""
        return _Placing(self._fonts, self._typesetter, picture).elements()


class _Placing:
    """Places one picture."""

    def __init__(self, fonts: Fonts, typesetter: Typesetter, picture: Picture) -> None:
        self._fonts = fonts
        self._typesetter = typesetter
        self._picture = picture
        self._look: Appearance = picture.appearance
        self._theme: Theme = THEMES[self._look.theme]
        self._geometry = _GEOMETRY[self._look.mode]
        self._scale = self._look.height / _BASE
        self._found: list[Element] = []

    def elements(self) -> tuple[Element, ...]:
        left, top, right, bottom = self._area()
        across, down = (self._pixels(each) for each in self._geometry.padding)
        title = cleaned_name(self._look.title)
        is_inside = self._look.mode in (Mode.SIDEBAR, Mode.FULLSCREEN)
        head = self._pixels(_TITLE_SIZE * _LEADING + self._geometry.gap) if title and is_inside else 0
        inner = (left + across, top + down + head, right - across, bottom - down)
        blocks = self._blocks(inner[2] - inner[0], inner[3] - inner[1])
        height = sum(block.height for block in blocks) + self._pixels(self._geometry.gap) * (len(blocks) - 1)
        if not self._geometry.hugs:
            self._panel((left, top, right, bottom), is_edge=True)
        elif blocks:
            self._panel((left, inner[3] - height - down, right, bottom), is_edge=False)
        if title:
            self._title(title, (left + across, top + down) if is_inside else None, inner[2] - inner[0])
        y = inner[3] - height
        for block in blocks:
            self._block(block, (inner[0], y, inner[2], y + block.height))
            y += block.height + self._pixels(self._geometry.gap)
        return tuple(self._found)

    def _pixels(self, distance: float) -> int:
        return round(distance * self._scale)

    def _area(self) -> Box:
        left, top, right, bottom = self._geometry.area
        width, height = self._look.width, self._look.height
        return round(left * width), round(top * height), round(right * width), round(bottom * height)

    def _panel(self, box: Box, *, is_edge: bool) -> None:
        theme = self._theme
        border = self._pixels(theme.border_width)
        if is_edge:
            # The border lies outside of the frame where the panel touches its edge.
            frame = (0, 0, self._look.width, self._look.height)
            left, top, right, bottom = (
                at + outwards * border if at == limit else at
                for at, limit, outwards in zip(box, frame, (-1, -1, 1, 1), strict=True)
            )
            box = (left, top, right, bottom)
        self._found.append(
            Panel(
                box=box,
                fill=theme.surface,
                opacity=theme.opacity if self._geometry.shines_through else 1.0,
                radius=0 if is_edge else self._pixels(theme.radius),
                border=theme.border,
                border_width=border,
            )
        )

    def _title(self, title: str, at: tuple[int, int] | None, width: int) -> None:
        """Place the title in the panel, or on a small one of its own at the top left."""
        size = self._pixels(_TITLE_SIZE)
        room = width if at else round(0.5 * self._look.width)
        text = self._typesetter.fitted(title, Style(size), room)
        if not text.rows:
            return
        wide = round(text.rows[0].width)
        if at is None:
            edge, across, down = (self._pixels(each) for each in (24, 16, 7))
            high = round(size * _LEADING)
            self._panel((edge, edge, edge + wide + 2 * across, edge + high + 2 * down), is_edge=False)
            at = (edge + across, edge + down)
        box = (at[0], at[1], at[0] + room, at[1] + round(size * _LEADING))
        self._rows(text, box, size, self._theme.muted, right_aligned=False)

    def _blocks(self, width: int, height: int) -> list[_Block]:
        """Return the captions that there is room for, the oldest first."""
        found: list[_Block] = []
        gap = self._pixels(self._geometry.gap)
        left = height
        for line in reversed(self._picture.lines):
            room = left - (gap if found else 0)
            block = self._set(line, width, room)
            # Of the newest the end is shown where it is too long; an older one is shown whole, or not.
            if block is None or (found and block.is_cut):
                break
            found.append(block)
            left = room - block.height
        return found[::-1]

    def _set(self, line: Line, width: int, room: int) -> _Block | None:
        geometry, look = self._geometry, self._look
        size = self._pixels(geometry.size)
        pitch = round(size * _LEADING)
        has_head = (look.names and bool(line.speaker)) or (look.confidence and line.percent is not None)
        indent = self._pixels(_MARK + 12)
        head = 0
        if geometry.beside and (look.names or look.confidence):
            wide, names = width - self._pixels(geometry.beside + 16), self._pixels(geometry.beside) - indent
        else:
            wide = names = width - indent
            head = self._pixels(geometry.name_size * _LEADING) if has_head and not geometry.beside else 0
        fitting = (room - head) // pitch
        rows = min(geometry.rows, fitting)
        if rows < 1:
            return None
        text = self._typesetter.last_rows(line.text, Style(size, line.language), wide, rows)
        name, percent = self._head(line, names) if has_head else (None, None)
        is_cut = rows == fitting and text.text.startswith(ELLIPSIS) and not line.text.startswith(ELLIPSIS)
        return _Block(line, text, name, percent, head + pitch * len(text.rows), is_cut)

    def _head(self, line: Line, room: int) -> tuple[Paragraph | None, Paragraph | None]:
        """Set name and confidence; the name gets what the confidence leaves."""
        size = self._pixels(self._geometry.name_size)
        percent = None
        if self._look.confidence and line.percent is not None:
            small = Style(round(0.85 * size))
            percent = self._typesetter.fitted(f"{line.percent} %", small, room)
            room -= round(percent.rows[0].width) + self._pixels(10)
        if not (self._look.names and line.speaker):
            return None, percent
        return self._typesetter.fitted(line.speaker, Style(size, line.language, is_bold=True), room), percent

    def _block(self, block: _Block, box: Box) -> None:
        """Place a caption; its names are where its text begins: at the right for Arabic and Hebrew."""
        left, top, right, bottom = box
        theme, geometry = self._theme, self._geometry
        is_rtl = block.text.is_right_to_left
        colour = theme.muted if block.line.colour is None else theme.speakers[block.line.colour]
        bar, indent = self._pixels(_MARK), self._pixels(_MARK + 12)
        edge = right - bar if is_rtl else left
        inset = self._pixels(4)
        self._found.append(
            Panel((edge, top + inset, edge + bar, bottom - inset), colour, 1.0, bar // 2, colour, 0)
        )
        left, right = (left, right - indent) if is_rtl else (left + indent, right)
        size = self._pixels(geometry.size)
        name_size = self._pixels(geometry.name_size)
        names, text = (left, top, right, bottom), (left, top, right, bottom)
        if geometry.beside:
            if self._look.names or self._look.confidence:
                column, gap = self._pixels(geometry.beside) - indent, self._pixels(16)
                if is_rtl:
                    names, text = (
                        (right - column, top, right, bottom),
                        (left, top, right - column - gap, bottom),
                    )
                else:
                    names, text = (
                        (left, top, left + column, bottom),
                        (left + column + gap, top, right, bottom),
                    )
            base = round(size * _BASELINE)
        else:
            base = round(name_size * _BASELINE)
            if block.name or block.percent:
                text = (left, top + round(self._pixels(geometry.name_size * _LEADING)), right, bottom)
        self._names(block, names, base, colour, is_rtl=is_rtl)
        ink = theme.text if block.line.is_final else theme.muted
        self._rows(block.text, text, size, ink, right_aligned=is_rtl)

    def _names(self, block: _Block, box: Box, base: int, colour: Colour, *, is_rtl: bool) -> None:
        left, top, right, _ = box
        x = right if is_rtl else left
        for set_text, ink in ((block.name, colour), (block.percent, self._theme.muted)):
            if set_text is None or not set_text.rows:
                continue
            row = set_text.rows[0]
            wide = round(row.width)
            start = x - wide if is_rtl else x
            for across, run in row.runs:
                self._letters(run, round(start + across), top + base, ink, box)
            step = wide + self._pixels(10)
            x += -step if is_rtl else step

    def _rows(self, text: Paragraph, box: Box, size: int, ink: Colour, *, right_aligned: bool) -> None:
        left, top, right, _ = box
        for number, row in enumerate(text.rows):
            start = right - row.width if right_aligned else left
            y = top + number * round(size * _LEADING) + round(size * _BASELINE)
            for across, run in row.runs:
                self._letters(run, round(start + across), y, ink, box)

    def _letters(self, run: Run, x: int, y: int, ink: Colour, clip: Box) -> None:
        mask = self._fonts.mask(run)
        if mask is None:
            return
        left, top = x + mask.left, y + mask.top
        # Italic overhangs and marks may stand a little out of their row; what would cover others is clipped.
        slack = self._pixels(6)
        box = (
            max(left, clip[0] - slack),
            max(top, clip[1] - slack),
            min(left + mask.image.width, clip[2] + slack),
            min(top + mask.image.height, clip[3] + slack),
        )
        if box[0] < box[2] and box[1] < box[3]:
            self._found.append(Letters(box, run, x, y, ink))
