"""Announcements: what one worker tells all others at once, and what they answer. Nothing of it is kept."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Protocol, TypeVar

import structlog
import trio

from orch.stores.redis_commands import Call, SessionCommands
from orch.stores.redis_keys import CONTROL, answers

T = TypeVar("T")

_log = structlog.get_logger(__name__)


class Execute(Protocol):
    """Has something done: :meth:`orch.stores.redis_pipeline.Pipeline.execute`."""

    def __call__(self, call: Call[T], /) -> Awaitable[T]:
        """Do it."""


class Announcing:
    """Asks the other workers, and answers them.

    The mutable state is the questions that are open, bounded by who waits for them; an answer that comes too
    late, or beyond a thousand to one question, is dropped.
    """

    def __init__(
        self,
        commands: SessionCommands,
        *,
        worker: str,
        execute: Execute,
        offer: Callable[[Call[Any]], bool],
    ) -> None:
        self.channels = (CONTROL, answers(worker))
        self._commands = commands
        self._worker = worker
        self._execute = execute
        self._offer = offer
        self._open: dict[bytes, trio.MemorySendChannel[bytes]] = {}
        self._questions = 0

    async def announce(self, payload: bytes, within: float) -> tuple[bytes, ...]:
        """Tell all other workers; return what they answered within that many seconds."""
        self._questions += 1
        question = b"%d" % self._questions
        send, receive = trio.open_memory_channel[bytes](1_000)
        self._open[question] = send
        said = b"%s %s\n%s" % (question, self._worker.encode(), payload)
        found: list[bytes] = []
        try:
            others = await self._execute(self._commands.publish(CONTROL, said)) - 1
            with trio.move_on_after(within):
                while len(found) < others:
                    found.append(await receive.receive())
        finally:
            del self._open[question]
            send.close()
            receive.close()
        return tuple(found)

    def heard(self, name: bytes, data: bytes, listener: Callable[[bytes], bytes] | None) -> None:
        """Take in what came on one of :attr:`channels`; ``listener`` has the answer to what is announced."""
        head, _, payload = data.partition(b"\n")
        if name != CONTROL:
            if head in self._open:
                with suppress(trio.WouldBlock):
                    self._open[head].send_nowait(payload)
            return
        question, _, worker = head.partition(b" ")
        if worker == self._worker.encode() or listener is None:
            return
        try:
            answer = listener(payload)
        except Exception:  # noqa: BLE001 - a boundary: the listener is another room
            _log.exception("listener to announcements failed")
            answer = b""
        self._offer(self._commands.publish(answers(worker.decode()), question + b"\n" + answer))
