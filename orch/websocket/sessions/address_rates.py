"""Rate limits by address. Pure."""

from collections import OrderedDict
from typing import Final

from orch.access.rate_limits import Rate, RateVerdict
from orch.problems import ProblemError

#: Maximum number of counted addresses; beyond it the least recent ones are forgotten.
ADDRESSES: Final = 10_000

_MINUTE: Final = 60.0


class AddressRates:
    """Token buckets by address. The mutable state is a number for each address."""

    def __init__(self) -> None:
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, address: str, now: float, *, a_minute: int, what: str) -> None:
        """Count an event; raise ``rate_limited`` above ``a_minute`` per minute; ``what`` names the event."""
        rate = Rate(a_minute / _MINUTE, burst=a_minute)
        full_at, verdict = rate.after(self._full_at.pop(address, 0.0), now, 1)
        self._full_at[address] = full_at
        if len(self._full_at) > ADDRESSES:
            self._full_at.popitem(last=False)
        if verdict is not RateVerdict.ALLOWED:
            raise ProblemError(
                "rate_limited",
                f"More than {a_minute} {what} in a minute from your address. Try again in a minute.",
                headers={"Retry-After": "60"},
            )
