"""The rests that an instance has asked for (429 or 503 with ``Retry-After``), and for whom they hold. Pure.

The limit that a request has hit may be that of its caller: of its key, its address, or of what it sent. If
one refusal let the instance rest for everyone, one client could take all of a vendor's instances from the
others. So a rest holds

- for the caller alone whose request was refused, at first;
- for everyone, once :data:`~orch.gateway.breaker.CALLERS` callers were refused in a row, without a success of
  any caller in between, or one of the service's own requests was;
- for nobody, if it is a 429 to a request with the client's own credentials: that is its account's limit. A
  503 is never a matter of the account.

A rest ends early for those who get a success from a request that was sent after it began: those that are
asked because all rest show whether the limit is over. ``Retry-After`` is the least that is asked for, so of
two rests the later end counts; its longest is :data:`~orch.gateway.retry_after.LONGEST`.

What others do: Envoy's outlier detection does not count 429; LiteLLM lets a deployment rest for everyone
after one 429; the clients of OpenAI and Anthropic wait as asked for up to 60 s.
"""

from collections.abc import Collection, Iterable
from typing import Final, NamedTuple

from orch.gateway.breaker import CALLERS

MOST: Final = 256
"""Callers whose rests are known at an instance at most; the one that ends first is forgotten."""

TOO_MANY: Final = 429

CREDENTIALS: Final = frozenset(
    {
        b"authorization",
        b"x-api-key",
        b"api-key",
        b"x-goog-api-key",
        b"ocp-apim-subscription-key",
        b"xi-api-key",
        b"x-auth-token",
    }
)
"""Headers by which vendors know an account."""

OWN: Final = ""
"""The caller of the service's own requests."""


class Rest(NamedTuple):
    """When a rest was asked for, and when it ends; seconds of one monotonic clock."""

    began: float
    until: float


class Rests:
    """The rests of one instance, for one flow. The mutable state is who rests, and who was refused in a row.

    Times are seconds of one monotonic clock.
    """

    __slots__ = ("_callers", "_of_all", "_refused")

    def __init__(self) -> None:
        self._of_all: Rest | None = None
        self._callers: dict[str, Rest] = {}
        self._refused: set[str] = set()  # in a row; fewer than CALLERS

    def __repr__(self) -> str:
        return f"<Rests all={self._of_all} callers={len(self._callers)} refused={len(self._refused)}>"

    def __bool__(self) -> bool:
        """Whether anything is known, so that a success has something to end."""
        return self._of_all is not None or bool(self._callers) or bool(self._refused)

    def refused(self, now: float, seconds: float, caller: str, *, is_own_limit: bool = False) -> None:
        """Note a refusal that asked for a rest of ``seconds``.

        ``caller``: who sent the request, :data:`OWN` for the service itself; ``is_own_limit``: as
        :func:`is_own_limit` says.
        """
        if is_own_limit:
            return
        asked = Rest(now, now + seconds)
        if caller != OWN:
            self._refused.add(caller)
            self._rest(caller, asked)
            if len(self._refused) < CALLERS:
                return
        self._refused.clear()
        self._of_all = _later(self._of_all, asked)

    def succeeded(self, began: float, caller: str) -> None:
        """Note a success of a request sent at ``began``; it shows nothing about rests begun since."""
        self._refused.clear()
        if self._of_all is not None and began > self._of_all.began:
            self._of_all = None
        own = self._callers.get(caller)
        if own is not None and began > own.began:
            del self._callers[caller]

    def until(self, now: float, caller: str) -> float:
        """Return when the instance may be asked again by this caller; a time that has passed: it may now."""
        if self._of_all is not None and self._of_all.until <= now:
            self._of_all = None
        until = 0.0 if self._of_all is None else self._of_all.until
        own = self._callers.get(caller)
        if own is None:
            return until
        if own.until <= now:
            del self._callers[caller]
            return until
        return max(until, own.until)

    def until_for_all(self, now: float) -> float:
        """Return when the rest that holds for everyone ends, 0 without one."""
        return 0.0 if self._of_all is None or self._of_all.until <= now else self._of_all.until

    def resting_callers(self, now: float) -> int:
        """Return how many callers rest by themselves."""
        self._callers = {caller: rest for caller, rest in self._callers.items() if rest.until > now}
        return len(self._callers)

    def _rest(self, caller: str, asked: Rest) -> None:
        known = self._callers.pop(caller, None)
        if len(self._callers) >= MOST:
            del self._callers[min(self._callers, key=lambda each: self._callers[each].until)]
        self._callers[caller] = _later(known, asked)


def _later(known: Rest | None, asked: Rest) -> Rest:
    return asked if known is None or asked.until >= known.until else Rest(asked.began, known.until)


def is_own_limit(status: int, names: Iterable[bytes], *, is_ours: bool) -> bool:
    """Return whether a refusal is a matter of the client's own account.

    ``names``: of the request's headers, in lower case; ``is_ours``: the credentials are the service's.
    """
    return status == TOO_MANY and not is_ours and any(name in CREDENTIALS for name in names)


def awake(untils: Collection[float], now: float) -> list[int]:
    """Return the positions of the instances to choose from: those that do not rest; else the shortest rest.

    So a service whose instances all rest is still asked, at the one that asked for the least: its response
    says whether it can be, and for how long not.
    """
    found = [index for index, until in enumerate(untils) if until <= now]
    if found or not untils:
        return found
    soonest = min(untils)
    return [index for index, until in enumerate(untils) if until <= soonest]
