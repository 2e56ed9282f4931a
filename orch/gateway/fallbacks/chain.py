"""Which fallbacks are tried after a failure, in which order. Pure.

A fallback is a service, not a route: what that service's own routes have as fallbacks does not count, and the
settings name each service once. So there are no loops.
"""

from collections.abc import Callable
from typing import NamedTuple

from orch.gateway.fallbacks.allowance import Share, share_of
from orch.gateway.fallbacks.cache import Stored
from orch.gateway.fallbacks.keeper import Keeper
from orch.gateway.fallbacks.outcomes import Failed, Held, Outcome, of_problem
from orch.gateway.request_body import RequestBody
from orch.gateway.retries import is_repeatable
from orch.gateway.routes import Match, Step
from orch.problems import ProblemError
from orch.settings import Fallback


class Chance(NamedTuple):
    """A fallback to try. ``stored``: the response, where it is the last good one."""

    step: Step
    stored: Stored | None


def is_for(rule: Fallback, failed: Failed) -> bool:
    """Return whether a fallback is for a failure."""
    if failed.outcome not in rule.when:
        return False
    return failed.outcome is not Outcome.STATUS or failed.status in rule.statuses


class Decision:
    """What can be done about the failure of one request.

    ``is_there``: whether what a fallback names exists. The mutable state is the failed response that the
    client gets as it is, since there is nothing else for it.
    """

    def __init__(
        self,
        match: Match,
        method: str,
        body: RequestBody,
        keeper: Keeper | None,
        is_there: Callable[[Fallback], bool],
    ) -> None:
        self._match = match
        self._method = method
        self._body = body
        self._keeper = keeper
        self._is_there = is_there
        self._let_through: Failed | None = None

    def shares(self) -> list[Share]:
        """Return what is reserved for the services that are sent the request after a time-out."""
        if self._body.is_streamed or not is_repeatable(self._method, self._match.repeatable):
            return []
        return [
            share_of(step.rule)
            for step in self._match.fallbacks
            if step.rule.use == "service" and Outcome.TIMEOUT in step.rule.when
        ]

    def steps(self, failed: Failed) -> tuple[Chance, ...]:
        """Return the fallbacks to try, up to the first that cannot fail.

        Another service is sent the request if no instance has worked on it, or if it may be repeated.
        """
        may_repeat = failed.is_unsent or is_repeatable(self._method, self._match.repeatable)
        found: list[Chance] = []
        for step in self._match.fallbacks:
            rule = step.rule
            if not is_for(rule, failed) or not self._is_there(rule):
                continue
            if rule.use == "service":
                if may_repeat and not self._body.is_spent:
                    found.append(Chance(step, None))
                continue
            stored = None if rule.use == "static" or self._keeper is None else self._keeper.find()
            if rule.use == "static" or stored is not None:
                return (*found, Chance(step, stored))
        return tuple(found)

    def holds_back(self, failed: Failed) -> bool:
        """Return whether a response is a failure and something can be tried in its place."""
        if not self._is_failure(failed):
            return False
        if self.steps(failed):
            return True
        self._let_through = failed
        return False

    def failed(self, problem: ProblemError | None, held: Held | None) -> Failed | None:
        """Return how the request failed, None if it did not, or in a way for which there are no fallbacks."""
        if problem is not None:
            found = of_problem(problem.code, problem.status)
            return found if found is not None and self._is_failure(found) else None
        return self._let_through if held is None else held.failed

    def _is_failure(self, failed: Failed) -> bool:
        return any(is_for(step.rule, failed) for step in self._match.fallbacks)
