"""How a back end is asked: with cool-downs, without storms, and with news of what it refuses."""

import email.utils
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import trio

from orch.problems import ProblemError
from orch.settings import Service, Settings
from orch.speech.back_end import EXHAUSTED_PAUSE, BackEnd
from orch.speech.cooldown import LONGEST, LONGEST_UNSTATED, Cooldown, retry_after
from orch.speech.outcomes import ENOUGH, RequestOutcomes
from orch.speech.requests import AUDIO, Headers, Request, Response
from orch.speech.responses import read_json
from tests.fakes.speech_back_ends import FakeAnswer, Holder

KEY = "sk-verysecret123"
GOOD = FakeAnswer(200, b"{}")


class Line:
    """A back end with scripted responses, and what is reported about it."""

    def __init__(self, answer: Callable[[float], FakeAnswer], *, takes: float = 0.1) -> None:
        self.answer = answer
        self.takes = takes
        self.asked: list[float] = []
        self.told: list[str | None] = []
        self.most = self.now = 0
        self.settings = Holder(Settings(services={AUDIO: Service(url="http://a", api_key=KEY)}))
        self.back_end = BackEnd(
            AUDIO, fetch=self.fetch, settings=self.settings, wall=lambda: 1_000_000 + trio.current_time()
        )
        self.back_end.on_refusal = lambda _service, refusal: self.told.append(refusal)

    async def fetch(
        self, service: str, method: str, path: str, *, headers: Headers = (), body: bytes = b""
    ) -> FakeAnswer:
        self.asked.append(trio.current_time())
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            answer = self.answer(trio.current_time())
            await trio.sleep(self.takes)
            return answer
        finally:
            self.now -= 1

    async def ask(self) -> str:
        """Return what came of a question: "ok", or the problem's code."""
        try:
            await self.back_end.send(
                lambda _: Request("GET", "/x"), lambda answer: read_json(AUDIO, "/x", answer)
            )
        except ProblemError as error:
            return error.code
        return "ok"


def refused(status: int, words: str = "no", **headers: str) -> FakeAnswer:
    body = msgspec.json.encode({"error": {"message": words}})
    return FakeAnswer(
        status, body, tuple((k.replace("_", "-").encode(), v.encode()) for k, v in headers.items())
    )


AT = 1_700_000_000.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({b"retry-after": b"30"}, 30),
        ({b"retry-after": b" 1.5 "}, 1.5),
        ({b"retry-after": b"0"}, 0.5),
        ({b"retry-after": b"86400"}, LONGEST),
        ({b"retry-after": b"-5"}, None),
        ({b"retry-after": b"soon"}, None),
        ({b"retry-after": b"9" * 400}, None),
        ({b"retry-after": b"\xff"}, None),
        ({b"retry-after": b"NaN"}, None),
        ({b"retry-after-ms": b"2500", b"retry-after": b"3"}, 2.5),
        ({b"retry-after": email.utils.formatdate(AT + 20, usegmt=True).encode()}, 20),
        ({b"retry-after": email.utils.formatdate(AT - 20, usegmt=True).encode()}, 0.5),
        ({b"retry-after": b"Fri, 31 Dec 9999 23:59:59 GMT"}, LONGEST),
        ({b"retry-after": b"Fri, 99 Dec 99999 23:59:59 GMT"}, None),
        ({b"retry-after": email.utils.formatdate(AT + 20).replace("-0000", "").encode()}, 20),
    ],
)
def test_how_long_a_server_asks_to_be_left_alone(headers: dict[bytes, bytes], seconds: float | None) -> None:
    """Seconds or a date, of any sense and none; never longer than a person would wait to see."""
    assert retry_after(headers.items(), at=AT) == seconds


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (refused(429, retry_after="30"), 30.0),
        (refused(503, retry_after="20"), 20.0),
        (refused(429, retry_after_ms="40000"), 40.0),
    ],
)
async def test_no_request_is_sent_during_a_cooldown_and_then_a_single_one(
    answer: FakeAnswer, expected: float
) -> None:
    """Eight lines that retry all the time: one request before, one after, and all once that one succeeds."""
    line = Line(lambda now: answer if now < 10 else GOOD, takes=2)
    done: list[float] = []

    async def keep_asking() -> None:
        while await line.ask() != "ok":  # noqa: ASYNC110 - asking again and again is what is tried
            await trio.sleep(0.25)
        done.append(trio.current_time())

    assert await line.ask() in {"rate_limited", "service_unavailable"}
    async with trio.open_nursery() as nursery:
        for _ in range(8):
            nursery.start_soon(keep_asking)
    assert line.asked[0] == 0
    assert line.asked[1] == pytest.approx(2 + expected, abs=0.3)
    assert line.asked[2] >= line.asked[1] + 2
    assert len(line.asked) == 9
    assert max(done) < 2 + expected + 5


@pytest.mark.limit(200)
async def test_cooldowns_of_unstated_length_grow() -> None:
    line = Line(lambda _now: refused(429))

    while trio.current_time() < 100:
        await line.ask()
        await trio.sleep(0.1)
    pauses = [later - earlier for earlier, later in zip(line.asked, line.asked[1:], strict=False)]
    assert pauses[:4] == [
        pytest.approx(1.1, abs=0.2),
        pytest.approx(2.1, abs=0.2),
        pytest.approx(4.1, abs=0.2),
        pytest.approx(8.1, abs=0.2),
    ]
    assert max(pauses) <= LONGEST_UNSTATED + 0.5
    assert len(line.asked) < 10


