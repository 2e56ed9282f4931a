"""Who may do what: every actor, action and resource."""

from itertools import product
from typing import Final

import pytest

from orch.access.actions import IN_SESSION, Action
from orch.access.actors import Actor
from orch.access.permissions import SERVICE, Resource, allowed, right_of_role, role_of_right
from orch.problems import ProblemError
from orch.protocol.session_keys import Right
from tests.fakes.asgi import LOCAL_OPERATOR, STRANGER

LOCAL_GUEST: Final = Actor(is_operator=False, is_local=True, via="none", address="127.0.0.1")
BY_TOKEN: Final = Actor(is_operator=True, is_local=False, via="token", address="192.0.2.7")
BY_COOKIE: Final = Actor(is_operator=True, is_local=False, via="cookie", address="192.0.2.7", sign_in="s")

ACTORS: Final = {
    "stranger": STRANGER,
    "local guest": LOCAL_GUEST,
    "local operator": LOCAL_OPERATOR,
    "operator by token": BY_TOKEN,
    "operator by cookie": BY_COOKIE,
}
OPERATORS: Final = {"local operator", "operator by token", "operator by cookie"}
TRUSTED: Final = {*OPERATORS, "local guest"}
EVERYONE: Final = {*TRUSTED, "stranger"}
NOBODY: Final[set[str]] = set()

FOREIGN: Final = ProblemError("wrong_origin", "The request was sent by a page of another site.")

RESOURCES: Final = {
    "service": SERVICE,
    "no key": Resource(session_id="s"),
    "wrong key": Resource(session_id="s", key=Right.NONE),
    "read key": Resource(session_id="s", key=Right.READ),
    "speak key": Resource(session_id="s", key=Right.SPEAK),
    "owner": Resource(session_id="s", role="owner"),
    "participant": Resource(session_id="s", role="participant"),
    "observer": Resource(session_id="s", role="observer"),
    "public path": Resource(is_public=True),
    "foreign page": Resource(foreign_page=FOREIGN),
    "foreign page, public path": Resource(foreign_page=FOREIGN, is_public=True),
}
IS_FOREIGN: Final = {"foreign page", "foreign page, public path"}

#: Who may do it to the service as a whole, whatever else the resource has but for a foreign page.
ANYWHERE: Final = {
    Action.USE_PUBLIC: EVERYONE,
    Action.CONNECT: EVERYONE,
    Action.REGISTER_INSTANCE: EVERYONE,
    Action.RECEIVE_ALERTS: EVERYONE,
    Action.VIEW_OPERATIONS: OPERATORS,
    Action.CHANGE_OPERATIONS: OPERATORS,
    Action.SCRAPE_METRICS: OPERATORS,
    Action.CREATE_SESSION: TRUSTED,
    Action.CREATE_SYNTHETIC_SESSION: OPERATORS,
    Action.PROCESS_AUDIO: TRUSTED,
}

#: Who may do it in a session, by what they have there.
SESSIONS: Final = {
    Action.READ_SESSION: {
        "no key": TRUSTED,
        "wrong key": NOBODY,
        "read key": EVERYONE,
        "speak key": EVERYONE,
        "owner": EVERYONE,
        "participant": EVERYONE,
        "observer": EVERYONE,
    },
    Action.SPEAK_IN_SESSION: {
        "no key": TRUSTED,
        "wrong key": NOBODY,
        "read key": NOBODY,
        "speak key": EVERYONE,
        "owner": EVERYONE,
        "participant": EVERYONE,
        "observer": NOBODY,
    },
    Action.INVITE_TO_SESSION: {
        "no key": TRUSTED,
        "wrong key": NOBODY,
        "read key": NOBODY,
        "speak key": EVERYONE,
        "owner": EVERYONE,
        "participant": EVERYONE,
        "observer": NOBODY,
    },
    Action.EDIT_TRANSCRIPT: {
        "no key": OPERATORS,
        "wrong key": OPERATORS,
        "read key": OPERATORS,
        "speak key": OPERATORS,
        "owner": EVERYONE,
        "participant": OPERATORS,
        "observer": OPERATORS,
    },
    Action.TITLE_SESSION: {
        "no key": OPERATORS,
        "wrong key": OPERATORS,
        "read key": OPERATORS,
        "speak key": OPERATORS,
        "owner": EVERYONE,
        "participant": OPERATORS,
        "observer": OPERATORS,
    },
    Action.MODERATE_SESSION: {
        "no key": OPERATORS,
        "wrong key": OPERATORS,
        "read key": OPERATORS,
        "speak key": OPERATORS,
        "owner": EVERYONE,
        "participant": OPERATORS,
        "observer": OPERATORS,
    },
    Action.CANCEL_ANY_RECORDING: {
        "no key": OPERATORS,
        "wrong key": OPERATORS,
        "read key": OPERATORS,
        "speak key": OPERATORS,
        "owner": EVERYONE,
        "participant": OPERATORS,
        "observer": OPERATORS,
    },
}


