"""Two hubs on one Redis."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from msgspec import Raw

from orch.cluster import survey
from orch.problems import ProblemError
from orch.protocol.messages import Role, SessionMessage, Transcript
from orch.stores.redis.store import RedisStore
from orch.websocket.cluster import cluster_link, participant_survey, remote_participants
from orch.websocket.participants import roster
from orch.websocket.sessions import expiry
from tests.fakes.asgi import FakeSocket
from tests.fakes.hub import Hub, running_hub, wall
from tests.fakes.redis import RedisServer, redis_server
from tests.fakes.sounds import pcm, silence, voice

pytestmark = [pytest.mark.process, pytest.mark.real_time]


@asynccontextmanager
async def two_hubs(server: RedisServer, folder: Path, **settings: Any) -> AsyncIterator[tuple[Hub, Hub]]:
    """Run two hubs for the block."""
    async with (
        running_hub(folder, None, RedisStore(server.url), **settings) as a,
        running_hub(folder, None, RedisStore(server.url), **settings) as b,
    ):
        yield a, b


async def create(socket: FakeSocket, **more: Any) -> dict[str, Any]:
    """Begin a session."""
    return await socket.ask(
        {"type": "create_session", "session_id": "s", "config": {}} | more, "session_created"
    )


async def join(socket: FakeSocket, **more: Any) -> dict[str, Any]:
    """Join it."""
    return await socket.ask({"type": "join_session", "session_id": "s"} | more, "session_joined")


async def until_present(socket: FakeSocket, names: set[str]) -> dict[str, Any]:
    """Wait until these and no others are in the session."""
    while True:
        presence = await socket.until("presence")
        if {each["name"] for each in presence["participants"]} == names:
            return presence


async def test_who_is_in_a_session_is_the_same_on_every_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those elsewhere are seen with name, role and languages; they go when they leave."""
    monkeypatch.setattr(survey, "HEARTBEAT_EVERY", 0.1)

    with redis_server(tmp_path / "redis") as server:
        async with two_hubs(server, tmp_path) as (a, b), a.connected() as ann:
            await create(ann, name="Ann", languages=["de"])
            async with b.connected() as bob:
                await join(bob, name="Bob", languages=["es"], role="observer")
                for socket in (ann, bob):
                    presence = await until_present(socket, {"Ann", "Bob"})
                    roles: dict[str, Role] = {each["name"]: each["role"] for each in presence["participants"]}
                    assert roles == {"Ann": "owner", "Bob": "observer"}
                # What is spoken here is translated for those who read it there.
                session = a.service._sessions.cache.get("s")
                assert session is not None
                assert session.languages() == {"de", "es"}
                async with a.connected() as eve:
                    joined = await join(eve, name="Eve")
                    assert {each["name"] for each in joined["participants"]} == {"Ann", "Bob", "Eve"}
                    await until_present(bob, {"Ann", "Bob", "Eve"})
                await until_present(bob, {"Ann", "Bob"})
            await until_present(ann, {"Ann"})


async def test_a_title_is_the_same_on_every_worker(tmp_path: Path) -> None:
    """Of changes on both at once too: what is stored is what everyone was sent last."""
    with redis_server(tmp_path / "redis") as server:
        async with two_hubs(server, tmp_path) as (a, b), a.connected() as ann, b.connected() as bob:
            await create(ann, config={"a": 1})
            await join(bob)
            title = {"type": "title_session", "session_id": "s", "title": "Plans"}
            titled = await ann.ask(title, "session_titled")
            assert (await bob.until("session_titled"))["offset"] == titled["offset"]
            for hub in (a, b):
                assert (await hub.service.get_session("s")).title == "Plans"
            async with b.connected() as late:
                joined = await join(late)
                assert (joined["title"], joined["config"]) == ("Plans", {"a": 1, "title": "Plans"})
            async with trio.open_nursery() as nursery:
                for number in range(4):
                    for hub in (a, b):
                        nursery.start_soon(hub.service.title_session, "s", f"{hub is a} {number}")
            record = await a.store.load("s")
            assert record is not None
            last = {}
            for name, socket in (("ann", ann), ("bob", bob)):
                async with a.connected() as other:
                    latest = (await join(other, history=True))["offset"]
                while (told := await socket.until("session_titled"))["offset"] < latest:
                    pass
                last[name] = told["title"]
            assert last["ann"] == last["bob"]
            assert f'"title":"{last["ann"]}"'.encode() in record.config
            for hub in (a, b):
                assert (await hub.service.get_session("s")).title == last["ann"]


