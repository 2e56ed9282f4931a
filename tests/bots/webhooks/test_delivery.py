"""From the outbox to the receivers and back: with receivers of all kinds, and a store that goes away."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing

from orch.bots.bot_traces import BotTraces
from orch.bots.webhooks.delivery import (
    ATTEMPT_SECONDS,
    BODY_SECONDS,
    LEASE_SECONDS,
    POLL_SECONDS,
    RECORD_SECONDS,
    RESPONSE_BYTES,
    Deliveries,
)
from orch.bots.webhooks.exchange import Exchanges
from orch.bots.webhooks.outbox import Requeued
from orch.bots.webhooks.places import IN_SUM, OF_ONE_ENDPOINT, OF_UNPROVEN
from orch.bots.webhooks.schedule import RETRIED_FOR, State
from orch.bots.webhooks.signature import verify
from orch.bots.webhooks.targets import TargetRules
from orch.problems import ProblemError
from orch.tls.trust import TrustStore
from tests.fakes.traces import SpansKept
from tests.fakes.webhooks import (
    KEYS,
    MemoryOutbox,
    Net,
    Received,
    Receiver,
    StoredDelivery,
    read_request,
    responding,
    sending,
    wall,
)

PARENT = f"00-{'a' * 32}-{'b' * 16}-01"


class Scene:
    """An outbox, receivers, and the deliveries between them, which the test starts and stops."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.nursery = nursery
        self.net = Net(nursery)
        self.outbox = MemoryOutbox()
        self.scope = trio.CancelScope()
        self.is_stopped = True
        self.spans = SpansKept(ratio=0.0)
        self.traces = BotTraces(self.spans.tracer)
        self.deliveries = self._make()

    def endpoint(self, name: str, receiver: Receiver | OSError) -> None:
        """Add an endpoint and what listens there; each has an address of its own."""
        host = f"{name}.example"
        self.net.add(host, f"8.8.{len(self.net.hosts)}.8", receiver)
        self.outbox.add_endpoint(name, f"http://{host}/hook")

    def add(self, name: str, endpoint: str, **options: Any) -> StoredDelivery:
        """Store a delivery and say so, as the service does."""
        stored = self.outbox.add(name, endpoint, **options)
        stored.due_at = wall()
        self.deliveries.notify()
        return stored

    async def start(self) -> None:
        """Start delivering."""
        self.scope = trio.CancelScope()

        async def run(task_status: trio.TaskStatus[None]) -> None:
            self.is_stopped = False
            with self.scope:
                await self.deliveries.run(task_status=task_status)
            self.is_stopped = True

        await self.nursery.start(run)

    def restart(self) -> None:
        """Stop, and be another process."""
        self.scope.cancel()
        self.deliveries = self._make()

    def _make(self) -> Deliveries:
        rules = TargetRules(http=True)
        exchanges = Exchanges(lambda: rules, TrustStore(), resolve=self.net.resolve, connect=self.net.connect)
        return Deliveries(self.outbox, exchanges, wall=wall, draw=lambda: 0.5, traces=self.traces)


@asynccontextmanager
async def scene() -> AsyncIterator[Scene]:
    async with trio.open_nursery() as nursery:
        made = Scene(nursery)
        await made.start()
        yield made
        made.scope.cancel()
        nursery.cancel_scope.cancel()


async def settled() -> None:
    """Wait until nothing happens any more without time passing."""
    await trio.testing.wait_all_tasks_blocked()


async def hang(stream: trio.abc.Stream) -> None:
    await read_request(stream)
    await trio.sleep_forever()


async def test_a_delivery_arrives_signed_and_the_history_has_what_was_sent() -> None:
    """Byte for byte what the receiver got, and what it responded."""
    log: list[Received] = []
    async with scene() as made:
        made.endpoint("a", responding(202, body=b"thank you", log=log))
        stored = made.add("d1", "a", body=b'{"trigger":"bot.state_change"}')
        await settled()
    assert stored.state is State.DELIVERED
    (attempt,) = stored.attempts
    assert (attempt.status, attempt.response, attempt.fault, attempt.number) == (202, b"thank you", "", 1)
    assert attempt.reason == "The receiver responded 202."
    assert attempt.sent is not None
    assert log == [Received("POST /hook HTTP/1.1", attempt.sent.headers, attempt.sent.body)]
    assert (attempt.sent.url, attempt.sent.address) == ("http://a.example/hook", "8.8.0.8")
    assert dict(log[0].headers)["content-type"] == "application/json"
    assert dict(log[0].headers)["webhook-id"] == "msg_d1"
    verify(dict(log[0].headers), log[0].body, [KEYS.current], wall())


