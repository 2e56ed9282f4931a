from collections.abc import Awaitable, Callable, Iterator

import msgspec
import pytest
import trio
import trio.testing

from orch.problems import ProblemError
from orch.protocol.messages import Transcript, encode
from orch.speech.exports import Choice, File
from orch.web.transcripts import SLICE, TURN, FileBody, Pauses, Transcripts
from orch.web.turns import WAITING
from orch.websocket.history.reader import StoredMessages
from tests.fakes.running import run

WORDS = "had he married a more amiable woman he might have been made still more respectable "


class Kept:
    """A session whose history is in memory; ``read``: how often it was asked for."""

    def __init__(self, lines: int, text: str = WORDS * 4) -> None:
        self.lines = lines
        self.text = text
        self.read = 0
        self.hold = trio.Event()
        self.hold.set()

    async def standing(self, session_id: str) -> tuple[str, int]:
        await trio.lowlevel.checkpoint()
        assert session_id == "budget"
        return "first", self.lines

    async def messages(self, session_id: str) -> StoredMessages:
        self.read += 1
        await self.hold.wait()
        frames = tuple(msgspec.Raw(encode(self._line(index))) for index in range(self.lines))
        return StoredMessages(
            session_id=session_id, epoch="first", offset=self.lines, messages=frames, complete=True
        )

    def _line(self, index: int) -> Transcript:
        return Transcript(
            timestamp=0,
            session_id="budget",
            segment_id=f"s-{index}",
            revision=1,
            final=True,
            text=self.text,
            language="en",
            confidence=None,
            start=float(index * 6),
            end=index * 6 + 5.5,
            stream_started=1_700_000_000_000,
        )


def on_the_clock(use: Callable[[], Awaitable[None]]) -> None:
    """Run on the real clock: a virtual one would not wait for a thread."""

    async def main() -> None:
        await use()

    run(main, virtual=False)


@pytest.mark.parametrize("kind", ["srt", "vtt"])
@pytest.mark.parametrize("text", [WORDS * 4, "ab" * 100_000, "明日までに。" * 30_000], ids=len)
def test_the_event_loop_runs_while_a_transcript_is_prepared(kind: str, text: str) -> None:
    """Of a long history as of one very long word."""
    kept = Kept(2_000 if text.startswith("had") else 1, text)
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await trio.sleep(0.001)
            ticks += 1

    async def use() -> None:
        transcripts = Transcripts(kept)
        kept.hold = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tick)
            kept.hold.set()
            before = ticks
            made = await transcripts.get("budget", kind=kind, choice=Choice())
            assert len(made.file.content) > len(text)
            assert ticks - before > 3
            nursery.cancel_scope.cancel()

    on_the_clock(use)


class Endless:
    """Messages of which there are as many as the thread that reads them takes; ``most``: too many."""

    def __init__(self, frame: msgspec.Raw, most: int = 2_000_000) -> None:
        self.frame = frame
        self.most = most
        self.taken = 0
        self.begun = trio.Event()

    def __iter__(self) -> Iterator[msgspec.Raw]:
        trio.from_thread.run_sync(self.begun.set)
        while self.taken < self.most:
            self.taken += 1
            yield self.frame


def test_preparation_ends_with_its_request() -> None:
    """A client that disconnects ends the thread that writes its file, and the next request has its turn."""
    kept = Kept(1)

    async def use() -> None:
        transcripts = Transcripts(kept)
        ordinary = await kept.messages("budget")
        endless = Endless(ordinary.messages[0])
        found = kept.messages

        async def messages(_session_id: str) -> StoredMessages:
            await trio.lowlevel.checkpoint()
            return msgspec.structs.replace(ordinary, messages=endless)

        kept.messages = messages  # type: ignore[assignment, method-assign]
        async with trio.open_nursery() as nursery:

            async def ask() -> None:
                await transcripts.get("budget", kind="srt", choice=Choice())

            nursery.start_soon(ask)
            await endless.begun.wait()
            nursery.cancel_scope.cancel()
        assert endless.taken < endless.most
        kept.messages = found  # type: ignore[method-assign]
        assert (await transcripts.get("budget", kind="srt", choice=Choice())).complete

    on_the_clock(use)


def test_the_thread_pauses_each_millisecond() -> None:
    """In every step: reading, ordering and laying out lines, splitting and writing cues."""
    now = 0.0
    pauses: list[float] = []

    def elapsed() -> float:
        nonlocal now
        now += TURN / 4
        return now

    def pause(_seconds: float) -> None:
        pauses.append(now)

    kept = Kept(100)
    found: list[bytes] = []

    async def use() -> None:
        made = await Transcripts(kept, pace=Pauses(elapsed, pause)).get("budget", kind="srt", choice=Choice())
        found.append(made.file.content)

    on_the_clock(use)
    cues = found[0].count(b" --> ")
    assert cues > 300
    # After four items each.
    assert len(pauses) >= (3 * 100 + 2 * cues) // 5