async def test_a_crowd_on_several_workers_is_counted_on_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every worker names the owner and whoever asks; one that nobody is in it through does not guess."""
    monkeypatch.setattr(roster, "PARTICIPANTS_LISTED", 3)
    monkeypatch.setattr(remote_participants, "DELTA_PARTICIPANTS", 2)

    with redis_server(tmp_path / "redis") as server:
        async with two_hubs(server, tmp_path) as (a, b), a.connected() as ann, b.connected() as bob:
            await create(ann, name="Ann")
            assert (await b.service.get_session("s")).participant_count is None
            assert (await b.service.list_sessions())[0].participant_count is None
            for _ in range(4):
                await join(a.socket())
            await join(bob, name="Bob", role="observer")
            while (told := await bob.until("presence"))["participant_count"] < 6:
                pass
            assert told["participants"][0]["name"] == "Ann"
            joined = await join(bob, name="Bob")
            assert joined["participant_count"] == 6
            assert [each["name"] for each in joined["participants"]][::2] == ["Ann", "Bob"]
            while (told := await ann.until("presence"))["participant_count"] < 6:
                pass
            assert len(told["participants"]) == 3
            for hub in (a, b):
                assert (await hub.service.get_session("s")).participant_count == 6
                assert (await hub.service.list_sessions())[0].participant_count == 6
            await bob.ask({"type": "leave_session", "session_id": "s"}, "session_left")
            while (told := await ann.until("presence"))["participant_count"] != 5:
                pass
            assert told["changes"][0]["change"] == "left"


async def test_how_many_are_in_a_session_is_right_in_the_first_answer_on_another_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever joins through a worker that has not had the session yet is told of all who are in it."""
    monkeypatch.setattr(cluster_link, "SURVEY_WITHIN", 20.0)  # a busy machine answers late

    with redis_server(tmp_path / "redis") as server:
        async with two_hubs(server, tmp_path) as (a, b), a.connected() as ann, b.connected() as bob:
            for number in range(10):
                name = f"s{number}"
                await create(ann, session_id=name, name="Ann")
                joined = await join(bob, session_id=name, name="Bob")
                assert joined["participant_count"] == 2
                assert {each["name"] for each in joined["participants"]} == {"Ann", "Bob"}
                assert (await b.service.get_session(name)).participant_count == 2
                for socket in (ann, bob):
                    await socket.ask({"type": "leave_session", "session_id": name}, "session_left")


async def test_a_worker_that_follows_a_session_with_nobody_in_it_answers_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that nobody waits for it."""
    monkeypatch.setattr(cluster_link, "SURVEY_WITHIN", 20.0)  # a busy machine answers late

    with redis_server(tmp_path / "redis") as server:
        async with two_hubs(server, tmp_path) as (a, b), a.connected() as ann:
            await create(ann, name="Ann")
            async with b.connected() as bob:
                await join(bob, name="Bob")
            await ann.ask({"type": "leave_session", "session_id": "s"}, "session_left")
            async with running_hub(tmp_path, None, RedisStore(server.url)) as c, c.connected() as eve:
                began = trio.current_time()
                joined = await join(eve, name="Eve")
                assert trio.current_time() - began < 20
                assert joined["participant_count"] == 1
                async with b.connected() as bob:
                    await join(bob, name="Bob")
                    # This worker was told of the session before; of who has come since, it is told soon.
                    while (await bob.until("presence"))["participant_count"] < 2:
                        pass


async def test_a_count_is_null_while_a_worker_has_not_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never a number that is wrong; a listener that is no worker is not waited for much longer."""
    monkeypatch.setattr(participant_survey, "COMPLETE_AFTER", 600.0)

    with redis_server(tmp_path / "redis") as server:
        async with two_hubs(server, tmp_path) as (a, b), a.connected() as ann, b.connected() as bob:
            await create(ann, name="Ann")
            async with await trio.open_tcp_stream("127.0.0.1", server.port) as listener:
                await listener.send_all(b"SSUBSCRIBE orch:{s}:feed\r\n")
                assert b"ssubscribe" in await listener.receive_some(1000)
                joined = await join(bob, name="Bob")
                assert joined["participant_count"] is None
                assert (await b.service.get_session("s")).participant_count is None
                await until_present(bob, {"Ann", "Bob"})
                monkeypatch.setattr(participant_survey, "COMPLETE_AFTER", 0.0)
                assert (await b.service.get_session("s")).participant_count == 2
                assert (await join(bob, name="Bob"))["participant_count"] == 2


