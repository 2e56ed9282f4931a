"""What is deleted when: the decision, and the rows and files that go."""

import os
from pathlib import Path

import pytest
import trio

from orch.bots.pruning import FILES_AT_ONCE, Pruning
from orch.bots.retention import EVERY, RETRY_EVERY, cutoffs, next_look
from orch.problems import ProblemError
from orch.settings.bots import BotKeepDays
from orch.stores.bot_records import Prunable
from orch.stores.bot_scripts.lives import Change
from tests.fakes.bot_sessions import NOW, SqliteBotEngine, audio_file, life, requested, utterance
from tests.fakes.hub import inline
from tests.stores.bots.test_bot_file import Given

DAY = 86_400.0


def test_each_kind_has_its_own_days_and_none_means_for_ever() -> None:
    """Sessions first: the rest goes with them."""
    keep = BotKeepDays(audio=1, transcript=2, evidence=0, delivery=3, session=10)
    assert cutoffs(keep, 100 * DAY) == (
        (Prunable.SESSION, 90 * DAY),
        (Prunable.TRANSCRIPT, 98 * DAY),
        (Prunable.AUDIO, 99 * DAY),
        (Prunable.DELIVERY, 97 * DAY),
    )
    assert {kind for kind, _ in cutoffs(BotKeepDays(), 1e9)} == set(Prunable)
    assert (next_look(has_failed=False), next_look(has_failed=True)) == (EVERY, RETRY_EVERY)


def pruning(store: object, spool: str = "/none", **days: float) -> Pruning:
    settings = Given(f"orchestration: {{bots: {{spool: {spool}, keep_days: {days}}}}}".replace("'", ""))
    return Pruning(store, settings, wall=lambda: NOW + 40 * DAY, in_thread=inline)  # type: ignore[arg-type]


async def test_old_recordings_go_with_their_files_and_the_transcript_stays(tmp_path: Path) -> None:
    """More files than one look takes at once; the folder that becomes empty goes too."""
    folder = tmp_path / "recordings" / "s1"
    folder.mkdir(parents=True)
    count = FILES_AT_ONCE + 7
    async with SqliteBotEngine(tmp_path).running() as store:
        await requested(store, 1)
        for first in range(0, count, 250):
            numbers = range(first, min(first + 250, count))
            for number in numbers:
                (folder / str(number)).write_bytes(b"x")
            await store.write(
                [audio_file(file_id=f"f{n}", file_path=str(folder / str(n)), at=NOW) for n in numbers]
            )
        await store.write([utterance()])
        found = pruning(store, audio=30, transcript=365, session=365)
        async with trio.open_nursery() as nursery:
            await nursery.start(found.run)
            await trio.sleep(1)
            nursery.cancel_scope.cancel()
        assert not folder.exists()
        assert folder.parent.exists()
        assert await store.audio_files("s1") == ()
        assert await store.files_to_delete() == ()
        assert len(await store.utterances("s1", "whisper_service")) == 1
    assert found.statistics().deleted["audio"] == count
    assert (found.statistics().files, found.statistics().stuck) == (count, 0)


async def test_old_rejected_records_go_as_transcripts_do(tmp_path: Path) -> None:
    """None of them is in the store."""
    rejected = tmp_path / "spool" / "store" / "bots-w.spool.jsonl.rejected"
    rejected.parent.mkdir(parents=True)
    rejected.write_bytes(b"what was said")
    os.utime(rejected, (NOW, NOW))
    async with SqliteBotEngine(tmp_path).running() as store:
        for days in (0, 50, 30):
            assert rejected.exists()
            async with trio.open_nursery() as nursery:
                await nursery.start(pruning(store, str(tmp_path / "spool"), transcript=days).run)
                await trio.sleep(1)
                nursery.cancel_scope.cancel()
    assert not rejected.exists()


async def test_a_file_that_cannot_be_deleted_keeps_its_note_and_holds_up_no_other(tmp_path: Path) -> None:
    """It is shown, and deleted once it can be."""
    odd, even = tmp_path / "odd", tmp_path / "even"
    odd.mkdir()
    even.write_bytes(b"x")
    async with SqliteBotEngine(tmp_path).running() as store:
        await requested(store, 1)
        await store.write(
            [audio_file(file_id="a", file_path=str(odd)), audio_file(file_id="b", file_path=str(even))]
        )
        await store.delete_data("s1", now=NOW)
        found = pruning(store)
        assert await found.remove_files() == 1
        assert await store.files_to_delete() == (str(odd),)
        values = {reading.name.name: reading.value for reading in found.readings() if not reading.labels}
        assert values["orch_bot_files_stuck"] == 1
        odd.rmdir()
        assert await found.remove_files() == 1
        assert found.statistics().stuck == 0
    assert not even.exists()


async def test_a_session_goes_with_its_bot_once_it_is_old_enough(tmp_path: Path) -> None:
    """By when it ended; a bot that runs is never touched."""
    async with SqliteBotEngine(tmp_path).running() as store:
        await requested(store, 1, 2)
        await store.advance(Change(life(1, state="ended", ended_at=NOW)), owner=None)
        await pruning(store, session=50).prune()
        assert await store.life("b1") is not None
        await pruning(store, session=30).prune()
        assert await store.life("b1") is None
        assert await store.life("b2") is not None


@pytest.mark.limit(600)
async def test_a_store_that_is_away_is_looked_at_again_soon() -> None:
    """The branch goes on."""

    class Away:
        looks = 0

        async def prune(self, *_: object, **__: object) -> int:
            self.looks += 1
            raise ProblemError("store_unavailable", "It is away.")

    away = Away()
    async with trio.open_nursery() as nursery:
        await nursery.start(pruning(away).run)
        await trio.sleep(2.5 * RETRY_EVERY)
        nursery.cancel_scope.cancel()
    assert away.looks == 3
