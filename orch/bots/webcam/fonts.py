"""Fonts: which one has a character, how text is shaped, and what it looks like.

The fonts in ``fonts/`` are part of the package (``fonts/VERSION``): none is fetched and none is expected on
the machine. Others can be added, for scripts that those do not have.

Text is shaped, and its outlines are filled, by HarfBuzz (docs/adr/0079). A file is read when its first
character is needed.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Final

import regex
import uharfbuzz
from PIL import Image

_FOLDER: Final = Path(__file__).parent / "fonts"
_BOLD: Final = "NotoSans-SemiBold"
#: In the order in which they are asked. Those of East Asia are between them and the emoji.
_FACES: Final = (
    "NotoSans",
    "NotoSansArabic",
    "NotoSansHebrew",
    "NotoSansDevanagari",
    "NotoSansBengali",
    "NotoSansGurmukhi",
    "NotoSansGujarati",
    "NotoSansOriya",
    "NotoSansTamil",
    "NotoSansTelugu",
    "NotoSansKannada",
    "NotoSansMalayalam",
    "NotoSansSinhala",
    "NotoSansThai",
    "NotoSansLao",
    "NotoSansMyanmar",
    "NotoSansKhmer",
    "NotoSansEthiopic",
    "NotoSansArmenian",
    "NotoSansGeorgian",
)
_EMOJI: Final = "NotoEmoji"
#: The same Chinese character is written differently in Chinese, Japanese and Korean: by language, in the
#: order in which they are asked.
_EAST_ASIAN: Final = {
    "zh": ("NotoSansSC", "NotoSansJP", "NotoSansKR"),
    "ja": ("NotoSansJP", "NotoSansSC", "NotoSansKR"),
    "ko": ("NotoSansKR", "NotoSansSC", "NotoSansJP"),
}
_KANA: Final = regex.compile(r"[\p{Hiragana}\p{Katakana}]")
_HANGUL: Final = regex.compile(r"\p{Hangul}")
_IS_EMOJI: Final = regex.compile(r"\p{Emoji_Presentation}|.\ufe0f|\p{Regional_Indicator}")
_IGNORED: Final = regex.compile(r"[\p{Default_Ignorable_Code_Point}]")
_WORDLESS: Final = regex.compile(r"[\p{P}\p{S}\p{Z}]")
_TAG: Final = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,8}")
_SUFFIXES: Final = (".ttf", ".otf", ".ttc")
_MOST_EXTRA: Final = 64
_UNITS: Final = 64
"""HarfBuzz's units in a pixel: positions are rounded to them."""


class Face:
    """One font of a file. ``name`` identifies it."""

    def __init__(self, path: Path, index: int = 0) -> None:
        self.name = path.stem if index == 0 else f"{path.stem}#{index}"
        self._path = path
        self._index = index

    @cached_property
    def outlines(self) -> uharfbuzz.Face:
        """What HarfBuzz reads of it. Raises OSError if the file cannot be read."""
        return uharfbuzz.Face(uharfbuzz.Blob.from_file_path(str(self._path)), self._index)

    @cached_property
    def _characters(self) -> uharfbuzz.Set:
        return self.outlines.unicodes

    def has(self, text: str) -> bool:
        """Return whether it has each visible character of a text."""
        return all(ord(each) in self._characters for each in _IGNORED.sub("", text))

    def __repr__(self) -> str:
        return f"<Face {self.name}>"


@dataclass(frozen=True, slots=True)
class Run:
    """Text of one font and one direction, that is shaped at once. ``size``: pixels of an em."""

    face: Face
    size: int
    text: str
    is_right_to_left: bool
    language: str


@dataclass(frozen=True, slots=True)
class Mask:
    """What a run covers: 0 to 255 a pixel (mode L). ``left``, ``top``: from its origin on the baseline."""

    image: Image.Image
    left: int
    top: int


@dataclass(frozen=True, slots=True)
class _Shaped:
    width: float
    glyphs: tuple[tuple[int, float, float], ...]
    """Number, and place from the origin, in units, upwards."""


