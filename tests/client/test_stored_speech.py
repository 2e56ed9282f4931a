"""The speech that the client stores, and the position at which it continues."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.client.stored_speech import BLOCK_LIMIT, LIMIT, StoredSpeech
from orch.protocol.messages import AudioStart, AudioStarted, AudioStatus

RATE = 16_000


def status(received: float, settled: float = 0.0, stream_id: str = "a") -> AudioStatus:
    return AudioStatus(
        timestamp=0,
        session_id="s",
        stream_id=stream_id,
        waiting_seconds=0.0,
        revisions_dropped=0,
        speaking=False,
        waiting_for=None,
        received_seconds=received,
        settled_seconds=settled,
    )


def started(stream_id: str = "a", **more: Any) -> AudioStarted:
    fields = {"continued": False, "position": 0.0, "received_seconds": 0.0} | more
    return AudioStarted(timestamp=0, session_id="s", stream_id=stream_id, **fields)


def stored(rate: int = RATE) -> StoredSpeech:
    return StoredSpeech(AudioStart(session_id="s", sample_rate=rate))


def sound(seconds: float, value: int = 1, rate: int = RATE) -> bytes:
    return value.to_bytes(2, "little") * round(seconds * rate)


def drained(speech: StoredSpeech) -> bytes:
    """Send all there is."""
    parts = []
    while block := speech.block():
        assert len(block) <= BLOCK_LIMIT
        speech.sent(len(block))
        parts.append(block)
    return b"".join(parts)


def test_unacknowledged_speech_is_sent_again_from_the_service_s_position() -> None:
    """Not from where it was thought to be; also in the middle of a block."""
    speech = stored()
    speech.begun(started())
    speech.add(sound(1, 1), 1.0)
    speech.add(sound(1, 2), 2.0)
    assert drained(speech) == sound(1, 1) + sound(1, 2)
    assert speech.waiting_seconds == 2
    speech.status(status(0.8))
    assert speech.waiting_seconds == pytest.approx(1.2)
    again = speech.begin(5.0)
    assert (again.stream_id, again.position, again.age) == ("a", 0.0, 5.0)
    speech.begun(started(continued=True, position=0.9, received_seconds=0.9))
    assert drained(speech) == sound(0.1, 1) + sound(1, 2)
    assert speech.waiting_seconds > 0
    speech.status(status(2.0, 2.0))
    assert speech.has_arrived
    assert speech.begin(6.0).position == 2.0


def test_published_speech_is_not_sent_again() -> None:
    speech = stored()
    speech.begun(started())
    for second in range(1, 5):
        speech.add(sound(1, second), second)
    drained(speech)
    speech.status(status(4.0))
    speech.published(2.0)
    again = speech.begin(4.0)
    assert (again.position, again.age) == (2.0, 2.0)
    speech.begun(started("b", position=2.0))
    assert drained(speech) == sound(1, 3) + sound(1, 4)
    speech.status(status(1.0, 1.0, "b"))
    speech.status(status(99.0, 99.0, "a"))
    assert speech.waiting_seconds == 1


def test_beyond_a_minute_the_oldest_is_dropped_and_reported_as_a_gap() -> None:
    """What had arrived is not lost by it."""
    speech = stored()
    speech.begun(started())
    speech.add(sound(5), 5.0)
    drained(speech)
    speech.status(status(5.0))
    for second in range(6, 70):
        speech.add(sound(1), second)
    assert speech.waiting_seconds == LIMIT
    assert speech.lost_seconds == 4
    again = speech.begin(69.0)
    assert (again.position, again.lost_seconds, again.age) == (9.0, 4.0, 60.0)
    speech.begun(started(continued=True, position=9.0, received_seconds=9.0))
    assert not speech.has_hole
    assert speech.begin(69.0).lost_seconds == 0
    speech.add(sound(3), 72.0)
    assert speech.has_hole


def test_a_service_without_acknowledgements_still_works() -> None:
    """Sent speech counts as received."""
    speech = stored()
    speech.begun(AudioStarted(timestamp=0, session_id="s", stream_id="a"))
    speech.add(sound(2), 2.0)
    assert drained(speech) == sound(2)
    assert speech.has_arrived


@given(
    st.sampled_from((8_000, 22_050, 44_100)),
    st.lists(st.tuples(st.integers(1, 9_000), st.sampled_from(("send", "ack", "lose", "move"))), max_size=50),
)
def test_the_service_gets_every_sample_once_and_in_order(rate: int, steps: list[tuple[int, str]]) -> None:
    """Whatever is lost when, whatever was acknowledged, on one worker or another."""
    speech = stored(rate)
    speech.begun(started("0"))
    spoken = 0
    service: list[bytes] = []  # what has arrived, by streams
    got = bytearray()
    stream, zero, on_its_way = 0, 0, 0
    for size, what in steps:
        pcm = b"".join((spoken + n).to_bytes(4, "little")[:2] for n in range(size))
        spoken += size
        speech.add(pcm, spoken / rate)
        if what in ("send", "ack"):
            block = speech.block()
            speech.sent(len(block))
            got += block
            on_its_way = len(block)
        if what == "ack":
            received = (len(got) // 2 - zero) / rate
            speech.status(status(round(received, 6), round(received / 2, 6), str(stream)))
            on_its_way = 0
        if what in ("lose", "move"):
            # Part of what was sent last never arrived.
            del got[len(got) - on_its_way // 4 * 2 :]
            on_its_way = 0
            before = speech.begin(spoken / rate)
            here = len(got) // 2
            if before.position > (here - zero) / rate:
                continue  # acknowledged already: this service forgets nothing that it acknowledged
            if what == "lose":
                at = round((here - zero) / rate, 6)
                speech.begun(started(str(stream), continued=True, position=at, received_seconds=at))
            else:
                stream += 1
                speech.begun(started(str(stream), position=round((here - zero) / rate, 6)))
                zero = here
    got += drained(speech)
    service.append(bytes(got))
    expected = b"".join(n.to_bytes(4, "little")[:2] for n in range(spoken))
    assert b"".join(service) == expected
