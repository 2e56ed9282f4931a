"""What the pipelines of all bots of a process share: neighbours, fonts, the one thread that draws."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar, TypeVarTuple

import trio

from orch.bots.correlation.tally import AttributionTally
from orch.bots.pipeline.meeting_pipeline import MeetingPipeline
from orch.bots.pipeline.pipeline_figures import Numbers
from orch.bots.pipeline.ports import Announce, Hub, Records, SoundSink
from orch.bots.requests import BotRequest
from orch.bots.tapes.lines import Line
from orch.bots.webcam.fonts import Fonts
from orch.speech.service import SpeechService
from orch.stores.bot_writer import Offload
from orch.telemetry.boundaries import Boundary
from orch.telemetry.names.metric import Reading

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")


class Thread:
    """Runs functions in a thread, one at a time."""

    def __init__(self) -> None:
        self._limiter = trio.CapacityLimiter(1)

    async def __call__(self, work: Callable[[*Arguments], T], /, *args: *Arguments) -> T:
        """Run ``work(*args)``; when cancelled, it is waited for."""
        return await trio.to_thread.run_sync(work, *args, limiter=self._limiter)


class Pipelines:
    """Makes the pipeline of each bot. The mutable state is the fonts, read as they are needed."""

    def __init__(
        self,
        *,
        hub: Hub,
        speech: SpeechService,
        records: Records,
        fonts: Fonts | None = None,
        drawing: Offload | None = None,
        tally: AttributionTally | None = None,
    ) -> None:
        """Set up.

        ``drawing``: runs what draws, one at a time, as the cameras share fonts. ``tally``: counts the words
        of all meetings.
        """
        self._tally = tally
        self._hub = hub
        self._speech = speech
        self._records = records
        self._fonts = fonts or Fonts()
        self._drawing = drawing or Thread()
        self.boundary = Boundary("captions of bots")

    def make(
        self,
        *,
        session_id: str,
        started: float,
        request: BotRequest,
        clock: Callable[[], float],
        announce: Announce | None = None,
        sound: SoundSink | None = None,
        tape: Callable[[Line], None] | None = None,
        changed: Callable[[], None] = lambda: None,
        numbers: Numbers | None = None,
        is_bot_name: Callable[[str], bool] | None = None,
        links: Sequence[str] = (),
    ) -> MeetingPipeline:
        """Return the pipeline of a bot, which does not run yet.

        ``started``: of the session, seconds since the epoch; ``clock``: seconds since then. ``announce``:
        sends webhooks. ``sound``: receives what is captured, for a recording. ``tape``: receives raw
        signals, to be replayed. ``changed``: called when :meth:`MeetingPipeline.live` differs. ``numbers``:
        where a session goes on that another worker began. ``links``: the ``traceparent`` of what its speech
        belongs to.
        """
        return MeetingPipeline(
            session_id=session_id,
            started=started,
            request=request,
            hub=self._hub,
            speech=self._speech,
            records=self._records,
            clock=clock,
            fonts=self._fonts,
            drawing=self._drawing,
            boundary=self.boundary,
            announce=announce,
            sound=sound,
            tape=tape,
            changed=changed,
            numbers=numbers,
            is_bot_name=is_bot_name,
            tally=self._tally,
            links=links,
        )

    def readings(self) -> Iterator[Reading]:
        """Yield the metrics."""
        yield from self.boundary.readings()
