"""Make the fonts of the bots' camera from their npm packages: python scripts/caption_fonts.py.

Needs npm and the Python package fonttools (in an environment of its own: nothing else needs it). The fonts
have the weight 500, no hinting, the layout rules that shaping needs, and the characters below. Writes fonts,
LICENSE and VERSION into orch/bots/webcam/fonts/.
"""

import io
import json
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from fontTools import subset

FOLDER: Final = Path(__file__).parents[1] / "orch" / "bots" / "webcam" / "fonts"
SCOPE: Final = "@expo-google-fonts"
FEATURES: Final = [
    *("ccmp", "locl", "mark", "mkmk", "kern", "liga", "clig", "rlig", "calt", "rclt"),
    *("isol", "init", "medi", "fina", "med2", "fin2", "fin3", "curs", "stch"),
    *("nukt", "akhn", "rphf", "rkrf", "pref", "blwf", "half", "pstf", "vatu", "cjct", "cfar"),
    *("pres", "abvs", "blws", "psts", "haln", "dist", "abvm", "blwm", "ljmo", "vjmo", "tjmo"),
]
DROPPED: Final = ["BASE", "vhea", "vmtx", "VORG", "STAT", "DSIG", "gasp", "meta", "MVAR"]
ASCII: Final = range(0x20, 0x7F)

# Latin, Greek, Cyrillic, their punctuation and marks, currencies, symbols, arrows, mathematics, boxes.
EUROPEAN: Final = (
    *((0x20, 0x52F), (0x1AB0, 0x1AFF), (0x1C80, 0x1C8F), (0x1D00, 0x20CF)),
    *(
        (0x2100, 0x218F),
        (0x2190, 0x22FF),
        (0x2500, 0x25FF),
        (0x2C60, 0x2C7F),
        (0x2DE0, 0x2DFF),
        (0x2E00, 0x2E7F),
    ),
    *(
        (0xA640, 0xA69F),
        (0xA700, 0xA7FF),
        (0xAB30, 0xAB6F),
        (0xFB00, 0xFB06),
        (0xFE20, 0xFE2F),
        (0xFFFD, 0xFFFD),
    ),
)


def of_codec(codec: str, leads: Iterable[int], trails: Iterable[int]) -> set[int]:
    """Return the characters that a double-byte codec has in some rows."""
    found = set()
    trails = list(trails)
    for lead in leads:
        for trail in trails:
            try:
                text = bytes((lead, trail)).decode(codec)
            except UnicodeDecodeError:
                continue
            found |= {ord(each) for each in text}
    return found


EUC: Final = range(0xA1, 0xFF)
# GB 2312 whole, and the 5401 most frequent of Big5, so that both ways of writing Chinese are there.
CHINESE = of_codec("gb2312", range(0xA1, 0xF8), EUC) | of_codec(
    "big5", range(0xA1, 0xC7), (*range(0x40, 0x7F), *EUC)
)
CHINESE |= set(map(ord, "✓✔✗✘☑☐☒"))
# JIS X 0208 whole, and those of the jōyō kanji that it writes otherwise.
JAPANESE: Final = of_codec("euc_jp", range(0xA1, 0xF5), EUC) | set(map(ord, "塡剝頰𠮟"))
# KS X 1001 without its Chinese characters; they are drawn with the Chinese font.
KOREAN: Final = of_codec("euc_kr", range(0xA1, 0xC9), EUC)

#: Package, weight, and characters; None for all that the font has.
FONTS: Final[dict[str, tuple[str, str, set[int] | None]]] = {
    "NotoSans": (
        "noto-sans",
        "500Medium",
        {code for first, last in EUROPEAN for code in range(first, last + 1)},
    ),
    "NotoSans-SemiBold": (
        "noto-sans",
        "600SemiBold",
        {*range(0x20, 0x530), *range(0x1E00, 0x2070), *range(0x20A0, 0x20C1)},
    ),
    **{
        f"NotoSans{name}": (f"noto-sans-{name.lower()}", "500Medium", None)
        for name in (
            *(
                "Arabic",
                "Hebrew",
                "Devanagari",
                "Bengali",
                "Gurmukhi",
                "Gujarati",
                "Oriya",
                "Tamil",
                "Telugu",
            ),
            *("Kannada", "Malayalam", "Sinhala", "Thai", "Lao", "Myanmar", "Khmer", "Ethiopic", "Armenian"),
            "Georgian",
        )
    },
    "NotoSansSC": ("noto-sans-sc", "500Medium", CHINESE | set(ASCII)),
    "NotoSansJP": ("noto-sans-jp", "500Medium", JAPANESE | set(ASCII)),
    "NotoSansKR": ("noto-sans-kr", "500Medium", KOREAN | set(ASCII)),
    "NotoEmoji": ("noto-emoji", "500Medium", None),
}


def fetched(package: str, folder: Path) -> tarfile.TarFile:
    """Return a package of npm."""
    name = f"{SCOPE}/{package}"
    done = subprocess.run(
        ["npm", "pack", "--json", name], cwd=folder, check=True, capture_output=True, encoding="utf-8"
    )
    return tarfile.open(folder / json.loads(done.stdout)[0]["filename"])


def text_of(archive: tarfile.TarFile, name: str) -> str:
    """Return a file of a package."""
    file = archive.extractfile(f"package/{name}")
    if file is None:
        raise FileNotFoundError(name)
    return file.read().decode("utf-8")


def write(name: str, archive: tarfile.TarFile, weight: str, characters: set[int] | None) -> None:
    """Write one font."""
    member = next(each for each in archive.getnames() if f"/{weight}/" in each and each.endswith(".ttf"))
    file = archive.extractfile(member)
    if file is None:
        raise FileNotFoundError(member)
    options = subset.Options(
        hinting=False,
        layout_features=FEATURES,
        notdef_outline=True,
        glyph_names=False,
        name_IDs=[0, 1, 2, 5, 13, 14],
    )
    options.drop_tables += DROPPED
    font = subset.load_font(io.BytesIO(file.read()), options)
    found = subset.Subsetter(options)
    found.populate(unicodes=font.getBestCmap().keys() if characters is None else characters)
    found.subset(font)
    subset.save_font(font, str(FOLDER / f"{name}.ttf"), options)


def main() -> None:
    """Write all."""
    FOLDER.mkdir(exist_ok=True)
    versions: dict[str, str] = {}
    copyrights: dict[str, None] = {}
    licence = ""
    with tempfile.TemporaryDirectory() as scratch:
        archives: dict[str, tarfile.TarFile] = {}
        for name, (package, weight, characters) in FONTS.items():
            archive = archives.get(package) or archives.setdefault(package, fetched(package, Path(scratch)))
            write(name, archive, weight, characters)
            first, _, licence = text_of(archive, "LICENSE_FONT").partition("\n")
            copyrights[first] = None
            versions[name] = f"{package}@{json.loads(text_of(archive, 'package.json'))['version']}"
            print(name, (FOLDER / f"{name}.ttf").stat().st_size)
    (FOLDER / "LICENSE").write_text("\n".join(copyrights) + "\n" + licence, encoding="utf-8")
    rows = "".join(f"{name}.ttf: {SCOPE}/{version}, {FONTS[name][1]}\n" for name, version in versions.items())
    (FOLDER / "VERSION").write_text(
        "Noto fonts, SIL Open Font License 1.1 (LICENSE beside this file)\n"
        "From npm packages, without hinting, some with fewer characters, by scripts/caption_fonts.py, which\n"
        "lists them. To bring them up to date: run it, then the tests of the bots' camera.\n\n" + rows,
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
