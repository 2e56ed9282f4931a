"""The promises of a store of sessions: the same tests on every engine."""

from typing import Any

import msgspec
import pytest
import trio
import trio.testing

from orch.problems import ProblemError
from orch.protocol.session_keys import Keys
from orch.protocol.terms import Term
from orch.stores.history import Limits
from orch.stores.records import Appended, Origin, ParticipantRecord
from tests.fakes.store_events import RecordedEvents
from tests.fakes.stores import LIMITS, PARTICIPANT, Engine, append, record, running


async def test_a_session_name_is_unique(engine: Engine) -> None:
    """A session that exists is never overwritten, and creating it again changes nothing."""
    store = engine.store()
    async with running(store):
        assert await store.create(record())
        assert not await store.create(record(epoch="other"), PARTICIPANT)
        assert (await store.load("s")) == record()
        assert await store.participant("s", "p") is None


async def test_operations_on_unknown_sessions_say_so(engine: Engine) -> None:
    """No operation creates a session by the way."""
    store = engine.store()
    async with running(store):
        assert await store.load("s") is None
        assert await store.read("s", after=0, until=9) == ()
        assert not await store.put_participant("s", PARTICIPANT)
        assert await store.participant("s", "p") is None
        assert list(await store.delete(["s"])) == []
        await store.drop_participant("s", "p")
        await store.touch(["s"], 1.0)
        with pytest.raises(ProblemError, match="No session is called s") as caught:
            await append(store)
        assert caught.value.code == "unknown_session"


async def test_a_config_is_replaced_only_if_it_is_the_known_one(engine: Engine) -> None:
    """Of two changes at the same time one has to look again; one that is repeated is no failure."""
    store = engine.store()
    async with running(store):
        await store.create(record(config=b'{"a":1}'))
        assert await store.replace_config("s", b'{"a":1}', b'{"title":"Plans"}')
        assert not await store.replace_config("s", b'{"a":1}', b'{"title":"Other"}')
        changed = await store.load("s")
        assert changed == record(config=b'{"title":"Plans"}')
        assert not await store.replace_config("gone", b"{}", b"{}")
        assert await store.load("gone") is None


async def test_terms_are_stored_with_their_revision(engine: Engine) -> None:
    """Each change counts, so that workers apply the newest whatever the order of their messages."""
    chair = (Term("Norland"), Term("chair", {"de": "Vorsitz", "*": "présidence"}))
    store = engine.store()
    async with running(store):
        assert await store.store_terms("s", chair) is None
        assert await store.load("s") is None
        await store.create(record(terms=chair))
        await store.create(record("t"))
        assert (await store.load("s")) == record(terms=chair)
        before = await store.used_bytes()
        long = (Term("Norland"), Term("chair", {"de": "V" * 5_000}))
        assert await store.store_terms("s", long) == 1
        assert await store.used_bytes() > before
        assert await store.store_terms("s", ()) == 2
        assert (await store.load("s")) == record(terms_revision=2)
        assert await store.store_terms("s", chair) == 3
        assert {one.session_id: one.terms for one in await store.newest(5)} == {"s": chair, "t": ()}
    again = engine.store()
    async with running(again):
        session = await again.load("s")
        assert session is not None
        assert (session.terms, session.terms_revision) == (chair, 3)


async def test_a_pipeline_is_stored_with_its_revision(engine: Engine) -> None:
    """As terms are; its bytes count, and those of a session's creation are stored with it."""
    store = engine.store()
    async with running(store):
        assert await store.store_pipeline("s", b'"noisy"') is None
        await store.create(record(pipeline=b'"voice"'))
        assert (await store.load("s")) == record(pipeline=b'"voice"')
        before = await store.used_bytes()
        assert await store.store_pipeline("s", b'"%s"' % (b"x" * 5_000)) == 1
        assert await store.used_bytes() > before
        assert await store.store_pipeline("s", b"") == 2
        assert (await store.load("s")) == record(pipeline_revision=2)
        assert await store.store_pipeline("s", b'"noisy"') == 3
        assert [(one.pipeline, one.pipeline_revision) for one in await store.newest(5)] == [(b'"noisy"', 3)]


