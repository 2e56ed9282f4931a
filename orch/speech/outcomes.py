"""Outcomes of the requests to one back end, and whether it refuses them all. Pure.

A health check shows that a server responds; that it refuses every request for a wrong key, an empty account
or a wrong path shows only in the responses. :data:`ENOUGH` failures in a row begin a refusal; one success
ends it.
"""

from typing import Final

from msgspec import Struct

from orch.problems import ProblemError

ENOUGH: Final = 3

# Statuses that may be about the one recording or text that was sent: it takes twice as many of them.
_OF_THE_CONTENT: Final = frozenset({400, 406, 409, 413, 415, 422})
_KEY: Final = frozenset({401, 403})
_PATH: Final = frozenset({404, 405})
_ACCOUNT: Final = frozenset({402, 429, 456})  # 456: DeepL's "quota exceeded"


class BackEndStatistics(Struct, frozen=True, kw_only=True):
    """Outcomes of the requests for captions to one back end, since the process began.

    ``answered_ago``: seconds since the last success, null before the first; ``refusal``: its description,
    while it refuses every request.
    """

    service: str
    answered: int
    refused: int
    answered_ago: float | None
    refusal: str | None


class RequestOutcomes:
    """Counts outcomes. The mutable state is the counts, the last success and the description of a refusal."""

    def __init__(self, service: str) -> None:
        self.service: Final = service
        self.refusal: str | None = None
        self._answered = 0
        self._refused = 0
        self._row = 0
        self._answered_at: float | None = None

    def succeeded(self, now: float) -> bool:
        """Note a usable response; return whether that ends a refusal."""
        self._answered += 1
        self._answered_at = now
        return self.forget()

    def failed(self, error: ProblemError, status: int | None, *, is_certain: bool = False) -> bool:
        """Note a failure (``status`` None: no response); return whether a refusal begins with it.

        ``is_certain``: the back end has announced that the next requests will fail too.
        """
        self._refused += 1
        self._row += 1 if status in _OF_THE_CONTENT else 2
        if self._row < 2 * ENOUGH and not is_certain:
            return False
        before, self.refusal = self.refusal, describe_refusal(self.service, error, status)
        return before is None

    def forget(self) -> bool:
        """Start again, after a success or with other settings; return whether that ends a refusal."""
        was_refusing = self.refusal is not None
        self._row = 0
        self.refusal = None
        return was_refusing

    def statistics(self, now: float) -> BackEndStatistics:
        """Return the figures."""
        return BackEndStatistics(
            service=self.service,
            answered=self._answered,
            refused=self._refused,
            answered_ago=None if self._answered_at is None else round(max(0.0, now - self._answered_at), 1),
            refusal=self.refusal,
        )


def describe_refusal(service: str, error: ProblemError, status: int | None) -> str:
    """Describe a refusal to operators: the back end's own message, and which setting to check."""
    message = error.detail.rstrip(".")
    setting = f"services.{service}"
    if status is None:
        return f"does not answer requests: {message}"
    if status in _KEY:
        return f"refuses requests with {status}: {message}; check {setting}.api_key (or headers)"
    if status in _PATH:
        return f"refuses requests with {status}: {message}; check {setting}.url, .dialect, .path and .model"
    if status in _ACCOUNT:
        return f"refuses requests with {status}: {message}; check its limits and the account's quota"
    if status in _OF_THE_CONTENT:
        return f"refuses requests with {status}: {message}; check {setting}.dialect and .model"
    return f"sends unusable responses ({status}): {message}"
