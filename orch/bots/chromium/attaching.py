"""Attaches to a browser that somebody else has started (``bots.cdp_url``). It is left running.

Its pages, cookies and windows are not ours: a bot opens a tab of its own and closes it at the end
(:func:`orch.bots.chromium.page.run_page`).
"""

from typing import Final, Never
from urllib.parse import urlsplit

import httpx2
import trio
import trio_websocket

from orch.bots.chromium.devtools import DevTools
from orch.bots.chromium.errors import (
    BrowserEndedError,
    BrowserNotStartedError,
    ConnectionLostError,
    root_error,
)
from orch.bots.chromium.failures import LogTail
from orch.bots.chromium.messages import LONGEST_MESSAGE
from orch.bots.chromium.process import Browser
from orch.bots.chromium.transports import WebSocketTransport
from orch.masking import mask_url
from orch.untrusted_json import UnreadableError, read_document

LONGEST_DOCUMENT: Final = 64 * 1024
"""Bytes of ``/json/version``; it has about 500."""

CLOSING: Final = 2.0
"""Seconds that the closing handshake may take."""

RELEASE: Final = 5.0
"""Seconds that tabs may take to close before the connection is closed."""


async def run_attached(
    url: str,
    *,
    log: LogTail | None = None,
    task_status: trio.TaskStatus[Browser] = trio.TASK_STATUS_IGNORED,
) -> Never:
    """Use the browser at ``url`` until cancelled; ``started()`` receives it once it replies.

    ``url``: ``http://HOST:PORT`` of ``--remote-debugging-port``, or the address of the browser's WebSocket
    (``ws://HOST:PORT/devtools/browser/ID``). The caller bounds the start.

    Error handling: BrowserNotStartedError before ``started()``, BrowserEndedError when the connection is
    lost.
    """
    tail = log if log is not None else LogTail()
    attachment = _Attachment(url, tail)
    error: Exception | None = None
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(attachment.carry, task_status)
            try:
                await trio.sleep_forever()
            finally:
                with trio.move_on_after(RELEASE, shield=True):
                    await attachment.released()
                attachment.scope.cancel()
    except* ConnectionLostError as group:
        error = group
    except* (OSError, trio_websocket.HandshakeError, ValueError) as group:
        error = group
    except* BrowserNotStartedError as group:
        raise root_error(group) from None
    if attachment.is_started:
        raise BrowserEndedError(
            f"The connection to the browser at {mask_url(url)} is lost.", lines=tail.lines
        ) from error
    raise BrowserNotStartedError(f"No browser responds at {mask_url(url)} (bots.cdp_url).") from error


class _Attachment:
    """The connection to a foreign browser.

    ``scope``: that of the connection, which a cancel from outside does not reach once it is open: tabs are
    closed over it first.
    """

    def __init__(self, url: str, log: LogTail) -> None:
        self._url = url
        self._log = log
        self._devtools: DevTools | None = None
        self.scope = trio.CancelScope()
        self.is_started = False

    async def carry(self, task_status: trio.TaskStatus[Browser]) -> None:
        """Open the connection, report it, and carry its messages until ``scope`` is cancelled."""
        with self.scope:
            is_plain = self._url.startswith(("http://", "https://"))
            address = await _socket_address(self._url) if is_plain else self._url
            async with (
                trio_websocket.open_websocket_url(
                    address, max_message_size=LONGEST_MESSAGE, disconnect_timeout=CLOSING
                ) as connection,
                trio.open_nursery() as nursery,
            ):
                devtools = DevTools(WebSocketTransport(connection))
                nursery.start_soon(devtools.run)
                found = await devtools.command("Browser.getVersion")
                product = str(found.get("product", "")).replace("HeadlessChrome", "Chrome")
                self._devtools = devtools
                self.is_started = True
                self.scope.shield = True
                task_status.started(Browser(devtools, product, 0, is_sandboxed=True, log=self._log))

    async def released(self) -> None:
        """Wait until the tabs are closed."""
        if self._devtools is not None:
            await self._devtools.released()


async def _socket_address(url: str) -> str:
    """Return the address of the browser's WebSocket, at the host and port of ``url``.

    The browser names the host that it was asked for; behind a port mapping that is not its address.
    """
    shown = mask_url(url)
    parts = urlsplit(url)
    try:
        async with (
            httpx2.AsyncClient(follow_redirects=False, trust_env=False) as client,
            client.stream("GET", f"{parts.scheme}://{parts.netloc}/json/version") as response,
        ):
            body = b""
            async for part in response.aiter_bytes():
                body += part
                if len(body) > LONGEST_DOCUMENT:
                    break
            document = read_document(body)
            path = urlsplit(document["webSocketDebuggerUrl"]).path
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        raise BrowserNotStartedError(
            f"No browser responds at {shown} (bots.cdp_url): {error}. Start it with --remote-debugging-port."
        ) from error
    except (UnreadableError, KeyError, TypeError, AttributeError) as error:
        raise BrowserNotStartedError(
            f"{shown} (bots.cdp_url) is no browser: /json/version names no WebSocket."
        ) from error
    return f"{'wss' if parts.scheme == 'https' else 'ws'}://{parts.netloc}{path}"
