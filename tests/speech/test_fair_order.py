"""Whose request is next at a back end that many want."""

from itertools import pairwise

import trio
from hypothesis import given
from hypothesis import strategies as st

from orch.speech.fair_order import FairOrder, QueuedRequest, Requester
from orch.speech.request_queue import RequestQueue


def turn(address: str, session: str = "s", stream: str = "1", *, is_final: bool = True) -> QueuedRequest:
    return QueuedRequest(Requester(address, session, stream), is_final=is_final)


def served(order: FairOrder, places: int) -> list[QueuedRequest]:
    found = []
    while (following := order.next(places)) is not None:
        found.append(following)
    return found


def test_turns_go_around_addresses_sessions_and_streams() -> None:
    """Ten streams of one address have no more turns than one stream of another."""
    order = FairOrder()
    many = [turn("flood", f"s{number % 2}", str(number)) for number in range(10)]
    for each in many:
        order.add(each)
    honest = turn("ann")
    order.add(honest)
    (first,) = served(order, 1)
    assert first is many[0]
    order.remove(first)
    (second,) = served(order, 1)
    assert second is honest
    order.remove(second)
    sessions = []
    for _ in range(9):
        (each,) = served(order, 1)
        sessions.append(each.requester.session_id)
        order.remove(each)
    assert all(one != other for one, other in pairwise(sessions[:8]))
    assert served(order, 1) == []


def test_finals_come_first_and_have_a_reserved_place() -> None:
    """Requests that no reader waits for have three quarters of the places; a correct one is promoted."""
    order = FairOrder()
    guesses = [turn(str(number), is_final=False) for number in range(6)]
    for each in guesses:
        order.add(each)
    assert served(order, 4) == guesses[:3]
    final = turn("last")
    order.add(final)
    assert served(order, 4) == [final]
    order.promote(guesses[5])
    order.remove(guesses[0])
    assert served(order, 4) == [guesses[5]]


def test_a_recording_waits_for_live_speech_and_leaves_it_a_place() -> None:
    """Its finals are read later; so they rank with revisions, and never have all places but a single one."""
    order = FairOrder()
    recording = [
        QueuedRequest(Requester(f"r{number}", "s", "1"), is_final=True, is_recording=True)
        for number in range(3)
    ]
    for each in recording:
        order.add(each)
    live = turn("ann")
    order.add(live)
    assert served(order, 1) == [live]
    order.remove(live)
    assert served(order, 2) == recording[:1]
    order.add(live := turn("ann"))
    assert served(order, 2) == [live]
    for each in (live, *recording[:1]):
        order.remove(each)
    assert served(order, 1) == recording[1:2]


def test_one_address_never_has_all_places() -> None:
    order = FairOrder()
    for number in range(8):
        order.add(turn("flood", stream=str(number)))
    assert len(served(order, 4)) == 3
    order.add(turn("ann"))
    assert [each.requester.address for each in served(order, 4)] == ["ann"]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=60))
def test_it_counts_right_whatever_happens(steps: list[tuple[str, bool]]) -> None:
    """Never more under way than places; nothing is forgotten, and nothing remains at the end."""
    order, waiting, under_way = FairOrder(), list[QueuedRequest](), list[QueuedRequest]()
    for index, (address, is_final) in enumerate(steps):
        each = turn(address, stream=str(index), is_final=is_final)
        order.add(each)
        waiting.append(each)
        if index % 3 == 1:
            order.promote(waiting[0] if waiting else under_way[0])
        for begun in served(order, 3):
            waiting.remove(begun)
            under_way.append(begun)
        assert len(under_way) == order.under_way <= 3
        assert order.waiting == len(waiting)
        if index % 2 and under_way:
            order.remove(under_way.pop(0))
        elif index % 5 == 4 and waiting:
            order.remove(waiting.pop())
    for each in [*waiting, *under_way]:
        order.remove(each)
    assert (order.waiting, order.under_way) == (0, 0)
    assert repr(order) == repr(FairOrder(_numbers=order._numbers, _served=order._served))


async def test_a_cancelled_request_frees_its_place() -> None:
    """While waiting, and while it is under way."""
    turns = RequestQueue(lambda: 1)
    log: list[str] = []

    async def ask(name: str, scope: trio.CancelScope) -> None:
        with scope:
            async with turns.slot(turn(name)):
                log.append(name)
                await trio.sleep_forever()

    scopes = [trio.CancelScope() for _ in range(3)]
    async with trio.open_nursery() as nursery:
        for name, scope in zip("abc", scopes, strict=True):
            nursery.start_soon(ask, name, scope)
            await trio.sleep(1)
        scopes[1].cancel()
        await trio.sleep(1)
        assert log == ["a"]
        scopes[0].cancel()
        await trio.sleep(1)
        assert log == ["a", "c"]
        scopes[2].cancel()
    assert repr(turns) == "<RequestQueue 0 under way, 0 wait>"