async def test_sessions_that_the_server_has_lost_are_said_to_be_lost(tmp_path: Path) -> None:
    """On every worker, to who only listens too; to operators with one event."""
    with redis_server(tmp_path / "redis") as server:
        async with two_hubs(server, tmp_path) as (a, b), a.connected() as ann, b.connected() as bob:
            for number in range(5):
                await create(ann, session_id=f"s{number}")
                await join(bob, session_id=f"s{number}", role="observer")
            server.ask("FLUSHALL")
            for socket in (ann, bob):
                left = [await socket.until("session_left") for _ in range(5)]
                assert {each["reason"] for each in left} == {"lost"}
                assert {each["session_id"] for each in left} == {f"s{number}" for number in range(5)}
            while not any("5 sessions were lost" in event.text for event in a.events.latest()):  # noqa: ASYNC110 - events tell nobody
                await trio.sleep(0.05)
            # Whoever may begins it anew, by the same name.
            await create(ann, session_id="s0")


async def test_a_session_that_was_ended_is_not_said_to_be_lost(tmp_path: Path) -> None:
    """Also where someone speaks in it just as it ends."""
    with redis_server(tmp_path / "redis") as server:
        async with two_hubs(server, tmp_path) as (a, b), a.connected() as ann, b.connected() as bob:
            for number in range(20):
                name = f"s{number}"
                await create(ann, session_id=name)
                await join(bob, session_id=name)
                bob.say({"type": "broadcast", "session_id": name, "data": 1})
                await a.service.end_session(name)
                assert (await bob.until("session_left"))["reason"] == "ended"


async def test_those_on_a_worker_that_is_gone_are_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that was killed says nothing more; the others notice by that."""
    monkeypatch.setattr(survey, "HEARTBEAT_EVERY", 0.1)

    with redis_server(tmp_path / "redis") as server:
        async with two_hubs(server, tmp_path) as (a, b), a.connected() as ann, b.connected() as bob:
            await create(ann, name="Ann")
            await join(bob, name="Bob")
            await until_present(ann, {"Ann", "Bob"})
            b.hub_scope.cancel()
            b.store_scope.cancel()
            await until_present(ann, {"Ann"})


async def test_revisions_reach_every_worker(tmp_path: Path) -> None:
    """They are not stored, and take the same way."""
    with redis_server(tmp_path / "redis") as server:
        async with two_hubs(server, tmp_path) as (a, b), a.connected() as ann, b.connected() as bob:
            await create(ann)
            await join(bob)
            a.service.send(
                "s",
                Transcript(
                    timestamp=0,
                    session_id="s",
                    segment_id="x-1",
                    revision=1,
                    final=False,
                    text="héllo",
                    language="en",
                    confidence=None,
                    start=0,
                    end=1,
                    stream_started=0,
                    speaker=None,
                    participant_id=None,
                ),
            )
            here, there = await ann.until("transcript"), await bob.until("transcript")
            assert here == there
            assert there["text"] == "héllo"
            assert "offset" not in there


async def test_a_session_that_is_ended_on_one_worker_is_over_on_all(tmp_path: Path) -> None:
    """Members are told wherever they are, and nothing of it is left in memory."""
    with redis_server(tmp_path / "redis") as server:
        async with two_hubs(server, tmp_path) as (a, b), a.connected() as ann, b.connected() as bob:
            await create(ann)
            await join(bob)
            await a.service.end_session("s")
            for socket in (ann, bob):
                left = await socket.until("session_left")
                assert (left["session_id"], left["reason"]) == ("s", "ended")
            again = await create(bob)
            bob.say({"type": "broadcast", "session_id": "s", "data": 1})
            message = await bob.until("session_message")
            assert message["offset"] == 1
            joined = await join(ann)
            assert joined["epoch"] == again["epoch"]


async def test_a_session_in_use_on_one_worker_is_not_ended_by_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever sweeps asks the store, and whoever has members says so there often enough."""
    monkeypatch.setattr(expiry, "_COUNT_EVERY", 0.05)

    with redis_server(tmp_path / "redis") as server:
        settings = {"orchestration": {"websocket": {"session_timeout": 1.0}}}
        async with (
            two_hubs(server, tmp_path, **settings) as (a, b),
            a.connected() as silent,
            b.connected() as bob,
        ):
            await create(bob)
            await join(silent)
            await b.service.create_session("unused")
            for _ in range(15):
                await trio.sleep(0.1)
                await bob.ask({"type": "ping"}, "pong")
                await a.service.sweep()
            assert (await a.service.get_session("s")).session_id == "s"
            assert [each.session_id for each in await b.service.list_sessions()] == ["s"]
            # Every worker knows how many there are.
            while a.service.statistics().sessions != 1:  # noqa: ASYNC110 - nothing tells of a count
                await trio.sleep(0.01)  # the count is learnt at a beat


