"""An instance of two is killed while requests are in progress: none is lost, and each step is shown."""

import os
import signal
from pathlib import Path
from typing import Any

import httpx2
import pytest
import trio

from orch.gateway.statistics import GatewayInstance
from orch.health.statistics import InstanceStatistics
from orch.health.verdict import State
from tests.fakes.health import backend
from tests.fakes.patience import PATIENCE
from tests.fakes.ports import free_port
from tests.fakes.whole import Whole, whole

pytestmark = pytest.mark.real_time

AUDIO = "audio-service"
FIRST, SECOND = 0, 1
LONG = 3600
"""Seconds for what a test looks at while it lasts."""


class Rig:
    """The whole service with two audio-services as children, which answer once ``answers`` exists."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.answers = folder / "answers"
        self.urls = [f"http://127.0.0.1:{free_port()}" for _ in (FIRST, SECOND)]
        self.children = [backend(int(url[-5:].lstrip(":")), "--hold", str(self.answers)) for url in self.urls]
        self.overlay: dict[str, Any] = {
            f"services.{AUDIO}.url": self.urls[FIRST],
            f"services.{AUDIO}.instances": [{"url": self.urls[SECOND]}],
            f"services.{AUDIO}.max_concurrency": 10,
            f"services.{AUDIO}.slow_start": LONG,
            f"services.{AUDIO}.ejection.base": LONG,
            f"services.{AUDIO}.ejection.longest": LONG,
            # Nothing is late here but what the test holds: a busy machine neither degrades an instance nor
            # ends a request.
            "orchestration.monitoring.health_check_timeout": 60,
            "orchestration.gateway.timeout": 600,
            "orchestration.gateway.timeouts.connect": 60,
            "orchestration.gateway.public": True,
            "orchestration.gateway.public_routes": [{"path": "/api/audio/transcribe", "methods": ["POST"]}],
        }


def shown(running: Whole, index: int) -> tuple[InstanceStatistics, GatewayInstance]:
    """Return what health and gateway show of an audio-service."""
    (service,) = (one for one in running.parts.health.statistics().services if one.name == AUDIO)
    instances = [one for one in running.parts.gateway.statistics().instances if one.service == AUDIO]
    return service.instances[index], instances[index]


def ejections(running: Whole) -> int:
    """Return for how many flows the second instance is ejected."""
    return sum(lane.ejected_for is not None for lane in shown(running, SECOND)[1].lanes)


async def both_healthy(running: Whole) -> None:
    """Wait until both audio-services respond."""
    while not all(shown(running, index)[0].state is State.HEALTHY for index in (FIRST, SECOND)):  # noqa: ASYNC110 - two states have nothing to wait on
        await trio.sleep(0.01)


def received(rig: Rig, pid: int | None) -> int:
    """Return how many requests a child has received."""
    return len(list(rig.folder.glob(f"{rig.answers.name} {pid} *")))


@pytest.mark.parametrize(("clients", "ejected"), [(1, 0), (5, 1)])
async def test_none_of_ten_requests_is_lost_with_an_instance_and_each_step_is_shown(
    tmp_path: Path, clients: int, ejected: int
) -> None:
    """It is out of rotation at once, is started again, and gets slowly more requests when it returns.

    It loses five requests at once. If they are of several clients, these are five failures in a row, which
    eject it: then it stays out when it is back. If they are of one client, what that one sent may be the
    reason, and there is no ejection. What was lost moves to the other instance.
    """
    rig, answers = Rig(tmp_path), dict[int, bytes]()
    async with whole(tmp_path, processes={AUDIO: rig.children}, **rig.overlay) as running:
        await both_healthy(running)
        pids = [shown(running, index)[0].pid for index in (FIRST, SECOND)]
        async with (
            httpx2.AsyncClient(base_url=running.url, timeout=PATIENCE) as http,
            trio.open_nursery() as group,
        ):

            async def transcribe(number: int) -> None:
                who = {"x-forwarded-for": f"198.51.100.{number // 2 % clients + 1}"}
                body = b"speech %d" % number
                answer = await http.post("/api/audio/transcribe", content=body, headers=who)
                assert answer.status_code == 200, answer.text
                answers[number] = answer.content

            for number in range(10):
                group.start_soon(transcribe, number)
            while [received(rig, pid) for pid in pids] != [5, 5]:  # noqa: ASYNC110 - files have nothing to wait on
                await trio.sleep(0.01)
            os.kill(pids[SECOND] or 0, signal.SIGKILL)
            # A check may be the first to notice, and degrade it: what counts is the end of the process.
            while shown(running, SECOND)[0].usable:  # noqa: ASYNC110 - the service may be degraded already
                await trio.sleep(0.01)
            checked, routed = shown(running, SECOND)
            assert (checked.state, checked.usable, routed.usable) == (State.UNHEALTHY, False, False)
            assert checked.reasons == ("process ended by signal 9 (SIGKILL)",)
            await both_healthy(running)
            checked, routed = shown(running, SECOND)
            assert (checked.restarts, checked.pid != pids[SECOND], routed.usable) == (1, True, True)
            assert [shown(running, FIRST)[0].restarts, shown(running, FIRST)[0].pid] == [0, pids[FIRST]]
            assert ejections(running) == ejected
            if ejected:
                command = {"action": "return", "service": AUDIO, "instance": rig.urls[SECOND]}
                assert (await http.post("/api/gateway/control", json=command)).status_code == 200
                assert ejections(running) == 0
            while shown(running, SECOND)[1].weight_now >= 1:  # noqa: ASYNC110 - the gateway looks each second
                await trio.sleep(0.05)
            assert 0 < shown(running, SECOND)[1].weight_now < 1
            assert not answers
            rig.answers.touch()
        assert answers == {number: b"speech %d" % number for number in range(10)}
