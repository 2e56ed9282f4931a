"""For whom an instance rests that asks for it, and that one client cannot take it from the others."""

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from orch.gateway.breaker import CALLERS
from orch.gateway.flows import Flow
from orch.gateway.resting import MOST, OWN, Rests, awake, is_own_limit
from tests.fakes.gateway import GatewayRig, answering, gateway_rig, ok

AUDIO = "audio-service"
A, B = "http://a:1", "http://b:1"
BUSY = ok(b"{}", b"Retry-After: 20", status=b"429 Busy")


def test_one_refusal_is_for_its_caller_alone() -> None:
    """The others are not kept from the instance."""
    rests = Rests()
    rests.refused(100, 20, "a")
    assert (rests.until(101, "a"), rests.until(101, "b"), rests.until_for_all(101)) == (120, 0, 0)
    assert rests.until(120, "a") == 0
    assert rests.resting_callers(121) == 0


def test_refusals_of_several_callers_in_a_row_are_for_everyone() -> None:
    """Then it is not a limit of one caller; one caller however often is not several."""
    rests = Rests()
    for _ in range(50):
        rests.refused(100, 20, "a")
    assert rests.until_for_all(101) == 0
    for number in range(CALLERS - 2):
        rests.refused(100, 20, f"b{number}")
    assert rests.until_for_all(101) == 0
    rests.refused(102, 20, "c")
    assert (rests.until_for_all(103), rests.until(103, "nobody yet")) == (122, 122)


def test_a_success_of_anyone_in_between_begins_the_row_anew() -> None:
    """It shows that the others' refusals are their own."""
    rests = Rests()
    for number in range(30):
        rests.refused(100 + number, 20, f"a{number}")
        rests.succeeded(100 + number, "b")
    assert rests.until_for_all(130) == 0
    assert rests.until(130, "a29") == 149


def test_the_service_s_own_request_needs_no_second_caller() -> None:
    """No client has chosen what it sends."""
    rests = Rests()
    rests.refused(100, 20, OWN)
    assert rests.until(101, "a") == 120


def test_a_limit_of_the_client_s_account_lets_nothing_rest() -> None:
    """Not even as evidence."""
    rests = Rests()
    for number in range(10):
        rests.refused(100, 300, f"a{number}", is_own_limit=True)
    assert not rests
    assert rests.until(101, "a1") == 0


@pytest.mark.parametrize(
    ("status", "header", "is_ours", "expected"),
    [
        (429, b"authorization", False, True),
        (429, b"x-api-key", False, True),
        (429, b"authorization", True, False),
        (429, b"accept", False, False),
        (503, b"authorization", False, False),
    ],
)
def test_whose_limit_it_is(status: int, header: bytes, *, is_ours: bool, expected: bool) -> None:
    """That of the client's account only where its credentials were sent; 503 is about the server."""
    assert is_own_limit(status, [b"host", header], is_ours=is_ours) is expected


def test_a_later_success_ends_a_rest_and_an_earlier_one_does_not() -> None:
    """A response to what was sent before the refusal shows nothing about the time after it."""
    rests = Rests()
    rests.refused(100, 20, "a")
    rests.refused(100, 60, OWN)
    rests.succeeded(99, "a")
    assert (rests.until_for_all(101), rests.until(101, "a")) == (160, 160)
    rests.succeeded(101, "b")
    assert (rests.until_for_all(102), rests.until(102, "a")) == (0, 120)
    rests.succeeded(102, "a")
    assert not rests


def test_the_later_end_of_two_rests_counts() -> None:
    """A short one does not shorten a long one."""
    rests = Rests()
    rests.refused(100, 60, OWN)
    rests.refused(110, 1, OWN)
    assert rests.until_for_all(111) == 160
    rests.refused(120, 100, OWN)
    assert rests.until_for_all(121) == 220


def test_no_number_of_callers_takes_memory_without_an_end() -> None:
    """The rest that ends first is forgotten."""
    rests = Rests()
    for number in range(MOST + 50):
        rests.refused(100, 20 + number, f"a{number}")
        rests.succeeded(100, "b")
    assert rests.resting_callers(101) == MOST
    assert (rests.until(101, "a0"), rests.until(101, f"a{MOST + 49}")) == (0, 120 + MOST + 49)


def test_of_resting_instances_the_one_that_rests_shortest_is_asked() -> None:
    """Rather than nobody; those that do not rest come first."""
    assert awake([0, 50, 9], 10) == [0, 2]
    assert awake([40, 30, 30], 10) == [1, 2]
    assert awake([], 10) == []


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["refused", "own limit", "succeeded"]),
            st.sampled_from(["abuser", "other"]),
            st.floats(0, 300),
        ),
        max_size=60,
    )
)
def test_no_course_of_two_callers_lets_a_third_rest(steps: list[tuple[str, str, float]]) -> None:
    """Fewer than CALLERS callers reach nobody else, whatever they do and are answered."""
    rests = Rests()
    for at, (what, caller, seconds) in enumerate(steps):
        if what == "succeeded":
            rests.succeeded(at - seconds, caller)
        else:
            rests.refused(at, seconds, caller, is_own_limit=what == "own limit")
    assert rests.until(len(steps), "third") == 0


async def ask(rig: GatewayRig, caller: str) -> tuple[int, str]:
    """Send a client's request; return the status and the instance of the response."""
    got = await rig.gateway.fetch(AUDIO, "POST", "/x", body=b"x", flow=Flow.REQUESTS, caller=caller)
    return got.status, got.instance


async def test_one_client_s_refusals_take_the_instance_from_nobody_else() -> None:
    """An abusive one gets its 429, and every request of another one is served by both instances."""
    limited = 0

    async def serve(stream: trio.abc.Stream) -> None:
        nonlocal limited
        data = await stream.receive_some()
        while data:
            is_abuser = b"abuser" in data
            limited += is_abuser
            await stream.send_all(BUSY if is_abuser else ok())
            data = await stream.receive_some()

    async with gateway_rig(A, B, retries=1) as rig:
        rig.network.servers["a:1"] = rig.network.servers["b:1"] = serve
        for _ in range(20):
            got = await rig.gateway.fetch(
                AUDIO, "POST", "/x", body=b"abuser", flow=Flow.REQUESTS, caller="192.0.2.1"
            )
            assert (got.status, dict(got.headers)[b"retry-after"]) == (429, b"20")
        others = [await ask(rig, f"192.0.2.{number}") for number in range(2, 22)]
        assert {status for status, _ in others} == {200}
        assert [instance for _, instance in others].count(A) == 10
        lanes = [lane for one in rig.gateway.statistics().instances for lane in one.lanes]
        assert {lane.rests_for for lane in lanes} == {None}
        assert sum(lane.resting_callers for lane in lanes) == 2
        assert limited >= 20


async def test_a_vendor_that_refuses_several_clients_rests_for_all_of_them() -> None:
    """Then its limit is not one client's, and the other instance gets the requests meanwhile."""
    asked: list[bytes] = []
    async with gateway_rig(A, B) as rig:
        rig.network.servers["a:1"] = answering(BUSY, seen=asked)
        rig.network.servers["b:1"] = answering(ok())
        for number in range(30):
            assert (await ask(rig, f"192.0.2.{number}"))[0] == 200
        assert len(asked) == CALLERS
        lane = next(
            lane
            for one in rig.gateway.statistics().instances
            if one.url == A
            for lane in one.lanes
            if lane.flow == "requests"
        )
        assert lane.rests_for == pytest.approx(20)
