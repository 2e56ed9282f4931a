"""Feeds the WebSocket decoder what no client would send, with wsproto as the judge.

    python benchmarks/fuzz_frames.py [--seconds 600] [--seed N]

Conversations of whole and fragmented messages, control frames and closes, with bytes changed, cut out and put
in, and with lengths, masks and opcodes that are wrong. Each is read at once, in pieces and by wsproto. A
finding is one of which wsproto reads other messages or gives another verdict, that reads otherwise when it is
cut otherwise, or that raises anything but a violation. Findings are printed and make the exit status 1.

Every fourth conversation is compressed (permessage-deflate). There the judge is the same conversation without
compression: it has to say the same. (wsproto forgets at a control frame that the message around it is
compressed.) Then it is broken, too, and has to read alike however it is cut.

Where ours may part from wsproto: see :func:`tests.fakes.frames_judge.differs`.
"""

import argparse
import platform
import sys
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from orch.front.websocket.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Binary, Text
from tests.fakes.frames_judge import UNLIMITED, Verdict, decode, deflated, differs, frame

MOST_FINDINGS: Final = 5
MEMORY: Final = 2**20
"""Bytes of one message where a few may be made many; none of ours is as long."""
LIMIT: Final = 200
TEXTS: Final = ("", "a", "né", "日本語", "🙂" * 3, "x" * 124, "x" * 125, "x" * 126, "é" * 70)
BROKEN: Final = (
    b"\xff",
    b"\xc3",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xc0\x80",
    b"\xe2\x82",
    b"\xf0\x9f\x99",
)
CODES: Final = (
    0,
    999,
    1000,
    1001,
    1002,
    1004,
    1005,
    1006,
    1007,
    1011,
    1014,
    1015,
    1016,
    2999,
    3000,
    4999,
    5000,
)


class Finding(Exception):  # noqa: N818  # it is what is looked for
    """Two readings of the same bytes that are not the same."""


