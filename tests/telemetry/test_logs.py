"""Log lines are JSON, one an event, and keep secrets."""

import json
import logging

import pytest
import structlog

from orch.telemetry.logs import configure


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_line_carries_the_ids_that_its_task_is_bound_to(capsys: pytest.CaptureFixture[str]) -> None:
    """A request can be followed through the log."""
    configure("INFO")
    with structlog.contextvars.bound_contextvars(request_id="r-1"):
        structlog.get_logger("here").info("done", status=200)
    (line,) = lines(capsys)
    assert (line["event"], line["request_id"], line["status"], line["logger"], line["level"]) == (
        "done",
        "r-1",
        200,
        "here",
        "info",
    )
    assert "timestamp" in line


def test_a_traceback_carries_no_local_variables(capsys: pytest.CaptureFixture[str]) -> None:
    """Keys and speech stay out of the log."""
    configure("INFO")

    def fail() -> None:
        secret = "sk-" + "12345"
        raise ValueError(len(secret))

    try:
        fail()
    except ValueError:
        structlog.get_logger("here").exception("failed")
    output = capsys.readouterr().err
    assert "ValueError" in output
    assert "sk-12345" not in output


def test_libraries_that_log_the_old_way_end_in_the_same_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """One format for a collector to read."""
    configure("WARNING")
    logging.getLogger("library").warning("careful")
    logging.getLogger("library").info("not shown")
    (line,) = lines(capsys)
    assert (line["event"], line["logger"], line["level"]) == ("careful", "library", "warning")
