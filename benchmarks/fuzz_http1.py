"""Feeds the HTTP parser what nobody would send, with h11 as the judge.

    python benchmarks/fuzz_http1.py [--seconds 600] [--seed N]

Samples are cut, joined and changed at the bytes where parsers part; what leads to a new outcome becomes a
sample too. Each input is read at once and in pieces, sometimes under tight limits, and by h11. A finding is
an input that h11 reads otherwise, or refuses where ours reads it, that reads otherwise when it is cut
otherwise, or that raises anything but a refusal. Findings are printed and make the exit status 1. The seed
makes a run repeatable.
"""

import argparse
import platform
import sys
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from random import Random
from time import perf_counter

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from orch.front.http1.request_parser import Limits
from tests.fakes.http1_judge import Reading, check_cuts, judge
from tests.fakes.http1_samples import BAD, GOOD, ODD

LONGEST = 1500
"""Bytes of an input: longer ones only take longer."""
MOST_SAMPLES = 20_000
MOST_FINDINGS = 5


class Fuzzer:
    """Makes inputs from samples and keeps those that led to something new."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.seeds = [data for data in (*GOOD, *GOOD, *(data for _, data in BAD)) if len(data) <= LONGEST]
        self.samples = list(self.seeds)
        self.outcomes: set[tuple[str, ...]] = set()

    def input(self) -> bytes:
        """Return one to four samples in a row, some of them twice, changed in a few places."""
        random = self.random
        samples = random.choice((GOOD, self.seeds, self.samples))
        chosen = random.choices(samples, k=random.choice((1, 1, 1, 2, 3)))
        if random.random() < 0.25:
            chosen.append(random.choice(chosen))  # a connection's last head is remembered
        data = b"".join(chosen)
        for _ in range(random.choice((0, 1, 1, 1, 2, 3, 6))):
            data = self._change(data)
        return data[:LONGEST]

    def _change(self, data: bytes) -> bytes:
        random = self.random
        start = random.randint(0, len(data))
        end = min(len(data), start + random.choice((0, 0, 1, 1, 2, 4, 16)))
        match random.randrange(6):
            case 0:
                between = random.randbytes(random.choice((1, 1, 2, 4)))
            case 1:
                between = b""
            case 2:
                between = data[start:end] * 2
            case 3:
                other = random.choice(self.samples)
                cut = random.randint(0, len(other))
                between = other[cut : cut + random.choice((1, 4, 16, 64))]
            case 4:  # one header line more, where one may be
                line = data.rfind(b"\r\n", 0, start) + 2
                start = end = line if line > 1 else start
                between = random.choice(ODD) + b": " + random.choice(ODD) + b"\r\n"
            case _:
                between = random.choice(ODD)
        return data[:start] + between + data[end:]

    def limits(self) -> Limits | None:
        """Return the usual limits, or some that are reached soon."""
        random = self.random
        if random.random() < 0.7:
            return None
        return Limits(
            head_bytes=random.randint(16, 400),
            headers=random.randint(1, 6),
            target_bytes=random.randint(1, 40),
            body_bytes=random.choice((None, 0, 3, 20)),
        )

    def pieces(self, data: bytes) -> Iterator[list[bytes]]:
        """Cut the input at a few places, and now and then at all."""
        random = self.random
        points = sorted({0, len(data), *(random.randint(0, len(data)) for _ in range(random.randint(1, 5)))})
        yield [data[start:end] for start, end in pairwise(points)]
        if random.random() < 0.1:
            yield [data[i : i + 1] for i in range(len(data))]

    def try_one(self, data: bytes) -> Reading:
        """Read one input in every way; raises where they part."""
        limits = self.limits()
        whole = judge(data, limits)
        for pieces in self.pieces(data):
            check_cuts(data, pieces, whole, limits)
        outcome = (
            whole.refusal,
            *(
                f"{message.version}{message.is_complete}{message.keep_alive}{message.expects_continue}"
                f"{len(message.headers)}{min(len(message.body), 9)}"
                for message in whole.messages
            ),
        )
        if outcome not in self.outcomes and len(self.samples) < MOST_SAMPLES:
            self.outcomes.add(outcome)
            self.samples.append(data)
        return whole


def main() -> int:
    """Run for the time given and print what was done."""
    arguments = argparse.ArgumentParser(description="Fuzz the HTTP parser.")
    arguments.add_argument("--seconds", type=float, default=600)
    arguments.add_argument("--seed", type=int, default=None)
    options = arguments.parse_args()
    seed = Random().randrange(2**32) if options.seed is None else options.seed
    fuzzer = Fuzzer(Random(seed))
    versions = ", ".join(f"{name} {version(name)}" for name in ("httptools", "h11"))
    print(f"http1: {options.seconds:g} s, seed {seed}, Python {platform.python_version()}, {versions}")
    refusals: Counter[str] = Counter()
    executions = requests = findings = 0
    begun = perf_counter()
    while perf_counter() - begun < options.seconds and findings < MOST_FINDINGS:
        data = fuzzer.input()
        executions += 1
        try:
            reading = fuzzer.try_one(data)
        except Exception as error:  # noqa: BLE001  # whatever it raises is the finding
            findings += 1
            print(f"finding: {type(error).__name__}: {error}\n  {data!r}")
            continue
        refusals[reading.refusal] += 1
        requests += len(reading.messages)
    took = perf_counter() - begun
    print(
        f"{executions:,} inputs ({executions / took:,.0f}/s), {requests:,} requests read, {findings} findings"
    )
    print(f"{len(fuzzer.outcomes):,} outcomes; by kind of refusal:")
    for kind, count in refusals.most_common():
        print(f"  {kind or '(none)':32} {count:>10,}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
