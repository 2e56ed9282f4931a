"""A tape has what was recorded, in order, says what it lacks, and never holds up the bot."""

import gzip
import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from orch.bots.observations import Place, PlaceSeen, Sound
from orch.bots.tapes.lines import Began, Line, Missed, TapeError, Ticked, encode
from orch.bots.tapes.reading import TapeReader
from orch.bots.tapes.recorder import TapeRecorder, create_file

BEGAN = Began(session_id="s-1", started=1000.0, own=("Bot",), run="1")
LINES: tuple[Line, ...] = (
    PlaceSeen(at=0.1, place=Place.CALL),
    Sound(at=0.5, track="a", first=0, pcm=bytes(range(256)) * 4),
    Ticked(at=0.75),
)


class Disk:
    """A file in memory. ``is_open``: it has been opened and not closed."""

    def __init__(self, *, fails_after: int = 10**9, held: threading.Event | None = None) -> None:
        self.data = io.BytesIO()
        self.is_open = False
        self.fails_after = fails_after
        self.held = held

    @contextmanager
    def opens(self) -> Iterator["Disk"]:
        self.is_open = True
        yield self
        self.is_open = False

    def write(self, data: bytes) -> None:
        if self.held is not None:
            assert self.held.wait(60)
        if self.data.tell() >= self.fails_after:
            raise OSError(28, "No space left on device")
        self.data.write(data)

    def flush(self) -> None:
        pass

    def lines(self) -> list[Line]:
        return list(TapeReader([self.data.getvalue()]))


@pytest.mark.real_time
async def test_what_was_recorded_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "a.tape"
    recorder = TapeRecorder(lambda: create_file(str(path)))
    async with trio.open_nursery() as nursery:
        await nursery.start(recorder.run)
        recorder.put(BEGAN)
        for line in LINES:
            recorder.put(line)
        recorder.close()
    assert list(TapeReader([path.read_bytes()])) == [BEGAN, *LINES]
    assert path.stat().st_mode & 0o777 == 0o600
    figures = recorder.statistics()
    assert (figures.lines, figures.missed, figures.fault) == (4, 0, "")
    assert figures.size == path.stat().st_size
    assert gzip.decompress(path.read_bytes()) == b"".join(map(encode, [BEGAN, *LINES]))


async def inline(work: Callable[[], Any], **_options: Any) -> Any:
    """Run at once, on the virtual clock."""
    await trio.lowlevel.checkpoint()
    return work()


async def test_blocks_are_written_while_it_records() -> None:
    """A process that is killed loses a second."""
    disk = Disk()
    recorder = TapeRecorder(disk.opens, in_thread=inline)
    async with trio.open_nursery() as nursery:
        await nursery.start(recorder.run)
        recorder.put(BEGAN)
        for line in LINES:
            recorder.put(line)
            await trio.sleep(1.5)
        assert disk.lines() == [BEGAN, *LINES]
        assert disk.is_open
        recorder.close()
    assert not disk.is_open


async def test_a_cancel_writes_what_waits_and_closes_the_file() -> None:
    disk = Disk()
    recorder = TapeRecorder(disk.opens, in_thread=inline)
    async with trio.open_nursery() as nursery:
        await nursery.start(recorder.run)
        recorder.put(BEGAN)
        await trio.testing.wait_all_tasks_blocked()
        for line in LINES:
            recorder.put(line)
        nursery.cancel_scope.cancel()
    assert disk.lines() == [BEGAN, *LINES]
    assert not disk.is_open


@pytest.mark.real_time
async def test_what_a_slow_disk_has_no_room_for_is_counted_and_marked() -> None:
    held = threading.Event()
    disk = Disk(held=held)
    recorder = TapeRecorder(disk.opens, pending=600)
    async with trio.open_nursery() as nursery:
        await nursery.start(recorder.run)
        recorder.put(BEGAN)
        recorder.put(LINES[0])
        recorder.put(LINES[1])
        recorder.put(LINES[1])
        recorder.put(LINES[2])
        held.set()
        recorder.close()
    assert disk.lines() == [BEGAN, LINES[0], Missed(lines=2), LINES[2]]
    assert recorder.statistics().missed == 2


