"""What a test of the whole service has to say besides that it passed."""

from collections.abc import Callable

import pytest


@pytest.fixture
def told(
    request: pytest.FixtureRequest,
    capfd: pytest.CaptureFixture[str],
    record_property: Callable[[str, object], None],
) -> Callable[[str], None]:
    """Return what writes a figure, or what stood in for what, between the tests' own lines and in reports."""
    terminal: pytest.TerminalReporter = request.config.pluginmanager.getplugin("terminalreporter")

    def tell(words: str) -> None:
        record_property("told", words)
        with capfd.disabled():
            terminal.ensure_newline()
            terminal.write_line(f"{request.node.name}: {words}")

    return tell
