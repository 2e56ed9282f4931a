"""The browser of one bot as a process: started, watched, ended with everything that it has started.

The service starts a guard (:mod:`orch.bots.chromium.guard`), which starts the browser: see its essay for why.
What the service holds is a pipe to the guard; closing it, by whatever end of the service, ends the browser
and removes its profile.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final, Never

import trio
from msgspec import Struct

from orch.bots.chromium import guard
from orch.bots.chromium.arguments import Launch, command_line, data_limit, environment
from orch.bots.chromium.devtools import DevTools
from orch.bots.chromium.errors import (
    BrowserEndedError,
    BrowserNotStartedError,
    ConnectionLostError,
    DevToolsError,
)
from orch.bots.chromium.failures import LogTail, ended
from orch.bots.chromium.profiles import Profile, Profiles, link_of
from orch.bots.chromium.programs import find_program
from orch.bots.chromium.transports import PipeTransport
from orch.processes import exit_words, forward_lines
from orch.shortages import WORDS, own_shortage

ENDING: Final = 15.0
"""Seconds that the guard may take to end the browser and to remove its profile; then it is killed itself."""

CODE_PATIENCE: Final = 2.0
"""Seconds between the end of the DevTools connection and the exit code."""

BUFFER: Final = 1024 * 1024
"""Bytes that each direction of the DevTools pipe may buffer, as far as the system allows."""


class Browser(Struct, frozen=True):
    """A running browser.

    ``version``: as ``Chrome/150.0.7871.100``. ``process``: the id of its first process, 0 if it is not ours.
    ``is_sandboxed``: whether its page processes are confined. ``log``: its last lines of output.
    """

    devtools: DevTools
    version: str
    process: int
    is_sandboxed: bool
    log: LogTail


def installed(configured: str = "") -> str:
    """Return the path of Chromium on this machine (see :func:`~orch.bots.chromium.programs.find_program`)."""
    return find_program(
        configured,
        which=shutil.which,
        is_program=lambda path: Path(path).is_file() and os.access(path, os.X_OK),
    )


async def run_browser(
    launch: Launch,
    profiles: Profiles,
    *,
    log: LogTail | None = None,
    task_status: trio.TaskStatus[Browser] = trio.TASK_STATUS_IGNORED,
) -> Never:
    """Run a browser until cancelled; ``started()`` receives it once it replies over DevTools.

    The caller bounds the start: ``with trio.fail_after(n): browser = await nursery.start(run_browser, …)``.

    Resource handling: when this returns or raises, no process of the browser is left, and its profile is
    removed. That takes some 0.2 s, at most :data:`ENDING`. It also holds, without this code, when the service
    is killed.

    Error handling: BrowserNotStartedError before ``started()``, BrowserEndedError after it: at once when the
    browser crashes, is killed, or closes its connection.
    """
    tail = log if log is not None else LogTail()
    try:
        failure = await _run_once(launch, profiles, tail, task_status)
    except OSError as error:
        raise _not_started(error, tail) from error
    raise failure


async def _run_once(
    launch: Launch, profiles: Profiles, tail: LogTail, task_status: trio.TaskStatus[Browser]
) -> Exception:
    async with _guarded(launch, profiles, tail) as run:
        return await run.attend(task_status)


class _Run:
    """One browser under its guard."""

    def __init__(self, process: trio.Process, devtools: DevTools, launch: Launch, log: LogTail) -> None:
        self._process = process
        self._devtools = devtools
        self._launch = launch
        self._log = log
        self._pid = 0
        self._code: int | None = None
        self._refusal: int | None = None
        self._is_over = trio.Event()

    def read(self, _stream: str, line: str) -> None:
        """Apply a line of the guard's."""
        word, _, rest = line.partition(" ")
        if word == "started":
            self._pid = int(rest)
        elif word == "failed":
            self._refusal = int(rest)
            self._is_over.set()
        elif word == "ended":
            self._code = int(rest)
            self._is_over.set()
        elif word == "left":
            self._log.add("profile", f"not removed: {rest}")

    def close(self) -> None:
        """Note that the guard has ended; killed by somebody, it takes the browser with it."""
        self._is_over.set()

    def log(self, _stream: str, line: str) -> None:
        """Store a line of the browser's."""
        self._log.add("browser", line)

    async def attend(self, task_status: trio.TaskStatus[Browser]) -> Exception:
        """Report the start, wait for the end, and return what it means."""
        is_started = False
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._carry)
            try:
                found = await self._devtools.command("Browser.getVersion")
            except DevToolsError as error:
                self._log.add("devtools", str(error))
            else:
                is_started = True
                product = str(found.get("product", "")).replace("HeadlessChrome", "Chrome")
                task_status.started(
                    Browser(self._devtools, product, self._pid, self._launch.is_sandboxed, self._log)
                )
            if is_started:
                await self._is_over.wait()
            else:
                with trio.move_on_after(CODE_PATIENCE):
                    await self._is_over.wait()
            nursery.cancel_scope.cancel()
        return self._failure(is_started=is_started)

    def _failure(self, *, is_started: bool) -> Exception:
        if self._refusal is not None:
            refusal = OSError(self._refusal, os.strerror(self._refusal), self._launch.program)
            return _not_started(refusal, self._log)
        how = "has closed its connection"
        if self._code is not None:
            how = exit_words(self._code)
        elif self._process.returncode is not None:
            how = f"was ended: its guard process {exit_words(self._process.returncode)}"
        text, shortage = ended(how, self._code, self._log.lines)
        if is_started:
            return BrowserEndedError(text, lines=self._log.lines)
        return BrowserNotStartedError(text, shortage=shortage, lines=self._log.lines)

    async def _carry(self) -> None:
        """Carry DevTools messages; when the connection is lost, the browser's end follows soon."""
        try:
            await self._devtools.run()
        except ConnectionLostError:
            with trio.move_on_after(CODE_PATIENCE):
                await self._is_over.wait()
            self._is_over.set()


