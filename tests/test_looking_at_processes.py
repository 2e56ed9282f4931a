"""What tests see of processes, while these end."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from tests.fakes.patience import PATIENCE
from tests.fakes.processes import (
    children,
    command,
    family,
    is_alive,
    open_files,
    parent,
    resident,
    shared_memory,
    stat,
    unreaped,
    with_command,
)

pytestmark = [pytest.mark.process, pytest.mark.real_time]

NO_SUCH = 2**30


def test_nothing_is_seen_of_a_process_that_has_ended() -> None:
    assert (family(NO_SUCH), children(NO_SUCH)) == ([NO_SUCH], [])
    assert (stat(NO_SUCH), open_files(NO_SUCH), command(NO_SUCH)) == ([], [], b"")
    assert (parent(NO_SUCH), is_alive(NO_SUCH)) == (None, False)
    assert (resident(NO_SUCH), shared_memory(NO_SUCH)) == (0, 0)


def test_a_process_is_seen_until_it_has_ended_and_as_unreaped_until_somebody_asked() -> None:
    mark = f"a-mark-of-{os.getpid()}"
    program = [sys.executable, "-c", "import sys; sys.stdin.read()", mark]
    with subprocess.Popen(program, stdin=subprocess.PIPE) as child:
        assert child.pid in children(os.getpid())
        assert child.pid in family(os.getpid())
        assert with_command(mark.encode(), b"sys.stdin") == [child.pid]
        assert (parent(child.pid), is_alive(child.pid)) == (os.getpid(), True)
        assert resident(child.pid) >= shared_memory(child.pid) > 0
        assert any(each.startswith("pipe:") for each in open_files(child.pid))
        child.send_signal(signal.SIGKILL)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert (is_alive(child.pid), command(child.pid)) == (False, b"")
        assert child.pid not in children(os.getpid())
        assert child.pid in unreaped()
    assert child.pid not in unreaped()


def test_processes_and_threads_that_end_meanwhile_are_no_error() -> None:
    done = threading.Event()

    def come_and_go() -> None:
        while not done.is_set():
            subprocess.run(["/bin/true"], check=True, timeout=PATIENCE)

    threads = [threading.Thread(target=come_and_go) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(60):
            sum(map(shared_memory, family(os.getpid())))
            unreaped()
            with_command(b"true")
    finally:
        done.set()
        for thread in threads:
            thread.join()
