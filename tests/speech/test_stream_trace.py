"""What is recorded of a stream of speech: its spans, what they carry, and where they are passed on."""

import msgspec
import pytest
import structlog
import trio

from orch.problems import ProblemError
from orch.speech import stream_trace
from orch.speech.requests import AUDIO, TRANSLATION
from orch.telemetry.names import speech as names
from orch.telemetry.names import translation as translation_names
from orch.telemetry.names.metric import Distribution
from tests.fakes.sounds import pcm, silence, voice
from tests.fakes.speech_back_ends import BackEnds, FakeAnswer, Room, Session, play, speak
from tests.fakes.traces import SpansKept

SENTENCE = pcm(silence(0.5), voice(0.8), silence(2))
PARENT = f"00-{'a' * 32}-{'b' * 16}-01"


def room(spans: SpansKept, *targets: str, **more: object) -> Room:
    return Room(session=Session(targets=targets), tracer=spans.tracer, **more)  # type: ignore[arg-type]


async def test_an_utterance_is_one_trace_from_its_begin_to_its_translations() -> None:
    """Each step has a span, in its place, from when it began until it was done."""
    spans = SpansKept()
    subject = room(spans, "de", "es")
    await speak(subject.stream(), SENTENCE)
    assert spans.tree() == [
        "speech.stream",
        "  speech.utterance",
        "    speech.transcription",
        "    speech.transcription",
        "    speech.publish",
        "    speech.translation",
        "      speech.publish",
        "    speech.translation",
        "      speech.publish",
    ]
    utterance = spans.one("speech.utterance")
    assert utterance.began == pytest.approx(0.2, abs=0.05), "with the sound before that belongs to it"
    (final,) = subject.session.finals()
    assert utterance.ended == subject.session.at(final)
    assert utterance.attributes["orch.speech.outcome"] == "final"
    assert [each.name for each in utterance.events] == ["speech ended"]
    assert utterance.events[0].at == pytest.approx(1.9, abs=0.2)
    kinds = [each.attributes["orch.speech.request"] for each in spans.named("speech.transcription")]
    assert kinds == ["revision", "speculation"]
    translations = spans.named("speech.translation")
    assert {each.attributes["orch.speech.target_language"] for each in translations} == {"de", "es"}
    assert all(each.ended == pytest.approx(utterance.ended + 0.05) for each in translations)
    stream = spans.one("speech.stream")
    assert (stream.kind, stream.attributes["orch.speech.utterances"]) == ("server", 1)
    assert not any(each.failure is not None for each in spans.ended)


async def test_requests_carry_the_span_that_they_belong_to() -> None:
    """So that what the gateway and the back ends record is below it."""
    spans = SpansKept()
    subject = room(spans, "de")
    await speak(subject.stream(), SENTENCE)
    requests = {(each.service, each.headers["traceparent"]) for each in subject.back_ends.asked}
    transcriptions = {(AUDIO, each.traceparent) for each in spans.named("speech.transcription")}
    assert requests == transcriptions | {(TRANSLATION, spans.one("speech.translation").traceparent)}


async def test_nothing_is_recorded_or_sent_while_traces_are_off() -> None:
    """Requests have no header then: the gateway begins a trace, as for any request."""
    subject = Room(session=Session(targets=("de",)))
    await speak(subject.stream(trace=PARENT), SENTENCE)
    assert len(subject.session.finals()) == 1
    assert not any("traceparent" in each.headers for each in subject.back_ends.asked)


async def test_a_stream_that_is_not_recorded_has_no_utterances_that_are() -> None:
    """The decision is made once: half a trace says nothing."""
    spans = SpansKept(ratio=0.0)
    subject = room(spans, "de")
    stream = subject.stream()
    async with trio.open_nursery() as nursery:
        await nursery.start(stream.run)
        spans.ratio = 1.0
        await play(stream, SENTENCE)
        stream.end()
    assert len(subject.session.finals()) == 1
    assert spans.ended == []


