"""Pictures that the tests draw, and small ones to compare with.

python tests/bots/webcam/scenes.py writes those.
"""

import sys
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[3]))

from PIL import Image

from orch.bots.webcam.appearance import Appearance, Mode, ThemeName
from orch.bots.webcam.canvas import Canvas
from orch.bots.webcam.fonts import Fonts
from orch.bots.webcam.picture import Caption, Picture, show

GOLDEN: Final = Path(__file__).parents[2] / "data" / "webcam"
SMALL: Final = (320, 180)
CAPTIONS: Final = (
    Caption(key="1", text="Shall we begin?", speaker="Anna Kowalska", is_final=True, confidence=0.96),
    Caption(
        key="2", text="نعم، لنبدأ بأرقام 2025 (الربع الثالث).", speaker="محمد", is_final=True, confidence=0.91
    ),
    Caption(
        key="3",
        text="प्रगति की रिपोर्ट तैयार है।",
        speaker="Priyanka Venkatanarasimharajuvaripeta",
        is_final=True,
    ),
    Caption(
        key="4",
        text="「四半期の数字」から始めましょう。",
        speaker="田中 太郎",
        is_final=True,
        confidence=0.79,
    ),
    Caption(key="5", text="Das ist noch nicht ganz", speaker="Jürgen", confidence=0.62),
)


def scene(appearance: Appearance, captions: tuple[Caption, ...] = CAPTIONS) -> Picture:
    """Return a picture of some captions."""
    picture = Picture(appearance=appearance)
    for caption in captions:
        picture = show(picture, caption, 0)
    return picture


def small(mode: Mode, theme: ThemeName, fonts: Fonts) -> Image.Image:
    """Return how a scene looks, reduced."""
    canvas = Canvas(fonts)
    canvas.draw(scene(Appearance(mode=mode, theme=theme, title="Live captions")))
    return canvas.image.resize(SMALL, Image.Resampling.BOX)


#: Each mode and each theme once.
COMPARED: Final = tuple(zip(Mode, ThemeName, strict=True))

if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for each in COMPARED:
        small(*each, Fonts()).save(GOLDEN / f"{each[0]}-{each[1]}.png", optimize=True)
