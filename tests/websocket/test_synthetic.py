"""Sessions of test speech are known by a mark in their ``config``, whatever else is in it."""

from pathlib import Path

import pytest

from orch.websocket.sessions.synthetic import CONFIG, is_synthetic
from tests.fakes.hub import running_hub


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