async def test_each_attempt_is_a_span_of_its_bots_trace_and_carries_it() -> None:
    """What a receiver records of it is below the attempt. Of the address there is the host alone."""
    log: list[Received] = []
    async with scene() as made:
        made.traces._running["bot"] = PARENT
        made.endpoint("a", responding(500, log=log))
        made.endpoint("gone", OSError("refused"))
        made.add("d1", "a")
        made.add("d2", "gone", bot="bot2")
        await trio.sleep(6)
        made.spans.ratio = 1.0
        made.add("d3", "gone", bot="bot3")
        await trio.sleep(1)
    first, second, third = made.spans.named("webhook.delivery")
    assert [dict(each.headers)["traceparent"] for each in log] == [first.traceparent, second.traceparent]
    assert first.trace_id == second.trace_id == "a" * 32
    assert (first.kind, first.failure) == ("client", "")
    assert first.attributes == {
        "http.request.method": "POST",
        "server.address": "a.example",
        "orch.bot_id": "bot",
        "http.response.status_code": 500,
        "error.type": "500",
    }
    assert second.attributes["http.request.resend_count"] == 1
    assert third.parent is None
    assert (third.failure, third.attributes["orch.bot_id"]) == ("unreachable", "bot3")
    assert "hook" not in made.spans.texts().replace("webhook", "")


async def test_a_delivery_that_is_not_recorded_carries_no_trace() -> None:
    log: list[Received] = []
    async with scene() as made:
        made.endpoint("a", responding(200, log=log))
        made.add("d1", "a")
        await settled()
    assert made.spans.ended == []
    assert "traceparent" not in dict(log[0].headers)


async def test_each_attempt_is_signed_for_its_own_time_with_the_same_id() -> None:
    """A receiver checks the time; by the id it knows that it is the same."""
    log: list[Received] = []
    async with scene() as made:
        made.endpoint("a", responding(500, log=log))
        stored = made.add("d1", "a")
        await trio.sleep(40)
    assert [attempt.number for attempt in stored.attempts] == [1, 2, 3]
    headers = [dict(each.headers) for each in log]
    assert {each["webhook-id"] for each in headers} == {"msg_d1"}
    times = [int(each["webhook-timestamp"]) for each in headers]
    assert [time - times[0] for time in times] == pytest.approx([0, 5, 35], abs=2 * POLL_SECONDS + 1)
    for attempt, each in zip(stored.attempts, headers, strict=True):
        verify(each, b"{}", [KEYS.current], attempt.at)


@pytest.mark.limit(2 * RETRIED_FOR)
async def test_a_receiver_that_never_answers_is_given_up_after_24_hours() -> None:
    """Each attempt times out; the history has them all, with what was sent each time."""
    async with scene() as made:
        made.endpoint("a", hang)
        stored = made.add("d1", "a")
        await trio.sleep(RETRIED_FOR + 2 * ATTEMPT_SECONDS + POLL_SECONDS)
        assert stored.state is State.FAILED
        assert len(stored.attempts) == 14
        assert {attempt.fault for attempt in stored.attempts} == {"timed_out"}
        assert {attempt.duration for attempt in stored.attempts} == {ATTEMPT_SECONDS}
        assert all(attempt.sent is not None for attempt in stored.attempts)
        assert made.deliveries.statistics().failed == 1
        assert made.deliveries.statistics().places.in_flight == 0


async def test_a_status_is_enough_also_if_the_body_never_ends() -> None:
    """The receiver has accepted it; of the body the history has the beginning."""
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nsome"
    async with scene() as made:
        made.endpoint("a", sending(head, then_hang=True))
        made.endpoint("b", sending(head))
        first, second = made.add("d1", "a"), made.add("d2", "b")
        await trio.sleep(BODY_SECONDS + 0.1)
    assert (first.state, first.attempts[0].response) == (State.DELIVERED, b"some")
    assert (second.state, second.attempts[0].response) == (State.DELIVERED, b"some")


async def test_of_a_huge_response_the_beginning_is_stored() -> None:
    """Not more than the history shows."""
    async with scene() as made:
        made.endpoint("a", responding(500, body=b"x" * 10_000_000))
        stored = made.add("d1", "a")
        await settled()
    assert stored.attempts[0].response == b"x" * RESPONSE_BYTES


