"""Fits the VAD's model and writes it: ``python benchmarks/fit_vad.py``, about five minutes of processor time.

A network of one hidden layer, p = 1 / (1 + exp(-(c . tanh(A z + b) + d))), over the standardised features z
of a frame (``orch/audio/stages/vad_features.py``), fitted to exact truth (``vad_truth.py``): the mean
logarithmic loss, with a penalty on large weights, by L-BFGS. It is done twice: with passages of speech in
noise, and with these and noise alone, mostly people who talk at the same time. The first is better in little
noise, the second in much, and at refusing babble; the mean of their logits, which is one network of both
hidden layers, is nearly as good as the better one in each. The mean of one, two or three frames' logits has a
scale and an offset, fitted to the passages, so that p is a probability. Same seeds, same result.

It writes ``orch/audio/stages/vad_model.py`` and ``static/js/audio/kernels/vad-model.js``.
"""

import sys
from pathlib import Path
from textwrap import wrap
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import vad_truth
from benchmarks.audio_mixtures import RATE
from orch.audio.parameters import Vad
from orch.audio.stages.vad_features import COUNT, SPAN, Bank, FeatureState, features

ROOT: Final = Path(__file__).parents[1]
Values = npt.NDArray[np.float64]
Inputs = npt.NDArray[np.float32]
Number = TypeVar("Number", np.float32, np.float64)

UNITS: Final = 16
"""Of the hidden layer of each of the two fits."""
PASSAGES: Final = 350
ALONE: Final = 80
"""Passages of noise alone."""
SECONDS: Final = 20.0
PENALTY: Final = 1e-5
ITERATIONS: Final = 400
LATE: Final = 3
"""Hops of look-ahead."""
SIZES: Final = (COUNT * UNITS, UNITS, UNITS)
"""Numbers of A, b and c."""


