"""Workers that tell each other who is in a session, over a wire that can be cut."""

from collections.abc import Awaitable, Callable

import msgspec
import trio

from orch.protocol.identifiers import new_token
from orch.stores.records import SessionRecord
from orch.websocket.cluster.presence_sync import PUBLISH_EVERY, PresenceSync
from orch.websocket.cluster.remote_participants import DELTA_PARTICIPANTS, PresenceDelta
from orch.websocket.connections.outbox import Frame
from orch.websocket.participants.member import Member
from orch.websocket.participants.presence import PresencePublisher
from orch.websocket.sessions.session import Session
from orch.websocket.sessions.session_cache import SessionCache
from tests.fakes.running import run

#: Bytes of a participant between workers, and of what stands around them.
SOMEONE, REST = 160, 200


class Client:
    """Keeps the presence it is told."""

    connection_id = "c"
    received_at = 0.0
    answers_heartbeats = True

    def __init__(self) -> None:
        self.changes: list[tuple[str, str]] = []

    def offer(self, frame: Frame) -> bool:
        """Take it."""
        told = msgspec.json.decode(frame.data)
        self.changes += [(each["participant_id"], each["change"]) for each in told["changes"]]
        return True

    def overflow(self) -> None:
        """Be closed."""
        raise AssertionError

    def dismiss(self, left: Frame, session_id: str) -> None:
        """Be in a session no more."""
        raise AssertionError

    def expel(self, left: Frame, session_id: str) -> None:
        """Be removed by the host, which no test here does."""
        raise AssertionError


class Worker:
    """One worker: a session, who is in it here, and what it tells."""

    def __init__(self, name: str, wire: "Wire") -> None:
        self.cache = SessionCache(10)
        self.presence = PresencePublisher(wall=lambda: 0.0)
        self.neighbours = PresenceSync(
            name,
            publish=lambda session_id, told: wire.tell(self, session_id, told),
            request=lambda session_id, worker: wire.ask(self, session_id, worker),
            cache=self.cache,
            presence=self.presence,
        )
        self.session = self.load()
        self.client = Client()

    def load(self) -> Session:
        """Have the session in memory anew."""
        self.cache.remove(["s"])
        self.session = self.cache.add(Session(SessionRecord("s", "e", 0, 1, b"{}", 1.0, 2.0)))
        return self.session

    def come(self, name: str, called: str = "Ann") -> Member:
        """Have someone come."""
        member = Member(
            self.client, new_token(name), name=called, role="participant", languages=(), limit=1000
        )
        self.session.add(member)
        self.presence.announce(self.session, member, "joined")
        return member

    def go(self, name: str, *, left: bool = False) -> None:
        """Have someone go."""
        member = self.session.member(name)
        assert member is not None
        self.session.remove(member)
        self.presence.announce(self.session, member, "left" if left else "silent")

    @property
    def sees(self) -> set[str]:
        """Who is in the session, as it is seen here."""
        seen = {each.participant_id for each in self.session.participants()}
        assert len(seen) == min(self.session.participant_count, 100)
        return seen


class Wire:
    """What workers tell each other, unless it is cut; every message is kept with its worker."""

    def __init__(self) -> None:
        self.workers: list[Worker] = []
        self.told: list[bytes] = []
        self.asked = 0
        self.is_cut = False

    def tell(self, teller: Worker, session_id: str, told: bytes) -> None:
        """Tell all others."""
        self.told.append(told)
        for worker in self.workers:
            session = worker.cache.get(session_id)
            if worker is not teller and session is not None and not self.is_cut:
                worker.neighbours.apply(session, told)

    def ask(self, teller: Worker, session_id: str, name: str) -> None:
        """Ask all others."""
        self.asked += 1
        for worker in self.workers:
            session = worker.cache.get(session_id)
            if worker is not teller and session is not None and not self.is_cut:
                worker.neighbours.reply(session, name)