async def test_sessions_are_kept_for_their_days_after_the_last_use_on_any_worker(tmp_path: Path) -> None:
    """With their messages and those who may return; then no key of them is left."""
    days = {"session_timeout": 100.0, "history_seconds": 100.0, "keep_days": 1000 / 86_400}
    settings = {"orchestration": {"websocket": days}}
    with redis_server(tmp_path / "redis") as server:

        @asynccontextmanager
        async def after(seconds: float) -> AsyncIterator[tuple[Hub, Hub]]:
            """Run two hubs that long after the first ones, and sweep with both."""

            def late() -> float:
                return wall() + seconds

            async with (
                running_hub(tmp_path, None, RedisStore(server.url), late, **settings) as a,
                running_hub(tmp_path, None, RedisStore(server.url), late, **settings) as b,
            ):
                for hub in (a, b):
                    await hub.service.sweep()
                yield a, b
                for hub in (a, b):
                    await hub.service.sweep()

        async with after(0) as (a, _), a.connected() as ann:
            created = await create(ann, name="Ann")
            message = SessionMessage(timestamp=0, session_id="s", sender="x", data=Raw(b"1"))
            await a.service.publish("s", message)
        async with after(800) as (a, b), b.connected() as ann:
            assert len((await a.service.messages("s")).messages) == 1
            back = await ann.ask(
                {"type": "recover_session", "offset": 0, "session_id": "s"}
                | {name: created[name] for name in ("recovery_token", "epoch")},
                "session_recovered",
            )
            assert (back["recovered"], back["role"], len(back["messages"])) == (True, "owner", 1)
            assert back["participant_id"] == created["participant_id"]
            await b.service.sweep()
        async with after(1700) as (a, b):
            for hub in (a, b):
                assert [each.session_id for each in await hub.service.list_sessions()] == ["s"]
            # Messages have their own age, which is as long.
            assert (await b.service.messages("s")).messages == ()
        async with after(1900) as (a, b):
            for hub in (a, b):
                assert await hub.service.list_sessions() == ()
            assert server.ask("EXISTS", "orch:{s}", "orch:{s}:history", "orch:{s}:participants") == b":0\r\n"


