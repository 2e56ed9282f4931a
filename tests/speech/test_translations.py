"""Finals in other languages, on a virtual clock."""

import msgspec
import pytest
import trio

from orch.problems import ProblemError
from orch.protocol.messages import AudioStatus
from orch.speech.requests import Headers
from orch.speech.translations import MOST
from tests.fakes.sounds import Samples, pcm, silence, voice
from tests.fakes.speech_back_ends import BackEnds, FakeAnswer, Room, Session, play, speak

AWAY = ProblemError(
    "service_unavailable", "translation-service is not answering.", service="translation-service"
)


def turns(count: int) -> list[Samples]:
    return [part for _ in range(count) for part in (voice(1), silence(1))]


async def test_each_final_is_translated_into_every_other_language() -> None:
    """Targets are those of the moment; the source language is not one, by whatever region it is named."""
    room = Room(session=Session(targets=("es", "en-US", "de", "de")))
    await speak(room.stream(), pcm(silence(0.5), *turns(1)))
    (final,) = room.session.finals()
    translations = room.session.translations()
    assert {message.target_language for message in translations} == {"es", "de"}
    for message in translations:
        assert message.segment_id == final.segment_id
        assert message.revision == final.revision
        assert message.text == f"{message.target_language}: {final.text}"
        assert message.confidence == 0.5
        assert room.session.at(message) == pytest.approx(room.session.at(final) + 0.05, abs=0.01)


async def test_two_people_get_each_others_words() -> None:
    """Two streams of one session, each in its own language: each is translated into the other's."""
    room = Room(back_ends=BackEnds(language=None), session=Session(targets=("en", "es")))
    data = pcm(silence(0.5), *turns(1))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(speak, room.stream(source_language="en-GB", name="ann"), data)
        nursery.start_soon(speak, room.stream(source_language="es", name="bea"), data)
    heard = {message.segment_id: message.target_language for message in room.session.translations()}
    assert heard == {"ann-1": "es", "bea-1": "en"}


async def test_an_unknown_source_is_left_to_the_translator() -> None:
    room = Room(back_ends=BackEnds(language=None), session=Session(targets=("en",)))
    await speak(room.stream(), pcm(silence(0.5), *turns(1)))
    (asked,) = [asked for asked in room.back_ends.asked if asked.service == "translation-service"]
    assert asked.fields["source_language"] == "auto"
    assert len(room.session.translations()) == 1


async def test_responses_out_of_order_go_to_their_own_segments() -> None:
    """A slow translation does not hold up the next, and lands where it belongs."""
    delays = iter((3.0, 0.1))
    room = Room(session=Session(targets=("es",)))
    room.back_ends.translation_delay = lambda text, target: next(delays)
    await speak(room.stream(), pcm(silence(0.5), *turns(2)))
    finals = {message.segment_id: message.text for message in room.session.finals()}
    translations = room.session.translations()
    assert [message.segment_id for message in translations] == ["s1-2", "s1-1"]
    assert all(message.text == f"es: {finals[message.segment_id]}" for message in translations)


async def test_requests_are_retried_when_the_translator_returns() -> None:
    """Each translation is marked once as missing, then published; the status names the missing back end."""
    room = Room(session=Session(targets=("es", "fr")))
    room.back_ends.translation_error = AWAY
    stream = room.stream()
    async with trio.open_nursery() as nursery:
        await nursery.start(stream.run)
        await play(stream, pcm(silence(0.5), *turns(6)))
        room.back_ends.translation_error = None
        mended = trio.current_time()
        stream.end()
    translations = room.session.translations()
    assert len(room.session.finals()) == 6
    for number in range(1, 7):
        for target in ("es", "fr"):
            of_one = [
                message
                for message in translations
                if (message.segment_id, message.target_language) == (f"s1-{number}", target)
            ]
            assert of_one[-1].error is None
            assert of_one[-1].text
            gaps = of_one[:-1]
            assert len(gaps) <= 1
            for gap in gaps:
                assert gap.error is not None
                assert not gap.error.final
                assert gap.text == ""
    last = max(room.session.at(message) for message in translations)
    assert last < mended + 2.5
    waits = [
        told.message.waiting_for for told in room.session.statuses() if isinstance(told.message, AudioStatus)
    ]
    assert "translation-service" in waits
    assert waits[-1] is None
    # One at a time finds out whether it is back: the rest wait for that.
    asked = [asked for asked in room.back_ends.asked if asked.service == "translation-service"]
    assert len(asked) < 60


