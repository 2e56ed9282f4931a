"""The last samples of a few figures, taken at the same moments. Pure."""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final

SAMPLES: Final = 180
"""Number of samples: 15 minutes at one every 5 s."""


class Samples:
    """Named figures sampled at the same moments, the oldest dropped when full.

    A figure that a sample does not name, or gives as None, is a gap there and stays one.
    """

    def __init__(self, names: Sequence[str], *, size: int = SAMPLES) -> None:
        self._at: deque[float] = deque(maxlen=size)
        self._columns: dict[str, deque[float | None]] = {name: deque(maxlen=size) for name in names}

    def __len__(self) -> int:
        return len(self._at)

    def add(self, at: float, sample: Mapping[str, float | None]) -> None:
        """Add one sample taken at ``at`` (seconds since the epoch); KeyError for a name not declared."""
        unknown = sample.keys() - self._columns.keys()
        if unknown:
            raise KeyError(", ".join(sorted(unknown)))
        self._at.append(at)
        for name, column in self._columns.items():
            column.append(sample.get(name))

    def columns(self) -> dict[str, list[float | None]]:
        """Return ``at`` and every figure, oldest first."""
        at: dict[str, list[float | None]] = {"at": list(self._at)}
        return at | {name: list(column) for name, column in self._columns.items()}
