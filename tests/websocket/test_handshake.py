import pytest

from orch.websocket.connections.handshake import agent, peer, refusal
from tests.fakes.asgi import STRANGER


@pytest.mark.parametrize(
    ("is_open", "active", "from_address", "code", "status", "close"),
    [
        (True, 0, 0, None, None, None),
        (True, 9, 4, None, None, None),
        (True, 10, 0, "too_many_connections", 503, 4100),
        (True, 9, 5, "too_many_from_address", 429, 4102),
        (False, 0, 0, "shutting_down", 503, 1013),
    ],
)
def test_who_comes_at_a_bad_time_is_told_why(
    *, is_open: bool, active: int, from_address: int, code: str | None, status: int | None, close: int | None
) -> None:
    """Refusals have an HTTP status and a close code that says when to come back."""
    refused = refusal(
        [(b"host", b"a")],
        actor=STRANGER,
        is_open=is_open,
        active=active,
        limit=10,
        from_address=from_address,
        address_limit=5,
    )
    assert (refused.problem.code if refused else None) == code
    assert (refused.problem.status if refused else None) == status
    assert (refused.close.code if refused else None) == close


def test_addresses_and_agents_are_shown() -> None:
    """The operator sees who is there, whatever the server knows of it."""
    assert peer({"client": ("1.2.3.4", 5)}) == ("1.2.3.4", 5)
    assert peer({"client": None}) == ("unknown", None)
    assert agent([(b"User-Agent", b"x" * 999)]) == "x" * 200
    assert agent([]) is None
