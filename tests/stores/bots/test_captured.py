"""What bots capture: the same tests on every engine."""

from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from orch.stores.bot_records import Captured, Prunable, RefusedRecordError, Written
from orch.stores.bot_store import BATCH_LIMIT, BotStore
from tests.fakes.bot_sessions import (
    NOW,
    BotEngine,
    audio_file,
    correlation,
    one_of_each,
    requested,
    session,
    translation,
    utterance,
)


async def everything(store: BotStore, session_id: str = "s1") -> list[Captured]:
    """Return all that is stored for a session, in the order of one_of_each."""
    return [
        *await store.audio_files(session_id),
        *await store.utterances(session_id, "whisper_service"),
        *await store.utterances(session_id, "google_meet"),
        *await store.translations(session_id, "es"),
        *await store.correlations(session_id),
        *await store.names_revised(session_id),
        *await store.participants(session_id),
        *await store.events(session_id),
        *await store.consents(session_id),
        *await store.evidence_files(session_id),
    ]


async def test_each_kind_is_returned_as_it_was_stored(engine: BotEngine) -> None:
    """In one batch, in any order of it, and stored twice as once."""
    async with engine.running() as store:
        await requested(store, 1)
        batch = one_of_each("Grüße, 世界 שלום")
        assert await store.write(batch[::-1]) == Written(len(batch))
        assert await store.write(batch) == Written(len(batch))
        assert await everything(store) == list(batch)


async def test_a_session_is_replaced_as_a_whole(engine: BotEngine) -> None:
    """What is stored about it comes back; one that does not exist is not created by it."""
    async with engine.running() as store:
        whole = session(
            meeting_id="abc-defg-hij",
            meeting_title="Weekly 会议",
            meeting_uri="https://meet.google.com/abc-defg-hij",
            google_meet_space_id="spaces/x",
            conference_record_id="c",
            start_time=NOW + 1.5,
            end_time=NOW + 61.75,
            participant_count=3,
            target_languages=("es", "fr"),
            session_metadata={"a": [1, None]},
            performance_stats={"cpu": 0.25},
        )
        assert not await store.update_session(whole)
        assert await store.create_session(session())
        assert not await store.create_session(whole)
        assert await store.update_session(whole)
        assert await store.session("s1") == whole


async def test_an_utterance_is_stored_once_however_often_it_is_revised(engine: BotEngine) -> None:
    """The highest revision stays, in whatever order they arrive; of equal ones the last."""
    async with engine.running() as store:
        await requested(store, 1)
        stair = [utterance(text="so " * number, revision=number, is_final=False) for number in range(1, 6)]
        await store.write([stair[0], stair[1]])
        await store.write(stair[2:])
        await store.write([stair[1]])
        assert await store.utterances("s1", "whisper_service") == (stair[4],)
        final = utterance(text="so it is", revision=5, at=NOW + 1)
        await store.write([final])
        assert await store.utterances("s1", "whisper_service") == (final,)
        assert await store.utterances("s1", "google_meet") == ()
        assert await store.next_segment("s1", "whisper_service") == 1
        assert await store.next_segment("s1", "google_meet") == 0


async def test_a_later_correlation_replaces_all_parts_of_the_earlier_one(engine: BotEngine) -> None:
    """Two speakers who turn out to be one leave one row; a late earlier revision changes nothing."""
    async with engine.running() as store:
        await requested(store, 1)
        first = [correlation(part=0, word_end=1), correlation(part=1, word_start=1, speaker_id="bob")]
        await store.write([utterance(), *first])
        assert len(await store.correlations("s1")) == 2
        revised = correlation(revision=2, correlation_type="inferred")
        await store.write([revised])
        await store.write([first[0]])
        assert await store.correlations("s1") == (revised,)


