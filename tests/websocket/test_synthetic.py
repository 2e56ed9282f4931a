"""Sessions of test speech are known by a mark in their ``config``, whatever else is in it."""

from pathlib import Path
from typing import Any

import pytest
import trio

from orch.access.actors import Actor
from orch.problems import ProblemError
from orch.websocket.sessions.session import encoded_config
from orch.websocket.sessions.synthetic import CONFIG, MARK, is_synthetic, require_right
from tests.fakes.asgi import LOCAL_OPERATOR
from tests.fakes.hub import running_hub

GUEST = Actor(is_operator=False, is_local=True, via="none", address="127.0.0.1")


@pytest.mark.parametrize(
    ("config", "is_marked"),
    [
        (b'{"orch.synthetic":true}', True),
        (b'{"title":"x","orch.synthetic":true,"other":[1,{"a":2}]}', True),
        (b'{"orch.synthetic":false}', False),
        (b'{"orch.synthetic":"true"}', False),
        (b'{"orch.synthetic":1}', False),
        (b'{"title":"orch.synthetic"}', False),
        (b'{"inner":{"orch.synthetic":true}}', False),
        (b"{}", False),
        (b'["orch.synthetic"]', False),
        (b'"orch.synthetic', False),
        (b"", False),
    ],
)
def test_only_the_mark_itself_counts(config: bytes, *, is_marked: bool) -> None:
    """Not a text with its name, nor one inside another member; what is no JSON has none."""
    assert is_synthetic(config) is is_marked


async def test_a_title_does_not_remove_the_mark(tmp_path: Path) -> None:
    """The session's ``config`` is changed by a title, and it stays out of the figures."""
    async with running_hub(tmp_path) as hub:
        made = await hub.service.create_session("j", config=dict(CONFIG))
        await hub.service.title_session("j", "A title")
        assert hub.service.sessions == 0
        assert await hub.service.list_sessions() == ()
        assert (await hub.service.get_session("j")).title == "A title"
        await hub.service.discard_session(made.session_id)
        assert hub.service.sessions == 0
        assert await hub.store.count() == 0


@pytest.mark.limit(600)
async def test_one_that_could_not_be_ended_is_forgotten_when_it_has_expired(tmp_path: Path) -> None:
    """Another worker may have ended it: the figures do not lack a session for ever."""
    websocket = {"session_timeout": 60}
    async with running_hub(tmp_path, orchestration={"websocket": websocket}) as hub:
        made = await hub.service.open_synthetic_session()
        await hub.service.create_session("s")
        assert hub.service.sessions == 1
        await hub.store.delete([made.session_id])  # as another worker does, of whom nothing is heard
        await trio.sleep(50)
        await hub.service.create_session("t")
        await hub.service._sessions.count_all()
        assert hub.service.sessions == 1, "still counted as there"
        await trio.sleep(20)
        await hub.service.create_session("u")
        await hub.service._sessions.count_all()
        assert hub.service.sessions == await hub.store.count()


@pytest.mark.parametrize("actor", [GUEST, LOCAL_OPERATOR, None])
@pytest.mark.parametrize("config", [{}, {"orch.synthetic": False}, {"orch.synthetic": 1}, {"title": MARK}])
def test_what_is_not_marked_needs_no_right(config: dict[str, Any], actor: Actor | None) -> None:
    """Only the mark itself takes a session out of the figures."""
    require_right(config, actor)
    assert not is_synthetic(encoded_config(config))


async def test_only_operators_may_leave_a_session_out_of_the_figures(tmp_path: Path) -> None:
    """Programs on this machine may create sessions; what they do is counted and listed."""
    async with running_hub(tmp_path) as hub:
        with pytest.raises(ProblemError) as refused:
            await hub.service.create_session("a", config={"x": 1, **CONFIG}, actor=GUEST)
        assert refused.value.code == "token_required"
        assert refused.value.extra["path"] == "$.config['orch.synthetic']"
        async with hub.connected(actor=GUEST) as ann:
            error = await ann.ask(
                {"type": "create_session", "session_id": "b", "config": CONFIG, "id": "1"}, "error"
            )
            assert (error["code"], error["id"]) == ("token_required", "1")
            wanted = {"type": "create_session", "session_id": "c", "config": {"orch.synthetic": "yes"}}
            await ann.ask(wanted, "session_created")
        assert [each.session_id for each in await hub.service.list_sessions()] == ["c"]
        assert hub.service.sessions == 1
        await hub.service.create_session("d", config=dict(CONFIG), actor=LOCAL_OPERATOR)
        assert hub.service.sessions == 1
