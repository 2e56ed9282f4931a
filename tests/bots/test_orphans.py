"""Files that no row names: which are deleted, and which are never touched."""

import os
from pathlib import Path

import pytest
import trio

from orch.bots import orphan_sweep, orphans
from orch.bots.chromium.evidence import Evidence
from orch.bots.orphans import OLD_ENOUGH, FoundFile, next_folders
from orch.bots.pruning import ORPHAN, Pruning
from orch.bots.recordings.names import file_name, is_recorded
from orch.bots.retention import EVERY
from orch.bots.runs.evidence_files import is_evidence, write_evidence
from orch.protocol.identifiers import new_name
from orch.stores.bot_records import AudioFile, EvidenceFile
from orch.stores.bot_scripts.lives import Change
from orch.stores.bot_store import BotStore
from tests.fakes.bot_sessions import NOW, SqliteBotEngine, audio_file, life, requested
from tests.fakes.hub import inline
from tests.stores.bots.test_bot_file import Given

DAY = 86_400.0
LATER = NOW + 3 * DAY


@pytest.mark.parametrize(
    ("file", "named", "is_orphan"),
    [
        (FoundFile("s1", "a", 9.0), {"s1": []}, True),
        (FoundFile("s1", "a", 9.0), {"s1": ["/moved/s1/b"]}, True),
        (FoundFile("s1", "a", 9.0), {"s1": ["/moved/s1/a"]}, False),
        (FoundFile("s1", "a", 10.0), {"s1": []}, False),
        (FoundFile("s1", "a", 9.0), {"s2": []}, False),
        (FoundFile("s1", "a", 9.0), {"s1": [], "s2": ["/s2/a"]}, True),
    ],
    ids=["no-row", "another-row", "a-row", "young", "unknown-or-running", "of-another-session"],
)
def test_only_old_files_of_ended_sessions_without_a_row(
    file: FoundFile, named: dict[str, list[str]], *, is_orphan: bool
) -> None:
    """A row counts by the name of its file: the folder may have been moved since."""
    assert orphans.orphans([file], named, before=10.0) == ((file,) if is_orphan else ())


def test_a_look_goes_on_where_the_last_one_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that each folder has its turn, however many there are."""
    assert next_folders(["c", "a", "b"], "") == ("a", "b", "c")
    monkeypatch.setattr(orphans, "FOLDERS_A_LOOK", 2)
    assert next_folders(["c", "a", "b"], "") == ("a", "b")
    assert next_folders(["c", "a", "b"], "b") == ("c", "a")
    assert next_folders([], "b") == ()


def test_the_services_own_names_and_no_others(tmp_path: Path) -> None:
    """Each name that it gives is known; what a person put there is not."""
    for name in (
        *(file_name(7, kind, "Zoë O'Neill", "flac") for kind in ("speaker", "channel", "meeting")),
        file_name(1, "mixed", "", "wav"),
        file_name(12_345, "speaker", "x" * 99, "wav") + ".enc",
        f"signals-{new_name()}.jsonl.gz",
        f"signals-{new_name()}.jsonl.gz.enc",
    ):
        assert is_recorded(name), name
    evidence = Evidence(taken_at=NOW, picture=b"x", html="<p>", lines=("a",))
    for file in write_evidence(tmp_path, "s1", evidence):
        assert is_evidence(Path(file.file_path).name)
    for name in (
        "notes.txt",
        "001-mixed.flac.bak",
        "x001-mixed.flac",
        "001-mixed.flac\n",
        "dom.html",
        ".",
        "",
    ):
        assert not is_recorded(name)
        assert not is_evidence(name)


class Disk:
    """Two folders with files, a store, and the deletion."""

    def __init__(self, folder: Path, store: BotStore) -> None:
        self.folder = folder
        self.now = LATER
        bots = {name: str(folder / name) for name in ("recordings", "evidence", "spool")}
        text = ", ".join(f"{name}: '{path}'" for name, path in bots.items())
        settings = Given(f"orchestration: {{bots: {{{text}, keep_days: {{audio: 0, evidence: 0}}}}}}")
        self.pruning = Pruning(store, settings, wall=lambda: self.now, in_thread=inline)

    def put(self, path: str, *, written: float = NOW) -> Path:
        place = self.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"x")
        os.utime(place, (written, written))
        return place

    async def look(self, times: int) -> None:
        """Run until so many looks were made."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self.pruning.run)
            await trio.sleep((times - 1) * EVERY + 1)
            nursery.cancel_scope.cancel()


async def ended(store: BotStore, number: int, at: float) -> None:
    found = await store.life(f"b{number}")
    assert found is not None
    await store.advance(Change(life(number, state="ended", ended_at=at)), owner=None)


