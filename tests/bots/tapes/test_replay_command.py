"""``python -m orch.bots.replay``: what it prints, writes and refuses."""

import gzip
import json
import wave
from base64 import b64encode
from pathlib import Path

import pytest

from orch.bots.observations import PeopleSeen, Person, Sound, SoundLost, TrackBegan
from orch.bots.recordings.decrypt import VARIABLE
from orch.bots.recordings.files import create
from orch.bots.replay import run
from orch.bots.tapes.lines import Began, Capturing, Finished, Line, Missed, encode

BEGAN = Began(session_id="s1", started=1000.0, own=("Bot",), run="1")
LINES: tuple[Line, ...] = (
    BEGAN,
    PeopleSeen(at=0.5, people=(Person(id="1", name="Ana"),)),
    Capturing(at=1.0, is_on=True),
    TrackBegan(at=1.0, track="a/../b", layout="own"),
    Sound(at=1.1, track="a/../b", first=160, pcm=b"\1\0" * 160),
    SoundLost(at=1.2, track="a/../b", first=320, samples=80),
    Sound(at=1.3, track="a/../b", first=400, pcm=b"\2\0" * 160),
    TrackBegan(at=2.0, track="a/../b", layout="own"),
    Sound(at=2.1, track="a/../b", first=0, pcm=b"\3\0" * 10),
    Finished(at=3.0),
)


def tape(folder: Path, *lines: Line, end: int | None = None) -> Path:
    path = folder / "a.tape"
    path.write_bytes(gzip.compress(b"".join(map(encode, lines)))[:end])
    return path


def test_the_notes_are_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([str(tape(tmp_path, *LINES))]) == 0
    shown = capsys.readouterr()
    found = json.loads(shown.out)
    assert [each["display_name"] for each in found["participants"]] == ["Ana"]
    assert [each["event_subtype"] for each in found["events"]] == ["join", "leave"]
    assert shown.err == ""


def test_each_track_is_written_with_its_gaps(tmp_path: Path) -> None:
    assert run([str(tape(tmp_path, *LINES)), "--sound", str(tmp_path / "out" / "sound")]) == 0
    files = sorted((tmp_path / "out" / "sound").iterdir())
    assert [each.name for each in files] == ["track-1.wav", "track-2.wav"]
    with wave.open(str(files[0])) as sound:
        assert (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) == (16_000, 1, 2)
        assert sound.readframes(1000) == bytes(320) + b"\1\0" * 160 + bytes(160) + b"\2\0" * 160
    with wave.open(str(files[1])) as sound:
        assert sound.readframes(1000) == b"\3\0" * 10


def test_what_a_tape_lacks_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([str(tape(tmp_path, *LINES[:3], Missed(lines=7)))]) == 0
    assert capsys.readouterr().err.splitlines() == [
        f"{tmp_path}/a.tape: The tape ends before the bot has ended.",
        f"{tmp_path}/a.tape: 7 lines are missing: the disk was too slow, or the tape full.",
    ]
    assert run([str(tape(tmp_path, *LINES, end=-9))]) == 0
    assert "The end of the tape is missing." in capsys.readouterr().err


def test_an_encrypted_tape_needs_its_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key, other = bytes(range(32)), bytes(32)
    path = tmp_path / "a.tape.enc"
    file = create(path, key)
    file.write(gzip.compress(b"".join(map(encode, LINES))))
    file.close()
    assert b"Ana" not in path.read_bytes()
    assert run([str(path)], {VARIABLE: b64encode(key).decode()}) == 0
    shown = capsys.readouterr()
    assert [each["display_name"] for each in json.loads(shown.out)["participants"]] == ["Ana"]
    assert shown.err == ""
    for environ in ({}, {VARIABLE: b64encode(other).decode()}, {VARIABLE: "hush"}):
        assert run([str(path)], environ) == 1
        shown = capsys.readouterr()
        assert shown.out == ""
        assert "key" in shown.err or "32 bytes" in shown.err
        assert "hush" not in shown.err


def test_what_is_no_tape_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.tape"
    path.write_bytes(b"nothing")
    assert run([str(path)]) == 1
    assert run([str(tmp_path / "none")]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "after line 0" in shown.err
    assert "No such file" in shown.err
