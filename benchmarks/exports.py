"""What a transcript costs: seconds to make it, and the longest that the event loop stood still meanwhile.

Beside that, the longest in a second before, in which nothing was made: what else the machine does.

python -m benchmarks.exports
"""

import time

import msgspec
import trio

from orch.protocol.messages import Transcript, Translation, encode
from orch.speech.exports import Choice
from orch.web.transcripts import Transcripts
from orch.websocket.history.reader import StoredMessages

SAID = "had he married a more amiable woman he might have been made still more respectable than he was "
READ = "si se hubiera casado con una mujer más amable podría haber sido aún más respetable de lo que era "
TICK = 0.001


class History:
    """A session of ``lines`` lines of ``letters`` letters, each with a translation."""

    def __init__(self, lines: int, letters: int, said: str = SAID) -> None:
        frames = []
        for index in range(lines):
            frames.append(encode(_said(index, (said * (letters // len(said) + 1))[:letters])))
            frames.append(encode(_read(index, (READ * (letters // len(READ) + 1))[:letters])))
        self._kept = StoredMessages(
            session_id="s",
            epoch="e",
            offset=len(frames),
            messages=tuple(map(msgspec.Raw, frames)),
            complete=True,
        )

    async def standing(self, _session_id: str) -> tuple[str, int]:
        """Return epoch and offset."""
        await trio.lowlevel.checkpoint()
        return self._kept.epoch, self._kept.offset

    async def messages(self, _session_id: str) -> StoredMessages:
        """Return what is kept."""
        await trio.lowlevel.checkpoint()
        return self._kept


def _said(index: int, text: str) -> Transcript:
    return Transcript(
        timestamp=0,
        session_id="s",
        segment_id=f"a-{index}",
        revision=2,
        final=True,
        text=text,
        language="en",
        confidence=0.9,
        start=index * 6.0,
        end=index * 6.0 + 5.5,
        stream_started=1_700_000_000_000,
        speaker="Ann",
    )


def _read(index: int, text: str) -> Translation:
    return Translation(
        timestamp=0,
        session_id="s",
        segment_id=f"a-{index}",
        revision=2,
        target_language="es",
        text=text,
        confidence=None,
    )


async def measure(name: str, history: History, kind: str) -> None:
    """Make one transcript and print what it cost."""
    longest = idle = 0.0

    async def tick() -> None:
        nonlocal longest
        while True:
            before = time.perf_counter()
            await trio.sleep(TICK)
            longest = max(longest, time.perf_counter() - before - TICK)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(tick)
        await trio.sleep(1)
        idle, longest = longest, 0.0
        begun, cpu = time.perf_counter(), time.process_time()
        made = await Transcripts(history).get("s", kind=kind, choice=Choice(languages=("es",)))
        wall, used = time.perf_counter() - begun, time.process_time() - cpu
        nursery.cancel_scope.cancel()
    size = len(made.file.content) / 1e6
    cost = f"{wall:5.2f} s ({used:.2f} s of a core)"
    stall = f"longest {longest * 1000:.0f} ms (idle {idle * 1000:.0f})"
    print(f"{name:28} {kind:4}  {cost}  {size:4.1f} MB  {stall}")


async def main() -> None:
    """Measure the histories that the figures are of."""
    for name, history in (
        ("one hour, 600 x 220", History(600, 220)),
        ("full history, 5,000 x 324", History(5_000, 324)),
        ("one word of 200,000", History(1, 200_000, "ab")),
    ):
        for kind in ("srt", "vtt", "txt", "json"):
            await measure(name, history, kind)


if __name__ == "__main__":
    trio.run(main)