def recorded(number: int, path: Path | str) -> AudioFile:
    return audio_file(session_id=f"s{number}", file_id=f"f{number}", file_path=str(path))


@pytest.mark.limit(8_000)
async def test_what_a_killed_process_left_is_deleted_and_nothing_else(tmp_path: Path) -> None:
    """Not what has a row, is young, is of a running bot or of an unknown session, or is a person's."""
    async with SqliteBotEngine(tmp_path).running() as store:
        disk = Disk(tmp_path, store)
        await requested(store, 1, 2, 3, 4)
        left = [
            disk.put("recordings/s1/002-speaker-anna.flac"),
            disk.put("recordings/s1/signals-ab12.jsonl.gz.enc"),
            disk.put("recordings/s4/001-mixed.wav"),
            disk.put(f"evidence/s1/dom-{new_name()}.html"),
        ]
        stay = [
            disk.put("recordings/s1/001-mixed.flac"),
            disk.put("recordings/s1/notes.txt"),
            disk.put("recordings/s1/003-speaker-ben.flac", written=LATER - OLD_ENOUGH + 1),
            disk.put("recordings/s2/001-mixed.flac"),
            disk.put("recordings/s3/001-mixed.flac"),
            disk.put("recordings/unknown/001-mixed.flac"),
            disk.put("recordings/001-mixed.flac"),
            disk.put("recordings/s1/deeper/001-mixed.flac"),
            disk.put("evidence/s1/log-0123456789abcdef.txt"),
        ]
        await store.write([recorded(1, "/before/it/was/moved/s1/001-mixed.flac")])
        evidence = EvidenceFile(
            file_id="e1",
            session_id="s1",
            kind="log",
            file_path=str(stay[-1]),
            file_size=1,
            file_hash="0" * 64,
            at=NOW,
        )
        await store.write([evidence])
        await ended(store, 1, NOW)
        await ended(store, 3, LATER - OLD_ENOUGH + 60)  # its rows may still be on their way
        await ended(store, 4, NOW)
        await disk.look(1)
        assert all(path.exists() for path in left)  # rows may wait in the spool of a process that was killed
        await disk.look(1)
        assert [path for path in left if path.exists()] == []
        assert [path for path in stay if not path.exists()] == []
        assert not (tmp_path / "recordings/s4").exists()
        assert disk.pruning.statistics().orphans == len(left)
        counts = {reading.labels: reading.value for reading in disk.pruning.readings()}
        assert counts[(ORPHAN,)] == len(left)
        disk.now += DAY
        await disk.look(1)
        assert not stay[2].exists()  # it is old enough now
        assert not stay[4].exists()
        assert stay[3].exists()


@pytest.mark.limit(8_000)
async def test_nothing_is_deleted_while_rows_wait_in_a_spool(tmp_path: Path) -> None:
    """The row of a file may be among them."""
    async with SqliteBotEngine(tmp_path).running() as store:
        disk = Disk(tmp_path, store)
        await requested(store, 1)
        await ended(store, 1, NOW)
        left = disk.put("recordings/s1/001-mixed.flac")
        spool = disk.put("spool/other.spool.jsonl")
        await disk.look(2)
        assert left.exists()
        spool.write_bytes(b"")
        await disk.look(1)
        assert not left.exists()


@pytest.mark.limit(8_000)
async def test_links_are_never_followed(tmp_path: Path) -> None:
    """Neither a file nor a folder that is a link to somewhere else."""
    async with SqliteBotEngine(tmp_path).running() as store:
        disk = Disk(tmp_path, store)
        await requested(store, 1, 2)
        for number in (1, 2):
            await ended(store, number, NOW)
        target = disk.put("elsewhere/001-mixed.flac")
        (tmp_path / "recordings/s1").mkdir(parents=True)
        link = tmp_path / "recordings/s1/001-mixed.flac"
        link.symlink_to(target)
        (tmp_path / "recordings/s2").symlink_to(target.parent)
        os.mkfifo(tmp_path / "recordings/s1/002-mixed.flac")
        await disk.look(2)
        assert target.exists()
        assert link.is_symlink()
        assert (tmp_path / "recordings/s1/002-mixed.flac").exists()
        assert disk.pruning.statistics().orphans == 0


def test_a_file_that_was_written_to_meanwhile_stays(tmp_path: Path) -> None:
    """What was decided holds for the file as it was found."""
    place = tmp_path / "s1" / "001-mixed.flac"
    place.parent.mkdir()
    place.write_bytes(b"x")
    found = orphan_sweep._files(tmp_path, ["s1", "gone"], is_recorded, before=1e12)
    assert [each.name for each in found] == ["001-mixed.flac"]
    os.utime(place, (NOW, NOW))
    assert orphan_sweep._remove(tmp_path, found) == 0
    assert place.exists()
