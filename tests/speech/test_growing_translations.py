"""Growing lines in other languages, on a virtual clock."""

from typing import Any

import pytest
import trio
from msgspec import UNSET
from msgspec.structs import replace

from orch.problems import ProblemError
from orch.protocol.messages import Transcript, Translation
from orch.settings import Service
from orch.speech.clauses import GrowingTranslation
from orch.speech.growing_translations import TRIES, GrowingTranslations
from orch.speech.requests import TRANSLATION
from tests.fakes.sounds import pcm, silence, voice
from tests.fakes.speech_back_ends import BackEnds, Holder, Room, Session, play, speak

RATE = 32_000  # bytes a second
TEXT = "One two three four five, six seven eight nine ten, eleven twelve thirteen fourteen."
SAID = TEXT.split()


def so_far(said: list[str]) -> "BackEnds":
    """Return back ends that recognise two words a second."""

    def hear(sound: bytes) -> str:
        return " ".join(said[: round(len(sound) / RATE * 2)])

    return BackEnds(hear=hear, timed=lambda sound: [])


def room(*, targets: tuple[str, ...], growing_targets: tuple[str, ...]) -> Room:
    return Room(back_ends=so_far(SAID), session=Session(targets=targets, growing_targets=growing_targets))


def growing(room: Room) -> list[Translation]:
    return [message for message in room.session.translations() if message.growing is True]


def finals(room: Room) -> list[Translation]:
    return [message for message in room.session.translations() if message.growing is UNSET]


def asked(room: Room) -> list[str]:
    return [each.fields["text"] for each in room.back_ends.asked if each.service == TRANSLATION]


UTTERANCE = pcm(silence(0.5), voice(7), silence(1))


async def test_settled_clauses_are_translated_while_their_speaker_speaks() -> None:
    """Each word is translated once; the final continues what readers have, so it corrects nothing."""
    one = room(targets=("es",), growing_targets=("es",))
    await speak(one.stream(), UTTERANCE)
    first, second = growing(one)
    (final,) = finals(one)
    (line,) = one.session.finals()
    assert first.text == "es: One two three four five,"
    assert (first.words, second.words) == (5, 10)
    assert second.text == f"{first.text} es: six seven eight nine ten,"
    assert final.text.startswith(f"{second.text} es: eleven")
    assert (final.corrects, final.revision, final.segment_id) == (UNSET, line.revision, line.segment_id)
    assert " ".join(asked(one)) == line.text
    assert first.revision < second.revision < final.revision
    assert one.session.at(first) < one.session.at(line) - 2
    assert [told.is_kept for told in one.session.told if told.message in (first, final)] == [False, True]


async def test_only_the_languages_for_which_someone_wants_it_grow() -> None:
    """The others, and the spoken one, are translated with the final alone."""
    one = room(targets=("es", "fr", "en"), growing_targets=("fr", "en"))
    await speak(one.stream(), UTTERANCE)
    assert {message.target_language for message in growing(one)} == {"fr"}
    assert {message.target_language for message in finals(one)} == {"es", "fr"}


@pytest.mark.parametrize(
    ("speech", "service", "is_on"),
    [
        ({}, {}, True),
        ({}, {"billing": "paid"}, False),
        ({}, {"api_key": "secret"}, False),
        ({}, {"api_key": "secret", "billing": "free"}, True),
        ({"translate_growing": "on"}, {"billing": "paid"}, True),
        ({"translate_growing": "off"}, {}, False),
    ],
)
async def test_paid_requests_are_sent_only_where_that_is_wanted(
    speech: dict[str, Any],
    service: dict[str, Any],
    is_on: bool,  # noqa: FBT001 - a parameter of the table
) -> None:
    one = room(targets=("es",), growing_targets=("es",))
    change(one.settings, speech, service)
    await speak(one.stream(), UTTERANCE)
    assert bool(growing(one)) == is_on
    assert (one.speech.growing_limit > 0) == is_on
    assert len(finals(one)) == 1


def change(settings: Holder, speech: dict[str, Any], service: dict[str, Any]) -> None:
    now = settings.current
    orchestration = replace(now.orchestration, speech=replace(now.orchestration.speech, **speech))
    services = {**now.services, TRANSLATION: Service(url="http://t", **service)}
    settings.current = replace(now, orchestration=orchestration, services=services)


async def test_a_session_has_a_limit_for_all_its_speakers_and_the_figures_show_it() -> None:
    """What is over it is translated with the final; another session has its own."""
    one = room(targets=("es",), growing_targets=("es",))
    change(one.settings, {"growing_translations_per_minute": 3}, {})
    async with trio.open_nursery() as nursery:
        for name in ("ann", "bea"):
            nursery.start_soon(speak, one.stream(name=name), UTTERANCE)
    assert len(growing(one)) == 3
    figures = one.speech.statistics()
    assert figures.growing_translations == figures.growing_translations_per_minute == 3
    assert figures.growing_limit == 3
    assert figures.growing_translations_deferred > 0
    assert len(finals(one)) == 2
    usages = one.session.usages()
    assert (usages[0].used, usages[0].limit, usages[0].limit_reached) == (1, 3, False)
    assert (usages[-1].used, usages[-1].limit_reached) == (3, True)
    assert len(usages) <= 3, "a request is not reported for each clause"
    assert not any(told.is_kept for told in one.session.told if told.message in usages)


