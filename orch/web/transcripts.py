"""Transcripts as files: prepared in a thread, one at a time, and cached until the session changes."""

import math
import time
import weakref
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator
from typing import Final, NamedTuple, Protocol, TypeVar

import trio
from quart.wrappers.response import DataBody

from orch.problems import ProblemError
from orch.speech.cues import Pace
from orch.speech.exports import Choice, File, export, format_of, of_history, session_transcript
from orch.speech.text_search import Found, search
from orch.web.turns import WAIT_LIMIT, Turns
from orch.websocket.history.reader import StoredMessages

_Item = TypeVar("_Item")

CACHED_BYTES: Final = 16 * 1024 * 1024
"""Maximum bytes of cached files."""
MEMORY_BYTES: Final = 24 * 1024 * 1024
"""Maximum bytes of files in memory: cached ones, and those being sent to clients."""
SLICE: Final = 65_536
"""Bytes of a file sent at a time."""

TURN: Final = 0.001
"""Seconds that a transcript is written without a pause."""
PAUSE: Final = 0.0001


class Histories(Protocol):
    """The source of session histories (the hub)."""

    async def standing(self, session_id: str) -> tuple[str, int]:
        """Return a session's epoch and newest offset. Raises ``unknown_session``."""
        ...

    async def messages(self, session_id: str) -> StoredMessages:
        """Return a session's stored messages. Raises ``unknown_session``."""
        ...


class Transcript(NamedTuple):
    """A file, and whether it is complete."""

    file: File
    complete: bool


class _Key(NamedTuple):
    session_id: str
    epoch: str
    offset: int
    kind: str
    choice: Choice


class Pauses:
    """Iterates in a worker thread, with pauses for the event loop. Raises Cancelled with its caller."""

    def __init__(
        self, clock: Callable[[], float] = time.perf_counter, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._clock = clock
        self._sleep = sleep

    def __call__(self, items: Iterable[_Item], /) -> Iterator[_Item]:
        """Return the same items."""
        rest = self._clock() + TURN
        for item in items:
            if self._clock() >= rest:
                trio.from_thread.check_cancelled()
                # sleep(0) would not release the interpreter for long enough: the loop's thread must wake to
                # get it.
                self._sleep(PAUSE)
                rest = self._clock() + TURN
            yield item


class FileBody(DataBody):
    """A response body: a file, sent in slices as the client reads it.

    The file is in memory, and counted, for as long as this is.
    """

    def __init__(self, file: File) -> None:
        super().__init__(file.content)
        self._file = file

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._slices()

    async def _slices(self) -> AsyncGenerator[bytes, None]:
        for start in range(self.begin, self.end, SLICE):
            yield self.data[start : min(start + SLICE, self.end)]


class Transcripts:
    """Prepares transcripts. The mutable state is the files in memory, and the waiting requests.

    Overflow rule: no file is prepared while ``memory_limit`` bytes are in memory, not counting cached ones,
    which are dropped first. Files for clients that do not read are held by their requests, so this bounds
    their total.

    One is prepared at a time, in a thread: it is plain Python, and two at once would not be faster, but take
    the interpreter from the loop for longer. The thread pauses each millisecond, so the loop never waits
    longer for the interpreter, and ends with its request. A request for the same transcript gets the file
    that was just prepared.
    """

    def __init__(
        self,
        histories: Histories,
        *,
        wait_limit: float = WAIT_LIMIT,
        memory_limit: int = MEMORY_BYTES,
        pace: Pace | None = None,
    ) -> None:
        self._histories = histories
        self._memory_limit = memory_limit
        self._pace = pace or Pauses()
        self._turns = Turns(_busy, wait_limit=wait_limit)
        self._cached: OrderedDict[_Key, Transcript] = OrderedDict()
        self._cached_bytes = 0
        self._memory_bytes = 0

    async def get(self, session_id: str, *, kind: str, choice: Choice) -> Transcript:
        """Return a session's transcript. Raises ``invalid_request``, ``unknown_session``, ``overloaded``."""
        format_of(kind)
        key = _Key(session_id, *await self._histories.standing(session_id), kind, choice)
        if key in self._cached:
            return self._reuse(key)
        async with self._turns.take():
            # While this one waited, another may have made it.
            key = _Key(session_id, *await self._histories.standing(session_id), kind, choice)
            if key in self._cached:
                return self._reuse(key)
            if self._memory_bytes >= self._memory_limit:
                self._cached.clear()
                self._cached_bytes = 0
            if self._memory_bytes >= self._memory_limit:
                raise _busy()
            stored = await self._histories.messages(session_id)
            file = await trio.to_thread.run_sync(_write, stored, kind, choice, self._pace)
            self._count(file)
            made = Transcript(file, stored.complete)
            self._cache(key._replace(epoch=stored.epoch, offset=stored.offset), made)
            return made

    async def search(self, session_id: str, query: str) -> Found:
        """Return the lines of a session that have ``query``. Raises ``unknown_session``, ``overloaded``.

        It waits for its turn like a file, and runs in the same thread.
        """
        async with self._turns.take():
            stored = await self._histories.messages(session_id)
            return await trio.to_thread.run_sync(_search, stored, query, self._pace)

    def _count(self, file: File) -> None:
        """Count a file for as long as it is referenced."""
        size = len(file.content)
        self._memory_bytes += size
        weakref.finalize(file, self._uncount, size)

    def _uncount(self, size: int) -> None:
        self._memory_bytes -= size

    def _reuse(self, key: _Key) -> Transcript:
        self._cached.move_to_end(key)
        return self._cached[key]

    def _cache(self, key: _Key, made: Transcript) -> None:
        # Earlier versions of the transcript are no longer requested.
        for old in [old for old in self._cached if old[0] == key.session_id and old[1:3] != key[1:3]]:
            self._cached_bytes -= len(self._cached.pop(old).file.content)
        if len(made.file.content) > CACHED_BYTES or key in self._cached:
            return
        self._cached[key] = made
        self._cached_bytes += len(made.file.content)
        while self._cached_bytes > CACHED_BYTES:
            self._cached_bytes -= len(self._cached.popitem(last=False)[1].file.content)


def _write(stored: StoredMessages, kind: str, choice: Choice, pace: Pace) -> File:
    messages = of_history(pace(stored.messages))
    return export(
        messages, kind=kind, session_id=stored.session_id, title=stored.title, choice=choice, pace=pace
    )


def _search(stored: StoredMessages, query: str, pace: Pace) -> Found:
    messages = of_history(pace(stored.messages))
    return search(session_transcript(messages, session_id=stored.session_id), query, pace)


def _busy() -> ProblemError:
    return ProblemError(
        "overloaded",
        "Too many transcripts are being prepared. Try again in a moment.",
        headers={"Retry-After": str(math.ceil(WAIT_LIMIT / 4))},
    )
