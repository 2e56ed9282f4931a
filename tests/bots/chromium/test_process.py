"""A browser's processes: started, watched, ended by every end of the service. The browser is a fake one."""

import errno
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from orch.bots.chromium.arguments import Launch
from orch.bots.chromium.errors import BrowserEndedError, BrowserNotStartedError, ConnectionLostError
from orch.bots.chromium.guard import descendants
from orch.bots.chromium.process import Browser, run_browser
from orch.bots.chromium.profiles import Profiles, kill_users
from orch.shortages import Shortage
from tests.conftest import only
from tests.fakes.browser_program import program
from tests.fakes.processes import parent, unreaped, with_command

pytestmark = [pytest.mark.process, pytest.mark.real_time]

#: Processes of a fake browser: itself, a child, a grandchild that left its session.
PROCESSES = 3


def users(folder: Path) -> list[int]:
    """Return the processes whose command lines name a profile in the folder, guards included."""
    return with_command(f"{folder}{os.sep}".encode())


@pytest.fixture
def profiles(tmp_path: Path) -> Profiles:
    return Profiles(tmp_path / "profiles")


@pytest.fixture
def launch(tmp_path: Path) -> Callable[..., Launch]:
    path = program(tmp_path)
    return lambda *extra: Launch(program=path, extra=extra)


def assert_nothing_left(profiles: Profiles) -> None:
    assert users(profiles.folder) == []
    assert list(profiles.folder.iterdir()) == []
    assert unreaped() == set()


async def test_a_cancelled_browser_leaves_nothing(launch: Callable[..., Launch], profiles: Profiles) -> None:
    """No process, in no session, and no profile."""
    async with trio.open_nursery() as nursery:
        browser: Browser = await nursery.start(run_browser, launch(), profiles)
        assert browser.version == "Chrome/1.2"
        assert len(users(profiles.folder)) == PROCESSES + 1
        assert browser.process in users(profiles.folder)
        nursery.cancel_scope.cancel()
    assert_nothing_left(profiles)


async def test_a_browser_that_ignores_everything_is_ended_too(
    launch: Callable[..., Launch], profiles: Profiles
) -> None:
    """SIGTERM and the end of its pipe."""
    async with trio.open_nursery() as nursery:
        await nursery.start(run_browser, launch("--stubborn"), profiles)
        nursery.cancel_scope.cancel()
    assert_nothing_left(profiles)


async def test_a_crash_is_raised_with_its_signal(launch: Callable[..., Launch], profiles: Profiles) -> None:
    """At once, also to whom waits for a reply; the other processes end with it."""
    with pytest.RaisesGroup(BrowserEndedError) as caught:
        async with trio.open_nursery() as nursery:
            browser: Browser = await nursery.start(run_browser, launch(), profiles)
            with pytest.raises(ConnectionLostError):
                await browser.devtools.command("Browser.crash")
    assert "SIGSEGV" in str(only(caught.value))
    assert_nothing_left(profiles)


async def test_a_killed_guard_takes_the_browser_with_it(
    launch: Callable[..., Launch], profiles: Profiles
) -> None:
    """The first process by the kernel; here the service ends the others and removes the profile."""
    with pytest.RaisesGroup(BrowserEndedError):
        async with trio.open_nursery() as nursery:
            browser: Browser = await nursery.start(run_browser, launch(), profiles)
            pids = users(profiles.folder)
            guard = parent(browser.process)
            assert guard is not None
            os.kill(guard, signal.SIGKILL)
    await wait_for_end(pids)
    assert list(profiles.folder.iterdir()) == []


SERVICE = """
import sys, trio
from pathlib import Path
from orch.bots.chromium.arguments import Launch
from orch.bots.chromium.process import run_browser
from orch.bots.chromium.profiles import Profiles

async def main():
    async with trio.open_nursery() as nursery:
        launch = Launch(program=sys.argv[1], extra=("--stubborn",))
        browser = await nursery.start(run_browser, launch, Profiles(Path(sys.argv[2])))
        print(browser.process, flush=True)

trio.run(main)
"""


def service(program: str, profiles: Profiles) -> subprocess.Popen[str]:
    """Start a service with one stubborn browser, and wait until that is ready."""
    started = subprocess.Popen(
        [sys.executable, "-c", SERVICE, program, str(profiles.folder)], stdout=subprocess.PIPE, text=True
    )
    assert started.stdout is not None
    assert started.stdout.readline().strip().isdigit()
    return started


