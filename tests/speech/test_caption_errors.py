"""What guests read of an error: whatever it says, nothing of it reaches them."""

import pytest

from orch.problems import PROBLEMS, ProblemError
from orch.speech.caption_errors import error_text
from orch.speech.captions import caption_error

NOW = "Speech cannot be transcribed right now."
OPERATORS = (
    "audio-service is not answering: process ended by signal 9 (SIGKILL); starting again, attempt 1 of 5."
    " http://10.0.0.7:8080/v1 /srv/models/base.bin apt install apertium [Errno 111]"
)


@pytest.mark.parametrize("is_final", [True, False])
@pytest.mark.parametrize("service", ["audio-service", "translation-service"])
def test_no_word_of_an_operators_error_is_in_a_caption(service: str, *, is_final: bool) -> None:
    """Of any problem: the sentence names no service, process, address, file, number or package."""
    for code in PROBLEMS:
        error = caption_error(ProblemError(code, OPERATORS), service=service, is_final=is_final)
        assert error.detail.endswith(".")
        assert not any(character.isdigit() for character in error.detail)
        for word in ("audio-service", "signal", "process", "attempt", "http", "/", "apt ", "Errno"):
            assert word not in error.detail


def test_transient_errors_are_distinguished_from_durable_ones() -> None:
    """And the same code reads differently for speech and for a translation."""
    away = ProblemError("service_unavailable", OPERATORS)
    assert error_text(away, is_translation=False, is_final=False) == NOW
    assert error_text(away, is_translation=True, is_final=True) == "Translation is not available right now."
    refused = ProblemError("refused", OPERATORS)
    assert error_text(refused, is_translation=False, is_final=True) == "This could not be transcribed."
    assert error_text(refused, is_translation=True, is_final=True) == "This could not be translated."
