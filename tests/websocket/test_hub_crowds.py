"""Sessions that thousands are in: what coming, going and being told of it cost, in frames and bytes."""

from pathlib import Path
from typing import Any, Final

import trio

from orch.protocol.identifiers import new_token
from orch.protocol.messages import Role
from orch.websocket.connections.outbox import Frame
from orch.websocket.participants.member import Member
from orch.websocket.participants.presence_changes import CHANGES_LISTED
from orch.websocket.participants.roster import PARTICIPANTS_LISTED
from orch.websocket.sessions.session import PARTICIPANTS_IN_LISTS, Session
from tests.fakes.hub import Hub, running_hub

CROWD: Final = 10_000

#: Bytes of a participant or a change with a short name, and of the rest of a message.
SOMEONE: Final = 160
REST: Final = 600

LIMITS: Final = {"orchestration": {"websocket": {"max_connections_per_address": 10_000}}}


class Listener:
    """A client that takes everything and counts it."""

    connection_id = "listener"
    received_at = 0.0
    answers_heartbeats = True

    def __init__(self) -> None:
        self.frames: list[Frame] = []

    def offer(self, frame: Frame) -> bool:
        """Take it."""
        self.frames.append(frame)
        return True

    def overflow(self) -> None:
        """Be closed."""
        raise AssertionError

    def dismiss(self, left: Frame, session_id: str) -> None:
        """Be in a session no more."""

    def expel(self, left: Frame, session_id: str) -> None:
        """Be removed by the host, which no test here does."""
        raise AssertionError


def fill(hub: Hub, count: int, role: Role = "participant") -> tuple[Session, list[Listener]]:
    """Have so many in the session ``s``, who are in it already."""
    session = hub.service._sessions.cache.get("s")
    assert session is not None
    listeners = [Listener() for _ in range(count)]
    for number, listener in enumerate(listeners):
        token = new_token(f"{number:022}")
        session.add(Member(listener, token, name="Guest", role=role, languages=("en",), limit=1))
    return session, listeners


async def test_joining_a_crowd_costs_no_more_than_joining_a_meeting(tmp_path: Path) -> None:
    """The answer names a hundred of ten thousand, the owner first and the one who joins among them."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann, hub.connected() as bob:
        await ann.ask({"type": "create_session", "session_id": "s", "name": "Ann"})
        fill(hub, CROWD)
        bob.say({"type": "join_session", "session_id": "s", "name": "Bob", "role": "observer"})
        raw = await bob.hear_raw()
        assert raw.startswith('{"type":"session_joined"')
        assert len(raw) < SOMEONE * PARTICIPANTS_LISTED + REST
        joined = await bob.ask({"type": "join_session", "session_id": "s"}, "session_joined")
        assert joined["participant_count"] == CROWD + 2
        told = [each["name"] for each in joined["participants"]]
        assert (len(told), told[0], told[-1]) == (PARTICIPANTS_LISTED, "Ann", "Bob")
        bob.hang_up()
        await bob.has_ended.wait()
        async with hub.connected() as again:
            back = await again.ask(
                {
                    "type": "recover_session",
                    "session_id": "s",
                    "recovery_token": joined["recovery_token"],
                    "epoch": joined["epoch"],
                    "offset": joined["offset"],
                },
                "session_recovered",
            )
            assert back["participant_count"] == CROWD + 2
            assert back["participants"][-1]["name"] == "Bob"
            assert len(back["participants"]) == PARTICIPANTS_LISTED


async def test_a_crowd_that_comes_at_once_is_told_of_in_bounds(tmp_path: Path) -> None:
    """A thousand joins are not a thousand frames to each of a thousand, and no frame grows with the crowd."""
    async with running_hub(tmp_path, **LIMITS) as hub, hub.connected() as ann:
        await ann.ask({"type": "create_session", "session_id": "s"})
        session, listeners = fill(hub, 1_000)
        comers = [hub.socket() for _ in range(1_000)]
        for comer in comers:
            comer.say({"type": "join_session", "session_id": "s"})
        heard = 0
        for comer in comers:
            joined = await comer.until("session_joined")
            assert len(joined["participants"]) <= PARTICIPANTS_LISTED
            heard = max(heard, joined["participant_count"])
        assert heard == 2_001
        await trio.sleep(60)
        told = [frame for listener in listeners for frame in listener.frames]
        # A first time when the first have come, a second time when all have.
        assert len(told) <= 3 * len(listeners)
        assert max(frame.size for frame in told) < SOMEONE * (PARTICIPANTS_LISTED + CHANGES_LISTED) + REST
        last = [message for message in await ann.settle() if message["type"] == "presence"][-1]
        assert last["participant_count"] == session.participant_count == 2_001
        assert len(last["changes"]) <= CHANGES_LISTED


async def test_coming_and_going_without_end_is_told_at_a_bounded_rate(tmp_path: Path) -> None:
    """One who comes and goes all the time cannot have a crowd be sent frames without end."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann, hub.connected() as bob:
        await ann.ask({"type": "create_session", "session_id": "s"})
        _, listeners = fill(hub, 2_000)
        began = trio.current_time()
        for _ in range(200):
            await bob.ask({"type": "join_session", "session_id": "s"}, "session_joined")
            await trio.sleep(0.1)
            await bob.ask({"type": "leave_session", "session_id": "s"}, "session_left")
            await trio.sleep(0.1)
        frames = sum(len(listener.frames) for listener in listeners)
        assert frames <= 500 * (trio.current_time() - began) + len(listeners)