def together(size: int, play: Callable[[Wire, list[Worker]], Awaitable[None]]) -> None:
    """Run so many workers for as long as the play takes."""

    async def main() -> None:
        wire = Wire()
        wire.workers = [Worker(f"w{number}", wire) for number in range(size)]
        async with trio.open_nursery() as nursery:
            for worker in wire.workers:
                await nursery.start(worker.neighbours.run)
                await nursery.start(worker.presence.run)
            await play(wire, wire.workers)
            nursery.cancel_scope.cancel()

    run(main)


async def settle() -> None:
    """Wait until all is told."""
    await trio.sleep(5)


def test_who_comes_and_goes_is_seen_on_every_worker() -> None:
    """With what became of them, and once however they moved."""

    async def play(_: Wire, workers: list[Worker]) -> None:
        a, b, c = workers
        c.come("eve")
        a.come("ann")
        b.come("bob")
        await settle()
        assert a.sees == b.sees == c.sees == {"ann", "bob", "eve"}
        c.client.changes.clear()
        a.go("ann", left=True)
        b.go("bob")
        await settle()
        assert a.sees == b.sees == c.sees == {"eve"}
        assert sorted(c.client.changes) == [("ann", "left"), ("bob", "silent")]

    together(3, play)


def test_who_has_come_over_is_no_news() -> None:
    """The new worker tells before the old one has noticed; nobody is told that someone went."""

    async def play(_: Wire, workers: list[Worker]) -> None:
        a, b, c = workers
        c.come("eve")
        a.come("ann")
        await settle()
        c.client.changes.clear()
        member = Member(b.client, new_token("ann"), name="Ann", role="participant", languages=(), limit=1)
        b.session.add(member)
        b.presence.refresh(b.session, member)
        await settle()
        assert c.session.participant_count == 2
        a.go("ann")
        await settle()
        assert a.sees == b.sees == c.sees == {"ann", "eve"}
        assert c.client.changes == []

    together(3, play)


def test_who_looks_different_does_so_everywhere() -> None:
    """A new name reaches the other workers alone, not with all that are there."""

    async def play(wire: Wire, workers: list[Worker]) -> None:
        a, b = workers
        member = a.come("ann")
        for number in range(50):
            a.come(f"{number:02}")
        await settle()
        wire.told.clear()
        member.name = "Anna"
        a.presence.refresh(a.session, member)
        await settle()
        assert "Anna" in {each.name for each in b.session.participants()}
        (told,) = wire.told
        assert len(told) < SOMEONE + REST

    together(2, play)


def test_what_one_who_comes_costs_the_others_does_not_grow_with_the_crowd() -> None:
    """A crowd is told in a few messages of a bounded size; one who comes to it, in one small one."""

    async def play(wire: Wire, workers: list[Worker]) -> None:
        a, b = workers
        size = 5_000
        for number in range(size):
            a.come(f"{number:022}")
        await settle()
        assert b.session.participant_count == size
        assert len(wire.told) <= size / DELTA_PARTICIPANTS + 1
        assert max(len(told) for told in wire.told) < DELTA_PARTICIPANTS * SOMEONE + REST
        wire.told.clear()
        a.come("one")
        b.come("other")
        await settle()
        assert len(wire.told) == 2
        assert all(len(told) < SOMEONE + REST for told in wire.told)
        assert a.session.participant_count == b.session.participant_count == size + 2
        assert wire.asked == 0

    together(2, play)


def test_what_changes_in_a_moment_is_told_at_once() -> None:
    """Who comes and goes all the time is told of ten times a second at most."""

    async def play(wire: Wire, workers: list[Worker]) -> None:
        a, b = workers
        a.come("ann")
        began = trio.current_time()
        for number in range(1_000):
            a.come(f"{number}")
            await trio.sleep(PUBLISH_EVERY / 20)
            a.go(f"{number}")
        await settle()
        assert len(wire.told) <= (1_000 * PUBLISH_EVERY / 20) / PUBLISH_EVERY + 3
        assert trio.current_time() > began
        assert b.sees == {"ann"}

    together(2, play)


