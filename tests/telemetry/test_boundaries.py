import pytest
import trio

from orch.telemetry.boundaries import Boundary


class OddError(Exception):
    """An exception that nobody expects."""


@pytest.mark.parametrize(
    "error",
    [
        OddError("x"),
        RecursionError("x"),
        UnicodeEncodeError("ascii", "ü", 0, 1, "x"),
        ExceptionGroup("g", [OddError()]),
    ],
)
def test_whatever_an_item_raises_the_next_one_is_done(error: Exception) -> None:
    """Logged with what it was, and counted."""
    boundary = Boundary("things")
    done = []
    for number in range(3):
        with boundary.item(number=number):
            if number == 1:
                raise error
            done.append(number)
    assert (done, boundary.failures) == ([0, 2], 1)


async def test_a_cancellation_goes_on() -> None:
    boundary = Boundary("things")
    with trio.CancelScope() as scope:
        scope.cancel()
        with boundary.item():
            await trio.sleep_forever()
    assert scope.cancelled_caught
    assert boundary.failures == 0


def test_what_a_loop_ends_with_by_itself_goes_on() -> None:
    """Only that propagates, and it does not count as a failure."""
    boundary = Boundary("things")
    for over in (OddError("over"), KeyError("over")):
        with pytest.raises(type(over)), boundary.item(OddError, LookupError):
            raise over
    for error in (ValueError("odd"), KeyError("odd")):
        with boundary.item(OddError):
            raise error
    assert boundary.failures == 2