async def test_a_crowd_does_not_hold_up_what_a_few_are_told(tmp_path: Path) -> None:
    """A small session is told at once, though a large one waits for its turn."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann, hub.connected() as bob:
        await ann.ask({"type": "create_session", "session_id": "s"})
        session, _ = fill(hub, CROWD)
        await bob.ask({"type": "join_session", "session_id": "s"}, "session_joined")
        await trio.sleep(1)
        await bob.ask({"type": "leave_session", "session_id": "s"}, "session_left")
        assert session.presence_due > trio.current_time() + 10
        await trio.sleep(1)
        await bob.ask({"type": "create_session", "session_id": "few"}, "session_created")
        with trio.fail_after(1):
            while (await bob.until("presence"))["session_id"] != "few":
                pass


async def test_whoever_speaks_in_a_crowd_is_named_to_all(tmp_path: Path) -> None:
    """Among ten thousand, the one who speaks is told of, and no longer once silent."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann, hub.connected() as bob:
        await ann.ask({"type": "create_session", "session_id": "s"})
        fill(hub, CROWD)
        await bob.ask({"type": "join_session", "session_id": "s", "name": "Bob"}, "session_joined")
        await trio.sleep(60)
        await ann.settle()
        start: dict[str, Any] = {"type": "audio_start", "session_id": "s", "sample_rate": 16_000}
        await bob.ask(start, "audio_started")
        presence = await ann.until("presence")
        assert presence["participants"][-1]["name"] == "Bob"
        assert presence["participants"][-1]["speaking"] is True
        await bob.ask({"type": "audio_end"}, "audio_ended")
        assert "Bob" not in [each["name"] for each in (await ann.until("presence"))["participants"]]


async def test_a_crowd_is_bounded_over_http_too(tmp_path: Path) -> None:
    """A session that is looked at names a hundred, one in a list fewer; both say how many there are."""
    async with running_hub(tmp_path) as hub, hub.connected() as ann:
        await ann.ask({"type": "create_session", "session_id": "s"})
        fill(hub, CROWD, "observer")
        found = await hub.service.get_session("s")
        assert (len(found.participants), found.participant_count) == (PARTICIPANTS_LISTED, CROWD + 1)
        assert found.participants[0].role == "owner"
        (listed,) = await hub.service.list_sessions()
        assert (len(listed.participants), listed.participant_count) == (PARTICIPANTS_IN_LISTS, CROWD + 1)
