"""What every test leaves as it was."""

import logging
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings
from playwright.sync_api import Browser, Playwright, sync_playwright

from tests.fakes.children import lasting
from tests.fakes.chromium import launch

# How long an example takes says what else the machine does.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what tests have told; they may have run in other processes, which have no terminal."""
    told = [
        f"{report.nodeid}: {words}"
        for reports in terminalreporter.stats.values()
        for report in reports
        if isinstance(report, pytest.TestReport) and report.when == "call"
        for name, words in report.user_properties
        if name == "told"
    ]
    if told:
        terminalreporter.section("told by tests")
        for line in told:
            terminalreporter.write_line(line)


#: Folders whose every test starts processes, or is in the company of those that do.
WITH_PROCESSES = {"browser", "packaging", "seed", "service", "setup", "workers"}
#: Fixtures, and parameters that name them, which start processes for many tests.
SERVERS = {"chromium", "lone_redis", "redis_cluster", "disk"}

_started: list[str] = []


def note_start(event: str, arguments: tuple[object, ...]) -> None:
    """Note that this process starts another one (an audit hook)."""
    if event in ("subprocess.Popen", "os.fork", "os.posix_spawn", "os.system"):
        _started.append(f"{event}{arguments}")


sys.addaudithook(note_start)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark what starts processes by its folder or its fixtures; others say it themselves."""
    folder = item.path.relative_to(Path(__file__).parent).parts[0]
    given = item.callspec.params.values() if hasattr(item, "callspec") else ()
    asked = {*getattr(item, "fixturenames", ()), *(each for each in given if isinstance(each, str))}
    if folder in WITH_PROCESSES or SERVERS & asked or item.get_closest_marker("sandbox"):
        item.add_marker(pytest.mark.process)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Forget what other tests have started."""
    _started.clear()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Fail what starts a process and is not marked so: `make check` takes what is not marked."""
    yield
    if _started and item.get_closest_marker("process") is None:
        pytest.fail(f"Mark this test `process`: it starts {_started[0][:200]}")


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Leave logging as it was: a command that a test runs here sets it up for the whole process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def playwright_here() -> Iterator[Playwright]:
    """One driver for all: two at once cannot live in one thread."""
    driver = sync_playwright()
    with lasting():
        playwright = driver.start()
    yield playwright
    playwright.stop()


@pytest.fixture(scope="session")
def chromium(playwright_here: Playwright) -> Iterator[Browser]:
    """One browser for all tests that need no other sound than its own; each opens windows of its own."""
    browser = launch(playwright_here)
    yield browser
    browser.close()
