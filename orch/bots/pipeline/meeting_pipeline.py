"""One bot's pipeline: what it observes of its meeting becomes captions by speaker, wherever they are read.

    pipeline = MeetingPipeline(...)
    await nursery.start(pipeline.run)
    pipeline.camera_to(channel.show)
    await pipeline.observe(observation)     # each, in order, from the page and from its sound
    pipeline.capture(on=True)               # once it may
    await pipeline.finish()                 # the last words are transcribed; run ends

The page's observations and the sound may come from two tasks. It outlives the browser: after a rejoin the
same pipeline goes on (:meth:`disconnected` in between).
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import trio

from orch.bots.correlation.tally import AttributionTally
from orch.bots.interface_texts import SELF_NAMES
from orch.bots.leave_rules import LeaveRules, is_bot
from orch.bots.observations import (
    Observation,
    OwnerSeen,
    Sound,
    SoundLost,
    SoundObservation,
    TrackBegan,
    TrackEnded,
)
from orch.bots.pipeline.camera import Camera
from orch.bots.pipeline.effects import Effect, Redraw, Translate
from orch.bots.pipeline.line_translations import LineTranslations
from orch.bots.pipeline.minutes import Minutes
from orch.bots.pipeline.outbox import Outbox
from orch.bots.pipeline.pipeline_figures import Numbers, PipelineLive, PipelineStatistics
from orch.bots.pipeline.ports import Announce, CameraSink, Hub, HubSession, Records, SoundSink
from orch.bots.pipeline.track_clock import RATE
from orch.bots.pipeline.track_output import Readers, TrackOutput, UnheardOutput
from orch.bots.pipeline.tracks import HeardTrack, Tracks
from orch.bots.requests import BotRequest, Languages
from orch.bots.shown import MediaShown
from orch.bots.tapes.lines import Line
from orch.bots.tapes.taped_minutes import TapedMinutes
from orch.bots.webcam.appearance import Appearance
from orch.bots.webcam.fonts import Fonts
from orch.protocol.messages import SpeakerAudio
from orch.speech.languages import AUTO
from orch.speech.service import SpeechService
from orch.stores.bot_writer import Offload
from orch.telemetry.boundaries import Boundary

TICK: Final = 0.25
"""Seconds between two looks at what time alone changes: the correlation's own step."""


