"""The recorder beside a bot: rows of its files, a disk that is slow, hangs or is full, a cancel, a kill."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from orch.bots.observations import Place as PagePlace
from orch.bots.observations import PlaceSeen, Sound, TrackBegan
from orch.bots.recordings.files import RecordingFile
from orch.bots.recordings.recorder import ENDING, EVERY, PROGRESS, WRITTEN_WITHIN, Recorder, settle
from orch.bots.recordings.takes import Takes
from orch.stores.bot_records import AudioFile, Captured, SessionEvent
from tests.bots.recordings.test_takes import BLOCK, Disk, sound
from tests.fakes.bot_sessions import NOW, SqliteBotEngine, requested


async def inline(work: Callable[..., Any], *args: Any, **_: Any) -> Any:
    await trio.lowlevel.checkpoint()
    return work(*args)


class Rows:
    """What was stored."""

    def __init__(self) -> None:
        self.all: list[Captured] = []

    async def put(self, record: Captured) -> None:
        await trio.lowlevel.checkpoint()
        self.all.append(record)

    @property
    def files(self) -> list[AudioFile]:
        return [each for each in self.all if isinstance(each, AudioFile)]

    @property
    def events(self) -> list[SessionEvent]:
        return [each for each in self.all if isinstance(each, SessionEvent)]


def recorder(folder: Path, rows: Rows, *, audio: Any = "mixed", **options: Any) -> Recorder:
    takes = Takes("s1", folder, audio=audio, kind="wav", **options.pop("of_takes", {}))
    return Recorder(takes, "s1", put=rows.put, wall=lambda: NOW, **{"in_thread": inline, **options})


async def test_a_file_has_a_row_from_its_begin_to_its_end(tmp_path: Path) -> None:
    """So it is known, and deleted with the rest, whatever happens; the last row has its hash."""
    rows = Rows()
    async with trio.open_nursery() as nursery:
        made = recorder(tmp_path, rows, audio="per_speaker")
        await nursery.start(made.run)
        made.hear(PlaceSeen(at=0.0, place=PagePlace.CALL))
        made.hear(TrackBegan(at=0.0, track="t", layout="own"))
        for number in range(round(2 * (PROGRESS + 2))):
            made.hear(sound("t", number))
            await trio.sleep(0.5)
        await made.finish()
        made.hear(sound("t", 999))
    assert [row.processing_status for row in rows.files] == ["recording", "recording", "complete"]
    assert len({row.file_id for row in rows.files}) == 1
    last = rows.files[-1]
    assert (last.duration_seconds, last.chunk_start_time, last.chunk_end_time) == (32.0, 0.0, 32.0)
    assert (last.file_size, len(last.file_hash), last.file_format) == (
        Path(last.file_path).stat().st_size,
        64,
        "wav",
    )
    assert 25 < rows.files[1].duration_seconds < 32
    assert last.metadata == {"kind": "speaker", "lost_seconds": 0.0, "encrypted": False, "track": "t"}
    assert rows.events == []
    assert made.statistics().files == 1


async def test_a_slow_disk_costs_sound_that_is_said_to_be_missing(tmp_path: Path) -> None:
    """The bot is never held up; what waits is bounded."""
    rows, free = Rows(), trio.Event()

    async def slow(work: Callable[..., Any], *_: Any, **__: Any) -> Any:
        await free.wait()
        return work()

    async with trio.open_nursery() as nursery:
        made = recorder(tmp_path, rows, in_thread=slow, pending=20 * 2 * BLOCK)
        await nursery.start(made.run)
        made.hear(sound("t", 0))
        await trio.sleep(EVERY * 2)
        for number in range(1, 40):
            made.hear(sound("t", number))
        assert made.statistics().waiting <= 20 * 2 * BLOCK
        assert made.statistics().dropped == 19 * 0.5
        free.set()
        await trio.sleep(EVERY * 2)
        made.hear(sound("t", 40))
        await made.finish()
    last = rows.files[-1]
    assert (last.processing_status, last.chunk_end_time) == ("incomplete", 20.5)
    assert last.metadata["reason"] == "9.5 s are silent: the disk was too slow."
    assert rows.events[0].event_subtype == "incomplete"


async def test_a_full_disk_is_an_event_and_the_bot_goes_on(tmp_path: Path) -> None:
    """The reason is in the row, the event and the figures."""
    rows = Rows()
    async with trio.open_nursery() as nursery:
        made = recorder(tmp_path, rows, of_takes={"opens": Disk(60_000).open})
        await nursery.start(made.run)
        for number in range(40):
            made.hear(sound("t", number))
            await trio.sleep(0.5)
        assert made.statistics().fault == "The disk is full."
        await made.finish()
    assert rows.files[-1].processing_status == "incomplete"
    (event,) = rows.events
    assert (event.severity, event.event_data["reason"]) == ("warning", "The disk is full.")


async def test_a_cancel_closes_the_files(tmp_path: Path) -> None:
    """What was heard before is in them."""
    rows = Rows()
    async with trio.open_nursery() as nursery:
        made = recorder(tmp_path, rows)
        await nursery.start(made.run)
        for number in range(8):
            made.hear(sound("t", number))
        nursery.cancel_scope.cancel()
    last = rows.files[-1]
    assert (last.processing_status, last.chunk_end_time) == ("complete", 4.0)
    with RecordingFile(Path(last.file_path), None) as file:
        assert file.size == 44 + round(last.duration_seconds * 32_000)


async def test_a_disk_that_hangs_holds_up_no_stop_for_long(tmp_path: Path) -> None:
    """It is left to its thread."""

    async def hanging(*_: Any, **__: Any) -> Any:
        await trio.sleep_forever()

    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        made = recorder(tmp_path, Rows(), in_thread=hanging)
        await nursery.start(made.run)
        made.hear(sound("t", 0))
        await trio.sleep(EVERY * 1.5)
        nursery.cancel_scope.cancel()
    assert trio.current_time() - began < EVERY * 2 + WRITTEN_WITHIN + ENDING


@pytest.mark.real_time
async def test_it_writes_in_a_thread(tmp_path: Path) -> None:
    """As it does in the service."""
    rows = Rows()
    async with trio.open_nursery() as nursery:
        made = recorder(tmp_path, rows, audio="both", in_thread=trio.to_thread.run_sync)
        await nursery.start(made.run)
        for number in range(20):
            made.hear(sound("t", number))
        await made.finish()
    assert {row.processing_status for row in rows.files[-2:]} == {"complete"}


async def test_files_of_a_killed_process_are_incomplete_once_the_session_has_ended(tmp_path: Path) -> None:
    """Their rows are replaced in the store; those that were finished stay."""
    async with SqliteBotEngine(tmp_path).running() as store:
        await requested(store, 1)

        async def put(record: Captured) -> None:
            assert (await store.write([record])).stored == 1

        async with trio.open_nursery() as nursery:
            killed = Recorder(
                Takes("s1", tmp_path, audio="both", kind="flac"),
                "s1",
                put=put,
                wall=lambda: NOW,
                in_thread=inline,
            )
            await nursery.start(killed.run)
            for number in range(20):
                killed.hear(sound("t", number))
            await trio.sleep(2 * EVERY)
            finish = killed._takes.finish
            killed._takes.finish = lambda: None  # type: ignore[method-assign]  # as if killed
            nursery.cancel_scope.cancel()
        assert {row.processing_status for row in await store.audio_files("s1")} == {"recording"}
        assert await settle(store, put, "s1", wall=partial(float, NOW + 1)) == 2
        found = await store.audio_files("s1")
        assert {row.processing_status for row in found} == {"incomplete"}
        assert {row.metadata["reason"] for row in found} == {"The process that recorded it was ended."}
        assert await settle(store, put, "s1") == 0
        finish()  # the files of the test


def test_an_odd_byte_of_sound_is_left_out(tmp_path: Path) -> None:
    """A sample has two."""
    takes = Takes("s1", tmp_path, audio="per_speaker", kind="wav")
    takes.apply([Sound(at=1.0, track="t", first=0, pcm=b"\x01\x10" * 100 + b"\x01")])
    takes.finish()
    assert takes.changed()[-1].samples == 100
