"""The door of HTTP: what a request may do is decided here, before a route's view or a back end gets it.

What each route does is a row of :mod:`orch.access.actions`; who may do that is decided by
:func:`orch.access.permissions.allowed`.
"""

from collections.abc import Mapping
from typing import Any, Final, Protocol

from orch.access.actions import IN_SESSION, Action, action_of_route
from orch.access.actors import Actor, actor_of
from orch.access.origins import SAFE_METHODS, foreign_page
from orch.access.permissions import PUBLIC_PATH, SERVICE, Resource, allowed
from orch.protocol.session_keys import Right

KEY_HEADER: Final = "X-Session-Key"
"""Where a request carries the key of the session; never in the query string, which logs and proxies keep."""

_KEY: Final = KEY_HEADER.lower().encode()

Scope = Mapping[str, Any]


class SessionKeys(Protocol):
    """Looks up what a session's key grants (the hub's session access)."""

    async def require(self, actor: Actor, session_id: str, key: str | None, action: Action) -> Right:
        """Return the right of an actor in a session. Raises the problem if it may not do ``action``."""
        ...


class WrongTokens(Protocol):
    """Counts wrong control tokens."""

    def count_refused_token(self, scope: Scope, actor: Actor) -> None:
        """Count the token of a request that was refused, if it has one."""


async def enter_route(scope: Scope, rule: str | None, session_id: str | None, keys: SessionKeys) -> None:
    """Raise the problem if a request may not use a route; ``rule`` None: there is no such route.

    ``session_id``: the one in the path, whose key is looked up.
    """
    method, actor = scope["method"], actor_of(scope)
    foreign = None if method in SAFE_METHODS else foreign_page(scope["headers"])
    # That a route does not exist is no secret: anyone gets 404.
    action = Action.USE_PUBLIC if rule is None else action_of_route(method, rule)
    if action not in IN_SESSION or session_id is None:
        allowed(actor, action, SERVICE if foreign is None else Resource(foreign_page=foreign)).require()
        return
    allowed(actor, Action.USE_PUBLIC, Resource(foreign_page=foreign)).require()
    key = next((value.decode("latin-1") for name, value in scope["headers"] if name == _KEY), None)
    await keys.require(actor, session_id, key, action)


def enter_gateway(scope: Scope, *, is_public: bool, tokens: WrongTokens) -> None:
    """Raise the problem if a request may not go to a back end.

    What a back end does when it is read is not known here, so reads count as changes, except for paths that
    the settings open to everyone. A refused request's token was meant for this service, so it is counted.

    A WebSocket is no read even where it is public: browsers let pages of any site open one, with the
    visitor's cookies, and read what comes (cross-site WebSocket hijacking).
    """
    actor = actor_of(scope)
    resource = PUBLIC_PATH if is_public else SERVICE
    if not (is_public and scope.get("method") in SAFE_METHODS):
        foreign = foreign_page(scope["headers"])
        if foreign is not None:
            resource = Resource(is_public=is_public, foreign_page=foreign)
    decision = allowed(actor, Action.CALL_BACK_END, resource)
    if decision.problem is not None and decision.problem.code == "token_required":
        tokens.count_refused_token(scope, actor)
    decision.require()


def is_allowed(scope: Scope, action: Action) -> bool:
    """Return whether the actor of a request may do more than its route does, such as see details."""
    return allowed(actor_of(scope), action).is_allowed


def is_operator(actor: Actor) -> bool:
    """Return whether an actor may view operations, for the server that responds during start."""
    return allowed(actor, Action.VIEW_OPERATIONS).is_allowed
