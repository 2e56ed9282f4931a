"""How tests are run: their clock, and the end of one that hangs."""

import time

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.running import ended_after, run


async def test_the_clock_is_virtual() -> None:
    """What only waits passes at once, and exactly."""
    begun, began = time.monotonic(), trio.current_time()
    await trio.sleep(100)
    assert trio.current_time() - began == pytest.approx(100)
    assert time.monotonic() - begun < 60


@pytest.mark.real_time
async def test_a_test_in_real_time_waits_as_long_as_it_says() -> None:
    """As the processes and sockets around it do."""
    begun = time.monotonic()
    await trio.sleep(0.05)
    assert time.monotonic() - begun > 0.04


@pytest.mark.limit(1_000)
async def test_a_limit_can_be_longer() -> None:
    """For a test of hours."""
    await trio.sleep(900)


@given(hours=st.integers(1, 100))
@pytest.mark.limit(1_000_000)
async def test_each_example_has_a_clock_of_its_own(hours: int) -> None:
    """None goes on where the one before it ended."""
    assert trio.current_time() < 1
    await trio.sleep(3600 * hours)


def test_a_test_that_hangs_fails_and_names_the_lines_at_which_it_waits() -> None:
    """Those of its own tasks as well, though its nursery ends them without a word."""

    async def waiter() -> None:
        await trio.Event().wait()

    async def hangs() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(waiter)
            await trio.sleep_forever()

    with pytest.raises(trio.TooSlowError) as caught:
        run(hangs, limit=5)
    first, *places = str(caught.value).splitlines()
    assert "hung" in first
    assert "after 5 s" in first
    assert [place.partition(": ")[2] for place in places] == [
        "await trio.sleep_forever()",
        "await trio.Event().wait()",
    ]


def test_what_a_test_that_hangs_raises_at_its_end_says_so() -> None:
    """Else one would look for the cause of the fault that was only met while it was cancelled."""

    async def hangs() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("found at the end")

    with pytest.raises(ValueError, match="found at the end") as caught:
        run(hangs)
    (note,) = caught.value.__notes__
    assert "hung" in note


def test_a_loop_that_never_ends_is_ended_where_it_is() -> None:
    """A plain function has no run to cancel."""

    def loop() -> None:
        while True:
            pass

    with pytest.raises(TimeoutError, match="hung") as caught, ended_after(0.05):
        loop()
    assert "loop" in [frame.name for frame in caught.traceback]


def test_a_limit_that_was_kept_ends_nothing_later() -> None:
    """The alarm goes off with the block."""
    with ended_after(0.05):
        pass
    time.sleep(0.1)