class Fuzzer:
    """Makes conversations and breaks them."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def conversation(self) -> bytes:
        """Return some messages, as a client sends them or nearly so."""
        random = self.random
        wire = b"".join(self._message() for _ in range(random.randint(0, 4)))
        if random.random() < 0.3:
            code = random.choice(CODES).to_bytes(2, "big")
            wire += self._frame(CLOSE, random.choice((b"", b"\x03", code, code + self._payload())))
        return self.broken(wire)

    def broken(self, wire: bytes) -> bytes:
        """Return it with bytes changed, cut out and put in at a few places, if at any."""
        random = self.random
        for _ in range(random.choice((0, 0, 0, 1, 1, 2, 4))):
            start = random.randint(0, len(wire))
            end = min(len(wire), start + random.choice((0, 1, 1, 2, 8)))
            wire = wire[:start] + random.choice((b"", *BROKEN, random.randbytes(2))) + wire[end:]
        return wire

    def twins(self) -> tuple[bytes, bytes]:
        """Return a conversation, and the same compressed; each has its own cuts and masks."""
        random = self.random
        plain = compressed = b""
        for _ in range(random.randint(1, 4)):
            opcode, payload = random.choice((TEXT, BINARY)), self._payload() * random.choice((1, 1, 1, 9))
            controls = [
                (random.choice((PING, PONG)), random.randbytes(4)) for _ in range(random.choice((0, 0, 1, 3)))
            ]
            plain += self._parts(opcode, payload, controls, reserved=0)
            compressed += self._parts(opcode, deflated(payload), controls, reserved=4)
        return plain, compressed

    def _parts(self, opcode: int, data: bytes, controls: list[tuple[int, bytes]], *, reserved: int) -> bytes:
        """Return a message with a cut before each of the control frames."""
        random = self.random
        wire = b""
        start = 0
        for cut, control in zip(
            sorted(random.randint(0, len(data)) for _ in controls), controls, strict=True
        ):
            wire += frame(opcode, data[start:cut], is_last=False, mask=random.randbytes(4), reserved=reserved)
            wire += frame(*control, mask=random.randbytes(4))
            opcode, start, reserved = CONTINUATION, cut, 0
        return wire + frame(opcode, data[start:], mask=random.randbytes(4), reserved=reserved)

    def _message(self) -> bytes:
        random = self.random
        opcode = random.choice((TEXT, TEXT, BINARY))
        payload = self._payload()
        cuts = sorted(random.randint(0, len(payload)) for _ in range(random.choice((0, 0, 1, 3))))
        wire = b""
        start = 0
        for end in cuts:
            wire += self._frame(opcode, payload[start:end], is_last=False)
            if random.random() < 0.3:
                wire += self._frame(random.choice((PING, PONG)), random.randbytes(random.choice((0, 4, 125))))
            opcode, start = CONTINUATION, end
        return wire + self._frame(opcode, payload[start:])

    def _payload(self) -> bytes:
        random = self.random
        payload = random.choice(TEXTS).encode()
        if random.random() < 0.1:
            at = random.randint(0, len(payload))
            payload = payload[:at] + random.choice(BROKEN) + payload[at:]
        return payload

    def _frame(self, opcode: int, payload: bytes, *, is_last: bool = True) -> bytes:
        random = self.random
        if random.random() < 0.02:
            opcode = random.randrange(16)
        width = 8 if random.random() < 0.01 else None
        mask = None if random.random() < 0.01 else random.choice((bytes(4), random.randbytes(4)))
        reserved = random.randrange(1, 8) if random.random() < 0.01 else 0
        is_last = is_last != (random.random() < 0.02)
        return frame(opcode, payload, is_last=is_last, mask=mask, reserved=reserved, width=width)

    def try_one(self, wire: bytes) -> int | None:
        """Read one conversation in every way; return the verdict, or raise where they part."""
        ours = decode(wire, limit=UNLIMITED)
        theirs = differs(wire, ours)
        if theirs is not None:
            raise Finding(f"wsproto reads {theirs}, not {ours}")
        return self._cut(wire, ours, deflate=False)

    def try_twins(self, plain: bytes, compressed: bytes) -> int | None:
        """Read a conversation with and without compression, then break it; raise where readings part."""
        said, ours = decode(plain, limit=MEMORY), decode(compressed, limit=MEMORY, deflate=True)
        if ours[1] is not None:  # broken text is seen later in what is compressed: control frames may pass it
            said, ours = _messages(said), _messages(ours)
        if said != ours:
            raise Finding(f"compressed it reads {ours}, not {said}")
        wire = self.broken(compressed)
        return self._cut(wire, decode(wire, limit=MEMORY, deflate=True), deflate=True)

    def _cut(self, wire: bytes, whole: Verdict, *, deflate: bool) -> int | None:
        """Read it in pieces, with and without a limit; return the verdict under the limit."""
        random = self.random
        limited = decode(wire, limit=LIMIT, deflate=deflate)
        few = random.randint(0, 6)
        weighed = decode(wire, limit=LIMIT, deflate=deflate, allowance=few)
        ways: list[Sequence[int]] = [[random.randint(0, len(wire)) for _ in range(random.randint(1, 5))]]
        if random.random() < 0.1:
            ways.append(range(len(wire)))
        for way in ways:
            for limit, expected in ((MEMORY if deflate else UNLIMITED, whole), (LIMIT, limited)):
                if decode(wire, *way, limit=limit, deflate=deflate) != expected:
                    raise Finding(f"it reads otherwise when it is cut at {list(way)}")
            if decode(wire, *way, limit=LIMIT, deflate=deflate, allowance=few) != weighed:
                raise Finding(f"{few} small frames are allowed otherwise when it is cut at {list(way)}")
        return limited[1]


def _messages(verdict: Verdict) -> Verdict:
    """Return it without the control frames."""
    return [event for event in verdict[0] if isinstance(event, Text | Binary)], verdict[1]


def main() -> int:
    """Run for the time given and print what was done."""
    arguments = argparse.ArgumentParser(description="Fuzz the WebSocket decoder.")
    arguments.add_argument("--seconds", type=float, default=600)
    arguments.add_argument("--seed", type=int, default=None)
    options = arguments.parse_args()
    seed = Random().randrange(2**32) if options.seed is None else options.seed
    fuzzer = Fuzzer(Random(seed))
    versions = ", ".join(f"{name} {version(name)}" for name in ("websockets", "wsproto"))
    print(f"frames: {options.seconds:g} s, seed {seed}, Python {platform.python_version()}, {versions}")
    verdicts: Counter[int | None] = Counter()
    findings = 0
    begun = perf_counter()
    while perf_counter() - begun < options.seconds and findings < MOST_FINDINGS:
        is_compressed = fuzzer.random.random() < 0.25
        plain, wire = fuzzer.twins() if is_compressed else (b"", fuzzer.conversation())
        try:
            verdicts[fuzzer.try_twins(plain, wire) if is_compressed else fuzzer.try_one(wire)] += 1
        except Exception as error:  # noqa: BLE001  # whatever it raises is the finding
            findings += 1
            print(f"finding: {type(error).__name__}: {error}\n  {wire!r}")
    took = perf_counter() - begun
    executions = verdicts.total() + findings
    print(f"{executions:,} conversations ({executions / took:,.0f}/s), {findings} findings; by close code:")
    for code, count in verdicts.most_common():
        print(f"  {code or '(none)'!s:8} {count:>10,}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
