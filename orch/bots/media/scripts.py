"""The scripts that a bot's page runs before its own, as one source.

They are written as modules (``orch/bots/page/``), so that each can be tested by itself; a page can only be
given a classic script, so the modules are joined in order, without their imports and exports, inside of one
function. Nothing of it is visible to the page. It does nothing in frames, nor in windows that the page opens:
a channel has one page.
"""

import re
from functools import cache
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

FOLDER: Final = Path(__file__).resolve().parents[1] / "page"

PAGE_MODULES: Final = (
    "wire.js",
    "capture_clock.js",
    "uplink.js",
    "track_sounds.js",
    "picture.js",
    "speech.js",
    "devices.js",
    "connections.js",
    "media.js",
)
"""Modules of the page, each after those that it imports."""

WORKLET_MODULES: Final = ("sound_kernel.js", "speech_kernel.js", "worklet.js")
"""Modules of the page's audio thread."""

_IMPORT: Final = re.compile(r"^import [^;]*;\n", re.MULTILINE)
_EXPORT: Final = re.compile(r"^export (?=(?:async )?(?:function|class|const)\b)", re.MULTILINE)


class PageMedia(Struct, frozen=True, kw_only=True):
    """What the page's script is given.

    ``address``: of the socket, with the secret. ``camera``, ``microphone``: whether the bot has one.
    ``video``: whether the others' video is received. ``width``, ``height``: of the camera at first.
    """

    address: str
    camera: bool = True
    microphone: bool = True
    video: bool = False
    width: int = 1280
    height: int = 720


@cache
def _joined(names: tuple[str, ...]) -> str:
    """Return modules as the body of one function."""
    sources = [(FOLDER / name).read_text(encoding="utf-8") for name in names]
    return "\n".join(_EXPORT.sub("", _IMPORT.sub("", each)) for each in sources)


def page_script(media: PageMedia) -> str:
    """Return the script for :attr:`~orch.bots.chromium.page_messages.PageOptions.scripts`."""
    worklet = f'(() => {{\n"use strict";\n{_joined(WORKLET_MODULES)}\n}})();'
    given = msgspec.json.encode({"media": media, "worklet": worklet}).decode()
    # A line separator ends a line in a script, though not in JSON.
    given = given.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return (
        f'(() => {{\n"use strict";\nif (window !== window.top || window.opener) return;\n'
        f"{_joined(PAGE_MODULES)}\nstartMedia(window, {given});\n}})();"
    )
