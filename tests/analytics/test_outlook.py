"""The outlook: forecasts computed once, and the limits that will be reached, of what a scene has measured."""

import numpy as np
import pytest
import trio

from orch.analytics.exhaustion import Exhaustion
from orch.analytics.outlook import STORED, STORED_FOR, WAITING, WITHIN, Outlook
from orch.analytics.queries import ForecastQuestion
from orch.analytics.series import Figure, Series
from orch.problems import ProblemError
from tests.fakes.analytics_scenes import CONNECTIONS, LIMITS, MEMORY, fill
from tests.fakes.analytics_scenes import STORED as STORED_BYTES
from tests.fakes.hub import inline

NOW = 1_795_000_050.0
FREE = Figure(name="state_free_bytes", title="Free", area="process", unit="bytes", worse="down")


class Bench:
    def __init__(self) -> None:
        self.series = Series(most=8)
        self.limits = {
            key: limit for key, limit in LIMITS.items() if key in (CONNECTIONS.key, STORED_BYTES.key)
        }
        self.computed = 0
        self.pause = 0.0
        self.now = NOW
        self.outlook = Outlook(
            lambda: self.series, lambda: self.limits, worker="w", now=lambda: self.now, offload=self.offload
        )

    async def offload(self, work: object, *given: object) -> object:
        self.computed += 1
        await trio.sleep(self.pause)
        return await inline(work, *given)  # type: ignore[arg-type]  # any function


@pytest.fixture
def bench() -> Bench:
    found = Bench()
    fill(found.series, (CONNECTIONS, MEMORY, STORED_BYTES), NOW)
    return found


async def test_a_forecast_follows_the_course_of_the_day(bench: Bench) -> None:
    answer = await bench.outlook.answer(ForecastQuestion(key="connections", hours=24))
    assert answer.forecast is not None
    assert (answer.limit, answer.exhaustion) == (2_000.0, None)
    values = np.array(answer.forecast.values)
    assert values.max() > 3 * values.min()
    assert NOW - 3_600 < answer.forecast.start <= NOW
    fine = await bench.outlook.answer(ForecastQuestion(key="connections", hours=2))
    assert fine.forecast is not None
    assert (fine.forecast.step, len(fine.forecast.values)) == (300.0, 24)


async def test_a_forecast_is_computed_once_in_a_while(bench: Bench) -> None:
    """Many pages and reloads cost one computation; stored forecasts are bounded."""
    question = ForecastQuestion(key="memory_bytes")
    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(bench.outlook.answer, question)
    await bench.outlook.answer(question)
    computed = bench.computed
    assert computed == 1
    bench.now += STORED_FOR
    await bench.outlook.answer(question)
    assert bench.computed == computed + 1
    for hours in range(1, 169):
        bench.outlook._made["memory_bytes", hours] = (bench.now, None)
    await bench.outlook.answer(ForecastQuestion(key="connections"))
    assert len(bench.outlook._made) <= STORED


async def test_the_limit_that_is_reached_first_is_first(bench: Bench) -> None:
    """What fills up by 14 MB a day has two weeks. A morning in which connections rise reaches no limit."""
    bench.series.add(NOW + 1, [(FREE, 5e9)])
    bench.limits[FREE.key] = 0.0
    await bench.outlook.look()
    (filling,) = bench.outlook.filling
    assert filling.key == STORED_BYTES.key
    assert isinstance(filling.exhaustion, Exhaustion)
    assert filling.exhaustion.within == pytest.approx((1_073_741_824 - 8.6e8) / 1.4e7 * 86_400, rel=0.05)


async def test_what_is_not_measured_is_not_forecast(bench: Bench) -> None:
    with pytest.raises(ProblemError, match="no such series"):
        await bench.outlook.answer(ForecastQuestion(key="nope"))
    bench.series.add(NOW + 1, [(FREE, 5e9)])
    answer = await bench.outlook.answer(ForecastQuestion(key=FREE.key))
    assert answer.forecast is None
    assert "Too little" in answer.reason


async def test_a_forecast_that_is_late_is_refused_and_the_next_is_served(bench: Bench) -> None:
    """A busy machine: the request has an end of its own, and holds no place after it."""
    bench.pause = 2 * WITHIN
    began = trio.current_time()
    with pytest.raises(ProblemError, match="not computed within 10 s") as late:
        await bench.outlook.answer(ForecastQuestion(key="connections"))
    assert trio.current_time() - began == pytest.approx(WITHIN)
    assert (late.value.code, late.value.status) == ("forecast_late", 503)
    assert late.value.headers["Retry-After"]
    bench.pause = 0.0
    assert (await bench.outlook.answer(ForecastQuestion(key="connections"))).forecast is not None


async def test_of_a_flood_of_questions_a_few_wait_and_the_rest_is_refused_at_once(bench: Bench) -> None:
    outcomes: list[str] = []

    async def ask(hours: int) -> None:
        try:
            await bench.outlook.answer(ForecastQuestion(key="connections", hours=hours))
        except ProblemError as problem:
            outcomes.append(problem.code)
        else:
            outcomes.append("made")

    bench.pause = WITHIN / 5
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        for hours in range(1, 101):
            nursery.start_soon(ask, hours)
    assert trio.current_time() - began <= WITHIN + 0.1
    assert outcomes.count("overloaded") == 100 - WAITING - 1
    assert outcomes.count("made") == 2
    assert outcomes.count("forecast_late") == WAITING - 1
