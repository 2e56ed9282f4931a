"""One page (tab) of a browser, as a bot uses it.

The page's own DOM is read, never changed: reading happens in an *isolated world*, which shares the DOM but
not the page's JavaScript, so that the page can neither see nor disturb it. Clicks and text are real input
events, which the browser delivers as those of a person. Scripts that must come before the page's own (for
getUserMedia and RTCPeerConnection) run in the page's world, in every frame, also in those of other sites.
"""

import base64
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from copy import copy
from typing import Any, Final, Never

import msgspec
import trio

from orch.bots.chromium.devtools import DevTools, EventStream
from orch.bots.chromium.errors import (
    BrowserError,
    CommandError,
    ContextGoneError,
    DevToolsError,
    ElementError,
    NavigationError,
    PageCrashedError,
    PageHungError,
    ScriptError,
    SessionLostError,
    root_error,
)
from orch.bots.chromium.exchange import CRASHED, DETACHED, Overflow
from orch.bots.chromium.failures import LogTail
from orch.bots.chromium.messages import Event
from orch.bots.chromium.page_functions import LOADED, MARKED, POSITION
from orch.bots.chromium.page_messages import LOOPBACK, Messages, PageOptions
from orch.masking import mask_url

OPENING: Final = 15.0
"""Seconds that the browser may take to create a tab."""

CLOSING: Final = 3.0
"""Seconds that closing the tab may take at the end."""

WORLD: Final = "orch"
"""The name of the isolated world."""

REPLACED: Final = 10
"""Documents that may replace each other (redirects by script) while one is waited for."""

_CONTEXT_GONE: Final = (
    "Cannot find context",
    "Execution context was destroyed",
    "Promise was collected",
    "Inspected target navigated or closed",
    "Cannot find default execution context",
    "No frame for given id found",
    "uniqueContextId not found",
)
_ATTACHED: Final = "Target.attachedToTarget"
_DIALOG: Final = "Page.javascriptDialogOpening"
_LOGGED: Final = "Runtime.consoleAPICalled"
_THREW: Final = "Runtime.exceptionThrown"


async def run_page(
    devtools: DevTools,
    options: PageOptions,
    *,
    log: LogTail | None = None,
    task_status: trio.TaskStatus["Page"] = trio.TASK_STATUS_IGNORED,
) -> Never:
    """Open a tab and attend to it until cancelled; ``started()`` receives the page, prepared and empty.

    While this runs, the frames of other sites are prepared as the page itself, and dialogs are closed: one
    that nobody answers stops every script of the page.

    Resource handling: the tab is closed at the end, within :data:`CLOSING` seconds; also in a browser that is
    not ours.

    Error handling: PageCrashedError, SessionLostError if somebody closes the tab, DevToolsError.
    """
    with devtools.held():
        with trio.fail_after(OPENING, shield=True):  # a cancel would leave a tab that nobody knows
            created = await devtools.command("Target.createTarget", {"url": "about:blank"})
        target, page = str(created["targetId"]), None
        try:
            attached = await devtools.command("Target.attachToTarget", {"targetId": target, "flatten": True})
            session = str(attached["sessionId"])
            page = Page(devtools, session, target, options, log if log is not None else LogTail())
            await page.attend(task_status)
        finally:
            with trio.move_on_after(CLOSING, shield=True):
                await _close(devtools, target, page)


async def _close(devtools: DevTools, target: str, page: "Page | None") -> None:
    """Close a tab. One that hangs would not close, and would use a processor: its process is ended first."""
    try:
        if page is not None and page.failure is None:
            with trio.move_on_after(CLOSING / 3) as scope:
                await page.ping()
            if scope.cancelled_caught:
                with trio.move_on_after(CLOSING / 3):
                    await page.crash()
    except DevToolsError:
        pass  # it has crashed, or everything has gone
    try:
        await devtools.command("Target.closeTarget", {"targetId": target})
    except DevToolsError:
        return  # the tab or the whole browser has gone, which is what was wanted