async def test_an_asker_that_is_cancelled_lets_another_find_out() -> None:
    line = Line(lambda now: refused(429, retry_after="5") if now < 1 else GOOD, takes=3)

    await line.ask()
    await trio.sleep(5)
    with trio.move_on_after(1):
        await line.ask()
    assert await line.ask() == "ok"


async def test_a_fault_of_our_own_is_no_response_of_the_back_end() -> None:
    """A full queue or an open breaker shows nothing about the back end's own responses."""

    def ours(_now: float) -> FakeAnswer:
        raise ProblemError("service_unavailable", "has failed too often")

    line = Line(ours)

    for _ in range(9):
        assert await line.ask() == "service_unavailable"
    assert line.told == []


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "check services.audio-service.api_key"),
        (403, "check services.audio-service.api_key"),
        (404, "check services.audio-service.url, .dialect, .path"),
        (429, "the account's quota"),
        (500, "sends unusable responses (500)"),
    ],
)
async def test_refusals_in_a_row_are_reported_once_and_ended_by_a_success(status: int, words: str) -> None:
    """With the status, the back end's message and the setting to check; a key that it quotes is masked."""
    is_good = False
    line = Line(lambda _now: GOOD if is_good else refused(status, f"Incorrect: {KEY}\x1b[31m\u202e"))

    while len(line.asked) < ENOUGH:
        assert line.told == []
        await line.ask()
        await trio.sleep(1)
    (told,) = line.told
    assert told is not None
    assert words in told
    assert "Incorrect: ••••" in told
    assert KEY not in told
    assert told.isprintable()
    assert line.back_end.statistics().refusal == told
    for _ in range(20):
        await line.ask()
    assert len(line.told) == 1
    is_good = True
    await trio.sleep(60)
    assert await line.ask() == "ok"
    assert line.told[1:] == [None]
    figures = line.back_end.statistics()
    assert (figures.answered, figures.refusal) == (1, None)
    assert figures.refused >= ENOUGH


@pytest.mark.parametrize("status", [402, 456])
async def test_an_account_without_quota_rests_and_says_so(status: int) -> None:
    """Deepgram and DeepL: it is reported at once, and one request a minute shows whether it has ended."""
    is_good = False
    line = Line(lambda _now: GOOD if is_good else refused(status, "Quota exceeded"))

    assert await line.ask() == "refused"
    assert line.told == [
        f"refuses requests with {status}: Quota exceeded; check its limits and the account's quota"
    ]
    for _ in range(50):
        await trio.sleep(1)
        assert await line.ask() == "refused"
    assert len(line.asked) == 1
    is_good = True
    await trio.sleep(EXHAUSTED_PAUSE)
    assert await line.ask() == "ok"
    assert line.told[1:] == [None]


async def test_a_success_in_between_restarts_the_count() -> None:
    """One recording that an engine cannot read is not the back end's trouble."""
    answers = [refused(401), refused(401), GOOD] * 5
    line = Line(lambda _now: answers.pop())

    while answers:
        await line.ask()
    assert line.told == []


def test_refusals_of_the_content_take_twice_as_many() -> None:
    """Three revisions of one utterance that is too short are no news yet."""
    standing = RequestOutcomes(AUDIO)
    error = ProblemError("refused", "too short")
    assert [standing.failed(error, 400) for _ in range(2 * ENOUGH)] == [False] * (2 * ENOUGH - 1) + [True]


async def test_a_long_wait_is_news_at_once() -> None:
    """A back end that requests a pause of half a minute is behind, although it is healthy."""
    line = Line(lambda _now: refused(429, "Rate limit reached", retry_after="30"))

    await line.ask()
    assert len(line.told) == 1


async def test_other_settings_begin_anew() -> None:
    """A new key is tried at once, and the refusal of the old one is reset."""
    line = Line(lambda now: refused(401) if now < 5 else GOOD)

    for _ in range(ENOUGH):
        await line.ask()
    await trio.sleep(5)
    line.settings.current = Settings(services={AUDIO: Service(url="http://a", api_key="other")})
    assert await line.ask() == "ok"
    assert [told is None for told in line.told] == [False, True]


@pytest.mark.parametrize(
    "error", [RuntimeError(KEY), RecursionError(), UnicodeDecodeError("utf-8", b"x", 0, 1, KEY)]
)
@pytest.mark.parametrize("where", ["request", "answer"])
async def test_whatever_is_raised_is_a_problem(error: Exception, where: str) -> None:
    """The stream continues; the log has the exception, the caption neither a traceback nor a secret."""

    def fail(*_arguments: Any) -> FakeAnswer:
        raise error

    line = Line(fail if where == "request" else lambda _now: GOOD)

    def read(answer: Response) -> None:
        fail(answer)

    with pytest.raises(ProblemError) as caught:
        await line.back_end.send(lambda _: Request("GET", "/x"), read)
    assert caught.value.code in {"internal_error", "bad_gateway"}
    assert KEY not in caught.value.detail


def test_a_back_end_that_requests_no_pause_gets_none() -> None:
    cooldown = Cooldown()
    for now in range(5):
        assert cooldown.wait(now) == 0
        cooldown.responded(now)