async def test_participants_of_a_session_that_nobody_is_in_here_are_limited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those who are in it through another worker stay, however long ago they joined."""
    monkeypatch.setattr("orch.stores.records.PARTICIPANTS_LIMIT", 4)
    monkeypatch.setattr(cluster_link, "SURVEY_WITHIN", 20.0)  # a busy machine answers late

    with redis_server(tmp_path / "redis") as server:
        async with two_hubs(server, tmp_path) as (a, b), b.connected() as bob:
            async with a.connected() as ann:
                await create(ann)
                there = await join(bob)
                for _ in range(8):
                    async with a.connected() as guest:
                        await join(guest)
            await a.service.sweep()
            assert server.ask("HLEN", "orch:{s}:participants") == b":4\r\n"
            assert await b.store.participant("s", there["participant_id"]) is not None
        async with two_hubs(server, tmp_path) as (a, _):
            monkeypatch.setattr("orch.stores.records.PARTICIPANTS_LIMIT", 1)
            await a.service.sweep()
            assert server.ask("HLEN", "orch:{s}:participants") == b":1\r\n"


async def test_an_announcement_reaches_every_connection_of_the_cluster(tmp_path: Path) -> None:
    """Once each; whoever announces learns how many took it."""
    with redis_server(tmp_path / "redis") as server:
        async with (
            two_hubs(server, tmp_path) as (a, b),
            a.connected() as one,
            b.connected() as two,
            b.connected() as three,
        ):
            announced = await a.service.announce_everywhere("At ten: «maintenance»\nfor an hour.")
            assert (announced.taken, announced.evicted) == (3, 0)
            for socket in (one, two, three):
                said = await socket.until("system_announcement")
                assert said["message"] == "At ten: «maintenance»\nfor an hour."
                assert "state" not in said


async def test_clients_are_told_that_nothing_can_be_kept_and_when_it_can_be_again(tmp_path: Path) -> None:
    """What does not need the store goes on meanwhile; what waited is kept afterwards."""
    with redis_server(tmp_path / "redis") as server:
        async with two_hubs(server, tmp_path) as (a, b), a.connected() as ann, b.connected() as bob:
            await create(ann)
            await join(bob)
            server.kill()
            for socket in (ann, bob):
                assert (await socket.until("system_announcement"))["state"] == "degraded"
            await ann.ask({"type": "ping"}, "pong")
            ann.say({"type": "broadcast", "session_id": "s", "data": 1})
            await trio.to_thread.run_sync(server.start)
            for socket in (ann, bob):
                # A worker that missed the news of the message may find it after all else is well again.
                heard = await socket.until_all("session_message", "system_announcement")
                assert heard["session_message"]["offset"] == 1
                assert heard["system_announcement"]["state"] == "restored"


async def test_who_went_while_nobody_could_say_so_is_gone_afterwards(tmp_path: Path) -> None:
    """Presence that was lost with the server is told anew; announcements go to those who can be reached."""
    with redis_server(tmp_path / "redis") as server:
        async with two_hubs(server, tmp_path) as (a, b), a.connected() as ann:
            await create(ann, name="Ann")
            async with b.connected() as bob, b.connected() as eve:
                await join(bob, name="Bob")
                await join(eve, name="Eve")
                await until_present(ann, {"Ann", "Bob", "Eve"})
                server.kill()
                assert (await ann.until("system_announcement"))["state"] == "degraded"
                eve.hang_up()
                await until_present(bob, {"Ann", "Bob"})
                announced = await a.service.announce_everywhere("soon")
                assert (announced.taken, announced.evicted) == (1, 0)
                await trio.to_thread.run_sync(server.start)
                await until_present(ann, {"Ann", "Bob"})


async def test_speech_continues_on_another_worker_before_the_word_that_was_cut(tmp_path: Path) -> None:
    """The worker that had the stream ends it there and says how far it came; times stay right."""
    start = {"type": "audio_start", "session_id": "s", "sample_rate": 16_000, "age": 0.0}

    with redis_server(tmp_path / "redis") as server:
        async with two_hubs(server, tmp_path) as (a, b), a.connected() as ann:
            created = await create(ann)
            started = await ann.ask(start, "audio_started")
            ann.say(pcm(silence(1.75), voice(1.25)))
            await ann.ask({"type": "ping"}, "pong")
            async with b.connected() as there:
                recover = {"type": "recover_session", "session_id": "s", "offset": 0}
                recover |= {name: created[name] for name in ("recovery_token", "epoch")}
                assert (await there.ask(recover, "session_recovered"))["recovered"]
                asked_at = time.monotonic()
                again = await there.ask(
                    {**start, "age": 3.5, "stream_id": started["stream_id"], "position": 1.0},
                    "audio_started",
                )
                assert not again["continued"]
                assert again["received_seconds"] == 0.0
                assert again["position"] == pytest.approx(1.45, abs=0.05), "before the word and its onset"
                waited = b.speech.opened[0].age - (3.5 - (again["position"] - 1.0))
                assert -0.01 <= waited <= time.monotonic() - asked_at, "the age of the sound before the word"
                with pytest.raises(ProblemError, match="This stream has ended"):
                    a.speech.opened[0].stream.feed(b"")