async def test_410_disables_the_endpoint_and_ends_what_waits_for_it() -> None:
    """Nothing more is sent there; other endpoints are not affected."""
    log: list[Received] = []
    async with scene() as made:
        made.endpoint("a", responding(410, log=log))
        made.endpoint("b", responding(204))
        waiting = [made.add(f"d{number}", "a") for number in range(3)]
        other = made.add("o", "b")
        await trio.sleep(100)
        assert len(log) == 1
        assert [each.state for each in waiting] == [State.FAILED] * 3
        assert other.state is State.DELIVERED
        assert made.outbox.endpoints["a"].is_disabled
        assert await made.deliveries.redeliver("d1") is Requeued.DISABLED


@pytest.mark.limit(500)
async def test_a_busy_receiver_rests_as_a_whole() -> None:
    """Retry-After holds for all deliveries to it, those of other bots too."""
    log: list[Received] = []
    async with scene() as made:
        made.endpoint("a", responding(429, "retry-after: 300", log=log))
        made.add("d1", "a", bot="x")
        await settled()
        made.add("d2", "a", bot="y")
        await trio.sleep(299)
        assert len(log) == 1
        await trio.sleep(1 + POLL_SECONDS)
        assert len(log) == 2


async def test_a_redirect_is_not_followed() -> None:
    """To a private address or anywhere else."""
    async with scene() as made:
        made.endpoint("a", responding(302, "location: http://127.0.0.1/"))
        stored = made.add("d1", "a")
        await settled()
        assert made.net.connected == ["8.8.0.8 80"]
    assert "redirects are not followed" in stored.attempts[0].reason


async def test_a_name_that_leads_inside_is_not_connected_to_and_the_history_says_so() -> None:
    """Also if it was public when the endpoint was set up. Nothing was sent."""
    async with scene() as made:
        made.endpoint("a", responding(200))
        made.net.hosts["a.example"] = [["169.254.169.254"]]
        stored = made.add("d1", "a")
        await settled()
        assert made.net.connected == []
    assert (stored.attempts[0].fault, stored.attempts[0].sent) == ("refused_target", None)
    assert "link-local" in stored.attempts[0].reason


async def test_a_receivers_deliveries_of_one_bot_arrive_in_their_order() -> None:
    """One at a time, the oldest first; those of other bots at the same time."""
    log: list[bytes] = []

    async def slow(stream: trio.abc.Stream) -> None:
        received = await read_request(stream)
        await trio.sleep(1)
        log.append(received.body)
        await stream.send_all(b"HTTP/1.1 204 No Content\r\n\r\n")

    async with scene() as made:
        made.endpoint("a", slow)
        for number in range(6):
            for bot in ("x", "y"):
                made.add(f"{bot}{number}", "a", bot=bot, body=f"{bot}{number}".encode())
        await trio.sleep(7.1)
    for name in (b"x", b"y"):
        assert [each for each in log if each.startswith(name)] == [name + str(n).encode() for n in range(6)]


async def test_one_that_fails_does_not_hold_up_those_after_it() -> None:
    """It arrives later; its sequence in the payload says that it is older."""
    log: list[bytes] = []

    async def picky(stream: trio.abc.Stream) -> None:
        received = await read_request(stream)
        is_refused = received.body == b"0" and not log
        log.append(received.body)
        status = b"500 No" if is_refused else b"204 Yes"
        await stream.send_all(
            b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\n\r\n"[: None if is_refused else 2]
        )
        if not is_refused:
            await stream.send_all(b"\r\n")

    async with scene() as made:
        made.endpoint("a", picky)
        for number in range(3):
            made.add(str(number), "a", body=str(number).encode())
        await trio.sleep(10)
    assert log == [b"0", b"1", b"2", b"0"]


@pytest.mark.limit(1000)
async def test_a_slow_endpoint_holds_up_no_other() -> None:
    """A hundred that never answer, with ten deliveries each, and one that does, which do not wait."""
    async with scene() as made:
        made.endpoint("good", responding(200))
        made.add("first", "good")
        await settled()
        for number in range(100):
            made.endpoint(f"bad{number}", hang)
            for each in range(10):
                made.add(f"{number}-{each}", f"bad{number}", bot=str(each))
        for number in range(20):
            stored = made.add(f"good-{number}", "good")
            await settled()
            assert stored.state is State.DELIVERED
            assert made.deliveries.statistics().places.to_unproven == OF_UNPROVEN
            await trio.sleep(7)