async def test_participants_are_updated_and_removed(engine: Engine) -> None:
    """A participant has one row, the latest; dropped, the token opens nothing. Being there is activity."""
    store = engine.store()
    async with running(store):
        await store.create(record(), PARTICIPANT)
        changed = ParticipantRecord("p", "Ann B", "observer", (), b"other", 50.0)
        assert await store.put_participant("s", changed)
        assert await store.participant("s", "p") == changed
        session = await store.load("s")
        assert session is not None
        assert session.last_active == 50.0
        await store.drop_participant("s", "p")
        assert await store.participant("s", "p") is None


async def test_of_two_decisions_made_at_once_one_is_stored(engine: Engine) -> None:
    """The other is refused, as one about an unknown session is; a repeated call is recognised."""
    store = engine.store()
    async with running(store):
        await store.create(record())
        assert not await store.moderate("t", b"", b"1", None)
        assert await store.moderate("s", b"", b"1", None)
        assert not await store.moderate("s", b"", b"2", Keys("new speak", "new read"))
        assert (await store.load("s")) == record(moderation=b"1")
        assert await store.moderate("s", b"1", b"3", Keys("new speak", "new read"))
        assert (await store.load("s")) == record(moderation=b"3", keys=Keys("new speak", "new read"))
        assert [each.moderation for each in await store.newest(1)] == [b"3"]
    store = engine.store()
    async with running(store):
        session = await store.load("s")
        assert session is not None
        assert session.moderation == b"3"


async def test_idle_sessions_are_found_oldest_first_and_a_clock_set_back_makes_none_older(
    engine: Engine,
) -> None:
    """The sweeper ends what is silent, and only that."""
    store = engine.store()
    async with running(store):
        for name, at in (("a", 30.0), ("b", 10.0), ("c", 20.0), ("d", 99.0)):
            await store.create(record(name, last_active=at))
        assert await store.idle(50.0, 10) == ("b", "c", "a")
        assert await store.idle(50.0, 2) == ("b", "c")
        await store.touch(["b"], 60.0)
        await store.touch(["d"], 1.0)
        assert await store.idle(50.0, 10) == ("c", "a")
        assert [each.session_id for each in await store.newest(2)] == ["d", "b"]


async def test_sessions_count_against_the_address_that_created_them(engine: Engine) -> None:
    """Until they end; failed creations and those without an address are not counted."""
    store = engine.store()
    async with running(store):
        for name in ("a", "b", "c"):
            assert await store.create(record(name), created_from="192.0.2.1")
        assert not await store.create(record("a"), created_from="192.0.2.2")
        await store.create(record("d"))
        assert await store.created_from("192.0.2.1", 3) == 3
        assert await store.created_from("192.0.2.2", 3) == 0
        await store.delete(["a", "c"])
        assert await store.created_from("192.0.2.1", 3) == 1


async def test_used_bytes_counts_all_sessions(engine: Engine) -> None:
    """Histories, configs and those who may return; what is deleted is counted no more."""
    store = engine.store()
    async with running(store):
        empty = await store.used_bytes()
        for name in ("a", "b"):
            await store.create(record(name, config=b'"%s"' % (b"c" * 8_000)))
        configured = await store.used_bytes()
        assert 16_000 <= configured - empty < 40_000
        for _ in range(20):
            await append(store, "a", b'{"a":"%s"}' % (b"x" * 10_000))
        said = await store.used_bytes()
        assert 200_000 <= said - configured < 300_000
        for number in range(500):
            someone = msgspec.structs.replace(PARTICIPANT, participant_id=f"p-{number}")
            await store.put_participant("a", someone)
        assert 20_000 < await store.used_bytes() - said < 200_000
        await store.delete(["a", "b"])
        assert await store.used_bytes() - empty < 20_000


async def test_a_session_that_was_just_used_is_not_deleted_as_idle(engine: Engine) -> None:
    """A client may have joined on another worker since it was found idle: the store checks as it deletes."""
    store = engine.store()
    async with running(store):
        for name in ("a", "b"):
            await store.create(record(name, last_active=10.0))
        assert await store.idle(50.0, 10) == ("a", "b")
        await store.put_participant("b", msgspec.structs.replace(PARTICIPANT, seen=60.0))
        assert list(await store.delete(["a", "b"], idle_since=50.0)) == ["a"]
        assert await store.load("b") is not None
        assert await store.count() == 1
        assert [each.session_id for each in await store.newest(9)] == ["b"]