async def test_pages_follow_each_other_without_gap_and_repetition(engine: BotEngine) -> None:
    """More than a thousand utterances, several at the same time of the meeting."""
    count = 1_201
    async with engine.running() as store:
        await requested(store, 1)
        for begin in range(0, count, BATCH_LIMIT // 2):
            numbers = range(begin, min(begin + BATCH_LIMIT // 2, count))
            spoken: list[Captured] = [utterance(each) for each in numbers]
            await store.write(
                [*spoken, *(translation(each, start_time=each // 7, end_time=count) for each in numbers)]
            )
        pages = [await store.utterances("s1", "whisper_service", limit=500)]
        while pages[-1]:
            after = pages[-1][-1].segment_index
            pages.append(await store.utterances("s1", "whisper_service", after=after, limit=500))
        assert [each.segment_index for page in pages for each in page] == list(range(count))
        translated = [await store.translations("s1", "es", limit=500)]
        while translated[-1]:
            translated.append(await store.translations("s1", "es", after=translated[-1][-1], limit=500))
        ids = [each.source_transcript_id for page in translated for each in page]
        assert len(ids) == len(set(ids)) == count


async def test_records_of_unknown_sessions_are_left_out_and_named(engine: BotEngine) -> None:
    """The others of the batch are stored."""
    async with engine.running() as store:
        await requested(store, 1)
        written = await store.write([utterance(), utterance(session_id="gone"), utterance(1)])
        assert written == Written(2, frozenset({"gone"}))
        assert len(await store.utterances("s1", "whisper_service")) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        [translation(9)],
        [utterance(confidence_score=1.5)],
        [utterance(1), audio_file(sample_rate=0)],
        [utterance(audio_file_id="none")],
        [utterance(segment_index=-1, start_time=0.0, end_time=0.0)],
    ],
)
async def test_a_record_that_does_not_fit_is_refused_with_its_batch(
    engine: BotEngine, wrong: Sequence[Captured]
) -> None:
    """Nothing of the batch is stored, the error is no shortage of the store, and the store stays usable."""
    async with engine.running() as store:
        await requested(store, 1)
        with pytest.raises(RefusedRecordError):
            await store.write([utterance(0), *wrong])
        assert await store.utterances("s1", "whisper_service") == ()
        assert await store.write([utterance(0)]) == Written(1)


@pytest.mark.parametrize(
    "changes",
    [
        {"start_time": float("nan")},
        {"end_time": float("inf")},
        {"start_time": 2.0, "end_time": 1.0},
        {"at": 1e15},
        {"segment_index": 2**63},
    ],
)
def test_a_number_that_no_engine_stores_is_no_record(changes: dict[str, Any]) -> None:
    """It is refused where it is made, with the field's name."""
    with pytest.raises(RefusedRecordError):
        utterance(**changes)


async def test_a_record_of_one_session_does_not_replace_that_of_another(engine: BotEngine) -> None:
    """Though its id is the same."""
    async with engine.running() as store:
        await requested(store, 1, 2)
        await store.write([audio_file()])
        await store.write([audio_file(session_id="s2", file_name="other")])
        assert await store.audio_files("s1") == (audio_file(),)
        assert await store.audio_files("s2") == ()


async def test_a_batch_of_too_many_is_a_mistake(engine: BotEngine) -> None:
    """It would hold up all others."""
    async with engine.running() as store:
        with pytest.raises(ValueError, match=str(BATCH_LIMIT)):
            await store.write([utterance(each) for each in range(BATCH_LIMIT + 1)])
        assert await store.write([]) == Written(0)


async def test_figures_and_views_are_not_inflated_by_what_they_are_joined_with(engine: BotEngine) -> None:
    """Two files, three utterances with two translations each, two correlations: each counts once."""
    async with engine.running() as store:
        await requested(store, 1, 2)
        await store.update_session(session(start_time=NOW, end_time=NOW + 60.5))
        spoken: list[Captured] = [
            utterance(0, "one two", speaker_id="ann", speaker_name="Ann", confidence_score=0.5),
            utterance(1, "three", speaker_id="ann", speaker_name="Ann", confidence_score=1.0),
            utterance(2, "four five six", speaker_id="bob", speaker_name="Bob"),
            utterance(3, "still growing", is_final=False, speaker_id="eve"),
        ]
        translated: list[Captured] = [
            translation(each, target_language=language, translation_confidence=confidence)
            for each in range(3)
            for language, confidence in (("es", 0.25), ("fr", 0.75))
        ]
        await store.write([audio_file(0), audio_file(1), *spoken, *translated])
        await store.write(
            [
                *[each for each in one_of_each("x") if type(each).__name__ == "Participant"],
                correlation(0, correlation_confidence=0.5, timing_offset=0.25),
                correlation(2, word_end=3, speaker_id=None, correlation_type="inferred", timing_offset=0.75),
            ]
        )
        found = await store.compute_statistics("s1", now=NOW + 61, quality={"drift": 1.5})
        assert found is not None
        assert await store.statistics("s1") == found
        assert (found.total_duration, found.total_participants, found.unique_speakers) == (60.5, 1, 2)
        assert (found.total_audio_files, found.total_audio_duration, found.total_audio_size) == (
            2,
            20.0,
            2000,
        )
        assert (found.total_transcripts, found.total_transcript_words) == (3, 6)
        assert (found.total_translations, found.translation_languages) == (6, ("es", "fr"))
        assert (found.correlation_success_rate, found.average_correlation_confidence) == (2 / 5, 0.625)
        assert found.quality_metrics == {"drift": 1.5}
        assert await store.compute_statistics("nobody", now=NOW) is None

        (overview,) = await store.view("session_overview", "s1")
        assert overview["duration_seconds"] == 60.5
        assert (overview["audio_seconds"], overview["audio_bytes"]) == (20.0, 2000)
        assert (overview["transcripts"], overview["transcript_words"]) == (4, 8)
        assert (overview["translations"], overview["correlations"], overview["participants"]) == (6, 2, 1)
        speakers = {each["speaker_id"]: each for each in await store.view("speaker_statistics", "s1")}
        assert set(speakers) == {"ann", "bob"}
        assert (speakers["ann"]["utterances"], speakers["ann"]["words"]) == (2, 3)
        assert (speakers["ann"]["speaking_seconds"], speakers["ann"]["average_confidence"]) == (1.0, 0.75)
        quality = {each["target_language"]: each for each in await store.view("translation_quality", "s1")}
        assert (quality["es"]["translations"], quality["es"]["uncertain"]) == (3, 3)
        assert (quality["fr"]["average_confidence"], quality["fr"]["utterances"]) == (0.75, 3)
        (effect,) = await store.view("correlation_effectiveness", "s1")
        assert (effect["correlations"], effect["named"], effect["words"], effect["words_named"]) == (
            2,
            1,
            5,
            2,
        )
        assert (effect["average_confidence"], effect["average_offset"]) == (0.625, 0.5)
        empty = await store.compute_statistics("s2", now=NOW)
        assert empty is not None
        assert (empty.total_transcripts, empty.correlation_success_rate, empty.total_duration) == (
            0,
            None,
            None,
        )


async def test_a_pruned_file_leaves_the_utterance_that_names_it(engine: BotEngine) -> None:
    """And a translation can still be revised when the files are gone."""
    async with engine.running() as store:
        await requested(store, 1)
        await store.write(one_of_each("words"))
        assert await store.prune(Prunable.AUDIO, before=NOW + 1, now=NOW + 1) == 1
        (left,) = await store.utterances("s1", "whisper_service")
        assert left.audio_file_id is None
        revised = replace(translation(0, "mejor"), revision=2)
        assert await store.write([revised]) == Written(1)


def deep(levels: int) -> dict[str, Any]:
    """Return JSON that is nested so deep."""
    found: dict[str, Any] = {"end": 1}
    for _ in range(levels):
        found = {"a": found}
    return found


async def test_json_that_is_nested_deep_is_stored_or_refused(engine: BotEngine) -> None:
    """A page may send anything; the store stays usable."""
    async with engine.running() as store:
        await requested(store, 1)
        whole = utterance(processing_metadata=deep(300))
        await store.write([whole])
        assert await store.utterances("s1", "whisper_service") == (whole,)
        for wrong in (deep(20_000), deep(900) | {"\0": "\0"}, {"a": object()}):
            with pytest.raises(RefusedRecordError):
                await store.write([utterance(1, processing_metadata=wrong)])
        odd = utterance(2, processing_metadata={"\\u0000": "\\u0000 \\\\u0000"})
        await store.write([odd])
        assert await store.utterances("s1", "whisper_service") == (whole, odd)