async def test_a_full_tape_says_what_it_lacks() -> None:
    disk = Disk()
    recorder = TapeRecorder(disk.opens, largest=10, in_thread=inline)
    async with trio.open_nursery() as nursery:
        await nursery.start(recorder.run)
        recorder.put(BEGAN)
        await trio.sleep(2)
        for line in LINES:
            recorder.put(line)
        recorder.close()
    assert disk.lines() == [BEGAN, Missed(lines=3)]


async def test_a_disk_that_fails_ends_the_tape_and_not_the_bot() -> None:
    disk = Disk(fails_after=1)
    recorder = TapeRecorder(disk.opens, in_thread=inline)
    async with trio.open_nursery() as nursery:
        await nursery.start(recorder.run)
        recorder.put(BEGAN)
        await trio.sleep(2)
        recorder.put(LINES[0])
        await trio.sleep(2)
        recorder.put(LINES[1])
        assert recorder.statistics().fault == "No space left on device"
        assert recorder.statistics().missed == 2
        recorder.close()
    assert disk.lines() == [BEGAN]
    assert not disk.is_open


@pytest.mark.real_time
async def test_a_file_that_cannot_be_made_ends_the_tape_and_not_the_bot(tmp_path: Path) -> None:
    recorder = TapeRecorder(lambda: create_file(str(tmp_path / "none" / "a.tape")))
    async with trio.open_nursery() as nursery:
        await nursery.start(recorder.run)
        recorder.put(BEGAN)
    recorder.put(LINES[0])
    assert recorder.statistics().missed == 2
    assert recorder.statistics().fault == "No such file or directory"


def whole() -> bytes:
    half = gzip.compress(encode(BEGAN) + encode(LINES[0]))
    return half + gzip.compress(encode(LINES[1]) + encode(LINES[2]))


@pytest.mark.parametrize("size", [1, 7, 10**6])
def test_a_tape_is_read_in_pieces_of_any_size(size: int) -> None:
    data = whole()
    reader = TapeReader(data[at : at + size] for at in range(0, len(data), size))
    assert list(reader) == [BEGAN, *LINES]
    assert not reader.is_cut
    assert reader.count == 4


def test_a_tape_whose_end_is_missing_is_read_up_to_there() -> None:
    data = whole()
    seen = set()
    for end in range(len(gzip.compress(encode(BEGAN))), len(data)):
        reader = TapeReader([data[:end]])
        lines: list[Line] = []
        with suppress(TapeError):  # of a tape that has no whole line
            lines.extend(reader)
        assert lines == [BEGAN, *LINES][: len(lines)]
        seen.add((len(lines), reader.is_cut))
    assert {(2, False), (2, True)} <= seen
    assert max(count for count, _ in seen) >= 3


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "got nothing"),
        (b"not a tape", "after line 0"),
        (gzip.compress(b"{}\n"), "line 1: "),
        (gzip.compress(encode(LINES[0])), "line 1: expected the begin of a tape"),
        (gzip.compress(encode(BEGAN) * 2), "line 2: expected one begin"),
        (gzip.compress(encode(BEGAN) + b"x" * 100), "got nothing"),
        (gzip.compress(encode(BEGAN) + b'{"type":"unknown"}\n'), "line 2: "),
        (gzip.compress(encode(BEGAN).replace(b'"version":1', b'"version":2')), "line 1: "),
        (gzip.compress(encode(BEGAN) + b"x" * (17 * 2**20)), "expected at most"),
        (whole()[:-20] + b"xxxxxxxxxxxxxxxxxxxx" + whole(), "after line "),
    ],
    # Compressed bytes have the time in them, and the names of tests must not.
    ids=[
        "empty",
        "plain",
        "no type",
        "no begin",
        "two begins",
        "no JSON",
        "unknown type",
        "version",
        "long",
        "cut",
    ],
)
def test_what_is_no_tape_is_refused_with_the_place(data: bytes, says: str) -> None:
    if says == "got nothing" and data:
        assert list(TapeReader([data])) == [BEGAN]
        return
    with pytest.raises(TapeError, match=says):
        list(TapeReader([data]))
