"""How ``async def`` tests run (on Trio, on a virtual clock, within a limit); what each leaves as it was."""

import asyncio
import gc
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Generator, Iterator
from contextlib import nullcontext
from functools import partial, wraps
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings
from playwright.sync_api import Browser, Playwright, sync_playwright

from tests.fakes.assets import prepare_once
from tests.fakes.chromium import launch
from tests.fakes.network import links_unchanged
from tests.fakes.processes import lasting
from tests.fakes.running import PLAIN_LIMIT, REAL_LIMIT, VIRTUAL_LIMIT, ended_after, run

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
        terminalreporter.section("figures that tests measured")
        for line in told:
            terminalreporter.write_line(line)


prepare_once()

# A demo that a test starts uses PocketSphinx and downloads nothing, unless the test has it do so.
os.environ.setdefault("ORCH_DEMO_MODEL", "none")
# At a lower priority than all other tests, audio processes would not get on: tests would wait for all others.
os.environ.setdefault("ORCH_AUDIO_PRIORITY", "same")

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


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep the garbage collector from what is collected: it stays, and is the most of what there is.

    Searched again and again, it takes a fifth of the collection's time and a twelfth of that of tests which
    start no process.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Forget what other tests have started."""
    _started.clear()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """End a test that hangs; fail one that starts a process without the mark `process`."""
    with ended_after(PLAIN_LIMIT):
        yield
    if _started and item.get_closest_marker("process") is None:
        pytest.fail(f"Mark this test `process`: it starts {_started[0][:200]}")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say how each ``async def`` test is run, before pytest-trio has it run without clock and limit."""
    for item in items:
        if not isinstance(item, pytest.Function):
            continue
        runner = partial(run_marked, item)
        if (hypothesis := getattr(item.obj, "hypothesis", None)) is not None:
            # pytest-trio runs examples without asking for the runner, so each is run here.
            if iscoroutinefunction(hypothesis.inner_test):
                hypothesis.inner_test = synchronous(hypothesis.inner_test, runner)
        elif iscoroutinefunction(item.obj):
            item.add_marker(pytest.mark.trio(run=runner))


def run_marked(item: pytest.Item, test: Callable[[], Awaitable[None]], **_options: object) -> None:
    """Run a test as its markers say; pytest-trio's own options (clock, instruments) are not used."""
    virtual = item.get_closest_marker("real_time") is None
    marker = item.get_closest_marker("limit")
    default = VIRTUAL_LIMIT if virtual else REAL_LIMIT
    limit = marker.args[0] if marker else default
    try:
        run(test, virtual=virtual, limit=limit)
    except BaseExceptionGroup as group:
        # pytest-trio's nurseries wrap what the test raised.
        raise only(group) from None


def only(error: BaseException) -> BaseException:
    """Return the exception in groups of one."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        inner = error.exceptions[0]
        for note in getattr(error, "__notes__", ()):
            inner.add_note(note)
        error = inner
    return error


def synchronous(test: Callable[..., Awaitable[None]], runner: Callable[..., None]) -> Callable[..., None]:
    """Return ``test`` as a function that runs it."""

    @wraps(test)
    def run_it(*args: Any, **keywords: Any) -> None:
        runner(partial(test, *args, **keywords))

    return run_it


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Leave logging as it was: a command that a test runs here sets it up for the whole process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture(autouse=True)
def network_at_rest(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let no other process change the machine's network during a test in Chromium."""
    with links_unchanged() if "playwright_here" in request.fixturenames else nullcontext():
        yield


@pytest.fixture(scope="session")
def playwright_here() -> Iterator[Playwright]:
    """One driver for all: two at once cannot live in one thread.

    Once ``trio_asyncio`` is imported, which tests of PostgreSQL do sooner or later, asyncio's loops run on
    Trio in threads that have not named a policy.
    """
    import trio_asyncio  # noqa: F401 - it replaces functions of asyncio, so before there is a loop

    asyncio.set_event_loop_policy(asyncio.DefaultEventLoopPolicy())
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
