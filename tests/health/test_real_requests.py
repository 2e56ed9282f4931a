"""Real requests: what checks that are answered do not show."""

import json
from itertools import pairwise
from typing import Any

import httpx2
import pytest
import trio

from orch.health.real_requests import RealRequest, pause
from orch.health.verdict import State
from orch.settings import Service
from orch.telemetry.work import IDLE, Work
from orch.wiring.real_requests import make_real_request
from tests.fakes.health import Bench, Network, refused
from tests.fakes.patience import PATIENCE

ONE = "http://user:secret@one:5001"


def test_real_requests_are_spread_and_come_at_the_interval() -> None:
    """The first within a tenth of it; the others vary by a tenth."""
    assert [pause(300, is_first=True, jitter=jitter) for jitter in (0.0, 1.0)] == [0, 30]
    assert [pause(300, is_first=False, jitter=jitter) for jitter in (0.0, 0.5, 1.0)] == pytest.approx(
        [270, 300, 330]
    )


class Engine:
    """A back end whose health endpoint is fine while its engine does what ``does`` says."""

    def __init__(self) -> None:
        self.does: Any = lambda: httpx2.Response(200, json={"text": "hello"})
        self.takes = 0.0
        self.asked: list[tuple[float, httpx2.Request]] = []
        self.is_deaf = False

    async def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if request.method == "GET":
            if self.is_deaf:
                await trio.sleep_forever()
            return httpx2.Response(200, json={"status": "healthy"})
        self.asked.append((trio.current_time(), request))
        await trio.sleep(self.takes)
        answer = self.does()
        assert isinstance(answer, httpx2.Response)
        return answer


def bench(engine: Engine, *, work: Work = IDLE, **probe: Any) -> Bench:
    probe = {"real_interval": 50, "real_timeout": 8, **probe}
    service = {"url": ONE, "probe": probe}
    made = Bench(network=Network(one=engine), services={"audio-service": service})

    def read(status: int, _headers: Any, _body: bytes) -> str:
        return "" if status == 200 else "no text"

    def make(name: str, _service: Service) -> RealRequest:
        assert name == "audio-service"
        return RealRequest(
            "POST", "/t", (), b"sound", lambda status, _h, _b: "" if status == 200 else "no text"
        )

    made.health.make_real_request = make
    made.health.work_of = lambda _service, _url: work
    return made


async def test_an_engine_that_fails_behind_a_green_endpoint_is_degraded_in_words() -> None:
    """And healthy again with the next real request that succeeds; credentials go with it."""
    engine = Engine()
    made = bench(engine)
    async with made.running():
        await trio.sleep(20)
        assert len(engine.asked) == 1
        assert engine.asked[0][1].headers["authorization"].startswith("Basic ")
        assert made.service().state is State.HEALTHY
        engine.does = lambda: httpx2.Response(500)
        await made.health.wait_for("audio-service", State.DEGRADED)
        assert made.service().reason == "answers checks, but fails a real request: no text"
        engine.does = lambda: httpx2.Response(200)
        with trio.fail_after(PATIENCE):
            await made.health.wait_for("audio-service", State.HEALTHY)
        times = [at for at, _ in engine.asked]
        pauses = [after - before for before, after in pairwise(times)]
        assert pauses == pytest.approx([50] * len(pauses), abs=1.5)


async def test_an_engine_that_hangs_is_found_at_the_deadline_and_is_busy_until_then() -> None:
    """An engine with one thread answers no check meanwhile, for which it is not to blame."""
    engine = Engine()
    engine.takes, engine.is_deaf = 1_000, False
    made = bench(engine)
    made.settings.change(
        orchestration={"monitoring": {"health_check_interval": 1, "health_check_timeout": 1}}
    )
    async with made.running():
        await made.health.wait_for("audio-service", State.HEALTHY)
        await trio.sleep(6)
        assert len(engine.asked) == 1
        engine.is_deaf = True
        await made.health.wait_for("audio-service", State.BUSY)
        assert made.service().reason.startswith("busy with a real request of the checks; ")
        engine.is_deaf = False
        await made.health.wait_for("audio-service", State.DEGRADED)
        assert made.service().reason == "answers checks, but fails a real request: no response in 8 s"
        assert not any("unhealthy" in text for text in made.texts())


async def test_none_is_sent_to_an_instance_that_has_work_is_down_or_is_maintained() -> None:
    """It would hold up others, or show nothing; without an interval there is none at all."""
    engine = Engine()
    busy = bench(engine, work=Work(1, 5.0, makes_progress=True))
    async with busy.running():
        await trio.sleep(30)
    none = bench(engine, real_interval=0)
    async with none.running():
        await trio.sleep(30)
    down = Bench(
        network=Network(one=refused), services={"audio-service": {"url": ONE, "probe": {"real_interval": 5}}}
    )
    down.health.make_real_request = lambda _n, _s: pytest.fail("asked")
    async with down.running():
        await trio.sleep(30)
    assert engine.asked == []


async def test_an_error_in_reading_a_response_is_a_reason_and_ends_nothing() -> None:
    """A response of any kind must not end the checks."""
    engine = Engine()
    made = bench(engine)

    def read(_status: int, _headers: Any, _body: bytes) -> str:
        raise KeyError("text")

    made.health.make_real_request = lambda _n, _s: RealRequest("POST", "/t", (), b"", read)
    async with made.running():
        await made.health.wait_for("audio-service", State.HEALTHY)
        await made.health.wait_for("audio-service", State.DEGRADED)
        assert made.service().reason.endswith("cannot be checked: KeyError")


@pytest.mark.parametrize(
    ("name", "dialect", "path", "good"),
    [
        ("audio-service", "livetranslate", "/api/transcribe", {"text": "hello"}),
        ("audio-service", "openai", "/v1/audio/transcriptions", {"text": "hello"}),
        ("translation-service", "livetranslate", "/api/translate", {"translated_text": "Hola"}),
        ("translation-service", "libretranslate", "/translate", {"translatedText": "Hola"}),
    ],
)
def test_a_real_request_is_that_of_the_dialect(
    name: str, dialect: str, path: str, good: dict[str, Any]
) -> None:
    """A response with a result is fine; any other is not, in the words that users get."""
    service = Service(url="http://h", dialect=dialect, api_key="k")  # type: ignore[arg-type]
    made = make_real_request(name, service)
    assert made is not None
    assert (made.method, made.path) == ("POST", path)
    assert len(made.body) < 50_000
    headers = ((b"content-type", b"application/json"),)
    assert made.read(200, headers, json.dumps(good).encode()) == ""
    assert made.read(500, headers, b'{"detail": "engine crashed"}') != ""
    assert made.read(200, headers, b"<html>") != ""
    assert make_real_request("other", service) is None
