import json
import logging

import structlog
from hypothesis import given
from hypothesis import strategies as st

from orch.health.child_output import Entry, read_line

LINE = {
    "event": "engine switched",
    "engine": "faster-whisper",
    "pairs": ["en-es"],
    "level": "warning",
    "logger": "speech-engine",
    "timestamp": "2026-11-28T21:27:34Z",
}


def test_a_log_line_of_a_child_is_one_of_ours() -> None:
    """With its event, level and fields; lists stay JSON, and the time is our own."""
    assert read_line(json.dumps(LINE), "stderr") == Entry(
        logging.WARNING,
        "engine switched",
        {"engine": "faster-whisper", "pairs": '["en-es"]', "part": "speech-engine"},
    )


def test_a_traceback_of_a_child_is_a_field() -> None:
    """The logging library would print a field called ``exception`` itself, as text only."""
    read = read_line(json.dumps({"event": "failed", "exception": [{"exc_type": "ValueError"}]}), "stderr")
    assert read.fields == {"traceback": '[{"exc_type":"ValueError"}]'}


def test_other_output_is_a_field() -> None:
    for text in ("Segmentation fault", "[1]", "{", '{"event": 5}', '{"event": "a", "level": "loud"}'):
        assert read_line(text, "stdout") == Entry(logging.INFO, "output", {"stream": "stdout", "line": text})


@given(
    st.text()
    | st.dictionaries(st.text() | st.sampled_from(list(LINE)), st.text() | st.integers()).map(json.dumps)
)
def test_whatever_a_child_writes_can_be_logged(text: str) -> None:
    """A name of a field that the logging library uses itself would be an error."""
    entry = read_line(text, "stderr")
    for processor in (structlog.dev.ConsoleRenderer(), structlog.processors.JSONRenderer()):
        log = structlog.wrap_logger(structlog.ReturnLogger(), processors=[processor])
        assert entry.event in log.bind(service="audio-service").msg(entry.event, **entry.fields) or not (
            entry.event.isprintable() and entry.event.isascii()
        )
