"""What the service is short of is told from what a peer does."""

import errno
import os
import resource
import socket
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from orch.shortages import ADVICE, WORDS, Shortage, in_words, own_shortage


def raised(act: Callable[[], object]) -> BaseException:
    """Return what ``act`` raises."""
    try:
        act()
    except BaseException as error:  # noqa: BLE001 - the error is what is asked for
        return error
    raise AssertionError("nothing was raised")


@pytest.mark.parametrize(
    ("number", "shortage"),
    [
        (errno.EMFILE, Shortage.DESCRIPTORS),
        (errno.ENFILE, Shortage.DESCRIPTORS),
        (errno.ENOBUFS, Shortage.MEMORY),
        (errno.ENOMEM, Shortage.MEMORY),
        (errno.ENOSPC, Shortage.DISK),
        (errno.EDQUOT, Shortage.DISK),
        (errno.EADDRNOTAVAIL, Shortage.PORTS),
    ],
)
def test_the_kernel_s_refusals_of_room_are_own_shortages(number: int, shortage: Shortage) -> None:
    """Wherever they stand: alone, as a cause, as a context, in a group within a group."""
    error = OSError(number, os.strerror(number))

    def as_cause() -> None:
        raise OSError("all attempts to connect failed") from ExceptionGroup("attempts", [error])

    def as_context() -> None:
        try:
            raise error
        except OSError:
            raise ValueError("cannot connect")  # noqa: B904 - the context is what is tried

    assert own_shortage(error) is shortage
    assert own_shortage(raised(as_cause)) is shortage
    assert own_shortage(raised(as_context)) is shortage
    assert own_shortage(BaseExceptionGroup("a", [ExceptionGroup("b", [error])])) is shortage


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(errno.ECONNREFUSED, "refused"),
        ConnectionResetError(errno.ECONNRESET, "reset"),
        TimeoutError(errno.ETIMEDOUT, "timed out"),
        OSError(errno.EHOSTUNREACH, "no route"),
        socket.gaierror(socket.EAI_NONAME, "no such host"),
        BlockingIOError(errno.EAGAIN, "again"),
        RuntimeError("something else"),
        OSError("without a number"),
        None,
    ],
)
def test_what_a_peer_does_is_no_own_shortage(error: BaseException | None) -> None:
    """A refusal, a reset, silence and a name without an address are seen of the peer."""
    assert own_shortage(error) is None


def test_a_host_without_ipv6_has_still_seen_the_refusal_over_ipv4() -> None:
    """``localhost`` is tried at ``::1``, which such a host does not have, and then at 127.0.0.1."""
    missing = OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")
    refused = ConnectionRefusedError(errno.ECONNREFUSED, "refused")
    assert own_shortage(ExceptionGroup("attempts", [missing, refused])) is None
    assert own_shortage(ExceptionGroup("attempts", [refused, missing])) is None
    assert own_shortage(ExceptionGroup("attempts", [missing, missing])) is Shortage.PORTS


def test_descriptors_that_are_used_up_are_found_in_a_real_error() -> None:
    """The limit is reached for real, and the socket's own error is judged."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(each.name) for each in Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 8, hard))
    held: list[socket.socket] = []

    def fill() -> None:
        while True:
            held.append(socket.socket())

    try:
        error = raised(fill)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for each in held:
            each.close()
    assert own_shortage(error) is Shortage.DESCRIPTORS


def test_a_full_database_is_a_full_disk() -> None:
    """SQLite is held to its pages; its own error is judged, also behind one of ours."""
    database = sqlite3.connect(":memory:", isolation_level=None)
    database.execute("PRAGMA max_page_count = 4")
    database.execute("CREATE TABLE t (x)")
    full = raised(lambda: database.execute("INSERT INTO t VALUES (zeroblob(100000))"))
    database.close()
    assert own_shortage(full) is Shortage.DISK
    problem = ValueError("cannot be stored")
    problem.__cause__ = full
    assert own_shortage(problem) is Shortage.DISK
    assert own_shortage(sqlite3.IntegrityError("constraint")) is None


def test_memory_and_threads_run_out_without_a_number() -> None:
    """Python says so with errors of its own."""
    assert own_shortage(MemoryError()) is Shortage.MEMORY
    assert own_shortage(RuntimeError("can't start new thread")) is Shortage.PROCESSES


def test_again_means_the_limit_of_processes_only_where_one_is_started() -> None:
    """``fork`` says EAGAIN there; a socket says it when there is nothing to do."""
    again = BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
    assert own_shortage(again, starting=True) is Shortage.PROCESSES
    assert own_shortage(again) is None


def test_errors_that_name_each_other_are_walked_once() -> None:
    """A circle of causes ends."""
    one, two = ValueError("one"), OSError(errno.EMFILE, "two")
    one.__cause__, two.__cause__ = two, one
    assert own_shortage(one) is Shortage.DESCRIPTORS


@pytest.mark.parametrize("shortage", Shortage)
def test_each_shortage_has_words_and_advice(shortage: Shortage) -> None:
    """Two sentences: what has happened, what to do."""
    assert WORDS[shortage]
    assert in_words(shortage).startswith("The orchestration service is out of ")
    assert in_words(shortage).endswith(ADVICE[shortage])
    assert ADVICE[shortage].endswith(".")
