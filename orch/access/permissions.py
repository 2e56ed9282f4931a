"""Decides who may do what. Pure.

:func:`allowed` is asked at three doors and nowhere else:

- HTTP: before a route's view, and before a request goes to a back end (``orch/web/http_door.py``);
- the WebSocket handshake (``orch/websocket/connections/handshake.py``);
- a WebSocket message, before its handler (``orch/websocket/message_door.py``).

A session's key has to be looked up in the store first; ``orch/websocket/sessions/session_access.py`` does
that for the doors.
"""

from typing import Final

from msgspec import Struct

from orch.access.actions import IN_SESSION, Action
from orch.access.actors import Actor
from orch.problems import ProblemError
from orch.protocol.server_messages import Role
from orch.protocol.session_keys import Right

#: Roles that may speak in their session.
SPEAKERS: Final[frozenset[Role]] = frozenset(("owner", "participant"))


class Resource(Struct, frozen=True, kw_only=True, gc=False):
    """What an action is done to, and what the actor has there.

    ``session_id``: of actions in a session. ``role``: the actor's in that session, once it has joined.
    ``key``: the right that the key grants that came with the request; None: no key came.
    ``is_public``: whether the settings open a back end's path to everyone. ``foreign_page``: the problem that
    a request of another site's page is refused with, where pages must not be foreign.
    """

    session_id: str = ""
    role: Role | None = None
    key: Right | None = None
    is_public: bool = False
    foreign_page: ProblemError | None = None


class Decision(Struct, frozen=True, gc=False):
    """Whether an action is allowed; ``problem`` is the reason why not."""

    problem: ProblemError | None = None

    @property
    def is_allowed(self) -> bool:
        """Whether the action is allowed."""
        return self.problem is None

    def require(self) -> None:
        """Raise the problem if the action is not allowed."""
        if self.problem is not None:
            raise self.problem


ALLOWED: Final = Decision()

#: Actions that anyone may do; calls to back ends were checked before, registrations are after.
_FOR_EVERYONE: Final = (
    Action.USE_PUBLIC,
    Action.CONNECT,
    Action.CALL_BACK_END,
    Action.REGISTER_INSTANCE,
    Action.RECEIVE_ALERTS,
)
#: Actions in a session that need the right to speak.
_FOR_SPEAKERS: Final = (Action.SPEAK_IN_SESSION, Action.INVITE_TO_SESSION)
#: Actions for operators and for everyone on this machine.
_FOR_THIS_MACHINE: Final = (Action.CREATE_SESSION, Action.PROCESS_AUDIO)
#: Actions in a session for its owner and operators.
_FOR_OWNERS: Final = (
    Action.CANCEL_ANY_RECORDING,
    Action.EDIT_TRANSCRIPT,
    Action.TITLE_SESSION,
    Action.MODERATE_SESSION,
)
#: The service as a whole, reached from its own pages or from no page.
SERVICE: Final = Resource()
#: A path of a back end that the settings open to everyone.
PUBLIC_PATH: Final = Resource(is_public=True)


def allowed(actor: Actor, action: Action, resource: Resource = SERVICE) -> Decision:
    """Decide whether an actor may do this to a resource."""
    if action is Action.CALL_BACK_END and not (actor.is_trusted or resource.is_public):
        return Decision(_operators_only())
    if resource.foreign_page is not None:
        return Decision(resource.foreign_page)
    if action in IN_SESSION:
        return _in_session(actor, action, resource)
    if actor.is_operator or action in _FOR_EVERYONE:
        return ALLOWED
    if action in _FOR_THIS_MACHINE and actor.is_local:
        return ALLOWED
    return Decision(_no_creation() if action is Action.CREATE_SESSION else _operators_only())


def _in_session(actor: Actor, action: Action, resource: Resource) -> Decision:
    """Decide by the participant's role, else by the key, else by the actor's address.

    A key that was sent decides alone: a link for reading only reads, even an operator.
    """
    if action in _FOR_OWNERS:
        is_owner = actor.is_operator or resource.role == "owner"
        return ALLOWED if is_owner else Decision(_not_owner(action))
    if resource.role is not None:
        is_reader = action in _FOR_SPEAKERS and resource.role not in SPEAKERS
        return Decision(_observer()) if is_reader else ALLOWED
    if resource.key is None:
        return ALLOWED if actor.is_trusted else Decision(_no_key())
    if resource.key is Right.NONE:
        return Decision(_wrong_key(resource.session_id))
    if action in _FOR_SPEAKERS and resource.key is not Right.SPEAK:
        return Decision(_read_key())
    return ALLOWED


def right_of_role(role: Role) -> Right:
    """Return the right of a participant: what it may pass on by key."""
    return Right.SPEAK if role in SPEAKERS else Right.READ


def role_of_right(right: Right, wanted: Role) -> Role:
    """Return the role of one who joins with ``right``: a reader is an observer, whatever it wants to be."""
    return "observer" if right is Right.READ else wanted


# A new problem for each refusal: a raised exception keeps its traceback.


def _operators_only() -> ProblemError:
    return ProblemError(
        "token_required",
        "This is for operators. Sign in at /sign-in, or send the control token (orchestration.control_token, "
        "ORCH_CONTROL_TOKEN) as Authorization: Bearer TOKEN.",
        headers={"WWW-Authenticate": "Bearer"},
    )


def _no_creation() -> ProblemError:
    return ProblemError(
        "token_required",
        "Only operators can create sessions from another machine. Open a link that you were "
        "given, or sign in with the control token.",
        headers={"WWW-Authenticate": "Bearer"},
    )


def _no_key() -> ProblemError:
    return ProblemError(
        "key_required",
        "Joining this session requires the key in its link. Open the whole link that you were "
        "given, including the part after #.",
    )


def _wrong_key(session_id: str) -> ProblemError:
    return ProblemError(
        "unknown_session",
        f"This key opens no session called {session_id}. The session has ended, or the link is "
        "incomplete: open the whole link, including the part after #.",
    )


def _read_key() -> ProblemError:
    return ProblemError(
        "read_only",
        "This link is for reading only: you cannot speak, send messages, upload recordings or create codes.",
    )


def _observer() -> ProblemError:
    return ProblemError("read_only", "You joined as an observer: you can read, but not speak or send.")


def _not_owner(action: Action) -> ProblemError:
    if action is Action.EDIT_TRANSCRIPT:
        return ProblemError(
            "not_owner", "Only the session's owner or an operator can correct or delete its lines."
        )
    if action is Action.TITLE_SESSION:
        return ProblemError("not_owner", "Only the session's owner or an operator can change its title.")
    if action is Action.MODERATE_SESSION:
        return ProblemError(
            "not_owner",
            "Only the session's owner or an operator can mute, remove or rename others, lock it, "
            "end it or change how its sound is processed.",
        )
    return ProblemError(
        "not_your_recording", "Only its sender, the session's owner or an operator can cancel a recording."
    )
