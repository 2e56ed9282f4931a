"""What an error in a bot's nursery means for the bot: its end, or another attempt. Pure."""

from msgspec import Struct

from orch.bots.chromium.errors import (
    BrowserEndedError,
    BrowserError,
    BrowserMissingError,
    BrowserNotStartedError,
    ConnectionLostError,
    NavigationError,
    PageHungError,
    SessionLostError,
    root_error,
)
from orch.bots.ends import EndReason
from orch.masking import mask_url


class Failure(Struct, frozen=True, kw_only=True):
    """What an error means. ``is_loss``: the bot may join again. ``detail``: for its events."""

    reason: EndReason
    is_loss: bool
    detail: str


def failure_of(error: BaseException, *, has_joined: bool) -> Failure:
    """Return what an error means. ``has_joined``: this bot was in the lobby or in the call before.

    Who has been in a meeting whose address does not open any more has lost the network; who has not, cannot
    reach it. A browser that does not start again has run before, so it is not missing.
    """
    if isinstance(error, BaseExceptionGroup) and _has_browser_error(error):
        error = root_error(error)
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    match error:
        case BrowserNotStartedError() if has_joined:
            return Failure(reason=EndReason.BROWSER_CRASHED, is_loss=True, detail=str(error))
        case BrowserMissingError() | BrowserNotStartedError():
            return Failure(reason=EndReason.BROWSER_MISSING, is_loss=False, detail=str(error))
        case PageHungError():
            return Failure(reason=EndReason.BROWSER_STALLED, is_loss=True, detail=str(error))
        case BrowserEndedError() | SessionLostError() | ConnectionLostError():
            return Failure(reason=EndReason.BROWSER_CRASHED, is_loss=True, detail=str(error))
        case NavigationError():
            reason = EndReason.NETWORK_LOST if has_joined else EndReason.UNREACHABLE
            return Failure(reason=reason, is_loss=has_joined, detail=mask_url(str(error)))
        case _:
            kind = type(error).__name__
            return Failure(reason=EndReason.INTERNAL_ERROR, is_loss=False, detail=f"{kind} (see the log)")


def leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    """Return the errors in a group, however deep."""
    found: list[BaseException] = []
    for error in group.exceptions:
        found += leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


def _has_browser_error(group: BaseExceptionGroup[BaseException]) -> bool:
    """Whether all that a group holds are errors of a browser, which have one root."""
    return group.split(BrowserError)[1] is None
