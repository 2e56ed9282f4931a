"""The pipeline of a run: :class:`orch.bots.pipeline.meeting_pipeline.MeetingPipeline`, as a run uses it."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import trio

from orch.bots.control import CameraFrame, FrameKind
from orch.bots.observations import Observation
from orch.bots.pipeline.meeting_pipeline import MeetingPipeline
from orch.bots.pipeline.pipeline_figures import Numbers
from orch.bots.pipeline.pipelines import Pipelines
from orch.bots.requests import Languages
from orch.bots.runs.parts import PipelineLive, Session
from orch.bots.runs.recording import Recordings, SessionRecording
from orch.bots.webcam.appearance import Appearance
from orch.bots.webcam.canvas import Patch
from orch.bots.webhooks.payloads import Data, Trigger
from orch.problems import ProblemError
from orch.protocol.identifiers import new_name
from orch.stores.bot_store import BotStore


class Offer(Protocol):
    """Sends an event about a bot to the endpoints that want it; it is stored soon."""

    def __call__(
        self, bot_id: str, metadata: Mapping[str, Any], trigger: Trigger, at: float, data: Data, /
    ) -> None:
        """``at``: seconds since the epoch."""


class RunPipelines:
    """Makes the pipelines of runs. ``touch``: publishes a topic now."""

    def __init__(
        self,
        pipelines: Pipelines,
        store: BotStore,
        *,
        recordings: Recordings,
        offer: Offer,
        touch: Callable[[str], None],
    ) -> None:
        self._pipelines = pipelines
        self._recordings = recordings
        self._store = store
        self._offer = offer
        self._touch = touch

    async def __call__(self, session: Session) -> "RunPipeline":
        """Make the pipeline of a session; one that another worker began goes on with its numbers."""
        numbers = Numbers(
            run=new_name(),
            captions=await self._store.next_segment(session.session_id, "google_meet"),
            segments=await self._store.next_segment(session.session_id, "whisper_service"),
        )

        async def announce(trigger: Trigger, at: float, data: Data) -> None:
            await trio.lowlevel.checkpoint()
            self._offer(session.bot_id, session.metadata or {}, trigger, at, data)

        recording = self._recordings(session.session_id, session.request, numbers.run)
        pipeline = self._pipelines.make(
            session_id=session.session_id,
            started=session.started,
            request=session.request,
            clock=session.clock,
            announce=announce,
            sound=recording.sink,
            tape=recording.put,
            changed=lambda: self._touch(f"bots/{session.bot_id}"),
            numbers=numbers,
            links=(session.traceparent,) if session.traceparent else (),
        )
        pipeline.camera_to(session.channel.show)
        return RunPipeline(pipeline, session, recording)


class RunPipeline:
    """See :class:`orch.bots.runs.parts.Pipeline`."""

    def __init__(self, pipeline: MeetingPipeline, session: Session, recording: SessionRecording) -> None:
        self._pipeline = pipeline
        self._recording = recording
        self._session = session
        self._off = trio.Event()
        if session.request.camera is None:
            self._off.set()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run until it is finished or cancelled; usable once started."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self._recording.run)
            try:
                await self._pipeline.run(task_status=task_status)
            finally:
                self._off.set()
                self._recording.close()

    async def observe(self, observation: Observation) -> None:
        """Accept an observation, once there is room; at the end it is too late for any."""
        self._recording.observe(observation)
        try:
            await self._pipeline.observe(observation)
        except trio.ClosedResourceError:
            await trio.lowlevel.checkpoint()

    def capture(self, *, is_on: bool) -> None:
        """Begin or end to capture."""
        self._pipeline.capture(on=is_on)

    def disconnected(self) -> None:
        """Apply that the bot's browser is gone: it sees and hears nobody until it joins again."""
        self._pipeline.disconnected()

    async def change_languages(self, languages: Languages) -> None:
        """Transcribe and translate other languages from now on."""
        await trio.lowlevel.checkpoint()
        self._pipeline.change_languages(languages)

    async def change_camera(self, camera: Appearance | None) -> None:
        """Draw another picture; None: a black one."""
        found = self._pipeline.camera
        channel = self._session.channel
        if found is None:
            return
        if camera is None:
            self._off.set()
            self._pipeline.camera_to(None)
            await channel.show([_black(found.appearance)])
            return
        found.look(camera)
        if self._off.is_set():
            self._off = trio.Event()
            self._pipeline.camera_to(channel.show)
        await trio.lowlevel.checkpoint()

    async def finish(self) -> None:
        """Return when what was observed so far has been recorded."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._recording.finish_sound)  # there is no more; the rest may take a while
            await self._pipeline.finish()
        await self._recording.finish()

    def live(self) -> PipelineLive:
        """Return what the bot's page shows."""
        live = self._pipeline.live()
        return PipelineLive(
            people=live.people,
            lines=live.lines,
            quality=live.quality,
            media=live.media,
            camera_frame=live.camera_frame,
            utterances=live.utterances,
        )

    async def camera(self, kind: FrameKind, *, after: int = -1) -> CameraFrame:
        """Return the camera's picture as soon as its number is not ``after``; ``camera_off`` if it is off."""
        found, off = self._pipeline.camera, self._off
        frame: CameraFrame | None = None
        if found is not None and not off.is_set():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_cancel_when, off, nursery.cancel_scope)
                number, file = await found.file(kind, after=after)
                frame = CameraFrame(number=number, file=file)
                nursery.cancel_scope.cancel()
        if frame is None:
            raise ProblemError("camera_off", "The bot shows no picture now.")
        return frame


async def _cancel_when(event: trio.Event, scope: trio.CancelScope) -> None:
    await event.wait()
    scope.cancel()


def _black(camera: Appearance) -> Patch:
    """Return a black frame."""
    return Patch(0, 0, camera.width, camera.height, b"\0\0\0\xff" * (camera.width * camera.height))
