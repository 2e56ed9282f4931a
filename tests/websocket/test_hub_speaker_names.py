"""Names of the people who share a microphone: given once, for all readers and lines."""

from pathlib import Path

import pytest

from tests.fakes.hub import running_hub

NAME = {"type": "name_speaker", "session_id": "s", "speaker_label": "2-ab"}


async def test_a_name_reaches_everyone_and_those_who_come_later(tmp_path: Path) -> None:
    """Its sender with the id, others without, at one offset; of a label only the newest name is stored."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann, hub.connected() as bob:
        created = await ann.ask({"type": "create_session", "session_id": "s", "name": "Ann"})
        await bob.ask({"type": "join_session", "session_id": "s"})
        await ann.ask({**NAME, "name": "Eve"}, "speaker_named")
        named = await ann.ask({**NAME, "name": " Eve\u202e  Smith\n", "id": 7}, "speaker_named")
        assert (named["name"], named["speaker_label"], named["id"]) == ("Eve Smith", "2-ab", 7)
        assert named["participant_id"] == created["participant_id"]
        first = await bob.until("speaker_named")
        second = await bob.until("speaker_named")
        assert (first["name"], second["name"], "id" in second) == ("Eve", "Eve Smith", False)
        assert second["offset"] == named["offset"] == first["offset"] + 1
        async with hub.connected() as late:
            joined = await late.ask({"type": "join_session", "session_id": "s", "history": True})
            names = [each for each in joined["messages"] if each["type"] == "speaker_named"]
            assert [each["name"] for each in names] == ["Eve Smith"]


async def test_an_empty_name_takes_it_back(tmp_path: Path) -> None:
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        await ann.ask({"type": "create_session", "session_id": "s"})
        named = await ann.ask({**NAME, "name": " \u200b "}, "speaker_named")
        assert named["name"] == ""


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"speaker_label": "?"}, "invalid_message"),
        ({"speaker_label": ""}, "invalid_message"),
        ({"speaker_label": "x" * 65}, "invalid_message"),
        ({"name": "x" * 81}, "invalid_message"),
        ({"name": None}, "invalid_message"),
        ({"session_id": "other"}, "not_in_session"),
    ],
)
async def test_what_cannot_be_named_is_refused(tmp_path: Path, change: dict[str, object], code: str) -> None:
    """Lines with "?" may be several people's: a name for all of them would be wrong."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        await ann.ask({"type": "create_session", "session_id": "s"})
        refused = await ann.ask({**NAME, "name": "Eve", "id": 1, **change}, "error")
        assert (refused["code"], refused["id"]) == (code, 1)