async def test_a_final_with_other_words_says_that_it_corrects() -> None:
    one = room(targets=("es",), growing_targets=("es",))
    other = ["Won", *SAID[1:]]
    hear = one.back_ends.hear
    one.back_ends.hear = lambda sound: " ".join(other) if len(sound) > 7.05 * RATE else hear(sound)
    one.back_ends.confidence = 0.9
    await speak(one.stream(), UTTERANCE)
    (final,) = finals(one)
    (line,) = one.session.finals()
    assert growing(one)
    assert line.text.startswith("Won")
    assert final.corrects is True
    assert final.text == f"es: {line.text}"


def line(segment_id: str, text: str, *, settled: int = 0) -> Transcript:
    """Return a revision with settled words, or a final."""
    return Transcript(
        timestamp=0,
        session_id="session",
        segment_id=segment_id,
        revision=3,
        final=settled == 0,
        text=text,
        language="en",
        confidence=None,
        start=0.0,
        end=5.0,
        stream_started=0,
        settled=settled or UNSET,
    )


def translated(*clauses: tuple[str, str]) -> GrowingTranslation:
    found = GrowingTranslation()
    for said, text in clauses:
        found = found.with_clause(said, text, language="en", confidence=None)
    return found


@pytest.mark.parametrize(
    ("first", "second", "moved", "left"),
    [
        ("One two three four.", "five six seven eight, nine", "cinco", ["uno"]),
        ("One two three four.", "fine six seven eight, nine", None, ["uno", "cinco"]),
        ("One two three four, five six.", "seven eight, nine", None, ["uno", "cinco"]),
        ("One two three four.", None, None, ["uno", "cinco"]),
    ],
)
async def test_clauses_after_a_cut_move_to_the_line_that_continues(
    first: str, second: str | None, moved: str | None, left: list[str]
) -> None:
    """They are sent for it at once, and not translated again; those that were changed or divided are."""
    one = room(targets=(), growing_targets=("es",))
    growing_translations = GrowingTranslations(
        translator=one.translator,
        output=one.session,
        wall=one.wall,
        is_wanted=lambda spoken, target: True,
        may_send=lambda: True,
    )
    carried = None if second is None else line("s1-2", second, settled=len(second.split()))
    before = {"es": translated(("One two three four.", "uno"), ("five six seven eight,", "cinco"))}
    after = growing_translations.carry(line("s1-1", first), carried, before)
    assert [clause.text for clause in after["es"].clauses] == left
    sent = one.session.translations()
    if moved is None:
        assert sent == []
        assert growing_translations.finish("s1-2") == {}
    else:
        (message,) = sent
        assert (message.segment_id, message.text, message.growing, message.words) == ("s1-2", moved, True, 4)
        assert growing_translations.finish("s1-2")["es"].text == moved


async def test_a_slow_translator_has_one_request_for_a_line_and_loses_none() -> None:
    """A clause that is not there when the final is comes with the final's rest, and never afterwards."""
    one = room(targets=("es",), growing_targets=("es",))
    one.back_ends.translation_delay = lambda text, target: 6.0
    await speak(one.stream(), UTTERANCE)
    (final,) = finals(one)
    (line,) = one.session.finals()
    shown = growing(one)
    assert all(one.session.at(each) < one.session.at(line) for each in shown)
    assert final.text.replace("es: ", "") == line.text
    assert final.corrects is UNSET


@pytest.mark.parametrize(("code", "tries"), [("service_unavailable", TRIES), ("unsupported_language", 1)])
async def test_a_clause_is_requested_again_a_few_times_and_the_final_shows_the_error(
    code: str, tries: int
) -> None:
    """Not at all if the back end will never translate it."""
    one = room(targets=("es",), growing_targets=("es",))
    one.back_ends.translation_error = ProblemError(code, "away", service=TRANSLATION)
    stream = one.stream()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(speak, stream, UTTERANCE)
        await trio.sleep(7.5)
        assert len(asked(one)) == tries
        assert growing(one) == []
        await trio.sleep(2.5)
        one.back_ends.translation_error = None
    first, *others = finals(one)
    assert first.error is not None
    if code == "service_unavailable":
        assert others[-1].error is None
        assert others[-1].text == f"es: {one.session.finals()[0].text}"


async def test_a_clause_whose_request_failed_is_shown_with_a_later_revision() -> None:
    """A connection may be lost: the reader waits a second, not until the end of the utterance."""
    one = room(targets=("es",), growing_targets=("es",))
    one.back_ends.translation_error = ProblemError("service_unavailable", "away", service=TRANSLATION)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(speak, one.stream(), UTTERANCE)
        await trio.sleep(4.5)
        assert asked(one) == ["One two three four five,"]
        one.back_ends.translation_error = None
    first, *_ = growing(one)
    assert first.text == "es: One two three four five,"
    assert asked(one)[:2] == ["One two three four five,"] * 2


async def test_a_released_stream_ends_its_growing_translations() -> None:
    """The utterance is spoken again to another stream; nothing of it comes from this one."""
    one = room(targets=("es",), growing_targets=("es",))
    one.back_ends.translation_delay = lambda text, target: 60.0
    stream = one.stream()
    async with trio.open_nursery() as nursery:
        await nursery.start(stream.run)
        await play(stream, pcm(silence(0.5), voice(6)))
        assert len(asked(one)) == 1
        stream.release()
    assert one.session.translations() == []
    assert trio.current_time() < 20