def expected(action: Action, resource: str) -> set[str]:
    """Return who may do an action to a resource, by the tables above."""
    if resource in IS_FOREIGN:
        return NOBODY
    if action is Action.CALL_BACK_END:
        return EVERYONE if resource == "public path" else TRUSTED
    if action in ANYWHERE:
        return ANYWHERE[action]
    return SESSIONS[action][resource if resource in SESSIONS[action] else "no key"]


@pytest.mark.parametrize(("action", "resource"), list(product(Action, RESOURCES)))
def test_each_actor_may_do_what_the_tables_say(action: Action, resource: str) -> None:
    """And nothing else: every actor is asked about every action on every resource."""
    may = {name for name, actor in ACTORS.items() if allowed(actor, action, RESOURCES[resource]).is_allowed}
    assert may == expected(action, resource)


@pytest.mark.parametrize(
    ("action", "resource", "code"),
    [
        (Action.VIEW_OPERATIONS, "service", "token_required"),
        (Action.CREATE_SESSION, "service", "token_required"),
        (Action.CALL_BACK_END, "service", "token_required"),
        (Action.CALL_BACK_END, "foreign page", "token_required"),
        (Action.CALL_BACK_END, "foreign page, public path", "wrong_origin"),
        (Action.VIEW_OPERATIONS, "foreign page", "wrong_origin"),
        (Action.CONNECT, "foreign page", "wrong_origin"),
        (Action.READ_SESSION, "no key", "key_required"),
        (Action.READ_SESSION, "wrong key", "unknown_session"),
        (Action.SPEAK_IN_SESSION, "read key", "read_only"),
        (Action.SPEAK_IN_SESSION, "observer", "read_only"),
        (Action.INVITE_TO_SESSION, "read key", "read_only"),
        (Action.INVITE_TO_SESSION, "observer", "read_only"),
        (Action.CANCEL_ANY_RECORDING, "participant", "not_your_recording"),
        (Action.EDIT_TRANSCRIPT, "participant", "not_owner"),
        (Action.TITLE_SESSION, "participant", "not_owner"),
        (Action.MODERATE_SESSION, "speak key", "not_owner"),
        (Action.MODERATE_SESSION, "participant", "not_owner"),
        (Action.MODERATE_SESSION, "observer", "not_owner"),
    ],
)
def test_a_refusal_says_why(action: Action, resource: str, code: str) -> None:
    """The problem is what the client is sent."""
    decision = allowed(STRANGER, action, RESOURCES[resource])
    assert decision.problem is not None
    assert decision.problem.code == code
    with pytest.raises(ProblemError) as caught:
        decision.require()
    assert caught.value is decision.problem


def test_every_refusal_has_a_problem_of_its_own() -> None:
    """A raised exception keeps the traceback of each time that it was raised."""
    first, second = (allowed(STRANGER, Action.VIEW_OPERATIONS).problem for _ in range(2))
    assert first is not None
    assert first is not second


def test_the_actions_in_sessions_are_those_that_a_key_or_role_decides() -> None:
    assert set(SESSIONS) == set(IN_SESSION)
    assert {*SESSIONS, *ANYWHERE, Action.CALL_BACK_END} == set(Action)


def test_a_role_follows_from_the_right_and_the_right_from_the_role() -> None:
    """Who may only read is an observer, whatever they want to be; an observer passes on the read key only."""
    assert role_of_right(Right.READ, "participant") == "observer"
    assert role_of_right(Right.SPEAK, "participant") == "participant"
    assert role_of_right(Right.SPEAK, "observer") == "observer"
    assert [right_of_role(role) for role in ("owner", "participant", "observer")] == [
        Right.SPEAK,
        Right.SPEAK,
        Right.READ,
    ]
