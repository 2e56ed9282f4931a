"""What is recorded beside a session: files of sound and a tape, with rows, encrypted where there is a key."""

import zlib
from pathlib import Path
from typing import Any

import pytest
import trio

from orch.bots.observations import OwnerSeen, PeopleSeen, Person, TrackBegan
from orch.bots.recordings.files import RecordingFile
from orch.bots.requests import BotRequest, Recording
from orch.bots.runs.recording import Recordings
from orch.bots.tapes.lines import Began, decode
from orch.settings.bots import read_recording_key
from orch.stores.bot_records import AudioFile
from tests.bots.recordings.test_recorder import Rows
from tests.bots.recordings.test_takes import KEY_TEXT, sound
from tests.fakes.bot_sessions import NOW
from tests.stores.bots.test_bot_file import Given

pytestmark = pytest.mark.real_time

URL = "https://meet.google.com/abc-defg-hij"


def recordings(folder: Path, rows: Rows, *, key: str = "") -> Recordings:
    settings = Given(
        f"orchestration: {{bots: {{recordings: '{folder}'}}}}", {"ORCH_BOTS__RECORDING_KEY": key}
    )
    return Recordings(settings, rows.put, wall=lambda: NOW)


def latest(rows: Rows) -> dict[str, AudioFile]:
    """Return the last row of each file, by its kind."""
    return {str(row.metadata["kind"]): row for row in rows.files}


@pytest.mark.parametrize("key", ["", KEY_TEXT], ids=["plain", "sealed"])
async def test_sound_and_signals_are_recorded_as_they_were_asked_for(tmp_path: Path, key: str) -> None:
    """Each has a row with its hash; the tape is read as any other once it is decrypted."""
    rows = Rows()
    request = BotRequest(meeting_url=URL, recording=Recording(audio="both", format="wav", signals=True))
    made = recordings(tmp_path, rows, key=key)("s1", request, "run1")
    assert made.sink is not None
    assert made.put is not None
    began = Began(session_id="s1", started=NOW, own=("Bot",), run="run1")
    async with trio.open_nursery() as nursery:
        await nursery.start(made.run)
        made.put(began)
        made.observe(PeopleSeen(at=0.0, people=(Person(id="p", name="Ana"),)))
        made.observe(OwnerSeen(at=0.0, track="t", participant_id="p"))
        heard: list[Any] = [TrackBegan(at=0.0, track="t", layout="own"), *(sound("t", n) for n in range(4))]
        for each in heard:
            await made.sink(each)
            made.put(each)
        await made.finish()
    found = latest(rows)
    assert set(found) == {"mixed", "speaker", "signals"}
    assert {row.processing_status for row in found.values()} == {"complete"}
    assert {row.metadata["encrypted"] for row in found.values()} == {bool(key)}
    assert found["speaker"].metadata["speaker_name"] == "Ana"
    tape = found["signals"]
    assert (tape.file_name, tape.file_format) == ("signals-run1.jsonl.gz", "jsonl.gz")
    with RecordingFile(Path(tape.file_path), read_recording_key(key)) as file:
        content = file.read(0, file.size)
    lines = []
    while content:
        member = zlib.decompressobj(wbits=31)
        lines += member.decompress(content).splitlines()
        content = member.unused_data
    assert decode(lines[0]) == began
    assert len(lines) == 6


async def test_what_was_not_asked_for_is_not_recorded(tmp_path: Path) -> None:
    """No file, no row, nothing to wait for."""
    rows = Rows()
    made = recordings(tmp_path, rows)("s1", BotRequest(meeting_url=URL), "run1")
    assert (made.sink, made.put) == (None, None)
    async with trio.open_nursery() as nursery:
        await nursery.start(made.run)
        await made.finish()
    assert rows.all == []
    assert list(tmp_path.iterdir()) == []


async def test_a_folder_that_cannot_be_written_costs_the_recording_and_not_the_bot(tmp_path: Path) -> None:
    """The rows say why."""
    rows, blocked = Rows(), tmp_path / "file"
    blocked.write_bytes(b"")
    request = BotRequest(meeting_url=URL, recording=Recording(audio="mixed", signals=True))
    made: Any = recordings(blocked, rows)("s1", request, "run1")
    async with trio.open_nursery() as nursery:
        await nursery.start(made.run)
        await made.sink(sound("t", 0))
        made.put(TrackBegan(at=0.0, track="t", layout="own"))
        await made.finish()
    found = latest(rows)
    assert set(found) == {"signals"}
    assert found["signals"].processing_status == "incomplete"
    assert "has ended" in found["signals"].metadata["reason"]
    (event,) = rows.events
    assert (event.event_subtype, event.severity) == ("impossible", "warning")
    assert "cannot be written" in event.event_data["reason"]


async def test_a_cancel_closes_both(tmp_path: Path) -> None:
    """As when the service stops."""
    rows = Rows()
    request = BotRequest(meeting_url=URL, recording=Recording(audio="mixed", signals=True))
    made: Any = recordings(tmp_path, rows)("s1", request, "run1")
    async with trio.open_nursery() as nursery:
        await nursery.start(made.run)
        await made.sink(sound("t", 0))
        made.put(TrackBegan(at=0.0, track="t", layout="own"))
        await trio.sleep(0.05)
        nursery.cancel_scope.cancel()
    assert {row.processing_status for row in latest(rows).values()} == {"complete"}
