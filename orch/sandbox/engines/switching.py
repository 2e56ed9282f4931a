"""Runs the speech engine, gets the requested model beside it, and switches to it between two utterances."""

from collections.abc import Awaitable, Callable
from typing import Final

import structlog
import trio

from orch.sandbox.engines import whisper
from orch.sandbox.engines.better_engine import GetBetter, get_whisper
from orch.sandbox.engines.notice import better_engine_notice, title
from orch.sandbox.engines.recorded_speech import BYTES_PER_SECOND
from orch.sandbox.engines.speech import SpeechEngine
from orch.sandbox.engines.speech_engines import EngineOptions, LoadedEngine, load_engine
from orch.sandbox.engines.utterances import Utterances
from orch.sandbox.models.progress import Progress
from orch.speech.languages import AUTO, closest

log = structlog.get_logger("speech-engine")

POLL: Final = 0.5
"""Seconds between two looks whether the former engine has nothing left to do."""

Load = Callable[[EngineOptions], Awaitable[LoadedEngine]]


class RunningEngine:
    """An engine that runs: its places, and the number of recordings transcribed or queued."""

    def __init__(self, engine: SpeechEngine) -> None:
        self.engine: Final = engine
        self.places: Final = trio.Semaphore(engine.capacity)
        self.scope: Final = trio.CancelScope()
        self.recordings = 0


class EngineSwitch:
    """The engines of a service: the current one, and during a switch the former one.

    The mutable state is these two, the utterances that the former one began, and the download's progress.
    """

    def __init__(
        self, options: EngineOptions, *, load: Load = load_engine, get_better: GetBetter = get_whisper
    ) -> None:
        self.ready: Final = trio.Event()
        self.detail = ""
        self._options = options
        self._load = load
        self._get_better = get_better
        self._current: RunningEngine | None = None
        self._former: RunningEngine | None = None
        self._utterances = Utterances()
        self._awaited: str | None = None
        self._progress: Progress | None = None
        self._problem = ""
        self._logged: set[str | None] = {"waiting"}

    @property
    def current(self) -> SpeechEngine | None:
        """The engine that new utterances are transcribed by, or None."""
        return None if self._current is None else self._current.engine

    @property
    def is_awaited(self) -> bool:
        """Whether a model is being downloaded or loaded."""
        return self._awaited is not None and not self._problem

    @property
    def progress(self) -> Progress | None:
        """The progress of the download; None without one."""
        return self._progress if self.is_awaited else None

    @property
    def notice(self) -> str:
        """What people should know about a better engine: its progress, or why there is none; or empty."""
        if self._awaited is None:
            return self.detail
        instead = "" if self.current is None else self.current.name
        return better_engine_notice(
            self._awaited,
            self._progress,
            problem=self._problem,
            instead=instead,
        )

    @property
    def recordings(self) -> int:
        """The number of recordings being transcribed or queued."""
        return sum(each.recordings for each in (self._current, self._former) if each is not None)

    def choose(self, session: str | None, language: str, pcm: bytes) -> RunningEngine | None:
        """Return the engine for a recording: the former one for an utterance that it began."""
        seconds, now = len(pcm) / BYTES_PER_SECOND, trio.current_time()
        former = self._former
        if former is None:
            self._utterances.note(session, seconds, now)
            return self._current
        is_supported = language in {"", AUTO} or closest(language, former.engine.languages) is not None
        if self._utterances.is_begun(session, seconds, now) and is_supported:
            return former
        return self._current

    async def run(self) -> None:
        """Load an engine and run it, and a better one when its model is there.

        Returns if there is neither. Raises :class:`~orch.sandbox.engines.speech.EngineFailed` when an engine
        fails; then the process ends.
        """
        loaded = await self._load(self._options)
        self.detail = loaded.detail
        if self.detail:
            log.warning("engine", engine=loaded.engine.name if loaded.engine else None, detail=self.detail)
        self._awaited = loaded.awaited
        async with trio.open_nursery() as nursery:
            if loaded.engine is not None:
                self._current = await self._start(loaded.engine, nursery)
            self.ready.set()
            if loaded.awaited is not None:
                better = await self._await_better(loaded.awaited)
                if better is not None:
                    await self._switch(better, nursery)

    async def _start(self, engine: SpeechEngine, nursery: trio.Nursery) -> RunningEngine:
        """Run an engine; it has started when this returns."""
        running = RunningEngine(engine)

        async def run(*, task_status: trio.TaskStatus[None]) -> None:
            with running.scope:
                await engine.run(task_status=task_status)

        await nursery.start(run)
        log.info("ready", engine=engine.name, model=engine.model, capacity=engine.capacity)
        return running

    async def _await_better(self, name: str) -> SpeechEngine | None:
        """Return the engine with the model once it is on this machine; None if it cannot be used."""
        try:
            return await self._get_better(name, self._show)
        except whisper.ModelUnavailable as error:
            self._problem = str(error)
            log.warning("engine not switched", model=name, reason=self._problem)
            return None

    def _show(self, progress: Progress | None) -> None:
        """Note the progress, and log each state of it once; failures are logged where they happen."""
        self._progress = progress
        state = None if progress is None else progress.state
        if state not in self._logged:
            self._logged.add(state)
            log.info("better engine", notice=self.notice)

    async def _switch(self, better: SpeechEngine, nursery: trio.Nursery) -> None:
        """Switch to an engine, and end the former one when its utterances are over."""
        started = await self._start(better, nursery)
        self._former, self._current = self._current, started
        self._awaited, self._progress, self.detail = None, None, ""
        self._utterances.begin_switch(trio.current_time())
        former = self._former
        if former is None:
            return
        log.info("engine switched", engine=better.name, model=better.model, former=former.engine.name)
        while not self._utterances.is_over(trio.current_time()) or former.recordings:  # noqa: ASYNC110 - silence is no event
            await trio.sleep(POLL)
        self._former = None
        former.scope.cancel()
        log.info("former engine ended", engine=former.engine.name, better=title(better.model))
