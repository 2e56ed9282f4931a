"""The pipeline of one bot: made at the first admission, it outlives the browsers."""

from typing import TYPE_CHECKING, Final

import structlog
import trio

from orch.bots.control import CameraFrame, FrameKind
from orch.bots.observations import Observation
from orch.bots.runs.failures import leaves
from orch.bots.runs.journal import RETRY_EVERY
from orch.bots.runs.parts import Pipeline, PipelineLive, Session
from orch.problems import ProblemError

if TYPE_CHECKING:
    from orch.bots.runs.run import BotRun

FINISHED_WITHIN: Final = 20.0
"""Seconds that the pipeline may need at the end for what it has."""

HURRIED: Final = 2.0
"""The same, of a bot that others go on with."""

_log = structlog.get_logger(__name__)


class Captioning:
    """One bot's pipeline.

    The mutable state is the pipeline, the session's start on the monotonic clock, whether it captures, and
    until when it may be finished.
    """

    def __init__(self, run: "BotRun") -> None:
        self._run = run
        self._zero: float | None = None
        self._making = trio.Lock()
        self._finishing = trio.CancelScope()
        self._is_hurried = False
        self.is_on = False
        self.pipeline: Pipeline | None = None
        self.made = trio.Event()

    def clock(self) -> float:
        """Return seconds from the session's start, which is its first admission; 0 before."""
        return 0.0 if self._zero is None else trio.current_time() - self._zero

    async def begin(self, nursery: trio.Nursery) -> None:
        """Make the pipeline and run it, once the session's start is known and the stores are there."""
        async with self._making:
            started = self._run.journal.stored.admitted_at
            if self.pipeline is None and started is not None:
                self._zero = trio.current_time() - (self._run.parts.wall() - started)
                self.pipeline = await self._started(self._session(started), nursery)
                self.made.set()

    def _session(self, started: float) -> Session:
        run, stored = self._run, self._run.journal.stored
        return Session(
            bot_id=run.bot_id,
            session_id=stored.session_id,
            name=stored.name,
            request=run.request,
            started=started,
            clock=self.clock,
            channel=run.channel,
            metadata=stored.metadata,
            traceparent=run.parts.traces.parent_of(run.bot_id),
        )

    async def _started(self, session: Session, nursery: trio.Nursery) -> Pipeline:
        """Start a pipeline, once the stores that it needs are there."""
        while True:
            problems: list[ProblemError] = []
            try:
                pipeline = await self._run.parts.pipeline(session)
                await nursery.start(pipeline.run)
            except* ProblemError as group:
                problems = [each for each in leaves(group) if isinstance(each, ProblemError)]
                if any(each.code != "store_unavailable" for each in problems):
                    raise
            if not problems:
                return pipeline
            _log.warning("a bot waits for the store", bot=self._run.bot_id, reason=problems[0].detail)
            await trio.sleep(RETRY_EVERY)

    def capture(self, *, is_on: bool) -> bool:
        """Begin or end to capture; return whether that is a change."""
        if self.pipeline is None or is_on is self.is_on:
            return False
        self.is_on = is_on
        self.pipeline.capture(is_on=is_on)
        return True

    async def observe(self, observation: Observation) -> None:
        """Pass an observation on, once there is room; before the first admission there is nothing to do."""
        if self.pipeline is not None:
            await self.pipeline.observe(observation)

    def disconnected(self) -> None:
        """Apply that the bot's browser is gone."""
        if self.pipeline is not None:
            self.pipeline.disconnected()

    def live(self) -> PipelineLive:
        """Return what the bot's page shows."""
        return PipelineLive() if self.pipeline is None else self.pipeline.live()

    async def camera(self, kind: FrameKind, *, after: int) -> CameraFrame:
        """Return the camera's picture as soon as its number is not ``after``; ``camera_off``."""
        if self.pipeline is None or self._run.request.camera is None:
            raise ProblemError("camera_off", "The bot shows no picture now.")
        return await self.pipeline.camera(kind, after=after)

    def hurry(self) -> None:
        """Have :meth:`finish` end soon: others go on with this bot."""
        self._is_hurried = True
        self._finishing.deadline = min(self._finishing.deadline, trio.current_time() + HURRIED)

    async def finish(self) -> None:
        """Have the pipeline record what it has."""
        if self.pipeline is None:
            return
        within = HURRIED if self._is_hurried else FINISHED_WITHIN
        self._finishing.deadline = trio.current_time() + within
        with self._finishing:
            await self.pipeline.finish()
        if self._finishing.cancelled_caught:
            _log.warning("the last words of a meeting are missing", bot=self._run.bot_id)