@pytest.mark.parametrize(
    ("limits", "kept"),
    [
        (Limits(messages=3, seconds=1e9), [8, 9, 10]),
        (Limits(messages=100, seconds=4.5), [6, 7, 8, 9, 10]),
        (Limits(messages=100, seconds=1e9, bytes=60), [8, 9, 10]),
        (Limits(messages=100, seconds=1e9, bytes=1), []),
    ],
)
async def test_history_is_bounded_by_count_age_and_bytes(
    engine: Engine, limits: Limits, kept: list[int]
) -> None:
    """Whichever limit is tightest decides; what is dropped is always the oldest."""
    store = engine.store()
    async with running(store):
        await store.create(record())
        for number in range(1, 11):
            await append(store, at=float(number), limits=limits)
        await store.prune(10.0, limits)
        assert [each.offset for each in await store.read("s", after=0, until=99)] == kept
        session = await store.load("s")
        assert session is not None
        assert session.kept_first == 11 - len(kept)
        assert session.offset == 10
        assert await append(store, at=11.0, limits=limits) == 11


@pytest.mark.parametrize(("size", "read"), [(0, [4]), (35, [4]), (72, [4, 5]), (10_000, [4, 5, 6, 7, 8])])
async def test_history_is_read_in_parts_of_limited_bytes(engine: Engine, size: int, read: list[int]) -> None:
    """Whole messages from the oldest on, at least one, so that who goes on from there comes to the end."""
    store = engine.store()
    async with running(store):
        await store.create(record())
        for number in range(1, 101):
            await append(store, at=float(number))
        first = (await store.read("s", after=3, until=4))[0]
        part = await store.read("s", after=3, until=8, size=size * len(first.frame) // 36)
        assert [each.offset for each in part] == read
        assert part[0] == first
        assert await store.read("s", after=100, until=200, size=size) == ()
        whole = await store.read("s", after=0, until=100, size=10**6)
        assert [each.offset for each in whole] == list(range(1, 101))


async def test_stored_participants_are_bounded_but_the_owner_and_those_present_stay(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many pass through a session, its owner and those in it may return; others do if seen late."""
    monkeypatch.setattr("orch.stores.records.PARTICIPANTS_LIMIT", 4)

    store = engine.store()
    async with running(store):
        await store.create(record(), ParticipantRecord("owner", "x", "owner", (), b"h", 0.0))
        await store.create(record("quiet"), ParticipantRecord("o", "x", "owner", (), b"h", 0.0))
        for number in range(6):
            await store.put_participant(
                "s", ParticipantRecord(f"p{number}", "x", "participant", (), b"h", 1.0 + number)
            )
        await store.prune(0.0, LIMITS)
        assert await store.crowded() == ("s",)
        assert await store.trim_participants("s", frozenset({"p0", "owner"}), 90.0) == 3
        names = ["owner", *(f"p{number}" for number in range(6))]
        found = [name for name in names if await store.participant("s", name) is not None]
        assert found == ["owner", "p0", "p4", "p5"]
        there = await store.participant("s", "p0")
        assert there is not None
        assert there.seen == 90.0  # so that one who falls silent later was not there longest ago
        await store.prune(0.0, LIMITS)
        assert await store.crowded() == ()


async def test_trimming_does_not_restore_a_participant_who_left(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Someone who is taken for present but has left by their own will may not return."""
    monkeypatch.setattr("orch.stores.records.PARTICIPANTS_LIMIT", 0)

    store = engine.store()
    async with running(store):
        await store.create(record())
        await store.put_participant("s", ParticipantRecord("p", "x", "participant", (), b"h", 1.0))
        await store.drop_participant("s", "p")
        await store.trim_participants("s", frozenset({"p"}), 90.0)
        assert await store.participant("s", "p") is None


async def test_session_keys_are_stored(engine: Engine) -> None:
    """They are the same for everyone who looks, in lists and after the store was closed."""
    made = record(keys=Keys("speak-key", "read-key"))
    store = engine.store()
    async with running(store):
        await store.create(made)
        assert await store.load("s") == made
        assert await store.newest(5) == (made,)
    store = engine.store()
    async with running(store):
        found = await store.load("s")
        assert found is not None
        assert found.keys == made.keys


def test_appended_messages_are_delivered_in_order_before_their_tickets_are_done(engine: Engine) -> None:
    """Members are sent what is stored, in the order of the offsets, whichever task wakes first."""

    async def main() -> None:
        store = engine.store()
        events = RecordedEvents()
        reported = events.messages
        store.register(events)
        async with running(store):
            await store.create(record())
            origin = Origin("c", 7)
            tickets = [
                await store.begin_append(
                    "s", b'{"n":%d}' % number, at=1.0, limits=LIMITS, origin=origin if number == 3 else None
                )
                for number in range(50)
            ]
            assert not reported
            async with trio.open_nursery() as nursery:
                for number, ticket in enumerate(tickets):
                    nursery.start_soon(_check_wait, ticket, number + 1, reported)
            assert [each.frame for each in reported] == [
                b'{"n":%d,"offset":%d}' % (number, number + 1) for number in range(50)
            ]
            assert [each.origin for each in reported if each.origin] == [origin]

    async def _check_wait(ticket: Any, offset: int, reported: list[Appended]) -> None:
        assert await ticket.wait() == offset
        assert reported[offset - 1].offset == offset

    engine.run(main)


async def test_a_cancelled_sender_leaves_no_gap(engine: Engine) -> None:
    """A queued message is stored and delivered even if nobody waits for its ticket."""
    store = engine.store()
    events = RecordedEvents()
    store.register(events)
    async with running(store):
        await store.create(record())
        with trio.CancelScope() as scope:
            ticket = await store.begin_append("s", b'{"a":1}', at=1.0, limits=LIMITS)
            scope.cancel()
            await ticket.wait()
        assert await append(store) == 2
        assert [message.offset for message in events.messages] == [1, 2]


async def test_an_event_handler_that_fails_stops_nothing(engine: Engine) -> None:
    """Messages are stored and acknowledged whatever the handler raises."""
    store = engine.store()

    def fail(message: Appended) -> None:
        raise RuntimeError("listener")

    events = RecordedEvents()
    events.on_appended = fail
    store.register(events)
    async with running(store):
        await store.create(record())
        assert await append(store) == 1
        assert await append(store) == 2


async def test_stored_data_survives_a_restart_of_the_store(engine: Engine) -> None:
    """Sessions, participants and history outlive the process that wrote them."""
    store = engine.store()
    async with running(store):
        assert await store.create(record(), PARTICIPANT)
        assert await append(store) == 1
        assert await append(store) == 2
    again = engine.store()
    async with running(again):
        assert await again.load("s") == record(offset=2, last_active=20.0)
        assert await again.participant("s", "p") == PARTICIPANT
        kept = await again.read("s", after=0, until=2)
        assert [message.frame for message in kept] == [b'{"a":1,"offset":1}', b'{"a":1,"offset":2}']
        assert [message.at for message in kept] == [20.0, 20.0]
        assert await again.count() == 1


async def test_deleting_a_session_deletes_its_history_and_participants(engine: Engine) -> None:
    """A session created later under the same name inherits nothing."""
    store = engine.store()
    async with running(store):
        await store.create(record(), PARTICIPANT)
        await store.create(record("t"))
        await append(store)
        await append(store, "t")
        assert list(await store.delete(["s", "nobody"])) == ["s"]
        assert await store.count() == 1
        assert await store.load("s") is None
        await store.create(record(epoch="new"))
        assert await store.read("s", after=0, until=9) == ()
        assert await store.participant("s", "p") is None
        assert await append(store) == 1
        assert len(await store.read("t", after=0, until=9)) == 1


async def test_concurrent_operations_run_in_the_order_of_the_calls(engine: Engine) -> None:
    """Operations share a trip, and each sees what was asked for before it and nothing of what came after."""
    store = engine.store()
    async with running(store):
        await store.create(record())
        tickets = []
        seen: list[int] = []

        async def look() -> None:
            session = await store.load("s")
            assert session is not None
            seen.append(session.offset)

        async with trio.open_nursery() as nursery:
            for number in range(1, 41):
                tickets.append(await store.begin_append("s", b'{"a":1}', at=1.0, limits=LIMITS))
                if number % 10 == 0:
                    nursery.start_soon(look)
                    await trio.testing.wait_all_tasks_blocked()
        assert [await ticket.wait() for ticket in tickets] == list(range(1, 41))
        assert sorted(seen) == [10, 20, 30, 40]


async def test_pruning_handles_a_history_of_any_length(engine: Engine) -> None:
    """More than one batch is dropped in one sweep, and the sizes still add up."""
    store = engine.store()
    async with running(store):
        await store.create(record())
        tickets = [
            await store.begin_append("s", b'{"a":1}', at=float(number), limits=LIMITS)
            for number in range(500)
        ]
        for ticket in tickets:
            await ticket.wait()
        assert await store.prune(1000.0, Limits(messages=1000, seconds=510.0)) == 490
        kept = await store.read("s", after=0, until=999)
        assert [each.offset for each in kept] == list(range(491, 501))
        # Exactly what is kept fits into exactly its size.
        size = sum(len(each.frame) for each in kept)
        assert await store.prune(1000.0, Limits(messages=1000, seconds=510.0, bytes=size)) == 0
        await append(store, limits=Limits(messages=1000, seconds=1e9, bytes=size))
        kept = await store.read("s", after=0, until=999)
        assert [each.offset for each in kept] == list(range(492, 502))


async def test_operations_wait_while_the_store_restarts(engine: Engine) -> None:
    """A restart of the branch costs those who come meanwhile a wait, not their request."""
    store = engine.store()
    for attempt in range(2):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.create, record(f"s{attempt}"))
            await trio.testing.wait_all_tasks_blocked()
            async with running(store):
                await trio.testing.wait_all_tasks_blocked()
                assert await store.load(f"s{attempt}") == record(f"s{attempt}")


async def test_an_operation_is_refused_if_the_store_stays_away(engine: Engine) -> None:
    """After its patience, with a problem that clients know."""
    store = engine.store(patience=0.2)
    before = trio.current_time()
    with pytest.raises(ProblemError) as caught:
        await store.load("s")
    assert caught.value.code == "store_unavailable"
    assert trio.current_time() - before >= 0.2


async def test_a_cancelled_store_still_stores_what_is_queued(engine: Engine) -> None:
    """What was taken in before the stop is kept, and its sender told."""
    store = engine.store()
    tickets = []
    async with running(store) as scope:
        await store.create(record())
        tickets = [await store.begin_append("s", b'{"a":1}', at=1.0, limits=LIMITS) for _ in range(2500)]
        scope.cancel()
    assert [await ticket.wait() for ticket in tickets] == list(range(1, 2501))
    assert not store.statistics().open
    async with running(store):
        session = await store.load("s")
        assert session is not None
        assert session.offset == 2500


async def test_a_full_queue_makes_its_callers_wait(engine: Engine) -> None:
    """The queue is bounded by operations and by bytes; nobody is refused for coming at a busy time."""
    store = engine.store(operations=5, size=100)
    async with running(store):
        await store.create(record())
        most = 0
        async with trio.open_nursery() as nursery:
            for _ in range(40):
                nursery.start_soon(append, store, "s", b'{"a":"%s"}' % (b"x" * 30))
            for _ in range(20):
                await trio.lowlevel.checkpoint()
                most = max(most, store.statistics().waiting)
        # A server's are 5 in the queue and as many on their way.
        assert 1 <= most <= (5 if engine.name == "sqlite" else 10)
        assert store.statistics().waiting_bytes == 0
        session = await store.load("s")
        assert session is not None
        assert session.offset == 40


async def test_settled_is_called_once_for_each_message_stored_or_not(engine: Engine) -> None:
    """``settled`` is called once for each message, kept or not, whether or not anyone waits."""
    store = engine.store()
    settled: list[str] = []
    async with running(store):
        await store.create(record())
        kept = await store.begin_append(
            "s", b'{"a":1}', at=1.0, limits=LIMITS, settled=lambda: settled.append("kept")
        )
        lost = await store.begin_append(
            "none", b'{"a":1}', at=1.0, limits=LIMITS, settled=lambda: settled.append("lost")
        )
        assert await kept.wait() == 1
        with pytest.raises(ProblemError):
            await lost.wait()
        assert settled == ["kept", "lost"]


async def test_a_sign_in_expires_and_can_be_ended(engine: Engine) -> None:
    """Use keeps it; what is over or was ended does not come back by being used."""
    store = engine.store()
    async with running(store):
        now = 1_000.0
        assert not await store.sign_ins.extend_sign_in("a", now=now, seconds=60)
        await store.sign_ins.store_sign_in("a", now=now, seconds=60)
        await store.sign_ins.store_sign_in("b", now=now, seconds=60)
        assert await store.sign_ins.extend_sign_in("a", now=now + 1, seconds=60)
        await store.sign_ins.delete_sign_in("a")
        await store.sign_ins.delete_sign_in("a")
        assert not await store.sign_ins.extend_sign_in("a", now=now + 2, seconds=60)
        assert await store.sign_ins.extend_sign_in("b", now=now + 2, seconds=60)