async def test_a_stream_goes_on_with_the_trace_of_its_client() -> None:
    """Its decision is kept, within the limit of all callers."""
    spans = SpansKept(ratio=0.0)
    subject = room(spans)
    await speak(subject.stream(trace=PARENT), SENTENCE)
    assert {each.trace_id for each in spans.ended} == {"a" * 32}
    stream = spans.one("speech.stream")
    assert stream.parent is not None
    assert stream.parent.span_id == "b" * 16
    spans.ended.clear()
    spans.ratio = 1.0
    await speak(subject.stream(trace=PARENT.removesuffix("1") + "0"), SENTENCE)
    assert spans.ended == []


async def test_callers_cannot_have_more_recorded_than_they_may() -> None:
    spans = SpansKept(ratio=0.0)
    spans.callers_per_second = 1.0
    subject = room(spans)
    admitted = [subject.speech.admitted(PARENT) for _ in range(20)]
    assert admitted == [PARENT] + [PARENT.removesuffix("1") + "0"] * 19
    assert spans.tracer.callers.refused == 19
    await speak(subject.stream(trace=admitted[-1]), SENTENCE)
    assert spans.ended == []
    assert subject.speech.admitted("") == ""


async def test_spans_have_no_words_and_no_names() -> None:
    """Whoever may read traces may not read what was said."""
    spans = SpansKept()
    back_ends = BackEnds(hear=lambda _: "confidential words", language="en")
    subject = room(spans, "de", "es", back_ends=back_ends)
    await speak(subject.stream(), SENTENCE)
    back_ends.audio_error = ProblemError("bad_gateway", "It said: confidential words", service=AUDIO)
    async with trio.open_nursery() as nursery:
        stream = subject.stream(name="s2")
        await nursery.start(stream.run)
        await play(stream, SENTENCE)
        await trio.sleep(3)
        nursery.cancel_scope.cancel()
    assert len(spans.named("speech.utterance")) == 2
    assert "confidential" not in spans.texts()
    assert "Ann" not in spans.texts()


async def test_an_utterance_that_is_lost_is_a_failed_span() -> None:
    """Each request that failed says with which problem, and the utterance that it was given up."""
    spans = SpansKept()
    subject = room(spans)
    subject.back_ends.refuse_audio = lambda _: FakeAnswer(400, b"")
    await speak(subject.stream(), SENTENCE)
    utterance = spans.one("speech.utterance")
    assert (utterance.failure, utterance.attributes["orch.speech.outcome"]) == ("speech_lost", "lost")
    requests = spans.named("speech.transcription")
    assert requests
    assert all(each.failure for each in requests)


async def test_noise_is_an_utterance_without_words() -> None:
    spans = SpansKept()
    await speak(room(spans, "de", back_ends=BackEnds(hear=lambda _: "")).stream(), SENTENCE)
    assert spans.one("speech.utterance").attributes["orch.speech.outcome"] == "empty"
    assert spans.named("speech.publish") == spans.named("speech.translation") == []


async def test_everything_ends_with_a_stream_that_is_cancelled() -> None:
    """In the middle of an utterance and its request: what is never ended is never exported."""
    spans = SpansKept()
    subject = room(spans, back_ends=BackEnds(audio_delay=lambda _: 60.0))
    stream = subject.stream()
    async with trio.open_nursery() as nursery:
        await nursery.start(stream.run)
        await play(stream, pcm(silence(0.5), voice(2)))
        nursery.cancel_scope.cancel()
    assert {each.name for each in spans.ended} == {
        *("speech.stream", "speech.utterance", "speech.transcription")
    }
    assert all(each.attributes["orch.cancelled"] for each in spans.ended)
    assert not any(each.failure is not None for each in spans.ended)
    assert repr(stream._trace) == "<StreamTrace not recorded, 0 utterances in progress>"


async def test_a_failed_translation_says_why_and_a_later_one_that_it_worked() -> None:
    spans = SpansKept()
    subject = room(spans, "de")
    stream = subject.stream()
    subject.back_ends.translation_error = ProblemError("service_unavailable", "Away.", service=TRANSLATION)
    async with trio.open_nursery() as nursery:
        await nursery.start(stream.run)
        await play(stream, SENTENCE)
        subject.back_ends.translation_error = None
        await trio.sleep(5)
        stream.end()
    translation = spans.one("speech.translation")
    assert translation.failure is None
    assert translation.events[0].attributes == {"error.type": "service_unavailable"}
    subject.back_ends.translation_error = FakeAnswer(400, b"")
    await speak(subject.stream(name="s2"), SENTENCE)
    assert spans.named("speech.translation")[1].failure == "refused"


