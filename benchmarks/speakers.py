"""How often the speakers at one microphone are distinguished: real voices, the real model, online.

    python benchmarks/speakers.py [--write]

Two to four of seven recorded people (tests/data/voices) take turns at random, a hundred times each. "Right":
the label that an utterance gets at once is that of its person, the one whom the label was given most often;
"unsure": it got "?"; "wrong at last": after all corrections. First whole utterances of at least 2 s, then
each cut every 2 s, then whole ones in pink noise. Needs the tests' packages.
"""

import argparse
import os
import sys
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.peers import report
from orch.sandbox.engines.speaker_embedding import SpeakerEmbedder, Voice
from tests.fakes.conversations import conversation
from tests.fakes.sounds import pink
from tests.fakes.voices import voices

CONVERSATIONS: Final = 100
BYTES_PER_SECOND: Final = 32_000
SHORTEST: Final = 2
RATIOS: Final = (20, 10)
"""Speech over noise, dB."""


def whole(utterances: Sequence[bytes]) -> list[bytes]:
    """Return the utterances that are long enough."""
    return [pcm for pcm in utterances if len(pcm) >= SHORTEST * BYTES_PER_SECOND]


def cut(utterances: Sequence[bytes]) -> list[bytes]:
    """Return pieces of 2 s."""
    size = SHORTEST * BYTES_PER_SECOND
    return [pcm[at : at + size] for pcm in utterances for at in range(0, len(pcm) - size + 1, size)]


def in_noise(utterances: Sequence[bytes], ratio: int) -> list[bytes]:
    """Return the utterances in pink noise, ``ratio`` dB below each."""
    found = []
    for index, pcm in enumerate(whole(utterances)):
        samples = np.frombuffer(pcm, dtype="<i2").astype(np.float64)
        level = 20 * np.log10(np.sqrt(np.mean(samples**2)) / 32768)
        noise = pink(len(samples) / 16_000 + 0.1, level - ratio, seed=index)[: len(samples)]
        found.append(np.clip(samples + noise, -32768, 32767).astype("<i2").tobytes())
    return found


def row(name: str, heard: Mapping[str, Sequence[Voice]], people: int) -> list[str]:
    """Return the shares of one way and number of people."""
    scores = [conversation(heard, people, seed) for seed in range(CONVERSATIONS)]
    total = sum(score.total for score in scores)
    counts = [
        sum(score.right for score in scores),
        sum(score.unsure for score in scores),
        sum(score.wrong for score in scores),
        sum(score.wrong_at_last for score in scores),
    ]
    return [name, str(people), str(total), *(f"{count / total:.1%}" for count in counts)]


def main() -> None:
    """Print the table; with ``--write``, also put it into RESULTS.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="save the figures in benchmarks/RESULTS.md")
    arguments = parser.parse_args()
    busy = os.getloadavg()[0]
    embedder = SpeakerEmbedder.load()
    recorded = voices()
    ways = {"utterances of 2 s and more": {person: whole(each) for person, each in recorded.items()}}
    ways["pieces of 2 s"] = {person: cut(each) for person, each in recorded.items()}
    for ratio in RATIOS:
        ways[f"in noise, {ratio} dB"] = {person: in_noise(each, ratio) for person, each in recorded.items()}
    rows = []
    began, seconds = time.process_time(), 0.0
    for name, utterances in ways.items():
        seconds += sum(len(pcm) for each in utterances.values() for pcm in each) / BYTES_PER_SECOND
        heard = {
            person: [voice for pcm in each if (voice := embedder.embed(pcm)) is not None]
            for person, each in utterances.items()
        }
        rows += [(name, heard, people) for people in (2, 3, 4)]
    cost = (time.process_time() - began) / seconds
    head = ["sound", "people", "utterances", "right at once", "unsure", "wrong", "wrong at last"]
    table = report.table(head, [row(*each) for each in rows])
    print(f"{1000 * cost:.0f} ms of a core for a second of speech\n\n{table}")
    if arguments.write:
        about = report.machine(busy, [f"onnxruntime {version('onnxruntime')}"])
        spent = f"Seven voices, {CONVERSATIONS} conversations a row; {1000 * cost:.0f} ms of a core a second."
        report.write(f"Speakers: `{report.command()}`", [about, spent, table])


if __name__ == "__main__":
    main()
