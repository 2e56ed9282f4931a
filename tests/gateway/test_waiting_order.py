"""Who waits for a place, who is next, and who is refused."""

from hypothesis import given
from hypothesis import strategies as st

from orch.gateway.shedding.instance_places import InstancePlaces, reserved
from orch.gateway.shedding.priorities import WAITING, Priority, own_priority, priority_of
from orch.gateway.shedding.waiting_order import QueueRule, Waiter, WaitingOrder

LIVE, INTERACTIVE, BATCH = WAITING
RULES = {LIVE: QueueRule(4, 2.0), INTERACTIVE: QueueRule(4, 10.0), BATCH: QueueRule(4, 120.0)}


def order_of(*waiting: tuple[Priority, str], now: float = 0.0) -> tuple[WaitingOrder, list[Waiter]]:
    order, waiters = WaitingOrder(RULES), [Waiter(priority, caller, now) for priority, caller in waiting]
    for waiter in waiters:
        assert order.add(waiter, now) is None
    return order, waiters


def served(order: WaitingOrder, now: float = 0.0) -> list[Waiter]:
    found = []
    while (waiter := order.next(now)) is not None:
        order.remove(waiter, now)
        order.begun(waiter.caller)
        found.append(waiter)
    return found


def test_live_speech_comes_before_interactive_requests_and_those_before_batch() -> None:
    """Whatever came first."""
    order, (batch, interactive, live) = order_of((BATCH, "a"), (INTERACTIVE, "b"), (LIVE, "c"))
    assert served(order) == [live, interactive, batch]
    assert not order


def test_callers_take_turns_and_each_one_s_requests_are_served_in_order() -> None:
    """One with many requests delays nobody who has one."""
    order, (first, second, third, other) = order_of(
        (INTERACTIVE, "a"), (INTERACTIVE, "a"), (INTERACTIVE, "a"), (INTERACTIVE, "b")
    )
    assert served(order) == [first, other, second, third]


def test_a_full_queue_refuses_the_caller_with_most_requests() -> None:
    """Its newest: what it sent first is served first."""
    order, (_, _, greedy, _) = order_of(*[(BATCH, "a")] * 3, (BATCH, "b"))
    assert order.add(Waiter(BATCH, "c", 1.0), 1.0) is greedy
    own = Waiter(BATCH, "a", 2.0)
    assert order.add(own, 2.0) is own
    assert order.waiting(BATCH) == 4


def test_an_overloaded_class_serves_the_newest_and_waits_for_a_tenth_of_its_deadline() -> None:
    """Not empty for as long as its deadline: what has waited for so long is wanted by nobody."""
    order, (old,) = order_of((INTERACTIVE, "a"))
    assert not order.is_overloaded(INTERACTIVE, 9.9)
    assert order.patience(INTERACTIVE, 9.9) == 10.0
    newer, newest = Waiter(INTERACTIVE, "b", 9.0), Waiter(INTERACTIVE, "c", 9.5)
    order.add(newer, 9.0)
    order.add(newest, 9.5)
    assert order.next(9.6) is old
    assert order.is_overloaded(INTERACTIVE, 10.0)
    assert order.next(10.0) is newest
    assert order.patience(INTERACTIVE, 10.0) == 1.0
    assert order.due(10.4) == [old, newer]
    for waiter in (old, newer, newest):
        order.remove(waiter, 10.4)
    assert not order.is_overloaded(INTERACTIVE, 30.0), "its queue was empty"
    order.add(Waiter(INTERACTIVE, "d", 30.0), 30.0)
    assert order.patience(INTERACTIVE, 30.0) == 10.0


def test_under_overload_one_waits_at_least_until_a_place_is_usually_free() -> None:
    """Otherwise an engine that takes 5 s for a request would have nobody left to serve."""
    order, _ = order_of((INTERACTIVE, "a"), (INTERACTIVE, "a"), (INTERACTIVE, "a"))
    for now in (0.0, 5.0, 10.0, 15.0):
        order.begun("x")
        order.ended("x", now)
    assert order.patience(INTERACTIVE, 15.0) == 5.0
    assert order.expected(INTERACTIVE) == 15.0


def test_a_full_overloaded_queue_of_many_callers_refuses_the_oldest() -> None:
    """Of callers with one request each."""
    order, (oldest, *_) = order_of(*[(LIVE, name) for name in "abcd"])
    assert order.add(Waiter(LIVE, "e", 3.0), 3.0) is oldest


@given(st.lists(st.tuples(st.sampled_from(["add", "serve", "end", "leave"]), st.integers(0, 5)), max_size=60))
def test_nothing_is_remembered_of_what_is_over(steps: list[tuple[str, int]]) -> None:
    """However requests come, are served, end and leave: the counts agree, and the end is empty."""
    order, waiting, running = WaitingOrder(RULES), [], []
    for now, (step, number) in enumerate(steps):
        if step == "add":
            waiter = Waiter(WAITING[number % 3], str(number), float(now))
            waiting.append(waiter)
            if (refused := order.add(waiter, float(now))) is not None:
                waiting.remove(refused)
        elif step == "serve" and (first := order.next(float(now))) is not None:
            order.remove(first, float(now))
            order.begun(first.caller)
            waiting.remove(first)
            running.append(first.caller)
        elif step == "end" and running:
            order.ended(running.pop(number % len(running)), float(now))
        elif step == "leave" and waiting:
            order.remove(waiting.pop(number % len(waiting)), float(now))
        assert set(order) == set(waiting)
        assert sum(order.waiting(each) for each in WAITING) == len(waiting)
        assert all(order.waiting(each) <= RULES[each].waiting for each in WAITING)
    for waiter in waiting:
        order.remove(waiter, 99.0)
    for caller in running:
        order.ended(caller, 99.0)
    assert not order
    assert not order._callers


def test_one_place_in_four_is_for_live_requests_alone() -> None:
    """And one of two or three; a single place cannot be reserved."""
    assert [reserved(limit) for limit in (1, 2, 3, 4, 5, 8)] == [0, 1, 1, 1, 2, 2]
    places = InstancePlaces()
    places.declare(2)
    places.take(BATCH, 0.0)
    assert not places.has_room(INTERACTIVE, reserves=True)
    assert places.has_room(INTERACTIVE, reserves=False), "nobody speaks"
    assert places.has_room(LIVE, reserves=True)
    places.take(LIVE, 0.0)
    assert not places.has_room(LIVE, reserves=True)


def test_methods_that_only_read_are_control_unless_the_route_says_otherwise() -> None:
    """A list of models waits for no transcription."""
    assert priority_of("auto", "GET") is own_priority("GET") is Priority.CONTROL
    assert priority_of("auto", "POST") is INTERACTIVE
    assert priority_of("batch", "GET") is BATCH
    assert own_priority("POST") is LIVE
