"""Changes a stage while audio runs: the old and the new one run side by side for a moment. Pure."""

from typing import Any

import numpy as np

from orch.audio.stages.delay import Recent
from orch.audio.stages.stage import Activity, Block, Stage


class _Path:
    """One way through a stage: the stage itself, or a delay as long as its latency (``stage`` None)."""

    __slots__ = ("stage", "state")

    def __init__(self, stage: Stage[Any] | None, state: Any) -> None:
        self.stage = stage
        self.state = state

    def process(self, block: Block, bypass: Block | None, activity: Activity | None) -> Block:
        """Return the block as it leaves this way; ``bypass``: the delayed block, where there is no stage."""
        if self.stage is None:
            assert bypass is not None  # noqa: S101 - given wherever a way has no stage
            return bypass
        block, self.state = self.stage.process(block, self.state, activity)
        return block

    def copy(self) -> "_Path":
        """Return the same; states are frozen."""
        return _Path(self.stage, self.state)


class FadingStage:
    """A stage that can be switched and changed without a click.

    ``fade``: samples over which the output moves from the old to the new. Before it the new stage runs for
    its latency, so that nothing of the old one is left inside; switched on, for twice its latency, so that it
    has learnt something. While a fade runs, the newest change waits for its end.
    """

    def __init__(self, stage: Stage[Any], *, is_on: bool, fade: int) -> None:
        self.latency = stage.latency
        self._fade = fade
        self._recent = Recent(stage.latency)
        self._path = self._off if not is_on else _Path(stage, stage.initial())
        self._next: _Path | None = None
        self._position = 0  # in the fade; negative before it
        self._waiting: tuple[Stage[Any], bool] | None = None

    @property
    def _off(self) -> _Path:
        return _Path(None, None)

    @property
    def reduction(self) -> float:
        """The gain change of the stage in dB; 0 while it is off."""
        path = self._next or self._path
        return 0.0 if path.stage is None else path.stage.reduction(path.state)

    def change(self, stage: Stage[Any], *, is_on: bool) -> None:
        """Continue with another stage of the same kind, or switch it."""
        self._waiting = (stage, is_on)
        if self._next is None:
            self._begin()

    def process(self, block: Block, activity: Activity | None) -> Block:
        """Return the processed block, ``latency`` samples late."""
        if self._next is None and self._path.stage is not None:
            self._recent.add(block)
            return self._path.process(block, None, activity)
        bypass = self._recent.delayed(block)
        out = self._path.process(block, bypass, activity)
        if self._next is None:
            return out
        new = self._next.process(block, bypass, activity)
        share = np.clip((np.arange(len(block)) + (self._position + 0.5)) / self._fade, 0, 1)
        self._position += len(block)
        if self._position >= self._fade:
            self._path, self._next = self._next, None
            self._begin()
        return (out * (1 - share) + new * share).astype(np.float32)

    def flush(self, activity: Activity | None) -> Block:
        """Return the last ``latency`` samples; ``activity``: of silence, as long."""
        if self._next is None and self._path.stage is not None:
            out, self._path.state = self._path.stage.flush(self._path.state)
            return out
        return self.process(np.zeros(self.latency, np.float32), activity)

    def copy(self) -> "FadingStage":
        """Return another one that continues from here on its own."""
        other = object.__new__(FadingStage)
        other.__dict__.update(self.__dict__)
        other._recent = self._recent.copy()
        other._path = self._path.copy()
        other._next = self._next and self._next.copy()
        return other

    def _begin(self) -> None:
        """Begin the change that waits, unless nothing would change."""
        if self._waiting is None:
            return
        stage, is_on = self._waiting
        self._waiting = None
        now = self._path.stage
        if not is_on:
            self._next = None if now is None else self._off
            self._position = 0
        elif now is None:
            self._next = _Path(stage, stage.initial())
            self._position = -2 * self.latency
        elif now != stage:
            self._next = _Path(stage, stage.adopted(self._path.state))
            self._position = -self.latency
