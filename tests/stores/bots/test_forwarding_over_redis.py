"""Bots of another worker, over a real server."""

from pathlib import Path

import pytest
import trio

from orch.bots.control import CameraFrame
from orch.cluster.survey import Survey
from orch.problems import ProblemError
from tests.fakes.bot_service import Scene, running
from tests.fakes.redis import RedisServer
from tests.fakes.redis_workers import workers

pytestmark = pytest.mark.real_time

SPEECH = b"\x01\x02" * (120 * 16_000)


async def test_speech_pictures_and_problems_pass_over_a_server(
    lone_redis: RedisServer, tmp_path: Path
) -> None:
    """The longest speech and the largest picture arrive whole, and a problem with its members."""
    async with trio.open_nursery() as nursery, workers(lone_redis.url) as (one, two):
        first, second = Survey(one.cluster, place=0), Survey(two.cluster, place=1)
        one.events.surveyed = first.reply  # type: ignore[method-assign, assignment]
        two.events.surveyed = second.reply  # type: ignore[method-assign, assignment]
        await nursery.start(first.run)
        await nursery.start(second.run)
        async with running(tmp_path, is_alone=False, survey=first) as owner:
            owner.ready_after = 0
            other = Scene(tmp_path, owner.store, worker=second.me.name, is_alone=False, survey=second)
            other.set(enabled=False)
            await other.start(nursery)
            bot, meeting = await owner.capturing("Ana")
            spoken: list[bytes] = []

            async def speak(pcm: bytes) -> None:
                await trio.lowlevel.checkpoint()
                spoken.append(pcm)

            owner.channels[bot.bot_id].speak = speak  # type: ignore[method-assign]
            await other.service.speak(bot.bot_id, SPEECH)
            await other.service.chat(bot.bot_id, "Grüße")
            assert (spoken, meeting.chats[-1]) == ([SPEECH], "Grüße")
            owner.pipelines[bot.bot_id].frame_size = 238_000
            assert await other.service.camera(bot.bot_id, "png") == CameraFrame(
                number=0, file=b"png" * 238_000
            )
            assert (await other.service.get(bot.bot_id)).is_here
            with pytest.raises(ProblemError) as wrong:
                await other.service.resume(bot.bot_id)
            assert wrong.value.extra["expected"] == ["paused"]
            await other.stop()
        nursery.cancel_scope.cancel()
