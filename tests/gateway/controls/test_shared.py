"""Commands on several workers: all of them, one of them, and those that were away or start later."""

from collections.abc import Callable

import pytest
import trio

from orch.gateway.controls.commands import Command
from orch.gateway.controls.shared import READ_EVERY, SharedControls, WorkerControlled
from orch.problems import ProblemError
from orch.stores.records import Document
from tests.fakes.gateway import GatewayRig, gateway_rig
from tests.fakes.survey import Wire

AUDIO = "audio-service"
A, B = "http://a:1", "http://b:1"
DRAIN = Command(action="drain", service=AUDIO, instance=A)


class FakeDocuments:
    """Stores documents for all workers."""

    def __init__(self) -> None:
        self.found: dict[str, Document] = {}
        self.is_away = False
        self.overtakes = 0

    async def documents(self, kind: str, *, now: float) -> tuple[Document, ...]:
        await trio.lowlevel.checkpoint()
        if self.is_away:
            raise ProblemError("store_unavailable", "The store does not respond.")
        return tuple(each for each in self.found.values() if each.kind == kind and each.expires > now)

    async def store_document(self, document: Document, *, now: float) -> bool:
        await trio.lowlevel.checkpoint()
        known = self.found.get(document.name)
        if self.overtakes:
            self.overtakes -= 1
            return False
        if document.expires <= now or document.revision != (known.revision if known else 0) + 1:
            return False
        self.found[document.name] = document
        return True

    async def delete_document(self, kind: str, name: str) -> None:
        raise NotImplementedError


class Crew:
    """Workers on one wire and one store."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.wire, self.store = Wire(), FakeDocuments()
        self._nursery = nursery
        self.rigs: list[GatewayRig] = []

    async def join(self) -> SharedControls:
        controls: SharedControls = await self._nursery.start(self._work)
        return controls

    async def _work(self, *, task_status: trio.TaskStatus[SharedControls]) -> None:
        async with gateway_rig(A, B, running=False) as rig, trio.open_nursery() as nursery:
            place = len(self.rigs)
            self.rigs.append(rig)
            controls = SharedControls(
                gateway=rig.gateway,
                store=self.store,
                survey=self.wire.worker(f"w{place}", place),
                wall=lambda: 1000.0,
            )
            await nursery.start(controls.run)
            task_status.started(controls)

    def drained(self) -> list[list[str]]:
        """Return the drained instances on each worker."""
        return [
            [one.url for one in rig.gateway.statistics().instances if one.is_drained] for rig in self.rigs
        ]


def outcomes(workers: tuple[WorkerControlled, ...]) -> list[str]:
    return [each.outcome for each in workers]


async def test_a_drain_holds_on_all_workers_and_on_those_that_start_later() -> None:
    """And a return ends it on all of them."""
    async with trio.open_nursery() as nursery:
        crew = Crew(nursery)
        one, two = await crew.join(), await crew.join()
        assert outcomes(await one.carry_out(DRAIN)) == ["done", "done"]
        assert crew.drained() == [[A], [A]]
        await crew.join()
        assert crew.drained() == [[A], [A], [A]]
        assert len(await two.carry_out(Command(action="return", service=AUDIO, instance=A))) == 3
        await trio.sleep(2 * READ_EVERY)
        assert crew.drained() == [[], [], []]
        nursery.cancel_scope.cancel()


async def test_a_worker_that_was_silent_drains_later() -> None:
    """It is named in the reply, and reads what is stored, also if it missed several commands."""
    async with trio.open_nursery() as nursery:
        crew = Crew(nursery)
        one, _ = await crew.join(), await crew.join()
        crew.wire.silent = {"w1"}
        crew.store.is_away = False
        for url in (A, B):
            done = await one.carry_out(Command(action="drain", service=AUDIO, instance=url))
            assert outcomes(done) == ["done", "no_answer"]
        crew.wire.silent = set()
        await one.carry_out(Command(action="return", service=AUDIO, instance=B))
        await trio.sleep(2 * READ_EVERY)
        assert crew.drained() == [[A], [A]]
        nursery.cancel_scope.cancel()


async def test_a_command_that_arrives_after_a_later_one_was_read_does_not_last() -> None:
    """Of two operators at two workers, the one whose command was stored later wins everywhere."""
    async with trio.open_nursery() as nursery:
        crew = Crew(nursery)
        one, two = await crew.join(), await crew.join()
        slow = crew.wire.stores["w1"]
        arrive, late = slow.surveyed, []

        def delay(payload: bytes, reply: Callable[[bytes], None]) -> None:
            late.append(payload)
            reply(b"")

        slow.surveyed = delay
        assert outcomes(await one.carry_out(DRAIN)) == ["done", "no_answer"]
        slow.surveyed = arrive
        await trio.sleep(2 * READ_EVERY)
        assert outcomes(await two.carry_out(Command(action="return", service=AUDIO, instance=A))) == [
            "done",
            "done",
        ]
        for payload in late:
            arrive(payload, lambda _: None)
        assert crew.drained() == [[], []]
        await trio.sleep(2 * READ_EVERY)
        assert crew.drained() == [[], []]
        nursery.cancel_scope.cancel()


async def test_a_command_to_one_worker_stays_there() -> None:
    """It is not stored; a command to all takes it back."""
    async with trio.open_nursery() as nursery:
        crew = Crew(nursery)
        one, _ = await crew.join(), await crew.join()
        assert outcomes(await one.carry_out(DRAIN, worker="w1")) == ["done"]
        await trio.sleep(2 * READ_EVERY)
        assert crew.drained() == [[], [A]]
        assert crew.store.found == {}
        await one.carry_out(Command(action="return", service=AUDIO, instance=A))
        assert crew.drained() == [[], []]
        with pytest.raises(ProblemError):
            await one.carry_out(DRAIN, worker="nobody")
        nursery.cancel_scope.cancel()


async def test_what_cannot_be_stored_changes_nothing() -> None:
    """What is over in a moment needs no store; one that is overtaken is made anew on top."""
    async with trio.open_nursery() as nursery:
        crew = Crew(nursery)
        one = await crew.join()
        crew.store.is_away = True
        with pytest.raises(ProblemError):
            await one.carry_out(DRAIN)
        assert crew.drained() == [[]]
        assert outcomes(await one.carry_out(Command(action="eject", service=AUDIO, instance=A))) == ["done"]
        crew.store.is_away = False
        crew.store.overtakes = 3
        await one.carry_out(DRAIN)
        assert crew.drained() == [[A]]
        crew.store.overtakes = 100
        with pytest.raises(ProblemError, match="at the same time"):
            await one.carry_out(Command(action="drain", service=AUDIO, instance=B))
        nursery.cancel_scope.cancel()


async def test_a_store_that_is_away_at_the_start_delays_nothing() -> None:
    """What is stored holds as soon as it can be read."""
    async with trio.open_nursery() as nursery:
        crew = Crew(nursery)
        one = await crew.join()
        await one.carry_out(DRAIN)
        crew.store.is_away = True
        await crew.join()
        assert crew.drained() == [[A], []]
        crew.store.is_away = False
        await trio.sleep(2 * READ_EVERY)
        assert crew.drained() == [[A], [A]]
        nursery.cancel_scope.cancel()
