import pytest

from orch.websocket.speech.pacing import AHEAD, CATCHING_UP, CatchUpLimit


def test_stored_speech_is_welcome_at_once_and_a_flood_waits() -> None:
    """90 s may come at once; beyond that, speech is accepted eight times as fast as it was spoken."""
    limit = CatchUpLimit(1000.0)
    assert limit.add(AHEAD, 1000.0) <= 1000.0
    assert limit.add(8.0, 1000.0) == pytest.approx(1001.0)
    assert limit.add(16.0, 1001.0) == pytest.approx(1003.0)


def test_speech_in_its_own_time_never_waits() -> None:
    """Nor does a pause allow more than 90 s at once afterwards."""
    limit = CatchUpLimit(0.0)
    for tenth in range(10_000):
        assert limit.add(0.1, tenth / 10) <= tenth / 10
    assert limit.add(AHEAD, 1e6) <= 1e6
    assert limit.add(CATCHING_UP, 1e6) == pytest.approx(1e6 + 1)
