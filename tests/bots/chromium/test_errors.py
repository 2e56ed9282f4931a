"""Which of several errors a bot reports."""

from typing import Any

import pytest

from orch.bots.chromium.errors import (
    BrowserEndedError,
    BrowserError,
    ConnectionLostError,
    PageCrashedError,
    ScriptError,
    SessionLostError,
    root_error,
)


@pytest.mark.parametrize("nested", [False, True])
def test_the_error_that_others_follow_from_is_reported(nested: bool) -> None:  # noqa: FBT001
    """In whatever order tasks fail, and however deep."""
    errors: list[BrowserError] = [
        BrowserEndedError("a"),
        PageCrashedError("b"),
        SessionLostError("c"),
        ConnectionLostError("d"),
        ScriptError("e"),
    ]
    for start in range(len(errors)):
        rest = errors[start:][::-1]
        group: Any = BaseExceptionGroup("", rest)
        if nested:
            group = BaseExceptionGroup("", [rest[0], group])
        assert root_error(group) is errors[start]