def test_a_search_pauses_and_waits_for_its_turn_like_a_file() -> None:
    """It is plain Python too; more searches than can wait are refused."""
    pauses = 0

    def pause(_seconds: float) -> None:
        nonlocal pauses
        pauses += 1

    kept = Kept(200)
    clock = iter(index * TURN / 4 for index in range(1_000_000))
    refused: list[str] = []

    async def use() -> None:
        transcripts = Transcripts(kept, pace=Pauses(lambda: next(clock), pause))
        kept.hold = trio.Event()

        async def ask() -> None:
            try:
                assert (await transcripts.search("budget", "AMIABLE")).count == 200
            except ProblemError as error:
                refused.append(error.code)

        async with trio.open_nursery() as nursery:
            for _ in range(WAITING + 2):
                nursery.start_soon(ask)
            await trio.testing.wait_all_tasks_blocked()
            assert refused == ["overloaded"]
            kept.hold.set()

    on_the_clock(use)
    assert pauses > 2 * 200 // 5


def test_a_transcript_is_cached_until_the_session_changes() -> None:
    """For concurrent requests too; another format or choice is another file."""
    kept = Kept(2)

    async def use() -> None:
        transcripts = Transcripts(kept)
        found: list[bytes] = []

        async def ask() -> None:
            found.append((await transcripts.get("budget", kind="srt", choice=Choice())).file.content)

        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(ask)
        assert len(set(found)) == 1
        assert kept.read == 1
        await transcripts.get("budget", kind="vtt", choice=Choice())
        await transcripts.get("budget", kind="srt", choice=Choice(languages=("es",)))
        assert kept.read == 3
        kept.lines = 3
        more = await transcripts.get("budget", kind="srt", choice=Choice())
        assert more.file.content.startswith(found[0])
        assert len(more.file.content) > len(found[0])

    on_the_clock(use)


def test_requests_beyond_the_queue_are_refused() -> None:
    """At once, and after a while in the queue too; each place is free again afterwards."""
    kept = Kept(1)
    kept.hold = trio.Event()
    codes: list[str] = []

    async def use() -> None:
        transcripts = Transcripts(kept, wait_limit=2)

        async def ask() -> None:
            try:
                await transcripts.get("budget", kind="txt", choice=Choice())
            except ProblemError as error:
                codes.append(error.code)
            else:
                codes.append("made")

        async with trio.open_nursery() as nursery:
            for _ in range(1 + WAITING + 3):
                nursery.start_soon(ask)
            await trio.testing.wait_all_tasks_blocked()
            assert codes == ["overloaded"] * 3
            while len(codes) < 3 + WAITING:  # noqa: ASYNC110 - nothing tells when the last has been refused
                await trio.sleep(0.01)
            assert codes == ["overloaded"] * (3 + WAITING)
            kept.hold.set()
        assert codes[-1] == "made"
        codes.clear()
        await ask()
        assert codes == ["made"]

    on_the_clock(use)


def test_an_unknown_format_is_refused_before_anything_is_read() -> None:
    kept = Kept(1)

    async def use() -> None:
        with pytest.raises(ProblemError, match="txt, srt, vtt, json"):
            await Transcripts(kept).get("budget", kind="pdf", choice=Choice())

    on_the_clock(use)
    assert kept.read == 0


def test_files_that_clients_do_not_read_are_bounded_in_total() -> None:
    """At the limit no other is prepared; cached files are dropped first."""

    async def use() -> None:
        transcripts = Transcripts(Kept(20), memory_limit=1)
        held = []
        made = await transcripts.get("budget", kind="txt", choice=Choice())
        held.append(FileBody(made.file))
        del made
        with pytest.raises(ProblemError) as refused:
            await transcripts.get("budget", kind="srt", choice=Choice())
        assert refused.value.code == "overloaded"
        held.clear()
        await trio.to_thread.run_sync(int)  # the thread that wrote the file lets go of it with its next work
        assert (await transcripts.get("budget", kind="srt", choice=Choice())).file.content

    on_the_clock(use)


def test_a_file_is_sent_in_slices() -> None:
    """No more than one is queued for a client that does not read."""

    async def main() -> None:
        for size in (0, 1, SLICE - 1, SLICE, SLICE + 1, 3 * SLICE + 7):
            content = bytes(index % 251 for index in range(size))
            found = [each async for each in FileBody(File("n", "text/plain", content))]
            assert b"".join(found) == content
            assert max(map(len, found), default=0) <= SLICE

    trio.run(main)
