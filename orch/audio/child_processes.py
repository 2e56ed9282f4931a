"""Starts and ends the child processes that decode and process audio.

They get where their modules are, one thread for arithmetic, and nothing else of the service's environment: no
secrets. Each limits itself before it reads its first byte.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, BinaryIO, Final

import trio

from orch.audio.process_limits import PRIORITY
from orch.problems import ProblemError
from orch.shortages import WORDS, own_shortage

_CLOSING: Final = 5.0
_PASSED_ON: Final = ("PATH", "PYTHONHOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", PRIORITY)
_ONE_THREAD: Final = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",
}


async def start(
    module: str,
    *arguments: str,
    stdin: int,
    refusal: str,
    stdout: int = subprocess.PIPE,
    pass_fds: Collection[int] = (),
) -> trio.Process:
    """Start ``python -m module``. ProblemError ``own_shortage``: ``refusal``, and why."""
    try:
        return await trio.lowlevel.open_process(
            [sys.executable, "-P", "-m", module, *arguments],
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.DEVNULL,
            pass_fds=tuple(pass_fds),
            env=environment(os.environ),
        )
    except OSError as error:
        shortage = own_shortage(error, starting=True)
        if shortage is None:
            raise
        raise ProblemError("own_shortage", f"{refusal}: the service is {WORDS[shortage]}.") from error


async def end(process: trio.Process) -> None:
    """Kill a process, whatever it does, and wait until it has ended."""
    with trio.move_on_after(_CLOSING, shield=True):
        process.kill()
        if process.stdout is not None:
            await process.stdout.aclose()
        await process.wait()


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a process."""
    root = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, (root, environ.get("PYTHONPATH", ""))))
    passed_on = {name: environ[name] for name in _PASSED_ON if name in environ}
    return {**passed_on, **_ONE_THREAD, "PYTHONPATH": path}


def for_reading(file: BinaryIO | IO[bytes], stack: ExitStack) -> int:
    """Return a read-only descriptor with a position of its own."""
    try:
        number = file.fileno()
        file.flush()
    except OSError:  # in memory
        spooled = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
        file.seek(0)
        shutil.copyfileobj(file, spooled)
        spooled.flush()
        number = spooled.fileno()
    try:
        descriptor = os.open(f"/proc/self/fd/{number}", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:  # no Linux
        descriptor = os.dup(number)
        os.lseek(descriptor, 0, os.SEEK_SET)
    stack.callback(os.close, descriptor)
    return descriptor
