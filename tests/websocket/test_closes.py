import pytest

from orch.protocol.closes import CLOSES, after


@pytest.mark.parametrize(
    ("code", "then"),
    [
        (1000, "back_off"),
        (1001, "back_off"),
        (1006, "back_off"),
        (1008, "stop"),
        (1009, "back_off"),
        (1011, "back_off"),
        (1012, "back_off"),
        (1013, "back_off"),
        (4000, "stop"),
        (4099, "stop"),
        (4100, "back_off"),
        (4199, "back_off"),
        (4200, "now"),
        (4299, "now"),
        (4300, "back_off"),
        (3000, "back_off"),
    ],
)
def test_every_code_says_what_to_do_next(code: int, then: str) -> None:
    """A client that meets a code for the first time still does the right thing."""
    assert after(code) == then


def test_the_table_agrees_with_its_ranges_and_fits_a_close_frame() -> None:
    """Our own codes are in the range of what follows; a reason has 123 bytes at most (RFC 6455 §5.5)."""
    for code, close in CLOSES.items():
        assert close.code == code
        assert len(close.reason.encode()) <= 123
        if code >= 4000:
            assert close.next == ("stop", "back_off", "now")[(code - 4000) // 100]
    names = [close.name for close in CLOSES.values()]
    assert len(set(names)) == len(names)