@pytest.mark.limit(1000)
async def test_every_endpoint_gets_its_turn() -> None:
    """Also one that is new, behind many that never answer."""
    async with scene() as made:
        for number in range(OF_UNPROVEN):
            made.endpoint(f"bad{number}", hang)
            for each in range(10):
                made.add(f"{number}-{each}", f"bad{number}", bot=str(each))
        await settled()
        made.endpoint("new", responding(200))
        stored = [made.add(f"new-{number}", "new") for number in range(5)]
        await trio.sleep(20 * ATTEMPT_SECONDS)
        assert [each.state for each in stored] == [State.DELIVERED] * 5


async def test_deliveries_on_their_way_are_bounded_for_each_endpoint_and_in_sum() -> None:
    """What has no place stays in the outbox."""
    async with scene() as made:
        made.endpoint("a", responding(200))
        made.add("first", "a")
        await settled()
        made.net.receivers["8.8.0.8"] = hang
        for number in range(20):
            made.add(f"a{number}", "a", bot=str(number))
        await settled()
        assert made.deliveries.statistics().places.in_flight == OF_ONE_ENDPOINT
        for number in range(50):
            made.endpoint(f"e{number}", hang)
            made.add(f"e{number}", f"e{number}")
        await settled()
        most = OF_ONE_ENDPOINT + OF_UNPROVEN
        assert made.deliveries.statistics().places.in_flight == most < IN_SUM
        assert sum(each.lease_until > wall() for each in made.outbox.deliveries.values()) == most


async def test_a_cancelled_attempt_is_due_again_at_once() -> None:
    """Without a record of an attempt that has no outcome; another process takes it."""
    async with scene() as made:
        made.endpoint("a", hang)
        stored = made.add("d1", "a")
        await settled()
        assert stored.lease_until > wall()
        made.restart()
        await settled()
        assert (stored.lease_until, stored.attempts) == (0.0, [])
        made.net.receivers["8.8.0.8"] = responding(200)
        await made.start()
        await settled()
        assert stored.state is State.DELIVERED


