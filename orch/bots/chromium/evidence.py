"""What a page showed when a bot gave up: a picture, the trimmed HTML, and the last lines logged.

Pictures and HTML hold faces and names: they are stored for ``evidence_days`` and deleted with the bot's data.
"""

from collections.abc import Awaitable
from typing import Any, Final

import trio
from msgspec import Struct

from orch.bots.chromium.errors import BrowserError
from orch.bots.chromium.page import Page
from orch.bots.chromium.page_functions import SOURCE
from orch.bots.chromium.trimming import trimmed
from orch.masking import mask_url

PATIENCE: Final = 3.0
"""Seconds for each part: a page that hangs gives none, and the bot's end waits for this."""

LARGEST_SOURCE: Final = 2_000_000
"""Characters of HTML that are fetched to be trimmed. A meeting's page has about 1 million."""

LARGEST_PICTURE: Final = 2_000_000
"""Bytes of the picture; 1280×720 has about 100,000."""

MOST_LINES: Final = 100

_ADDRESS: Final = "() => [location.href, document.title]"


class Evidence(Struct, frozen=True, kw_only=True):
    """What was captured.

    ``taken_at``: seconds since the epoch. ``picture``: JPEG, empty if there is none. ``html``: at
    most 200 kB. ``lines``: the last ones, oldest first. ``missing``: which parts there are not, and why.
    """

    taken_at: float
    url: str = ""
    title: str = ""
    picture: bytes = b""
    html: str = ""
    lines: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


async def collect(page: Page, *, now: float) -> Evidence:
    """Return the evidence of a page in any state.

    A part that cannot be captured is named in ``missing``; this raises nothing and takes at most three times
    :data:`PATIENCE`.
    """
    missing: list[str] = []
    address = await _part("address", page.call(_ADDRESS), missing) or ["", ""]
    picture = await _part("picture", page.screenshot(), missing) or b""
    html = await _part("html", page.call(SOURCE, LARGEST_SOURCE), missing) or ""
    if len(picture) > LARGEST_PICTURE:
        missing.append(f"picture: it has more than {LARGEST_PICTURE} bytes")
        picture = b""
    return Evidence(
        taken_at=now,
        url=mask_url(str(address[0])),
        title=str(address[1])[:200],
        picture=picture,
        html=await trio.to_thread.run_sync(trimmed, str(html)),
        lines=page.log.lines[-MOST_LINES:],
        missing=tuple(missing),
    )


async def _part(name: str, capturing: Awaitable[Any], missing: list[str]) -> Any:
    """Return what ``capturing`` returns; None, and a line in ``missing``, if it fails or takes too long."""
    try:
        with trio.fail_after(PATIENCE):
            return await capturing
    except BrowserError as error:
        missing.append(f"{name}: {error}")
    except trio.TooSlowError:
        missing.append(f"{name}: the page did not reply within {PATIENCE:g} s")
    return None
