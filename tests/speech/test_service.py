import msgspec
import pytest
import trio

from orch.problems import ProblemError
from orch.settings import Service, Settings
from orch.speech.captions import Origin
from orch.speech.requests import AUDIO, TRANSLATION, Headers
from orch.speech.service import LanguagesOffered, SpeechService, SpeechStatistics
from orch.speech.statistics import SpeechCounters
from orch.speech.transcriber import Transcriber
from orch.speech.translator import Translator
from tests.fakes.speech_back_ends import FakeAnswer, Holder, Session

MODELS = {"models": [{"name": "sphinx", "languages": ["en-US"]}], "languages": ["en-US"]}
PAIRS = {"languages": [{"code": "en"}], "pairs": [{"source": "en", "target": "es", "via": ["pt"]}]}


class Offer:
    """Back ends that list their languages, or fail."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.broken: set[str] = set()
        self.holder = Holder(
            Settings(services={AUDIO: Service(url="http://a"), TRANSLATION: Service(url="http://t")})
        )
        self.speech = SpeechService(
            transcriber=Transcriber(fetch=self.fetch, settings=self.holder),
            translator=Translator(fetch=self.fetch, settings=self.holder),
            settings=self.holder,
            wall=lambda: 1_700_000_000.0,
            clock=lambda: 5.0,
        )

    async def fetch(
        self, service: str, method: str, path: str, *, headers: Headers = (), body: bytes = b""
    ) -> FakeAnswer:
        await trio.sleep(0.1)
        self.asked.append(path)
        if service in self.broken:
            raise ProblemError("service_unavailable", f"{service} is not answering.", service=service)
        return FakeAnswer(200, msgspec.json.encode(MODELS if service == AUDIO else PAIRS))

    def open(self, language: str, rate: int = 16_000) -> None:
        self.speech.stream(
            Origin(session_id="s", stream_id="x", started=0, source_language=language),
            sample_rate=rate,
            output=Session(),
        )


async def test_languages_are_what_both_back_ends_say() -> None:
    """Requested once a minute, however many callers there are at once."""
    offer = Offer()
    answers: list[LanguagesOffered] = []

    async def want() -> None:
        answers.append(await offer.speech.languages())

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(want)
    offered = LanguagesOffered(
        source=("en-US",),
        targets=("es",),
        pairs={"en": ("es",)},
        via={"en": {"es": ("pt",)}},
        growing_limit=120,
    )
    assert answers == [offered] * 5
    assert sorted(offer.asked) == ["/api/languages", "/api/models"]
    await trio.sleep(61)
    await want()
    assert len(offer.asked) == 4


async def test_languages_are_listed_again_after_an_engine_changed() -> None:
    offer = Offer()
    await offer.speech.languages()
    offer.speech.expire_languages()
    await offer.speech.languages()
    assert len(offer.asked) == 4


async def test_a_failing_back_end_is_named_and_its_last_languages_stay() -> None:
    offer = Offer()
    offer.broken = {TRANSLATION}
    offered = await offer.speech.languages()
    assert offered.source == ("en-US",)
    assert offered.targets == ()
    (error,) = offered.errors
    assert (error.service, error.code) == (TRANSLATION, "service_unavailable")
    offer.broken = {AUDIO}
    await trio.sleep(6)
    offered = await offer.speech.languages()
    assert (offered.source, offered.targets) == (("en-US",), ("es",))
    assert [error.service for error in offered.errors] == [AUDIO]


async def test_dialects_that_cannot_say_offer_any() -> None:
    offer = Offer()
    await offer.speech.languages()
    offer.holder.current = Settings(
        services={
            AUDIO: Service(url="http://a", dialect="openai"),
            TRANSLATION: Service(url="http://t", dialect="openai"),
        }
    )
    assert await offer.speech.languages() == LanguagesOffered(
        any_source=True, any_target=True, growing_limit=120
    )
    offer.open("tlh")


async def test_a_language_that_the_back_end_does_not_know_is_refused() -> None:
    """Only if it has listed its languages lately; otherwise it refuses by itself."""
    offer = Offer()
    offer.open("de")
    await offer.speech.languages()
    for language in ("en", "en-GB", "auto"):
        offer.open(language)
    with pytest.raises(ProblemError, match="en-US") as caught:
        offer.open("de")
    assert caught.value.code == "unsupported_language"
    await trio.sleep(61)
    offer.open("de")


async def test_what_no_back_end_offers_can_be_refused_before_anything_is_sent() -> None:
    """Both languages are looked at; to read in the language that is spoken needs no back end."""
    offer = Offer()
    await offer.speech.require("en", ("es", "en"))
    await offer.speech.require("auto", ())
    for source, targets, known in (("de", (), "en-US"), ("en", ("es", "fr"), "es")):
        with pytest.raises(ProblemError, match=known) as caught:
            await offer.speech.require(source, targets)
        assert caught.value.code == "unsupported_language"


async def test_a_rate_that_cannot_be_used_is_refused() -> None:
    with pytest.raises(ProblemError) as caught:
        Offer().open("en", rate=11_025)
    assert caught.value.code == "unsupported_sample_rate"


async def test_a_cancelled_question_for_languages_leaves_the_lock_free() -> None:
    offer = Offer()
    with trio.move_on_after(0.05):
        await offer.speech.languages()
    assert (await offer.speech.languages()).source == ("en-US",)


def test_statistics_before_any_speech() -> None:
    assert Offer().speech.statistics() == SpeechStatistics(
        streams=0,
        utterances=0,
        finals=0,
        lost=0,
        lost_seconds=0.0,
        revisions=0,
        revisions_dropped=0,
        waiting_seconds=0,
        caption_p50_ms=None,
        caption_p95_ms=None,
        utterances_per_minute=0,
        growing_limit=120,
    )


def test_percentiles_are_of_the_last_quarter_of_an_hour() -> None:
    """Older delays say nothing about now; a figure comes with the number of its captions."""
    counters = SpeechCounters()
    for number in range(1000):
        counters.final(float(number), None if number % 2 else number / 1000)
        counters.utterance(float(number))
    figures = counters.statistics(1000.0)
    assert figures.finals == 1000
    assert figures.captions_timed == 447  # of 894 s: parts of 15 s, whole ones
    assert figures.caption_p50_ms == pytest.approx(550, rel=0.03)
    assert figures.caption_p95_ms == pytest.approx(954, rel=0.03)
    assert figures.utterances_per_minute == 59
    assert counters.statistics(5000.0).utterances_per_minute == 0


def test_a_hang_is_out_of_the_figures_a_quarter_of_an_hour_later() -> None:
    """One caption that took half a minute is not shown for the rest of the day, with or without speech."""
    counters = SpeechCounters()
    counters.utterance(0.0)
    counters.final(34.0, 34.0)
    counters.lost(40.0, 5.0)
    now = counters.statistics(60.0)
    assert (now.captions_timed, now.caption_ago) == (1, 26)
    assert (now.utterances_in_window, now.lost_in_window) == (1, 1)
    assert now.caption_p95_ms == pytest.approx(34_000, rel=0.03)
    later = counters.statistics(34.0 + now.window_seconds)
    assert (later.captions_timed, later.caption_p50_ms, later.caption_p95_ms) == (0, None, None)
    assert (later.caption_ago, later.utterances_in_window, later.lost_in_window) == (900, 0, 0)
    assert (later.finals, later.lost) == (1, 1), "totals stay"
    counters.final(1000.0, 1.3)
    assert counters.statistics(1001.0).caption_p95_ms == pytest.approx(1300, rel=0.03)


def test_measurements_are_bounded_whatever_the_load() -> None:
    """A day of captions, many at each minute's start, stores no more than the window's parts."""
    counters = SpeechCounters()
    for minute in range(0, 86_400, 60):
        for number in range(100):
            counters.final(minute + number / 100, 1.0)
    parts = list(counters._window.recent(86_400.0))
    assert len(parts) <= len(counters._window) == 60
    assert sum(len(part.latencies) for part in parts) <= 60
    assert counters.statistics(86_400.0).captions_timed == 1400


def test_the_longest_wait_is_of_one_live_utterance_and_no_sum() -> None:
    """Ten simultaneous speakers are not late because their sentences are transcribed at the same time."""

    class Waiting:
        waiting_seconds = 8.0
        revisions = revisions_dropped = 0
        queued_seconds = 0.5

        def __init__(self, since: float | None) -> None:
            self.waits_since = since

        def shed(self, seconds: float) -> None:
            raise AssertionError(seconds)

    counters = SpeechCounters()
    assert counters.statistics(50.0).waiting_longest == 0
    with counters.open(Waiting(48.0)), counters.open(Waiting(46.5)), counters.open(Waiting(None)):
        figures = counters.statistics(50.0)
        assert (figures.waiting_seconds, figures.waiting_longest) == (24, 3.5)
        assert figures.queued_seconds == 1.5
    assert counters.statistics(50.0).waiting_longest == 0