async def test_a_long_stream_is_not_one_endless_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is stored and shown as a whole stays small; later utterances are linked to their stream."""
    monkeypatch.setattr(stream_trace, "UTTERANCES", 2)
    spans = SpansKept()
    parts = [part for _ in range(4) for part in (voice(0.8), silence(1.5))]
    await speak(room(spans).stream(), pcm(silence(0.5), *parts))
    stream, utterances = spans.one("speech.stream"), spans.named("speech.utterance")
    inside = [each.trace_id == stream.trace_id for each in utterances]
    assert inside == [True, True, False, False]
    assert len({each.trace_id for each in utterances}) == 3
    assert utterances[3].links == (stream.context,)
    assert utterances[3].parent is None
    assert stream.attributes["orch.speech.utterances"] == 4


async def test_recordings_and_linked_streams_are_no_calls_of_a_client() -> None:
    """A bot's stream is linked to the bot's span; its trace is its own."""
    spans = SpansKept()
    subject = room(spans)
    await speak(subject.stream(participant_id=None), SENTENCE)
    await speak(subject.stream(links=(PARENT,)), SENTENCE)
    recording, bot = spans.named("speech.stream")
    assert (recording.kind, bot.kind) == ("internal", "internal")
    assert recording.attributes["orch.speech.source"] == "recording"
    assert bot.links[0].trace_id == "a" * 32
    assert bot.trace_id != "a" * 32


async def test_a_latency_in_a_graph_leads_to_its_trace() -> None:
    """Histograms have the trace of an utterance as an exemplar, and only where it is recorded."""
    spans = SpansKept()
    subject = room(spans, "de")
    await speak(subject.stream(), SENTENCE)
    trace_id = spans.one("speech.stream").trace_id
    timed = {
        each.name: each.histogram
        for each in subject.speech.readings()
        if isinstance(each, Distribution) and each.histogram.count
    }
    for name in (names.CAPTION_SECONDS, translation_names.TRANSLATION_SECONDS):
        (exemplar,) = timed[name].exemplars.values()
        assert exemplar[0] == trace_id
    without = Room(session=Session(targets=("de",)))
    await speak(without.stream(), SENTENCE)
    for each in without.speech.readings():
        assert not (isinstance(each, Distribution) and each.histogram.exemplars)


async def test_lines_of_the_log_have_the_id_of_the_trace() -> None:
    spans = SpansKept()
    seen: list[str] = []

    def hear(_: bytes) -> str:
        seen.append(structlog.contextvars.get_contextvars().get("trace_id", ""))
        return "one"

    await speak(room(spans, back_ends=BackEnds(hear=hear)).stream(), SENTENCE)
    assert set(seen) == {spans.one("speech.stream").trace_id}
    assert "trace_id" not in structlog.contextvars.get_contextvars()


async def test_translations_of_growing_lines_are_recorded_as_such() -> None:
    spans = SpansKept()
    subject = room(spans)
    subject.session.growing_targets = subject.session.targets = ("de",)
    settings = subject.settings.current
    speech = msgspec.structs.replace(settings.orchestration.speech, translate_growing="on")
    orchestration = msgspec.structs.replace(settings.orchestration, speech=speech)
    subject.settings.current = msgspec.structs.replace(settings, orchestration=orchestration)
    text = "This is the first clause, and this is another one, and so it goes on. "

    def hear(sound: bytes) -> str:
        return text[: round(len(sound) / 32_000 * 15)].rpartition(" ")[0] or "This"

    subject.back_ends.hear = hear
    subject.back_ends.timed = lambda _: []
    await speak(subject.stream(), pcm(silence(0.5), voice(4), silence(2)))
    translations = spans.named("speech.translation")
    growing = [each for each in translations if each.attributes.get("orch.speech.growing")]
    assert growing
    assert len(translations) == len(growing) + 1
    parents = {each.parent.span_id for each in translations if each.parent is not None}
    assert parents == {spans.one("speech.utterance").context.span_id}
