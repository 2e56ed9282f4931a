"""What can go wrong with a browser, as types that a bot tells apart. Pure."""

from collections.abc import Sequence

from orch.shortages import Shortage


class BrowserError(Exception):
    """Something is wrong with a bot's browser; the text is a sentence for people."""


class BrowserMissingError(BrowserError):
    """No Chromium was found; the text says what to install and which setting points to it."""


class BrowserNotStartedError(BrowserError):
    """A browser was found but does not run.

    ``shortage``: the exhausted resource of this machine, if that is the cause. ``lines``: its last output.
    """

    def __init__(self, text: str, *, shortage: Shortage | None = None, lines: Sequence[str] = ()) -> None:
        super().__init__(text)
        self.shortage = shortage
        self.lines = tuple(lines)


class BrowserEndedError(BrowserError):
    """A browser that was in use has ended, or its connection has.

    ``lines``: its last output.
    """

    def __init__(self, text: str, *, lines: Sequence[str] = ()) -> None:
        super().__init__(text)
        self.lines = tuple(lines)


class DevToolsError(BrowserError):
    """A command of the DevTools protocol has no result."""


class CommandError(DevToolsError):
    """The browser refused a command. ``code`` is that of JSON-RPC, ``detail`` the browser's own words."""

    def __init__(self, method: str, code: int, detail: str) -> None:
        super().__init__(f"{method}: {detail}")
        self.method = method
        self.code = code
        self.detail = detail


class ConnectionLostError(DevToolsError):
    """The connection to the browser is closed; every pending and later command fails with this."""


class SessionLostError(DevToolsError):
    """The page (or frame) that a command was for has been closed, or the connection was detached from it."""


class PageCrashedError(SessionLostError):
    """The page's process has crashed; the browser still runs."""


class PageHungError(BrowserError):
    """The page has not run a script for too long."""


class UnusableMessageError(DevToolsError):
    """The reply exists but cannot be used: it is too large, or no valid JSON."""


class TooManyCommandsError(DevToolsError):
    """The limit of pending commands is reached."""


class EventsLostError(DevToolsError):
    """A subscriber was too slow: events after those that it has read are lost."""


class ScriptError(BrowserError):
    """A script in the page threw; the text is the exception's, shortened."""


class ContextGoneError(BrowserError):
    """The document that a script ran in has been replaced by another one."""


class NavigationError(BrowserError):
    """A page could not be opened. ``reason`` is the browser's, as ``net::ERR_NAME_NOT_RESOLVED``."""

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(text)
        self.reason = reason


class ElementError(BrowserError):
    """An element cannot be clicked; ``state`` is ``missing``, ``hidden``, ``disabled`` or ``covered``."""

    def __init__(self, text: str, state: str) -> None:
        super().__init__(text)
        self.state = state


def root_error(group: BaseExceptionGroup[BrowserError]) -> BrowserError:
    """Return the error in a group, however deep, that the others follow from.

    When a browser ends, its connection is lost and so is its page: the tasks of a bot raise all three.
    """
    found: list[BrowserError] = []
    waiting: list[BaseException] = [group]
    while waiting:
        error = waiting.pop()
        if isinstance(error, BaseExceptionGroup):
            waiting += error.exceptions
        elif isinstance(error, BrowserError):
            found.append(error)
    return min(found, key=_distance)


def _distance(error: BrowserError) -> int:
    """Return how far an error is from the root: browser, page, connection, all else."""
    if isinstance(error, BrowserMissingError | BrowserNotStartedError | BrowserEndedError):
        return 0
    if isinstance(error, PageCrashedError | PageHungError):
        return 1
    if isinstance(error, SessionLostError):
        return 2
    return 3 if isinstance(error, ConnectionLostError) else 4
