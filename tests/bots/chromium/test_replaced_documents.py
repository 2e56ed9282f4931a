"""What is asked of a page while its documents come and go."""

from typing import Any, cast

import pytest

from orch.bots.adapters.hands import is_momentary
from orch.bots.chromium.devtools import DevTools
from orch.bots.chromium.errors import CommandError, ContextGoneError
from orch.bots.chromium.failures import LogTail
from orch.bots.chromium.page import Page
from orch.bots.chromium.page_messages import PageOptions


class Refusing:
    """DevTools that refuse each command in the same words."""

    def __init__(self, words: str) -> None:
        self.words = words

    async def command(self, method: str, params: dict[str, Any], *, session: str) -> dict[str, Any]:
        raise CommandError(method, -32000, self.words)


def page(words: str) -> Page:
    return Page(cast("DevTools", Refusing(words)), "session", "target", PageOptions(), LogTail())


@pytest.mark.parametrize(
    "words", ["Inspected target navigated or closed", "Cannot find default execution context"]
)
async def test_a_document_that_is_replaced_while_it_is_asked_is_no_failure(words: str) -> None:
    """A meeting's page that goes on to the next one would have ended the bot with an internal error."""
    await page(words).ping()


async def test_what_is_pressed_in_a_document_that_is_replaced_may_be_tried_again() -> None:
    with pytest.raises(ContextGoneError) as gone:
        await page("Inspected target navigated or closed").press("Enter", 13)
    assert is_momentary(gone.value)


async def test_another_refusal_is_one() -> None:
    with pytest.raises(CommandError, match="Internal error"):
        await page("Internal error").ping()
