"""Runs child processes so that no orphan is ever left.

Three things can end parent or child, and no order of them may leave an orphan. The child ends: its parent
learns that from the kernel, without polling, and kills the child's process group. The parent is cancelled:
the child gets SIGTERM, then SIGKILL, within a bounded time. The parent is killed: it can no longer act, so
the child must notice; its standard input is a pipe that only the parent holds open, and it exits at end of
file. (``PR_SET_PDEATHSIG`` would need no cooperation from the child, but it fires when the *thread* that
started the child ends, and needs code between fork and exec.)

A child has its own process session, so that Ctrl-C reaches only the service, which then stops its children
in order.
"""

import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import trio

from orch.settings.environment import for_child

LONGEST_LINE: Final = 4096
"""Maximum bytes of a line of output; the rest of a longer line is dropped."""

STOP_GRACE: Final = 5.0
"""Seconds from SIGTERM to SIGKILL, unless others are given."""

DRAIN: Final = 1.0
"""Seconds that output is read after the child's end: a grandchild may hold the pipe open."""


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """A program to keep running.

    ``env`` is added to this process's environment without the service's settings: children get no token and
    no key. ``name``: of the child, where a service has several.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    name: str = ""


Children = Mapping[str, Mapping[str, ProcessSpec]]
"""The programs that serve instances of services: by service, then by the instance's URL."""


OnLine = Callable[[str, str], None]
"""Receives each line of output: the stream's name (``stdout`` or ``stderr``) and the text."""


async def run_child(
    spec: ProcessSpec,
    *,
    on_line: OnLine,
    on_started: Callable[[int], None] = lambda _pid: None,
    is_command: bool = False,
    stop_grace: float = STOP_GRACE,
) -> int:
    """Run a program to its end and return its exit code (negative: the signal that ended it).

    ``on_started`` receives the process id. A long-running program has its input held open, and the processes
    it has started end with it. A command (``is_command``) has no input, and may leave a daemon running.

    Resource handling: when this returns or raises, the process has ended and been waited for. A cancel takes
    at most two times ``stop_grace`` and :data:`DRAIN` seconds.

    Error handling: ``OSError`` if the program cannot be started.
    """
    process = await trio.lowlevel.open_process(
        list(spec.argv),
        stdin=subprocess.DEVNULL if is_command else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=for_child(os.environ) | dict(spec.env),
        start_new_session=True,
    )
    # Shielded, so that the last output of a stopping child is read; bounded by the steps below.
    output = trio.CancelScope(shield=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_forward_output, process, on_line, output)
        try:
            on_started(process.pid)
            return await process.wait()
        finally:
            if process.returncode is None:
                await _stop(process, stop_grace)
            elif not is_command:
                signal_group(process.pid, signal.SIGKILL)
            if isinstance(process.stdin, trio.lowlevel.FdStream):
                process.stdin.close()
            output.deadline = trio.current_time() + DRAIN


async def _stop(process: trio.Process, grace: float) -> None:
    """End the process and all it has started: SIGTERM, then SIGKILL."""
    signal_group(process.pid, signal.SIGTERM)
    with trio.move_on_after(grace, shield=True):
        await process.wait()
    signal_group(process.pid, signal.SIGKILL)
    # Bounded: a killed process ends, unless it is in an uninterruptible system call.
    with trio.move_on_after(grace, shield=True):
        await process.wait()


def signal_group(pid: int, number: signal.Signals) -> None:
    """Signal the process's group: the process and the processes it has started.

    The id of a process that has been waited for is free, but as the id of its *group* it stays in use while
    the group has members; a group without members needs no signal.
    """
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        return  # none is left (macOS says "not permitted" for a group of zombies)


def exit_words(code: int) -> str:
    """Return how a process ended, to follow its name; a negative ``code`` is the signal that ended it."""
    if code >= 0:
        return f"ended with code {code}"
    try:
        name = f" ({signal.Signals(-code).name})"
    except ValueError:
        name = ""
    return f"ended by signal {-code}{name}"


async def _forward_output(process: trio.Process, on_line: OnLine, scope: trio.CancelScope) -> None:
    with scope:
        async with trio.open_nursery() as nursery:
            for name, stream in (("stdout", process.stdout), ("stderr", process.stderr)):
                if stream is not None:
                    nursery.start_soon(forward_lines, stream, name, on_line)


async def forward_lines(stream: trio.abc.ReceiveStream, name: str, on_line: OnLine) -> None:
    """Pass the stream to ``on_line`` line by line; lines are cut to :data:`LONGEST_LINE` bytes."""
    line = bytearray()
    async with stream:
        async for part in stream:
            *complete, rest = part.split(b"\n")
            for piece in complete:
                line += piece[: LONGEST_LINE - len(line)]
                on_line(name, line.decode(errors="replace").rstrip("\r"))
                line.clear()
            line += rest[: LONGEST_LINE - len(line)]
    if line:
        on_line(name, line.decode(errors="replace"))
