"""How many requests an engine does at a time, found from how long it takes for them."""

from collections.abc import Callable

import pytest

from benchmarks.concurrency_limits import ENGINES, Ours, simulate
from orch.audio.wav import wav
from orch.gateway.shedding.found_limit import FIRST_PAUSE, FoundLimit
from orch.gateway.shedding.sound_length import sound_seconds


@pytest.mark.parametrize(("engine", "expected"), [("one at a time", 1), ("two cores", 2), ("four cores", 4)])
def test_the_limit_becomes_what_the_engine_does_at_a_time(engine: str, expected: int) -> None:
    """Within ten minutes of overload, with sounds of 1 to 15 s, and all of the engine is used."""
    capacity, most = ENGINES[engine]
    found = Ours()
    result = simulate(found, capacity, capacity(most), seed=5)
    assert result.limit == pytest.approx(expected, abs=0.1)
    assert result.done > 0.97


def run(
    found: FoundLimit, now: float, requests: int, seconds: Callable[[int], float], *, waits: bool = True
) -> float:
    """Send requests of 4 s of sound with every place taken; ``seconds`` of each by the limit."""
    for _ in range(requests):
        idle, began = found.idle(now), now
        found.occupied(found.limit, now)
        now += seconds(found.limit)
        if waits:
            found.wanted()
        found.measured(now, began=began, sound=4.0, idle=idle)
    return now


def test_it_begins_with_one_and_stays_there_while_nobody_waits() -> None:
    """More places would not be used; and whether they bring anything could not be seen."""
    found = FoundLimit()
    assert found.limit == 1
    run(found, 0.0, 100, lambda _: 1.0, waits=False)
    assert (found.limit, found.factor) == (1, 0.25)


def test_a_place_that_brings_nothing_is_given_up_and_tried_again_later() -> None:
    """An engine that does one thing at a time takes twice as long for each of two."""
    found = FoundLimit()
    now = run(found, 0.0, 6, float)
    assert found.limit == 2
    now = run(found, now, 6, float)
    assert found.limit == 1
    now = run(found, now, 12, float)
    assert found.limit == 1, "not before the pause is over"
    run(found, now + FIRST_PAUSE, 6, float)
    assert found.limit == 2


def test_an_engine_that_became_slow_is_given_less() -> None:
    """The factor at the same limit grew by more than half: something else uses the machine."""
    found = FoundLimit()
    now = run(found, 0.0, 40, lambda _: 1.0)
    now = run(found, now, 60, lambda _: 1.0, waits=False)
    limit = found.limit
    assert limit > 2
    run(found, now, 4 * limit, lambda _: 3.0, waits=False)
    assert found.limit < limit


def test_overload_halves_the_limit_and_one_is_the_least() -> None:
    """A time-out, or 503 with Retry-After."""
    found = FoundLimit()
    now = run(found, 0.0, 40, lambda _: 1.0)
    before = found.limit
    found.overloaded(now)
    assert found.limit == max(1, before // 2)
    for _ in range(10):
        found.overloaded(now)
    assert found.limit == 1


def test_what_ran_beside_a_free_place_is_not_measured() -> None:
    """It was as fast as with fewer requests, and would make a limit look better than it is."""
    found = FoundLimit()
    now = run(found, 0.0, 6, float)
    assert found.limit == 2
    for _ in range(20):
        idle = found.idle(now)
        found.occupied(1, now)
        found.measured(now + 1, began=now, sound=4.0, idle=idle)
        now += 1
    assert found.limit == 2, "no verdict"


@pytest.mark.parametrize("rate", [8_000, 16_000, 48_000])
def test_the_length_of_a_wav_file_is_read_alone_or_in_a_form(rate: int) -> None:
    """The two ways in which recordings are sent."""
    file = wav(bytes(2 * rate * 3), rate)
    assert sound_seconds(file) == 3.0
    form = (
        b'--x\r\nContent-Disposition: form-data; name="language"\r\n\r\nen\r\n--x\r\n\r\n'
        + file
        + b"\r\n--x--"
    )
    assert sound_seconds(form) == 3.0


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"RIFF",
        b"RIFF\0\0\0\0WAVE",
        b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0" + bytes(16) + b"data\x04\0\0\0abcd",
        b"RIFF\0\0\0\0WAVE" + b"junk\0\0\0\0" * 600,
        b"OggS" + bytes(100),
        b'{"text": "RIFF"}',
    ],
)
def test_a_body_without_a_readable_wav_file_has_no_length(body: bytes) -> None:
    """Cut off, without a rate, with nothing but other chunks, in another format, or no sound at all."""
    assert sound_seconds(body) is None


def test_a_file_that_promises_more_than_has_come_is_as_long_as_what_has_come() -> None:
    """Streamed files say 0 or 4 GiB."""
    file = bytearray(wav(bytes(32_000), 16_000))
    at = file.index(b"data") + 4
    for size in (0, 2**32 - 1):
        file[at : at + 4] = size.to_bytes(4, "little")
        assert sound_seconds(bytes(file)) == 1.0
