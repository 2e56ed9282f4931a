"""A long recording, and a network that loses its pieces on the way from the Translation page."""

import wave
from pathlib import Path
from typing import Final

from playwright.sync_api import Page, Route

PIECES: Final = "**/uploads/*"
PIECE: Final = 4 * 2**20


def long_silence(folder: Path) -> Path:
    """Write a minute of silence with 11.5 MB, which is transcribed in a moment."""
    path = folder / "lecture.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(48_000)
        file.writeframes(bytes(60 * 48_000 * 4))
    return path


class LossyUploads:
    """The page's way to the service: loses each piece from the second one on while ``is_cut``.

    ``offsets``: where the pieces that arrived began.
    """

    def __init__(self, page: Page) -> None:
        self.is_cut = True
        self.offsets: list[int] = []
        page.route(PIECES, self._pass)

    def _pass(self, route: Route) -> None:
        offset = int(route.request.headers.get("upload-offset", "0"))
        if self.is_cut and (offset > 0 or route.request.method == "HEAD"):
            route.abort()
            return
        if route.request.method == "PATCH":
            self.offsets.append(offset)
        route.continue_()