def analysed(samples: npt.NDArray[np.float32], vad: Vad) -> Values:
    """Return the features of each hop, of the frame that ends :data:`LATE` hops after the hop began."""
    bank = Bank(RATE, vad.voice_freq_min, vad.voice_freq_max)
    padded = np.concatenate((np.zeros((SPAN - 1) * bank.hop), samples.astype(np.float64)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, SPAN * bank.hop)[:: bank.hop]
    found, _, _ = features(frames, bank, FeatureState(), vad.energy_threshold)
    return found[LATE - 1 :]


def examples(passages: list[vad_truth.Passage], vad: Vad) -> tuple[list[Values], list[Values]]:
    """Return features and truth of each passage."""
    hop = RATE // 100
    inputs, truths = [], []
    for passage in passages:
        found = analysed(passage.samples, vad)
        shares = passage.truth[: len(passage.truth) // hop * hop].reshape(-1, hop).mean(axis=1)
        inputs.append(found[: len(shares)])
        truths.append((shares[: len(found)] >= 0.5).astype(np.float64))
    return inputs, truths


def fit(z: Inputs, truths: Values) -> list[Values]:
    """Return A, b, c and d for standardised features."""
    y = truths.astype(np.float32)
    random = np.random.default_rng(0)
    begin = np.concatenate(
        (
            random.normal(size=COUNT * UNITS) / np.sqrt(COUNT),
            np.zeros(UNITS),
            random.normal(size=UNITS) / np.sqrt(UNITS),
            np.zeros(1),
        )
    )

    def loss(weights: Values) -> tuple[float, Values]:
        a, b, c, d = split(weights.astype(np.float32))
        hidden = np.tanh(z @ a + b)
        logits = hidden @ c + d
        error = ((1 / (1 + np.exp(-logits)) - y) / len(y)).astype(np.float32)
        back = error[:, None] * c * (1 - hidden**2)
        gradient = (z.T @ back + 2 * PENALTY * a, back.sum(axis=0), hidden.T @ error + 2 * PENALTY * c)
        value = np.mean(np.logaddexp(0, logits) - y * logits) + PENALTY * (np.sum(a**2) + np.sum(c**2))
        return float(value), np.concatenate([*(part.ravel() for part in gradient), [error.sum()]]).astype(
            np.float64
        )

    result = minimize(loss, begin, jac=True, method="L-BFGS-B", options={"maxiter": ITERATIONS})
    print(f"loss {result.fun:.4f} after {result.nit} iterations", flush=True)
    return split(np.asarray(result.x, np.float64))


def mean_of(first: list[Values], second: list[Values]) -> list[Values]:
    """Return the network whose logits are the mean of those of two."""
    a, b, c, d = zip(first, second, strict=True)
    return [np.hstack(a), np.concatenate(b), 0.5 * np.concatenate(c), 0.5 * (d[0] + d[1])]


def split(weights: npt.NDArray[Number]) -> list[npt.NDArray[Number]]:
    """Return A (COUNT, UNITS), b, c and d."""
    a, b, c, d = np.split(weights, np.cumsum(SIZES))
    return [a.reshape(COUNT, UNITS), b, c, d]


def scales(logits: list[Values], truths: list[Values]) -> tuple[list[float], list[float]]:
    """Return scale and offset of the mean logit of one, two and three frames."""
    found = []
    for length in (1, 2, 3):
        mean = np.concatenate([_recent(each, length) for each in logits])
        y = np.concatenate(truths)

        def loss(weights: Values, mean: Values = mean, y: Values = y) -> float:
            scaled = weights[0] * mean + weights[1]
            return float(np.mean(np.logaddexp(0, scaled) - y * scaled))

        found.append(minimize(loss, np.array([1.0, 0.0]), method="L-BFGS-B").x)
    return [float(each[0]) for each in found], [float(each[1]) for each in found]


def _recent(values: Values, length: int) -> Values:
    sums = np.cumsum(np.concatenate((np.repeat(values[:1], length), values)))
    recent: Values = (sums[length:] - sums[:-length]) / length
    return recent


def write(numbers: Values) -> None:
    """Write the model for Python and for the browser."""
    text = "\n".join(wrap(" ".join(f"{number:.5g}" for number in numbers), 108))
    source = "Fitted by benchmarks/fit_vad.py to speech of espeak-ng in generated noises."
    python = f'''"""The VAD's model: {source}

Mean and deviation of the features, A, b, c, d, then scales and offsets of the logits of 10, 20 and 30 ms.
"""

from typing import Final, TypeVar

HIDDEN: Final = {2 * UNITS}
NUMBERS: Final = """
{text}
"""
'''
    (ROOT / "orch/audio/stages/vad_model.py").write_text(python)
    script = f"""/**
 * The VAD's model. {source}
 * Mean and deviation of the features, A, b, c, d, then scales and offsets of the logits of 10, 20 and 30 ms.
 */

export const HIDDEN = {2 * UNITS};
export const NUMBERS = `
{text}
`;
"""
    (ROOT / "static/js/audio/kernels/vad-model.js").write_text(script)


def main() -> None:
    """Fit and write."""
    vad = Vad()
    made = vad_truth.passages(
        1,
        PASSAGES,
        seconds=SECONDS,
        languages=vad_truth.LANGUAGES,
        variants=vad_truth.VARIANTS,
    )
    inputs, truths = examples(made, vad)
    print(f"{sum(map(len, inputs))} frames, {np.mean(np.concatenate(truths)):.0%} speech")
    every = np.concatenate(inputs)
    mean, deviation = every.mean(axis=0), every.std(axis=0) + 1e-6
    noise = vad_truth.alone(
        3, ALONE, seconds=SECONDS, languages=vad_truth.LANGUAGES, variants=vad_truth.VARIANTS
    )
    rest = np.concatenate(examples(noise, vad)[0])
    # Every second frame: neighbours are nearly the same.
    z = ((every[::2] - mean) / deviation).astype(np.float32)
    y = np.concatenate(truths)[::2]
    others = ((rest[::2] - mean) / deviation).astype(np.float32)
    a, b, c, d = mean_of(
        fit(z, y), fit(np.concatenate((z, others)), np.concatenate((y, np.zeros(len(others)))))
    )
    logits = [np.tanh((each - mean) / deviation @ a + b) @ c + d for each in inputs]
    slopes, offsets = scales(logits, truths)
    write(np.concatenate([mean, deviation, *(part.ravel() for part in (a, b, c, d)), slopes, offsets]))


if __name__ == "__main__":
    main()