async def wait_for_end(pids: list[int]) -> None:
    """Wait until the kernel says that each has ended."""
    for pid in pids:
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        await trio.lowlevel.wait_readable(descriptor)
        os.close(descriptor)


async def test_a_killed_service_leaves_nothing(launch: Callable[..., Launch], profiles: Profiles) -> None:
    """SIGKILL, and a browser that ignores the end of its pipe: the guard ends it and removes the profile."""
    with service(launch().program, profiles) as started:
        pids = descendants(started.pid)
        assert len(pids) == PROCESSES + 1
        started.kill()
    await wait_for_end(pids)
    assert users(profiles.folder) == []
    assert [each.suffix for each in profiles.folder.iterdir()] == [".lock"]
    profiles.reap()
    assert_nothing_left(profiles)


async def test_what_a_killed_service_and_guard_leave_is_reaped(
    launch: Callable[..., Launch], profiles: Profiles
) -> None:
    """Nobody was left to act: the next start ends the processes and removes the profile."""
    with service(launch().program, profiles) as started:
        pids = descendants(started.pid)
        started.send_signal(signal.SIGSTOP)
        os.kill(pids[0], signal.SIGKILL)
        started.kill()
    await wait_for_end(pids[:1])
    assert len(profiles.reap()) == 1
    await wait_for_end(pids)
    assert_nothing_left(profiles)


async def test_a_browser_that_never_replies_ends_with_the_callers_patience(
    launch: Callable[..., Launch], profiles: Profiles
) -> None:
    """The caller's time-out, and nothing left."""
    with pytest.RaisesGroup(trio.TooSlowError):
        async with trio.open_nursery() as nursery:
            with trio.fail_after(0.5):
                await nursery.start(run_browser, launch("--mute"), profiles)
    assert_nothing_left(profiles)


@pytest.mark.parametrize(
    ("option", "words"),
    [("--fail=nothing known", "ended with code 3"), ("--fail=No usable sandbox!", "user namespaces")],
)
async def test_a_browser_that_fails_says_why(
    launch: Callable[..., Launch], profiles: Profiles, option: str, words: str
) -> None:
    """Its exit code, what its output means, and the output."""
    with pytest.RaisesGroup(BrowserNotStartedError, flatten_subgroups=True, allow_unwrapped=True) as caught:
        await run_browser(launch(option), profiles)
    error = only(caught.value)
    assert isinstance(error, BrowserNotStartedError)
    assert words in str(error)
    assert f"browser: {option.removeprefix('--fail=')}" in error.lines
    assert_nothing_left(profiles)


@pytest.mark.parametrize("mode", [None, 0o644])
async def test_a_program_that_cannot_be_started_is_named(
    tmp_path: Path, profiles: Profiles, mode: int | None
) -> None:
    """It is missing, or not executable."""
    path = tmp_path / "none"
    if mode is not None:
        path.touch(mode)
    with pytest.raises(BrowserNotStartedError, match=str(path)):
        await run_browser(Launch(program=str(path)), profiles)
    assert_nothing_left(profiles)


@pytest.mark.parametrize("call", [1, 2])
async def test_no_descriptors_is_said(
    launch: Callable[..., Launch], profiles: Profiles, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    """As a shortage of this machine; what was opened is closed."""
    real, calls = socket.socketpair, 0

    def fail() -> object:
        nonlocal calls
        calls += 1
        if calls == call:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return real()

    monkeypatch.setattr(socket, "socketpair", fail)
    with pytest.raises(BrowserNotStartedError, match="out of file descriptors") as caught:
        await run_browser(launch(), profiles)
    assert caught.value.shortage is Shortage.DESCRIPTORS
    monkeypatch.undo()
    assert_nothing_left(profiles)


async def test_a_cancel_at_any_moment_of_the_start_leaves_nothing(
    launch: Callable[..., Launch], profiles: Profiles
) -> None:
    """Also while threads, sockets and processes are only being made."""
    for turns in range(0, 40, 5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run_browser, launch(), profiles)
            for _ in range(turns):
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
    if profiles.folder.exists():
        assert_nothing_left(profiles)


def test_processes_of_other_profiles_are_left_alone(tmp_path: Path) -> None:
    """A profile whose name begins as another's."""
    code = "import sys; print(flush=True); sys.stdin.read()"
    argv = [sys.executable, "-IS", "-c", code, f"--user-data-dir={tmp_path}/ab/data"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        assert kill_users(tmp_path / "a") == []
        assert kill_users(tmp_path / "ab") == [other.pid]
        assert other.wait() == -signal.SIGKILL