@asynccontextmanager
async def _guarded(launch: Launch, profiles: Profiles, tail: LogTail) -> AsyncIterator[_Run]:
    """Start the guard and the browser; at the end of the block, end both.

    Error handling: OSError if something cannot be created or started; BrowserNotStartedError.
    """
    template = Path(launch.template) if launch.template else None
    async with AsyncExitStack() as outer:
        profile = await outer.enter_async_context(_profile(profiles, template))
        with ExitStack() as stack:  # the browser's ends of the pipe
            commands, to_browser = _pair(outer, stack)
            messages, from_browser = _pair(outer, stack)
            transport = PipeTransport(_stream(commands), _stream(messages))
            outer.push_async_callback(transport.aclose)
            given = {
                "argv": command_line(launch, profile.data),
                "pipe": [to_browser.fileno(), from_browser.fileno()],
                "lock": profile.lock,
                "remove": [str(link_of(profile.path)), str(profile.path)],
                "grace": 0.0,
                "data_limit": data_limit(launch),
            }
            process = await _start_guard(given, profile, launch)
        run = _Run(process, DevTools(transport), launch, tail)
        output = trio.CancelScope(shield=True)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_forward, process, run, output)
            try:
                yield run
            finally:
                await _end(process)
                output.deadline = trio.current_time() + 1.0  # something may hold the pipe open


async def _start_guard(given: dict[str, Any], profile: Profile, launch: Launch) -> trio.Process:
    """Start the guard in a session of its own, so that Ctrl-C reaches the service alone."""
    return await trio.lowlevel.open_process(
        [sys.executable, "-I", "-S", guard.__file__, json.dumps(given)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=(*given["pipe"], given["lock"]),
        env=environment(os.environ, home=profile.home, language=launch.language),
        start_new_session=True,
    )


async def _end(process: trio.Process) -> None:
    """Have the guard end the browser, and wait for it."""
    if isinstance(process.stdin, trio.lowlevel.FdStream):
        process.stdin.close()
    with trio.move_on_after(ENDING, shield=True):
        await process.wait()
    if process.returncode is None:
        process.kill()
        with trio.move_on_after(ENDING, shield=True):
            await process.wait()


async def _forward(process: trio.Process, run: _Run, scope: trio.CancelScope) -> None:
    """Pass on the guard's lines and the browser's output. Shielded: the last lines say why it ended."""
    with scope:
        async with trio.open_nursery() as nursery:
            if process.stderr is not None:
                nursery.start_soon(forward_lines, process.stderr, "browser", run.log)
            if process.stdout is not None:
                await forward_lines(process.stdout, "guard", run.read)
            run.close()


@asynccontextmanager
async def _profile(profiles: Profiles, template: Path | None) -> AsyncIterator[Profile]:
    """Create a profile, and remove what the guard has left of it, in threads."""
    creating = profiles.create(template)
    profile = await trio.to_thread.run_sync(creating.__enter__)
    try:
        yield profile
    finally:
        with trio.CancelScope(shield=True):  # bounded: a removal from disk
            await trio.to_thread.run_sync(creating.__exit__, None, None, None)


def _pair(outer: AsyncExitStack, stack: ExitStack) -> tuple[socket.socket, socket.socket]:
    """Return our end (closed by ``outer``) and the browser's (by ``stack``) of one direction of the pipe.

    Sockets, as Chromium expects: it ends its reading thread with ``shutdown``.
    """
    ours, theirs = socket.socketpair()
    outer.callback(ours.close)
    stack.enter_context(theirs)
    for each in (ours, theirs):
        each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
    return ours, theirs


def _stream(ours: socket.socket) -> trio.SocketStream:
    ours.setblocking(False)  # noqa: FBT003 - the standard library's own signature
    return trio.SocketStream(trio.socket.from_stdlib_socket(ours))


def _not_started(error: OSError, log: LogTail) -> BrowserNotStartedError:
    """Return why nothing could be started: a shortage of this machine, or the system's reason."""
    shortage = own_shortage(error, starting=True)
    if shortage is not None:
        text = f"The browser cannot be started: this machine is {WORDS[shortage]}."
    else:
        name = f" {error.filename}:" if error.filename else ""
        text = f"The browser cannot be started:{name} {error.strerror or error}."
    return BrowserNotStartedError(text, shortage=shortage, lines=log.lines)