class Page:
    """One tab. Its methods have no time-out of their own: callers set deadlines.

    Error handling of all: SessionLostError, PageCrashedError, ConnectionLostError when the page, its process
    or its browser ends; ContextGoneError when another document takes the place of this one meanwhile; those
    with scripts: ScriptError.
    """

    def __init__(
        self, devtools: DevTools, session: str, target: str, options: PageOptions, log: LogTail
    ) -> None:
        self._devtools = devtools
        self._session = session
        self._target = target
        self._frame = target  # a page's first main frame has its id
        self._options = options
        self.log = log
        self.failure: BrowserError | None = None
        """Why the page has ended, once it has."""

    async def attend(self, task_status: trio.TaskStatus["Page"]) -> Never:
        """Prepare the page, then attend to its frames and dialogs until it ends, which raises."""
        with (
            self._devtools.subscribe(_ATTACHED, CRASHED, DETACHED, _DIALOG, capacity=1024) as events,
            self._devtools.subscribe(_LOGGED, _THREW, overflow=Overflow.COUNT) as lines,
        ):
            await self._prepare(self._session)
            await self._command(
                "Emulation.setDeviceMetricsOverride",
                {
                    "width": self._options.width,
                    "height": self._options.height,
                    "deviceScaleFactor": 1,
                    "mobile": False,
                },
            )
            await self._command("Emulation.setFocusEmulationEnabled", {"enabled": True})
            task_status.started(self)
            sessions = {self._session}
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._store_lines, lines)
                    async for event in events:
                        self._apply(event, sessions, nursery)
            except* BrowserError as group:
                failure = root_error(group)
        self.failure = failure
        raise failure

    def _apply(self, event: Event, sessions: set[str], nursery: trio.Nursery) -> None:
        """Apply an event of the page or of one of its frames."""
        if event.method == _ATTACHED and event.session in sessions:
            child = str(event.params["sessionId"])
            sessions.add(child)
            nursery.start_soon(self._prepare_child, child, str(event.params["targetInfo"].get("type")))
        elif event.method == DETACHED:
            child = str(event.params.get("sessionId"))
            if child == self._session:
                raise SessionLostError("The page has been closed.")
            sessions.discard(child)
        elif event.method == CRASHED and event.session == self._session:
            raise PageCrashedError("The page's process has crashed.")
        elif event.method == _DIALOG and event.session in sessions:
            self.log.add("dialog", f"{event.params.get('type')}: {event.params.get('message')}")
            is_leaving = event.params.get("type") == "beforeunload"
            nursery.start_soon(self._answer_dialog, event.session, is_leaving)

    async def _store_lines(self, events: EventStream) -> None:
        """Store what the page logs; of a page that floods, some lines."""
        async for event in events:
            if event.method == _LOGGED:
                words = (_shown(each) for each in event.params.get("args", ())[:10])
                self.log.add(f"page {event.params.get('type')}", " ".join(words))
            else:
                self.log.add("page threw", _exception(event.params.get("exceptionDetails", {})))

    async def _prepare_child(self, session: str, kind: str) -> None:
        """Prepare a frame of another site before its first script; a worker only goes on."""
        try:
            if kind in ("iframe", "page"):
                await self._prepare(session)
            else:
                await self._devtools.command("Runtime.runIfWaitingForDebugger", session=session)
        except (SessionLostError, CommandError):
            return  # the frame has gone already

    async def _answer_dialog(self, session: str, is_accepted: bool) -> None:  # noqa: FBT001
        try:
            await self._devtools.command(
                "Page.handleJavaScriptDialog", {"accept": is_accepted}, session=session
            )
        except (SessionLostError, CommandError):
            return  # it has been closed with its page

    async def _prepare(self, session: str) -> None:
        """Install scripts and bindings in a page or frame, then let it run."""

        async def send(method: str, **params: Any) -> None:
            await self._devtools.command(method, params, session=session)

        await send("Page.enable")
        await send("Runtime.enable")
        await send("Page.setBypassCSP", enabled=True)
        for name in self._options.bindings:
            await send("Runtime.addBinding", name=name)
        for name in self._options.world_bindings:
            await send("Runtime.addBinding", name=name, executionContextName=WORLD)
        for source in self._options.scripts:
            await send("Page.addScriptToEvaluateOnNewDocument", source=source)
        for source in self._options.world_scripts:
            await send(
                "Page.addScriptToEvaluateOnNewDocument",
                source=source,
                worldName=WORLD,
            )
        await send("Target.setAutoAttach", autoAttach=True, waitForDebuggerOnStart=True, flatten=True)
        await send("Runtime.runIfWaitingForDebugger")

    async def open(self, url: str) -> None:
        """Open an address and wait until its document is parsed (``DOMContentLoaded``).

        Permissions are granted to its origin. Error handling: NavigationError with the browser's reason.
        """
        await self._grant(url)
        found = await self._command("Page.navigate", {"url": url})
        if reason := str(found.get("errorText", "")):
            raise NavigationError(f"{mask_url(url)} cannot be opened: {reason}.", reason)
        for _ in range(REPLACED):
            try:
                await self.call(LOADED)
            except ContextGoneError:
                continue  # the document was replaced by the next one
            return
        raise NavigationError(f"{mask_url(url)} was replaced {REPLACED} times.", "replaced")

    async def _grant(self, url: str) -> None:
        """Grant microphone, camera and this machine to the origin, so that no prompt waits for a person.

        Each call withdraws what it does not name. A Chromium that does not know the permission for this
        machine does not ask for it either.
        """
        if not url.startswith(("http://", "https://")):
            return
        origin = "/".join(url.split("/", 3)[:3])
        granted = list(self._options.permissions)
        try:
            await self._devtools.command(
                "Browser.grantPermissions", {"origin": origin, "permissions": granted}
            )
        except CommandError:
            if LOOPBACK not in granted:
                raise
            granted.remove(LOOPBACK)
            await self._devtools.command(
                "Browser.grantPermissions", {"origin": origin, "permissions": granted}
            )

    async def call(self, function: str, *arguments: Any, in_page_world: bool = False) -> Any:
        """Call a JavaScript function in the main frame and return its result, a value of JSON.

        ``function``: an expression, as ``(name) => document.querySelector(name)?.textContent``; a promise is
        waited for. ``arguments``: values of JSON. It runs in the isolated world unless ``in_page_world``.
        """
        passed = ",".join(msgspec.json.encode(each).decode() for each in arguments)
        params: dict[str, Any] = {
            "expression": f"({function})({passed})",
            "returnByValue": True,
            "awaitPromise": True,
        }
        if not in_page_world:
            params["contextId"] = await self._context()
        found = await self._command("Runtime.evaluate", params)
        if (details := found.get("exceptionDetails")) is not None:
            raise ScriptError(_exception(details))
        return found.get("result", {}).get("value")

    async def _context(self) -> int:
        """Return the isolated world of the current document; the browser creates it once per document."""
        try:
            return await self._isolated()
        except ContextGoneError:
            tree = await self._command("Page.getFrameTree", {})
            self._frame = str(tree["frameTree"]["frame"]["id"])  # another one, after a prerendered page
            return await self._isolated()

    async def _isolated(self) -> int:
        params = {"frameId": self._frame, "worldName": WORLD}
        return int((await self._command("Page.createIsolatedWorld", params))["executionContextId"])

    async def click(self, find: str, *arguments: Any) -> None:
        """Click the element that the JavaScript function ``find`` returns, as a person would.

        It is scrolled into view, and the middle of it pressed with the left button.

        Error handling: ElementError if there is none, or it is invisible, disabled or covered by another one.
        """
        place = await self.call(POSITION % find, *arguments)
        if place["state"] != "ready":
            by = f" by {place['by']}" if place.get("by") else ""
            raise ElementError(f"The element is {place['state']}{by}.", place["state"])
        where = {"x": place["x"], "y": place["y"]}
        pressed = {**where, "button": "left", "clickCount": 1}
        await self._command("Input.dispatchMouseEvent", {"type": "mouseMoved", **where})
        await self._command("Input.dispatchMouseEvent", {"type": "mousePressed", "buttons": 1, **pressed})
        await self._command("Input.dispatchMouseEvent", {"type": "mouseReleased", **pressed})

    async def move(self, x: float, y: float) -> None:
        """Move the mouse to a place, in CSS pixels: pages show controls only while it moves."""
        await self._command("Input.dispatchMouseEvent", {"type": "mouseMoved", "x": x, "y": y})

    async def type_text(self, find: str, text: str, *arguments: Any) -> None:
        """Click a text field and replace its text. Error handling: as :meth:`click`."""
        await self.click(find, *arguments)
        await self.call(MARKED)
        await self._command("Input.insertText", {"text": text})

    async def press(self, key: str, code: int) -> None:
        """Press and release a key: ``Enter`` with 13, ``Escape`` with 27, ``Tab`` with 9."""
        pressed: dict[str, Any] = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        if key == "Enter":
            pressed["text"] = "\r"
        await self._command("Input.dispatchKeyEvent", {"type": "keyDown", **pressed})
        await self._command("Input.dispatchKeyEvent", {"type": "keyUp", "key": key, "code": key})

    async def screenshot(self, *, quality: int = 70) -> bytes:
        """Return the visible part of the page as JPEG."""
        found = await self._command("Page.captureScreenshot", {"format": "jpeg", "quality": quality})
        return base64.b64decode(found["data"])

    @contextmanager
    def messages(self, name: str, *, capacity: int = 256, is_own: bool = False) -> Iterator[Messages]:
        """Receive the messages of a binding for the length of the block.

        ``is_own``: of this page, and of its frames that run in its process; else of everything in the browser
        that has the binding, frames of other sites and windows that a page has opened among it. At most
        ``capacity`` messages of at most :data:`LONGEST_MESSAGE` characters are queued; further ones are
        dropped and counted, so that a page that floods costs itself.
        """
        with self._devtools.subscribe(
            "Runtime.bindingCalled",
            session=self._session if is_own else None,
            where={"name": name},
            capacity=capacity,
            overflow=Overflow.COUNT,
        ) as stream:
            yield Messages(stream)

    async def ping(self) -> None:
        """Return once the page has run a script, or another document has taken the place of the one asked.

        The caller's deadline decides how long that may take.
        """
        with suppress(ContextGoneError):
            await self._command("Runtime.evaluate", {"expression": "1", "returnByValue": True})

    async def watch(self, *, interval: float = 5.0, patience: float = 20.0) -> Never:
        """Ping the page every ``interval`` seconds; PageHungError once a ping takes ``patience`` seconds."""
        while True:
            with trio.move_on_after(patience) as scope:
                await self.ping()
            if scope.cancelled_caught:
                raise PageHungError(f"The page has run no script for {patience:g} s.")
            await trio.sleep(interval)

    async def crash(self) -> None:
        """End the page's process, which raises PageCrashedError here and where the page is attended to."""
        await self._command("Page.crash", {})

    async def _command(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        try:
            return await self._devtools.command(method, params, session=self._session)
        except SessionLostError:
            if self.failure is not None:
                raise copy(self.failure) from None  # a crashed page is closed: say that it crashed
            raise
        except CommandError as error:
            if any(words in error.detail for words in _CONTEXT_GONE):
                raise ContextGoneError(error.detail) from error
            raise


def _shown(value: dict[str, Any]) -> str:
    """Return a logged value in short."""
    return str(value.get("value", value.get("description", value.get("type", ""))))[:200]


def _exception(details: dict[str, Any]) -> str:
    """Return the first lines of an exception."""
    thrown = details.get("exception") or {}
    text = thrown.get("description") or thrown.get("value") or details.get("text") or "unknown"
    return str(text)[:500]
