"""Chooses the instance of a service for the next request, in one of four ways. Pure.

- ``round_robin``: smooth weighted round robin, as in nginx. Each choice adds every candidate's weight to its
  credit; the candidate with the most credit is chosen and pays the sum of all weights. With weights 5, 1, 1
  that gives ``a a b a c a a`` rather than five times ``a`` in a row; over as many choices as the weights add
  up to, each is chosen exactly as often as its weight.
- ``least_requests``: of two candidates drawn at random, by weight, the one with fewer requests in progress
  for its weight (Envoy's least request, with two choices). Close to the best of all, and no herd: callers
  that decide at the same time do not all decide for the same one.
- ``fastest``: the least time to first byte × (1 + requests in progress) / weight, Traefik's ``leasttime``.
  One that has not answered yet is tried first. Failures count as slow (:mod:`orch.gateway.first_byte`), or
  an instance that fails at once would look like the fastest.
- ``sticky``: weighted rendezvous hashing of a key: the same key reaches the same instance, and when one
  leaves, only its keys move. Without a key, as ``least_requests``.

An instance that must not be used now is no candidate; the others share its part by their weights.
"""

import math
from collections.abc import Callable, Collection, Sequence
from hashlib import blake2b
from typing import Final, NamedTuple, Protocol

_HASHES: Final = 2.0**64


class Candidate(NamedTuple):
    """An instance that may be chosen.

    ``weight`` > 0; ``active``: its requests in progress; ``first_byte``: its usual seconds to the first byte
    of a response, None if it has not answered yet.
    """

    name: str
    weight: float
    active: int = 0
    first_byte: float | None = None


class Balancer(Protocol):
    """A way to choose, with what it remembers of its choices."""

    def choose(self, candidates: Sequence[Candidate], key: str = "") -> str:
        """Return the name of one of the candidates. Raises ValueError if there is none.

        ``key``: requests with the same one belong together.
        """
        ...

    def retain(self, names: Collection[str]) -> None:
        """Forget every instance that is not among ``names``."""
        ...


class RoundRobin:
    """Smooth weighted round robin. The mutable state is one number for each instance."""

    def __init__(self) -> None:
        self._credit: dict[str, float] = {}

    def choose(self, candidates: Sequence[Candidate], key: str = "") -> str:
        """Return the next candidate; of equal ones the first."""
        del key
        _require(candidates)
        credit = self._credit
        total = 0.0
        for candidate in candidates:
            credit[candidate.name] = credit.get(candidate.name, 0.0) + candidate.weight
            total += candidate.weight
        chosen = max(candidates, key=lambda candidate: credit[candidate.name]).name
        credit[chosen] -= total
        return chosen

    def copy(self) -> "RoundRobin":
        """Return one that chooses the same from here on."""
        copied = RoundRobin()
        copied._credit = dict(self._credit)
        return copied

    def retain(self, names: Collection[str]) -> None:
        """Forget every instance that is not among ``names``."""
        self._credit = {name: credit for name, credit in self._credit.items() if name in names}


class LeastRequests:
    """Two choices by fewest requests. ``draw`` returns a number in [0, 1)."""

    def __init__(self, draw: Callable[[], float]) -> None:
        self._draw = draw

    def choose(self, candidates: Sequence[Candidate], key: str = "") -> str:
        """Return the less busy of two candidates."""
        del key
        _require(candidates)
        first = self._drawn(candidates)
        others = [candidate for candidate in candidates if candidate is not first]
        if not others:
            return first.name
        second = self._drawn(others)
        # Of two equally busy ones, idle ones above all, the first drawn: so they are chosen by their weights.
        return min(first, second, key=lambda candidate: candidate.active / candidate.weight).name

    def retain(self, names: Collection[str]) -> None:
        """Nothing is remembered."""

    def _drawn(self, candidates: Sequence[Candidate]) -> Candidate:
        left = self._draw() * sum(candidate.weight for candidate in candidates)
        for candidate in candidates:
            left -= candidate.weight
            if left < 0:
                return candidate
        return candidates[-1]


class Fastest:
    """The least time to first byte for the load. Among those not known yet, and equal ones, in turns."""

    def __init__(self) -> None:
        self._turns = RoundRobin()

    def choose(self, candidates: Sequence[Candidate], key: str = "") -> str:
        """Return the candidate whose next response is expected first."""
        del key
        _require(candidates)
        scores = [_expected(candidate) for candidate in candidates]
        least = min(scores)
        best = [each for each, score in zip(candidates, scores, strict=True) if score == least]
        return best[0].name if len(best) == 1 else self._turns.choose(best)

    def copy(self) -> "Fastest":
        """Return one that chooses the same from here on."""
        copied = Fastest()
        copied._turns = self._turns.copy()
        return copied

    def retain(self, names: Collection[str]) -> None:
        """Forget every instance that is not among ``names``."""
        self._turns.retain(names)


class Sticky:
    """Weighted rendezvous hashing; requests without a key are balanced by ``keyless``."""

    def __init__(self, keyless: Balancer) -> None:
        self._keyless = keyless

    def choose(self, candidates: Sequence[Candidate], key: str = "") -> str:
        """Return the candidate of the key: the greatest of -weight / ln(hash in (0, 1))."""
        if not key:
            return self._keyless.choose(candidates)
        _require(candidates)
        return max(candidates, key=lambda candidate: _affinity(candidate, key)).name

    def retain(self, names: Collection[str]) -> None:
        """Forget every instance that is not among ``names``."""
        self._keyless.retain(names)


def create_balancer(kind: str, draw: Callable[[], float]) -> Balancer:
    """Return a new balancer. ``kind``: ``round_robin``, ``least_requests``, ``fastest`` or ``sticky``."""
    match kind:
        case "round_robin":
            return RoundRobin()
        case "least_requests":
            return LeastRequests(draw)
        case "fastest":
            return Fastest()
        case "sticky":
            return Sticky(LeastRequests(draw))
        case _:
            raise ValueError(f"no balancer is called {kind!r}")


def _require(candidates: Sequence[Candidate]) -> None:
    if not candidates:
        raise ValueError("there is no candidate to choose from")


def _expected(candidate: Candidate) -> float:
    """Return when a response is expected. One that has not answered is tried, but not by all at once."""
    return (candidate.first_byte or 0.0) * (1 + candidate.active) / candidate.weight


def _affinity(candidate: Candidate, key: str) -> float:
    digest = blake2b(f"{candidate.name}\0{key}".encode("utf-8", "surrogateescape"), digest_size=8).digest()
    return -candidate.weight / math.log((int.from_bytes(digest) + 0.5) / _HASHES)
