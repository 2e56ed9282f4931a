"""Surveys: requests from one worker to all others, or to one, and their replies. Nothing is stored.

Every worker subscribes to two channels: that of all workers, and its own, which has its name. The server
tells the requester which workers have subscribed, so that one that does not reply is reported by name.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final, Protocol, TypeVar

import structlog
import trio

from orch.problems import ProblemError
from orch.stores.records import SurveyReplies
from orch.stores.redis.calls import Call, ServerCommands
from orch.stores.redis.keys import CONTROL, own_channel
from orch.telemetry.boundaries import Boundary

T = TypeVar("T")

Listener = Callable[[bytes, Callable[[bytes], None]], None]
"""Called with a question and with what sends the answer, now or later."""

#: Maximum bytes of one reply, and of all replies to a survey; beyond it a reply does not count.
ANSWER_BYTES: Final = 2**20
ANSWERS_BYTES: Final = 64 * 2**20

#: Surveys that a worker remembers to have replied to: one may arrive twice after a lost connection.
REMEMBERED: Final = 1_000

#: A worker that did not reply to this many surveys in a row is no longer waited for, but still surveyed and
#: reported as missing. Any subscriber can look like a worker.
MISSES: Final = 2

#: Maximum number of replies to one survey.
ANSWERS_LIMIT: Final = 10_000

_ASKED: Final = b"?"
_ANSWERED: Final = b"!"

_log = structlog.get_logger(__name__)


class Execute(Protocol):
    """Runs a call: :meth:`orch.stores.redis.pipeline.Pipeline.execute`."""

    def __call__(self, call: Call[T], /) -> Awaitable[T]:
        """Run the call."""


class _Question:
    """An open survey: the workers expected to reply, once known, and the replies so far."""

    def __init__(self) -> None:
        self.expected: frozenset[str] | None = None
        self.waited_for: frozenset[str] = frozenset()
        self.answers: dict[str, bytes] = {}
        self.size = 0
        self.is_answered = trio.Event()

    def look(self) -> None:
        if self.expected is not None and self.waited_for <= self.answers.keys():
            self.is_answered.set()


class SurveyChannel:
    """Asks the other workers, and answers them: each question once.

    The mutable state is the questions that are open, bounded by who waits for them, and the last
    :data:`REMEMBERED` that were answered; those before are forgotten. An answer that comes too late is
    dropped.
    """

    def __init__(
        self,
        commands: ServerCommands,
        *,
        worker: str,
        execute: Execute,
        offer: Callable[[Call[Any]], bool],
    ) -> None:
        self.channels = (CONTROL, own_channel(worker))
        self._commands = commands
        self._worker = worker
        self._execute = execute
        self._offer = offer
        self._open: dict[bytes, _Question] = {}
        self._heard: OrderedDict[bytes, None] = OrderedDict()
        self._questions = 0
        self._missed: dict[str, int] = {}
        self.boundary = Boundary("surveys")

    async def send(self, payload: bytes, *, within: float, only: str | None) -> SurveyReplies:
        """Ask all other workers, or only one; return what was answered within that many seconds.

        Raises ``store_unavailable`` where the server has not even taken the question by then.
        """
        self._questions += 1
        head = b"%d" % self._questions
        question = self._open[head] = _Question()
        said = b"%s%s %s\n%s" % (_ASKED, head, self._worker.encode(), payload)
        where = CONTROL if only is None else own_channel(only)
        try:
            with trio.move_on_after(within):
                listening = await self._execute(self._commands.send_survey(where, said))
                question.expected = listening - {self._worker} if only is None else listening & {only}
                question.waited_for = frozenset(
                    name for name in question.expected if self._missed.get(name, 0) < MISSES
                )
                question.look()
                await question.is_answered.wait()
        finally:
            del self._open[head]
        if question.expected is None:
            raise ProblemError("store_unavailable", "The other workers cannot be reached right now.")
        self._note(question)
        # Anyone can publish an answer; it counts from those that listen.
        answers = {
            name: answer for name, answer in question.answers.items() if answer and name in question.expected
        }
        return SurveyReplies(answers, question.expected - answers.keys())

    def receive(self, data: bytes, listener: Listener) -> None:
        """Take in what came on one of :attr:`channels`; ``listener`` has the answer to a question."""
        first, _, payload = data.partition(b"\n")
        kind, (head, _, name) = first[:1], first[1:].partition(b" ")
        worker = name.decode()
        if kind == _ANSWERED:
            self._take(head, worker, payload)
        elif kind == _ASKED and worker != self._worker and self._is_new(first):
            self._listen(payload, listener, partial(self._answer, worker, head))

    def _note(self, question: _Question) -> None:
        """Count who did not answer, of those that still listen."""
        listening = question.expected or frozenset()
        late = listening - question.answers.keys()
        # A question to one worker says nothing about the others.
        self._missed |= {name: self._missed.get(name, 0) + 1 for name in late}
        while len(self._missed) > REMEMBERED:
            del self._missed[next(iter(self._missed))]
        for name in question.answers:
            self._missed.pop(name, None)

    def _take(self, head: bytes, worker: str, answer: bytes) -> None:
        self._missed.pop(worker, None)
        question = self._open.get(head)
        if question is None or worker in question.answers or len(question.answers) >= ANSWERS_LIMIT:
            return
        question.size += len(answer)
        if question.size > ANSWERS_BYTES:
            _log.warning("survey replies too long", worker=worker, bytes=question.size)
            answer = b""
        question.answers[worker] = answer
        question.look()

    def _is_new(self, question: bytes) -> bool:
        if question in self._heard:
            return False
        self._heard[question] = None
        if len(self._heard) > REMEMBERED:
            self._heard.popitem(last=False)
        return True

    def _listen(self, payload: bytes, listener: Listener, answer: Callable[[bytes], None]) -> None:
        try:
            listener(payload, answer)
        except Exception:  # noqa: BLE001 - a boundary: the listener is another room
            self.boundary.count()
            _log.exception("survey not answered")
            answer(b"")

    def _answer(self, worker: str, head: bytes, answer: bytes) -> None:
        """Send an answer; an empty one says that there is none. Of several the first counts."""
        if len(answer) > ANSWER_BYTES:
            _log.error("survey reply too long", bytes=len(answer))
            answer = b""
        said = b"%s%s %s\n%s" % (_ANSWERED, head, self._worker.encode(), answer)
        self._offer(self._commands.publish(own_channel(worker), said))
