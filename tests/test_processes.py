import os
import signal
import subprocess
import sys

import pytest
import trio

from orch.processes import LONGEST_LINE, ProcessSpec, run_child
from tests.fakes.health import backend
from tests.fakes.ports import free_port
from tests.fakes.processes import unreaped

pytestmark = [pytest.mark.process, pytest.mark.real_time]


class Lines:
    """The output of a child, and a way to wait for a line of it."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []
        self._came = trio.Event()

    def __call__(self, stream: str, text: str) -> None:
        self.lines.append((stream, text))
        self._came.set()
        self._came = trio.Event()

    async def having(self, text: str) -> str:
        """Wait for a line that holds ``text``."""
        while True:
            for _, line in self.lines:
                if text in line:
                    return line
            await self._came.wait()


def python(code: str, *arguments: str) -> ProcessSpec:
    return ProcessSpec(argv=(sys.executable, "-c", code, *arguments))


def exists(pid: int) -> bool:
    """Whether there is such a process, be it a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def ended(pid: int) -> None:
    """Wait until a process that is not our child has ended, by the kernel's word."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        await trio.lowlevel.wait_readable(descriptor)
    finally:
        os.close(descriptor)


async def test_output_comes_line_by_line_and_the_end_with_its_code() -> None:
    """Both streams, the last line without its newline too; what is not UTF-8 costs no line."""
    lines = Lines()
    code = (
        "import sys; sys.stdout.buffer.write(b'one\\r\\n\\xfftwo\\nlast'); "
        "sys.stderr.write('bad\\n'); sys.exit(7)"
    )
    assert await run_child(python(code), on_line=lines) == 7
    assert [text for stream, text in lines.lines if stream == "stdout"] == ["one", "�two", "last"]
    assert [text for stream, text in lines.lines if stream == "stderr"] == ["bad"]


async def test_a_line_without_an_end_costs_no_memory() -> None:
    """A line of megabytes is truncated; the next line is complete again."""
    lines = Lines()
    code = "import sys; sys.stdout.write('x' * 3_000_000 + '\\nnext\\n')"
    assert await run_child(python(code), on_line=lines) == 0
    assert [len(text) for _, text in lines.lines] == [LONGEST_LINE, 4]


async def test_a_program_that_is_not_there_is_an_error() -> None:
    """OSError, for the caller to explain; nothing is left behind."""
    with pytest.raises(FileNotFoundError):
        await run_child(ProcessSpec(argv=("/nonexistent/program",)), on_line=Lines())


async def test_the_environment_is_added_to_ours() -> None:
    """The child finds what it is given and what was there."""
    lines = Lines()
    code = "import os; print(os.environ['GIVEN'], bool(os.environ.get('PATH')))"
    spec = ProcessSpec(argv=(sys.executable, "-c", code), env={"GIVEN": "yes"})
    await run_child(spec, on_line=lines)
    assert lines.lines == [("stdout", "yes True")]


@pytest.mark.parametrize("options", [(), ("--stubborn",)])
async def test_a_cancel_leaves_no_process(options: tuple[str, ...]) -> None:
    """Neither one that ends when asked nor one that ignores it; and none waits to be reaped."""
    lines, pids = Lines(), list[int]()
    async with trio.open_nursery() as nursery:

        async def keep() -> None:
            spec = backend(free_port(), *options)
            await run_child(spec, on_line=lines, on_started=pids.append, stop_grace=0.3)

        nursery.start_soon(keep)
        await lines.having("ready")
        assert exists(pids[0])
        nursery.cancel_scope.cancel()
    assert not exists(pids[0])


async def test_a_cancel_at_any_moment_of_the_start_leaves_no_process() -> None:
    """Also while the process is only being made."""
    pids = list[int]()
    for turns in range(6):
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:

                async def keep() -> None:
                    await run_child(
                        python("import sys; sys.stdin.read()"), on_line=Lines(), on_started=pids.append
                    )

                nursery.start_soon(keep)
                for _ in range(turns):
                    await trio.lowlevel.checkpoint()
                scope.cancel()
    assert not any(exists(pid) for pid in pids)
    assert unreaped() == set()


async def test_what_a_child_has_started_ends_with_it() -> None:
    """A back end killed by signal 9 leaves no helpers that hold its port or its device."""
    lines, pids = Lines(), list[int]()

    async def kill() -> None:
        await lines.having("ready")
        os.kill(pids[0], signal.SIGKILL)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(kill)
        code = await run_child(backend(free_port(), "--grandchild"), on_line=lines, on_started=pids.append)
    assert code == -signal.SIGKILL
    await ended(int((await lines.having("grandchild")).split()[1]))


async def test_a_command_may_leave_a_daemon_behind() -> None:
    """As restart commands do; the command ends although the daemon holds its output open."""
    lines = Lines()
    code = (
        "import subprocess, sys;"
        "daemon = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
        "print(daemon.pid)"
    )
    assert await run_child(python(code), on_line=lines, is_command=True) == 0
    daemon = int(lines.lines[0][1])
    assert exists(daemon)
    os.kill(daemon, signal.SIGKILL)
    await ended(daemon)


PARENT = """
import sys, trio
from orch.processes import ProcessSpec, run_child

def on_line(stream, text):
    print(text, flush=True)

async def main():
    await run_child(
        ProcessSpec(argv=tuple(sys.argv[1:])), on_line=on_line, on_started=lambda pid: print(pid, flush=True)
    )

trio.run(main)
"""


async def test_the_parents_death_by_signal_9_ends_the_child() -> None:
    """The pipe's end of file ends it."""
    argv = [sys.executable, "-c", PARENT, *backend(free_port()).argv]
    parent = await trio.lowlevel.open_process(argv, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    heard = b""
    while b"ready" not in heard:
        heard += await parent.stdout.receive_some()
    child = int(heard.split()[0])
    assert exists(child)
    parent.send_signal(signal.SIGKILL)
    await parent.wait()
    await ended(child)
    await parent.stdout.aclose()
