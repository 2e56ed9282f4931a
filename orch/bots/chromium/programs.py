"""Finds Chromium on this machine. Pure: what exists is asked through the given functions."""

from collections.abc import Callable
from typing import Final

from orch.bots.chromium.errors import BrowserMissingError

PATHS: Final = (
    # Debian, Fedora, Arch, Alpine: the program behind the wrapper in /usr/bin, whose further switches come
    # from the machine's configuration.
    "/usr/lib/chromium/chromium",
    "/usr/lib64/chromium-browser/chromium-browser",
    "/opt/google/chrome/chrome",
    "/opt/chromium.org/chromium/chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
NAMES: Final = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")
"""Names on PATH, after :data:`PATHS`."""

INSTALL: Final = (
    "Install it (Debian: apt-get install chromium; Fedora: dnf install chromium; macOS: brew install --cask"
    " chromium), or set bots.chromium to its path."
)


def find_program(
    configured: str, *, which: Callable[[str], str | None], is_program: Callable[[str], bool]
) -> str:
    """Return Chromium's path.

    ``configured``: the setting ``bots.chromium``, a path or a name on PATH; "" to look in the usual places.
    A configured program that is missing is not replaced by another one.

    Error handling: BrowserMissingError with what to install.
    """
    if configured:
        found = which(configured)
        if found is None:
            raise BrowserMissingError(
                f"bots.chromium: {configured} is no program on this machine. Correct it, or remove it to use"
                " the installed Chromium."
            )
        return found
    for path in PATHS:
        if is_program(path):
            return path
    for name in NAMES:
        if (found := which(name)) is not None:
            return found
    raise BrowserMissingError(f"Bots need Chromium, which is not installed on this machine. {INSTALL}")