class MeetingPipeline:
    """The mutable state is that of its parts.

    Resource handling: everything runs in ``run``; when that ends, for whatever reason, nothing is left open.

    Error handling: a failing stream is logged and counted, and the meeting goes on; what the store or the hub
    raise besides being away leaves ``run``.
    """

    def __init__(
        self,
        *,
        session_id: str,
        started: float,
        request: BotRequest,
        hub: Hub,
        speech: SpeechService,
        records: Records,
        clock: Callable[[], float],
        fonts: Fonts,
        drawing: Offload,
        boundary: Boundary,
        announce: Announce | None = None,
        sound: SoundSink | None = None,
        tape: Callable[[Line], None] | None = None,
        changed: Callable[[], None] = lambda: None,
        numbers: Numbers | None = None,
        is_bot_name: Callable[[str], bool] | None = None,
        tally: AttributionTally | None = None,
        links: Sequence[str] = (),
    ) -> None:
        """Set up a bot's pipeline; nothing runs yet.

        For the rest see :meth:`orch.bots.pipeline.pipelines.Pipelines.make`.
        """
        numbers = numbers or Numbers()
        self.session_id = session_id
        self._started = started
        self._request = request
        self._hub = hub
        self._speech = speech
        self._store = records
        self._clock = clock
        self._announce = announce
        self._sound = sound
        self._changed = changed
        self._is_bot = is_bot_name or _is_bot
        self._links = links
        languages = request.languages
        self._targets = languages.targets
        self.minutes = (Minutes if tape is None else partial(TapedMinutes, tape))(
            session_id=session_id,
            started=started,
            own=(request.name, *SELF_NAMES.get(languages.interface, ())),
            run=numbers.run,
            next_caption=numbers.captions,
            next_segment=numbers.segments,
            language=languages.captions or (None if languages.spoken == AUTO else languages.spoken),
            tally=tally,
        )
        self._camera_language = languages.camera or next(iter(languages.targets), None)
        self.camera: Camera | None = None
        self._fonts, self._drawing = fonts, drawing
        if request.camera is not None:
            self.camera = self._new_camera(request.camera)
        self._wants_capture = self._is_paused = False
        self._withheld: dict[str, int] = {}
        self._session: HubSession | None = None
        self._outbox: Outbox | None = None
        self._tracks: Tracks | None = None
        self._unheard: UnheardOutput | None = None
        self._background: trio.Nursery | None = None
        self._translations = LineTranslations(speech, session_id, boundary)
        self._finished = trio.Event()
        self._boundary = boundary

    def __repr__(self) -> str:
        return f"<MeetingPipeline {self.session_id} {self._tracks!r} {self._outbox!r}>"

    def _new_camera(self, appearance: Appearance) -> Camera:
        return Camera(
            self._fonts,
            drawing=self._drawing,
            appearance=appearance,
            clock=self._clock,
            language=self._camera_language,
        )

    # Its life

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run until :meth:`finish` is done, or cancelled. What cannot be stored or published leaves it."""
        async with self._hub.attend(self.session_id, title=self._request.name) as session:
            outbox = Outbox(hub=session, records=self._store, announce=self._announce)
            readers = Readers(session, lambda: self._targets, self._language_of_camera)

            def output(track: HeardTrack) -> TrackOutput:
                return TrackOutput(
                    track,
                    minutes=self.minutes,
                    outbox=outbox,
                    hub=session,
                    readers=readers,
                    done=self._do,
                    withheld=self._count_withheld,
                    translate=self._translations.translate,
                    clock=self._clock,
                )

            tracks = Tracks(
                session_id=self.session_id,
                started=self._started,
                speech=self._speech,
                language=self._request.languages.spoken,
                output=output,
                leveled=self._leveled,
                boundary=self._boundary,
                links=self._links,
            )
            self._session, self._outbox, self._tracks = session, outbox, tracks
            self._unheard = UnheardOutput(
                minutes=self.minutes, outbox=outbox, readers=readers, done=self._do, clock=self._clock
            )
            try:
                async with trio.open_nursery() as nursery:
                    self._background = nursery
                    await nursery.start(outbox.run)
                    await nursery.start(self._translations.run)
                    await nursery.start(tracks.run)
                    nursery.start_soon(self._tick)
                    if self.camera is not None:
                        await nursery.start(self.camera.run)
                    task_status.started()
                    await self._finished.wait()
                    nursery.cancel_scope.cancel()
            finally:
                self._session = self._background = None

    async def finish(self) -> None:
        """End: transcribe what has arrived, settle all names, store and publish all of it; ``run`` returns.

        The caller limits the time; when it is over, cancel ``run``.
        """
        if self._tracks is None or self._outbox is None or self._background is None:
            return
        self._tracks.forget()
        await self._tracks.drain()
        await self._translations.drain()
        self._do(self.minutes.finish(self._clock()))
        await self._outbox.drain()
        self._finished.set()

    async def _tick(self) -> None:
        while True:
            await trio.sleep(TICK)
            if self._outbox is not None:
                await self._outbox.room()
            self._do(self.minutes.tick(self._clock()))

    # What it does, and does not

    def capture(self, *, on: bool) -> None:
        """Begin to capture, or end; before the first call nothing is heard, stored or sent."""
        self._wants_capture = on
        self._apply_capture()

    def pause(self) -> None:
        """Hear, store and send nothing until :meth:`resume`; what was heard before is still transcribed."""
        self._is_paused = True
        self._apply_capture()

    def resume(self) -> None:
        """Go on after a pause."""
        self._is_paused = False
        self._apply_capture()

    @property
    def is_capturing(self) -> bool:
        """Whether it hears, stores and sends."""
        return self._wants_capture and not self._is_paused

    def _apply_capture(self) -> None:
        on = self.is_capturing
        if not on and self._tracks is not None:
            self._tracks.end_all()
        self._do(self.minutes.capture(self._clock(), on=on))

    def disconnected(self) -> None:
        """Apply that the bot is not in the call: its tracks end, and it sees nobody until it joins again."""
        if self._tracks is not None:
            self._tracks.forget()
        self._do(self.minutes.disconnected(self._clock()))

    def speak_language(self, language: str) -> None:
        """Transcribe another language from the next words on, or ``auto``."""
        if self._tracks is not None and language != self._tracks.language:
            self._tracks.language = language
            self._tracks.end_all()

    def change_languages(self, languages: Languages) -> None:
        """Transcribe, translate and show other languages from the next words on."""
        self._targets = languages.targets
        self._camera_language = languages.camera or next(iter(languages.targets), None)
        if self.camera is not None:
            self.camera.translate(self._camera_language)
        self.speak_language(languages.spoken)

    # What it observes

    async def observe(self, seen: Observation) -> None:
        """Apply an observation; return once another may come: while too much is queued, it waits.

        ClosedResourceError: it does not run.
        """
        outbox, tracks = self._outbox, self._tracks
        if outbox is None or tracks is None or self._background is None:
            raise trio.ClosedResourceError
        await outbox.room()
        match seen:
            case Sound() | SoundLost() | TrackBegan() | TrackEnded():
                await self._hear(tracks, seen)
            case OwnerSeen():
                track = tracks.own(seen.track, seen.participant_id)
                if track is not None:
                    self._do(self.minutes.owner(seen.at, track.channel, seen.participant_id))
            case _:
                self._do(self.minutes.page(seen))

    async def _hear(self, tracks: Tracks, seen: SoundObservation) -> None:
        """Apply sound, and pass it on to the recording; while it is not to be heard, only tracks count."""
        if isinstance(seen, Sound | SoundLost) and not self.is_capturing:
            return
        if isinstance(self.minutes, TapedMinutes):
            self.minutes.tape(seen)
        match seen:
            case Sound():
                self._pass_on(tracks, seen)
                await tracks.heard(seen)
            case SoundLost():
                await tracks.lost_sound(seen)
            case TrackBegan():
                track = tracks.began(seen)
                if track is not None and track.owner is not None:
                    self._do(self.minutes.owner(seen.at, track.channel, track.owner))
            case TrackEnded():
                tracks.ended(seen.track)
        if self._sound is not None:
            await self._sound(seen)

    def _pass_on(self, tracks: Tracks, seen: Sound) -> None:
        """Send sound to those in the session who receive it."""
        track = tracks.find(seen.track)
        if track is None or self._session is None or not self._session.wants_audio:
            return
        name, speaker = self.minutes.voice(track.channel, track.layout, track.owner)
        self._session.send_audio(
            SpeakerAudio(
                timestamp=0,
                session_id=self.session_id,
                track=track.channel,
                first=seen.first,
                at=round(seen.at, 3),
                data=seen.pcm,
                speaker=name,
                speaker_id=speaker,
            )
        )

    def _leveled(self, track: HeardTrack, at: float, time: float, dbfs: float) -> None:
        self._do(self.minutes.level(at, track.channel, time, dbfs))

    def _do(self, effects: Sequence[Effect]) -> None:
        """Queue effects, and show what they change."""
        if not effects or self._outbox is None or self._background is None:
            return
        self._outbox.add(effects)
        for effect in effects:
            if isinstance(effect, Redraw) and self.camera is not None:
                line = self.minutes.segments.get(effect.segment_id)
                if line is not None:
                    self.camera.show(line)
            elif isinstance(effect, Translate) and self._unheard is not None:
                self._translations.translate(effect.final, self._unheard)
        self._changed()

    def _count_withheld(self, reason: str) -> None:
        self._withheld[reason] = self._withheld.get(reason, 0) + 1

    # Its camera

    def camera_to(self, sink: CameraSink | None) -> None:
        """Show the camera in a page, or in none; the page receives the whole frame first."""
        if self.camera is not None:
            self.camera.show_in(sink)

    def _language_of_camera(self) -> str | None:
        return None if self.camera is None else self.camera.language

    # What is shown

    def live(self) -> PipelineLive:
        """Return what is known now."""
        tracks = self._tracks
        return PipelineLive(
            people=self.minutes.people.shown(self._clock(), self._is_bot),
            lines=self.minutes.segments.newest(),
            quality=self.minutes.quality(),
            media=MediaShown(
                tracks=0 if tracks is None else len(tracks),
                sound=0.0 if tracks is None else round(tracks.sound / RATE, 1),
                lost=0.0 if tracks is None else round(tracks.lost / RATE, 3),
                frames=0 if self.camera is None else self.camera.frame,
            ),
            camera_frame=0 if self.camera is None else self.camera.frame,
            present=self.minutes.people.present,
            utterances=self.minutes.utterances,
        )

    def statistics(self) -> PipelineStatistics:
        """Return the figures."""
        tracks = self._tracks
        return PipelineStatistics(
            is_capturing=self.is_capturing,
            tracks=0 if tracks is None else len(tracks),
            streams=0 if tracks is None else tracks.streams,
            failures=0 if tracks is None else tracks.failures,
            sound=0 if tracks is None else tracks.sound,
            lost=0 if tracks is None else tracks.lost,
            unheard=0 if tracks is None else tracks.unheard,
            withheld=dict(self._withheld),
            segments=len(self.minutes.segments),
            outbox=None if self._outbox is None else self._outbox.statistics(),
        )


def _is_bot(name: str) -> bool:
    return is_bot(name, LeaveRules())