class Fonts:
    """The fonts, with what has been shaped and drawn lately. Not for several threads at once.

    extra: font files, or folders of them (at most 64 files, by name), asked after those of the package.
    Raises ValueError if one is no font, or if there are more; OSError if one cannot be read.
    """

    def __init__(self, extra: Iterable[Path] = ()) -> None:
        known = (_BOLD, *_FACES, *_EAST_ASIAN["zh"], _EMOJI)
        self._faces = {name: Face(_FOLDER / f"{name}.ttf") for name in known}
        self._extra = tuple(face for path in _files(extra) for face in _opened(path))
        self.face_of = lru_cache(8192)(self._face_of)
        self._font = lru_cache(256)(_scaled)
        self._shaped = lru_cache(4096)(self._shape)
        self.mask = lru_cache(192)(self._mask)

    def _order(self, family: str, *, is_bold: bool, is_emoji: bool) -> Iterable[Face]:
        names = [*_FACES, *_EAST_ASIAN[family], _EMOJI]
        if is_emoji:
            names.insert(0, _EMOJI)
        if is_bold:
            names.insert(0, _BOLD)
        yield from (self._faces[name] for name in names)
        yield from self._extra

    def _face_of(self, cluster: str, family: str, is_bold: bool = False) -> Face | None:  # noqa: FBT001, FBT002
        """Return the first face that has all of a grapheme cluster, or None.

        family: ``zh``, ``ja`` or ``ko``, see :func:`family_of`.
        """
        is_emoji = _IS_EMOJI.search(cluster) is not None
        order = self._order(family, is_bold=is_bold, is_emoji=is_emoji)
        return next((face for face in order if face.has(cluster)), None)

    def continues(self, face: Face | None, cluster: str) -> bool:
        """Return whether a cluster is punctuation that the face of what precedes it has, not one of emoji."""
        if face is None or face is self._faces[_EMOJI] or _IS_EMOJI.search(cluster):
            return False
        return _WORDLESS.match(cluster) is not None and face.has(cluster)

    def width(self, run: Run) -> float:
        """Return how far a run advances, in pixels."""
        return self._shaped(run).width

    def _shape(self, run: Run) -> _Shaped:
        buffer = uharfbuzz.Buffer()
        buffer.add_str(run.text)
        buffer.guess_segment_properties()
        buffer.direction = "rtl" if run.is_right_to_left else "ltr"
        if _TAG.fullmatch(run.language):
            buffer.language = run.language
        uharfbuzz.shape(self._font(run.face, run.size), buffer)
        glyphs = []
        x = y = 0.0
        for info, position in zip(buffer.glyph_infos, buffer.glyph_positions, strict=True):
            glyphs.append((info.codepoint, x + position.x_offset, y + position.y_offset))
            x += position.x_advance
            y += position.y_advance
        return _Shaped(x / _UNITS, tuple(glyphs))

    def _mask(self, run: Run) -> Mask | None:
        """Return what a run covers, or None if it is blank."""
        drawing = uharfbuzz.RasterDraw()
        drawing.scale_factor = (_UNITS, _UNITS)
        font = self._font(run.face, run.size)
        for glyph, x, y in self._shaped(run).glyphs:
            drawing.transform = (1, 0, 0, -1, x, -y)
            drawing.draw_glyph(font, glyph)
        drawn = drawing.render()
        place = drawn.extents
        if not place.width or not place.height:
            return None
        image = Image.frombytes(
            "L", (place.width, place.height), bytes(drawn.buffer), "raw", "L", place.stride
        )
        return Mask(image, place.x_origin, place.y_origin)


def family_of(text: str, language: str) -> str:
    """Return whose letter forms Chinese characters of a text have: ``zh``, ``ja`` or ``ko``."""
    primary = language.partition("-")[0].lower()
    if primary in ("ja", "ko", "zh"):
        return primary
    if primary == "yue":
        return "zh"
    if _KANA.search(text):
        return "ja"
    return "ko" if _HANGUL.search(text) else "zh"


def _scaled(face: Face, size: int) -> uharfbuzz.Font:
    font = uharfbuzz.Font(face.outlines)
    font.scale = (size * _UNITS, size * _UNITS)
    return font


def _files(extra: Iterable[Path]) -> Sequence[Path]:
    found: list[Path] = []
    for path in extra:
        if path.is_dir():
            found += sorted(each for each in path.rglob("*") if each.suffix.lower() in _SUFFIXES)
        else:
            found.append(path)
        if len(found) > _MOST_EXTRA:
            raise ValueError(
                f"There are more than {_MOST_EXTRA} font files. Name the files, or a smaller folder."
            )
    return found


def _opened(path: Path) -> Sequence[Face]:
    try:
        opened = uharfbuzz.Face(uharfbuzz.Blob.from_file_path(str(path)))
    except uharfbuzz.HarfBuzzError as error:
        raise OSError(f"The font file {path} cannot be read.") from error
    if not opened.glyph_count or not len(opened.unicodes):
        raise ValueError(f"{path} is no font file with characters of Unicode.")
    return [Face(path, index) for index in range(opened.count)]
