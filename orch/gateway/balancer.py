"""Chooses the instance of a service for the next request. Pure.

Smooth weighted round robin, as in nginx: each choice adds every candidate's weight to its credit; the
candidate with the most credit is chosen and pays the sum of all weights. With weights 5, 1, 1 that gives ``a
a b a c a a`` rather than five times ``a`` in a row; over as many choices as the weights add up to, each is
chosen exactly as often as its weight.

An instance that must not be used now is no candidate; the others share its part by their weights. There is no
panic mode (Envoy's sends requests to unhealthy instances when most are unhealthy): an instance that failed
its health checks would only refuse after a delay, and one that was not checked yet is a candidate anyway.
"""

from collections.abc import Collection, Mapping


class Balancer:
    """The credits of one service's instances.

    The mutable state is one integer for each instance; :meth:`retain` drops those that are gone.
    """

    def __init__(self) -> None:
        self._credit: dict[str, int] = {}

    def choose(self, weights: Mapping[str, int]) -> str:
        """Return the next candidate; ``weights`` maps each candidate to its weight (≥ 1).

        Of equal ones the first in the mapping's order is chosen. Raises ValueError if there is no candidate.
        """
        if not weights:
            raise ValueError("there is no candidate to choose from")
        credit = self._credit
        for name, weight in weights.items():
            credit[name] = credit.get(name, 0) + weight
        chosen = max(weights, key=credit.__getitem__)
        credit[chosen] -= sum(weights.values())
        return chosen

    def retain(self, names: Collection[str]) -> None:
        """Forget every instance that is not among ``names``."""
        self._credit = {name: credit for name, credit in self._credit.items() if name in names}