def test_who_loads_a_session_is_told_of_everyone() -> None:
    """Whoever knows nothing asks; those who know are told nothing new."""

    async def play(wire: Wire, workers: list[Worker]) -> None:
        a, b, c = workers
        a.come("ann")
        b.come("bob")
        await settle()
        b.client.changes.clear()
        c.load()
        wire.ask(c, "s", "")
        await settle()
        assert c.sees == {"ann", "bob"}
        assert b.client.changes == []

    together(3, play)


def test_what_was_missed_is_asked_for_from_the_one_who_told_it() -> None:
    """A message that was lost is noticed at the next one; only its worker answers."""

    async def play(wire: Wire, workers: list[Worker]) -> None:
        a, b, c = workers
        a.come("ann")
        c.come("eve")
        await settle()
        wire.is_cut = True
        a.come("lost")
        await settle()
        wire.is_cut = False
        wire.told.clear()
        a.come("heard")
        await settle()
        assert b.sees == c.sees == a.sees == {"ann", "lost", "heard", "eve"}
        tellers = {msgspec.json.decode(told, type=PresenceDelta).worker for told in wire.told}
        assert tellers == {"w0"}

    together(3, play)


def test_who_went_while_nothing_could_be_heard_is_gone_afterwards() -> None:
    """Also where nobody is left on their worker to say so; those who stayed are not told as having gone."""

    async def play(wire: Wire, workers: list[Worker]) -> None:
        a, b = workers
        a.come("ann")
        b.come("bob")
        await settle()
        wire.is_cut = True
        b.go("bob")
        a.come("amy")
        await settle()
        assert a.sees == {"ann", "amy", "bob"}
        wire.is_cut = False
        a.client.changes.clear()
        for worker in workers:
            worker.neighbours.resynchronise()
        await settle()
        for _ in range(3):
            a.neighbours.check_workers(frozenset({"w1"}))
            b.neighbours.check_workers(frozenset({"w0"}))
            await settle()
        assert a.sees == b.sees == {"ann", "amy"}
        assert set(a.client.changes) == {("bob", "silent")}

    together(2, play)


def test_a_worker_that_twice_gives_no_answer_is_gone_with_those_who_were_there() -> None:
    """Once may be chance."""

    async def play(_: Wire, workers: list[Worker]) -> None:
        a, b = workers
        a.come("ann")
        b.come("bob")
        await settle()
        a.neighbours.check_workers(frozenset())
        assert a.sees == {"ann", "bob"}
        a.neighbours.check_workers(frozenset({"w1"}))
        a.neighbours.check_workers(frozenset())
        assert a.sees == {"ann", "bob"}
        a.neighbours.check_workers(frozenset())
        assert a.sees == {"ann"}
        assert "0 sessions" in repr(a.neighbours)
        # It was only slow: what it tells next cannot be understood, and so is asked for.
        b.come("ben")
        await settle()
        assert a.sees == {"ann", "bob", "ben"}

    together(2, play)


def test_a_session_that_has_left_memory_leaves_nothing() -> None:
    """What was noted of it is not told, and it is not told of."""

    async def play(wire: Wire, workers: list[Worker]) -> None:
        a, b = workers
        a.come("ann")
        b.come("bob")
        await settle()
        a.neighbours.resynchronise()
        a.go("ann")
        a.cache.remove(["s"])
        a.neighbours.drop("s")
        wire.told.clear()
        await settle()
        assert not any(told.startswith(b'["w0"') for told in wire.told)
        wire.told.clear()
        a.neighbours.check_workers(frozenset({"w1"}))
        assert repr(a.neighbours) == "<PresenceSync of w0, 0 sessions, 0 pending>"
        a.load()
        member = a.come("amy")
        a.cache.remove(["s"])
        assert member.participant_id == "amy"
        await settle()
        assert wire.told == []

    together(2, play)


def test_who_is_gone_before_anyone_was_told_is_not_told_of() -> None:
    """Nothing is said about nobody."""

    async def play(wire: Wire, workers: list[Worker]) -> None:
        a, _ = workers
        for number in range(3):
            a.come(str(number))
            a.go(str(number))
        await settle()
        assert wire.told == []

    together(2, play)
