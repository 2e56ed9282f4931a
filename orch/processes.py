"""Running a child process so that none is ever left behind.

Three things can end the two processes, and no order of them may leave an orphan. The child ends: its parent
waits on the kernel's word, not on a timer, and takes its children's group with it. The parent is cancelled:
the child gets SIGTERM, then SIGKILL, within a bounded time. The parent is killed: nobody is left to act, so
the child must notice by itself; its standard input is a pipe that only the parent holds open, and it ends at
end of file. (``PR_SET_PDEATHSIG`` would need no such promise from the child, but it fires when the *thread*
that started the child ends, and needs code between fork and exec.)

A child has a session of its own, so that Ctrl-C reaches the service alone, which then stops its children in
order.
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
"""Bytes of one line of output that are kept; the rest of a longer line is dropped."""

STOP_GRACE: Final = 5.0
"""Seconds from SIGTERM to SIGKILL."""

DRAIN: Final = 1.0
"""Seconds that output is still read after the end: a grandchild may hold the pipe open."""


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """A program to keep running.

    ``env`` is added to this process's own environment, from which the service's settings are taken out: no
    token and no key goes to a child.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    name: str = ""


OnLine = Callable[[str, str], None]
"""Is given each line of output: the stream's name (``stdout`` or ``stderr``) and the text."""


async def run_child(
    spec: ProcessSpec,
    *,
    on_line: OnLine,
    on_started: Callable[[int], None] = lambda _pid: None,
    is_command: bool = False,
) -> int:
    """Run a program to its end and return its exit code (negative: the signal that ended it).

    ``on_started`` is given the process id. A program that stays has its input held open, and what it has
    started itself ends with it. A command (``is_command``) has no input, and may leave a daemon behind.

    Resource handling: when this returns or raises, the process has ended and been waited for. A cancel takes
    at most :data:`STOP_GRACE` + :data:`DRAIN` seconds.

    Error handling: ``OSError`` where the program cannot be started.
    """
    process = await trio.lowlevel.open_process(
        list(spec.argv),
        stdin=subprocess.DEVNULL if is_command else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=for_child(os.environ) | dict(spec.env),
        start_new_session=True,
    )
    # Shielded so that a child that stops can say its last words; bounded by the steps below.
    output = trio.CancelScope(shield=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_forward_output, process, on_line, output)
        try:
            on_started(process.pid)
            return await process.wait()
        finally:
            if process.returncode is None:
                await _stop(process)
            elif not is_command:
                signal_group(process.pid, signal.SIGKILL)
            if isinstance(process.stdin, trio.lowlevel.FdStream):
                process.stdin.close()
            output.deadline = trio.current_time() + DRAIN


async def _stop(process: trio.Process) -> None:
    """End the process and all it has started: first asked, then killed."""
    signal_group(process.pid, signal.SIGTERM)
    with trio.move_on_after(STOP_GRACE, shield=True):
        await process.wait()
    signal_group(process.pid, signal.SIGKILL)
    # Bounded: the kernel ends a killed process; only one in an uninterruptible system call takes longer.
    with trio.move_on_after(STOP_GRACE, shield=True):
        await process.wait()


def signal_group(pid: int, number: signal.Signals) -> None:
    """Signal the process and what it has started.

    A process that has been waited for gives its id back, but as the id of its *group* it stays taken as long
    as anyone is in that group; with nobody in it there is nothing to signal.
    """
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        return  # none is left (macOS says "not permitted" for a group of zombies)


def exit_words(code: int) -> str:
    """Return how a process ended, after its name; a negative ``code`` is the signal that ended it."""
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
                    nursery.start_soon(_forward_lines, stream, name, on_line)


async def _forward_lines(stream: trio.abc.ReceiveStream, name: str, on_line: OnLine) -> None:
    """Hand on the stream line by line; of a line over :data:`LONGEST_LINE` bytes the rest is dropped."""
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