async def test_a_translator_that_stays_away_is_given_up_after_the_buffer() -> None:
    room = Room(session=Session(targets=("es",)))
    room.back_ends.translation_error = AWAY
    await speak(room.stream(), pcm(silence(0.5), *turns(1)))
    first, last = room.session.translations()
    assert first.error is not None
    assert last.error is not None
    assert (first.error.final, last.error.final) == (False, True)
    assert last.error.service == "translation-service"
    assert room.session.at(last) - room.session.at(first) == pytest.approx(60, abs=2.1)
    assert room.session.finals()[0].error is None


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (422, "unsupported_language", "This cannot be translated between these two languages."),
        (503, "engine_missing", "Translation is not available here."),
    ],
)
async def test_a_refusal_is_final_and_in_words_for_everyone(status: int, code: str, words: str) -> None:
    """Nothing is retried that would fail again; the back end's own message is for operators alone."""
    room = Room(session=Session(targets=("es",)))
    body = msgspec.json.encode({"code": code, "detail": "Install apertium."})
    room.back_ends.translation_error = FakeAnswer(status, body)
    await speak(room.stream(), pcm(silence(0.5), *turns(1)))
    (gap,) = room.session.translations()
    assert gap.error is not None
    assert (gap.error.code, gap.error.detail, gap.error.final) == (code, words, True)


async def test_an_unusable_response_delays_no_other_translation() -> None:
    """A text that breaks the translator is retried on its own; others go through at once."""
    room = Room(session=Session(targets=("es", "fr")))
    answer = room.back_ends.fetch

    async def fetch(
        service: str, method: str, path: str, *, headers: Headers = (), body: bytes = b""
    ) -> FakeAnswer:
        if service == "translation-service" and b'"fr"' in body:
            return FakeAnswer(200, b"<html>")
        return await answer(service, method, path, headers=headers, body=body)

    room.translator.back_end._fetch = fetch
    await speak(room.stream(), pcm(silence(0.5), *turns(3)))
    spanish = [message for message in room.session.translations() if message.target_language == "es"]
    french = [message for message in room.session.translations() if message.target_language == "fr"]
    finals = room.session.finals()
    assert [
        room.session.at(one) - room.session.at(final) for one, final in zip(spanish, finals, strict=True)
    ] == [pytest.approx(0.05, abs=0.01)] * 3
    assert [message.error is not None and message.error.code for message in french] == ["bad_gateway"] * 6


async def test_more_translations_than_may_wait_are_given_up_at_once() -> None:
    """A translator that hangs does not fill the memory."""
    targets = tuple(f"{first}{second}" for first in "abcdfghij" for second in "abcd")
    room = Room(session=Session(targets=targets))
    room.back_ends.translation_delay = lambda text, target: 1000.0
    stream = room.stream()
    with trio.move_on_after(60):
        await speak(stream, pcm(silence(0.5), *turns(12)))
    assert stream._translations.under_way == 0
    gaps = room.session.translations()
    assert len(gaps) == 12 * len(targets) - MOST
    assert all(gap.error is not None and gap.error.final for gap in gaps)


async def test_the_stream_ends_when_its_translations_are_there() -> None:
    room = Room(session=Session(targets=("es",)))
    room.back_ends.translation_delay = lambda text, target: 5.0
    await speak(room.stream(), pcm(silence(0.5), *turns(1)))
    assert len(room.session.translations()) == 1
