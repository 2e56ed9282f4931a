"""The permissions table: one row for each route, message and topic. Pure.

A way in that has no row is an operator's alone, and a test fails for it.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Final

from orch.access.actors import Actor
from orch.problems import ProblemError
from orch.protocol.session_keys import Right


class Need(Enum):
    """The permission that an entry requires.

    ``READ`` and ``SPEAK`` need a session's key, which only the place that has the session can look at: the
    doors let them pass, and :func:`allowed` is asked there with what the key gives. ``LOCAL`` needs no more
    than to come from this machine.
    """

    ANY = "any"
    READ = "read"
    SPEAK = "speak"
    LOCAL = "local"
    GATEWAY = "gateway"
    MACHINE = "machine"
    OPERATOR = "operator"


#: By method and rule, as the application's routes spell it.
ROUTES: Final[Mapping[tuple[str, str], Need]] = {
    # Pages.
    ("GET", "/"): Need.OPERATOR,
    ("GET", "/connections"): Need.OPERATOR,
    ("GET", "/gateway"): Need.OPERATOR,
    ("GET", "/tree"): Need.OPERATOR,
    ("GET", "/settings"): Need.OPERATOR,
    ("GET", "/translation"): Need.ANY,
    ("GET", "/sign-in"): Need.ANY,
    ("POST", "/sign-in"): Need.ANY,
    ("POST", "/sign-out"): Need.ANY,
    ("GET", "/static/<path:address>"): Need.ANY,
    ("GET", "/favicon.ico"): Need.ANY,
    # Probes and figures.
    ("GET", "/livez"): Need.ANY,
    ("GET", "/readyz"): Need.ANY,
    ("GET", "/api/health"): Need.ANY,  # details for operators alone
    ("GET", "/metrics"): Need.MACHINE,
    ("GET", "/ws"): Need.ANY,  # without an upgrade: told what is missing
    # What operators read.
    ("GET", "/openapi.json"): Need.OPERATOR,
    ("GET", "/api/services/status"): Need.OPERATOR,
    ("GET", "/api/gateway/status"): Need.OPERATOR,
    ("GET", "/api/metrics/dashboard"): Need.OPERATOR,
    ("GET", "/api/tree"): Need.OPERATOR,
    ("GET", "/api/workers"): Need.OPERATOR,
    ("GET", "/api/connections"): Need.OPERATOR,
    ("GET", "/api/config"): Need.OPERATOR,
    ("GET", "/api/config/export"): Need.OPERATOR,
    ("GET", "/api/sessions"): Need.OPERATOR,
    # What operators change.
    ("PATCH", "/api/config"): Need.OPERATOR,
    ("POST", "/api/config/import"): Need.OPERATOR,
    ("POST", "/api/services/restart"): Need.OPERATOR,
    ("POST", "/api/tree/<branch>/restart"): Need.OPERATOR,
    ("POST", "/api/announcements"): Need.OPERATOR,
    ("DELETE", "/api/connections/<connection_id>"): Need.OPERATOR,
    ("DELETE", "/api/sessions/<session_id>"): Need.OPERATOR,
    # Sessions.
    ("GET", "/api/languages"): Need.ANY,
    ("POST", "/api/sessions/create"): Need.LOCAL,
    ("GET", "/api/sessions/<session_id>"): Need.READ,
    ("GET", "/api/sessions/<session_id>/transcript"): Need.READ,
    ("POST", "/api/sessions/<session_id>/recordings"): Need.SPEAK,
    ("GET", "/api/sessions/<session_id>/recordings"): Need.READ,
    ("DELETE", "/api/sessions/<session_id>/recordings/<stream_id>"): Need.SPEAK,  # its own key decides
}

#: Whatever the gateway's own routes lead to, with any method.
GATEWAY: Final = Need.GATEWAY

#: By the type of a client's message; ``binary`` is a frame of audio.
MESSAGES: Final[Mapping[str, Need]] = {
    "ping": Need.ANY,
    "test_message": Need.ANY,
    "create_session": Need.LOCAL,
    "join_session": Need.READ,
    "recover_session": Need.ANY,  # the recovery token decides
    "leave_session": Need.ANY,
    "broadcast": Need.SPEAK,
    "audio_start": Need.SPEAK,
    "binary": Need.SPEAK,
    "audio_end": Need.ANY,
    "cancel_recording": Need.ANY,  # the role in the session, or the key of the recording, decides
    "service_message": Need.GATEWAY,
    "subscribe": Need.ANY,  # its topic decides
    "unsubscribe": Need.ANY,
}

TOPICS: Final[Mapping[str, Need]] = {
    "counts": Need.ANY,
    "services": Need.OPERATOR,
    "store": Need.OPERATOR,
    "gateway": Need.OPERATOR,
    "connections": Need.OPERATOR,
    "workers": Need.OPERATOR,
    "metrics": Need.OPERATOR,
    "tree": Need.OPERATOR,
    "config": Need.OPERATOR,
}


def need_of_route(method: str, rule: str) -> Need:
    """Return the permission for a route; HEAD counts as GET, OPTIONS only lists the methods."""
    if method == "OPTIONS":
        return Need.ANY
    return ROUTES.get(("GET" if method == "HEAD" else method, rule), Need.OPERATOR)


def need_of_message(kind: str) -> Need:
    """Return the permission for a message type."""
    return MESSAGES.get(kind, Need.OPERATOR)


def need_of_topic(topic: str) -> Need:
    """Return the permission to subscribe to a topic."""
    return TOPICS.get(topic, Need.OPERATOR)


def allowed(actor: Actor, need: Need, *, right: Right = Right.NONE, is_public: bool = False) -> bool:
    """Return whether an actor may use an entry.

    ``right``: what the key gives that came with the request, or the membership of a session. ``is_public``:
    of the gateway, whether the settings open this method and path to all.
    """
    if actor.is_operator or need is Need.ANY:
        return True
    if need is Need.READ:
        return actor.is_local or right is not Right.NONE
    if need is Need.SPEAK:
        return actor.is_local or right is Right.SPEAK
    if need is Need.LOCAL:
        return actor.is_local
    if need is Need.GATEWAY:
        return actor.is_local or is_public
    return False


def passes_door(actor: Actor, need: Need, *, is_public: bool = False) -> bool:
    """Return whether an actor may use an entry that involves no session."""
    return need in (Need.READ, Need.SPEAK) or allowed(actor, need, is_public=is_public)


def refusal(need: Need) -> ProblemError:
    """Return the problem for an actor who may not use an entry."""
    if need in (Need.READ, Need.SPEAK):
        return ProblemError("read_only", "This key does not allow that in the session.")
    if need is Need.LOCAL:
        return ProblemError(
            "token_required",
            "Only operators can create sessions from another machine. Open a link that you were "
            "given, or sign in with the control token.",
            headers={"WWW-Authenticate": "Bearer"},
        )
    return ProblemError(
        "token_required",
        "This is for operators. Sign in at /sign-in, or send the control token (orchestration.control_token, "
        "ORCH_CONTROL_TOKEN) as Authorization: Bearer TOKEN.",
        headers={"WWW-Authenticate": "Bearer"},
    )