async def test_what_was_accepted_before_a_stop_is_recorded() -> None:
    """The receiver got it: it is not sent again, though its response was still being read."""
    async with scene() as made:
        made.endpoint("a", sending(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", then_hang=True))
        stored = made.add("d1", "a")
        await settled()
        assert stored.attempts == []
        made.restart()
        await settled()
        assert (stored.state, len(stored.attempts)) == (State.DELIVERED, 1)


async def test_a_process_that_is_killed_leaves_a_lease_that_ends() -> None:
    """Then the delivery is due again."""
    async with scene() as made:
        made.endpoint("a", responding(200))
        stored = made.outbox.add("d1", "a")
        stored.lease_until = wall() + LEASE_SECONDS
        await trio.sleep(LEASE_SECONDS - POLL_SECONDS)
        assert stored.attempts == []
        await trio.sleep(2 * POLL_SECONDS)
        assert stored.state is State.DELIVERED


async def test_an_attempt_is_recorded_when_the_store_is_back() -> None:
    """And was made once."""
    log: list[Received] = []
    async with scene() as made:

        async def receive(stream: trio.abc.Stream) -> None:
            made.outbox.is_away = True
            await responding(200, log=log)(stream)

        made.endpoint("a", receive)
        stored = made.add("d1", "a")
        await trio.sleep(20)
        assert stored.attempts == []
        assert made.deliveries.statistics().store_failures > 2
        made.outbox.is_away = False
        await trio.sleep(40)
        assert (stored.state, len(log)) == (State.DELIVERED, 1)


@pytest.mark.limit(500)
async def test_if_the_store_is_away_for_longer_than_the_lease_the_delivery_is_repeated() -> None:
    """At least once: the receiver knows it by its id."""
    log: list[Received] = []
    async with scene() as made:

        async def receive(stream: trio.abc.Stream) -> None:
            made.outbox.is_away = not log
            await responding(200, log=log)(stream)

        made.endpoint("a", receive)
        stored = made.add("d1", "a")
        await trio.sleep(LEASE_SECONDS + 10)
        assert made.deliveries.statistics().unrecorded == 1
        assert made.deliveries.statistics().places.in_flight == 0
        made.outbox.is_away = False
        await trio.sleep(60)
        assert (stored.state, len(log), len(stored.attempts)) == (State.DELIVERED, 2, 1)


async def test_a_store_that_does_not_respond_does_not_hold_up_a_stop() -> None:
    """What is not recorded in time is repeated after its lease."""
    async with scene() as made:

        async def never(*_arguments: object) -> bool:
            with trio.CancelScope():
                await trio.sleep_forever()
            return False

        made.outbox.record = never  # type: ignore[method-assign, assignment]
        made.outbox.release = never  # type: ignore[method-assign, assignment]
        made.endpoint("a", responding(200))
        made.endpoint("b", hang)
        made.add("d1", "a")
        made.add("d2", "b")
        await settled()
        made.restart()
        await trio.sleep(RECORD_SECONDS + 0.1)
        assert made.is_stopped


async def test_another_error_of_the_store_ends_the_branch() -> None:
    """It is a fault of the program: the branch is restarted, and the log has it."""
    outbox = MemoryOutbox()

    async def broken(**_options: object) -> list[Any]:
        await trio.lowlevel.checkpoint()
        raise ProblemError("internal_error", "Something else.")

    outbox.claim = broken  # type: ignore[method-assign]
    deliveries = Deliveries(outbox, Exchanges(TargetRules, TrustStore()), wall=wall)
    with pytest.RaisesGroup(ProblemError):
        await deliveries.run()


async def test_a_fault_of_ours_is_an_attempt_that_failed() -> None:
    """It is retried, and the endpoint is not blamed for it."""

    class Broken(Exchanges):
        def exchange(self, *_arguments: Any, **_options: Any) -> Any:
            raise RuntimeError("a fault")

    async with scene() as made:
        made.endpoint("a", responding(200))
        made.add("first", "a")
        await settled()
        made.deliveries._exchanges = Broken(TargetRules, TrustStore())
        stored = made.add("d1", "a")
        await settled()
        assert stored.attempts[0].fault == "internal"
        assert stored.delivery.attempts == 1
        assert made.deliveries.statistics().places.proven_endpoints == 1


async def test_a_late_record_of_deleted_data_is_refused() -> None:
    """The data of the bot was deleted while the delivery was on its way: nothing of it is stored again."""
    async with scene() as made:

        async def receive(stream: trio.abc.Stream) -> None:
            made.outbox.deliveries.clear()
            await responding(500, body=b"marker")(stream)

        made.endpoint("a", receive)
        stored = made.add("d1", "a")
        await settled()
        assert made.outbox.deliveries == {}
        assert stored.attempts == []


async def test_redelivery_by_hand_sends_the_same_again() -> None:
    """Delivered or failed; it counts its attempts again. One on its way is left alone."""
    log: list[Received] = []
    async with scene() as made:
        made.endpoint("a", responding(200, log=log))
        made.endpoint("b", hang)
        stored = made.add("d1", "a", body=json.dumps({"a": 1}).encode())
        made.add("d2", "b")
        await settled()
        assert await made.deliveries.redeliver("d1") is Requeued.QUEUED
        await settled()
        assert await made.deliveries.redeliver("d2") is Requeued.IN_PROGRESS
        assert await made.deliveries.redeliver("d3") is Requeued.UNKNOWN
    assert log[0].body == log[1].body == b'{"a": 1}'
    assert [attempt.number for attempt in stored.attempts] == [1, 1]
    assert dict(log[0].headers)["webhook-id"] == dict(log[1].headers)["webhook-id"]


async def test_an_idle_outbox_is_looked_at_now_and_then() -> None:
    """Other processes store deliveries too; no busy loop."""
    async with scene() as made:
        await trio.sleep(100)
        assert 15 <= made.outbox.claims <= 25


async def test_a_delivery_that_cannot_be_signed_does_not_end_the_others() -> None:
    """It fails by itself, whatever the store holds."""
    async with scene() as made:
        made.endpoint("a", responding(200))
        odd, other = made.add("d.1 x", "a", bot="x"), made.add("d2", "a", bot="y")
        await settled()
    assert (odd.attempts[0].fault, odd.attempts[0].sent) == ("internal", None)
    assert other.state is State.DELIVERED


async def test_a_fleeting_notice_is_not_lost() -> None:
    """A delivery stored while the outbox is being read is sent at once all the same."""
    async with scene() as made:
        made.endpoint("a", responding(200))
        claim = made.outbox.claim

        async def claim_then_store(**options: Any) -> Any:
            claims = await claim(**options)
            if "d1" not in made.outbox.deliveries:
                made.add("d1", "a")
            return claims

        made.outbox.claim = claim_then_store  # type: ignore[method-assign]
        made.deliveries.notify()
        await settled()
        assert made.outbox.deliveries["d1"].state is State.DELIVERED
