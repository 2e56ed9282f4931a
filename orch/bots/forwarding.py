"""Commands to bots that other workers run, their live state and their cameras' pictures.

A request reaches any worker; the bot is run by one, its owner. What only the owner can do is sent to it over
a survey (:mod:`orch.cluster.survey`), and its reply or problem is returned as it is. Nothing is forwarded a
second time: a worker that does not run the bot either replies so.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Never, TypeVar

import msgspec
import trio
from msgspec import Struct

from orch.bots.control import CameraFrame, FrameKind
from orch.bots.orders import Order, carry_out, check_order
from orch.bots.runs.run import BotRun
from orch.bots.shown import BotLive, BotShown
from orch.bots.states import State
from orch.cluster.survey import Survey
from orch.problems import ProblemError
from orch.stores.bot_records import Life

ORDER_WITHIN: Final = 25.0
"""Seconds that a command may take at the owner: the page's 20, and the store's."""

CAMERA_WITHIN: Final = 3.0
"""Seconds that the owner waits for a picture that differs; then it is asked again."""

LIVE_WITHIN: Final = 2.0
"""Seconds in which the owner replies with the live state; else what is stored is shown."""

SLACK: Final = 2.0
"""Seconds for both ways."""

AT_A_TIME: Final = 32
"""Commands, pictures, and live states each, that a worker handles for others; more are ``overloaded``."""

IN_FLIGHT: Final = 16 * 2**20
"""Bytes of commands that wait for their replies. The longest speech, of 120 s, has 5 MiB as JSON."""

LEAST: Final = IN_FLIGHT // 64
"""Bytes that a command counts at least, which limits their number."""

LARGEST_PICTURE: Final = 700 * 2**10
"""Bytes of a picture: as JSON, a reply of at most :data:`orch.stores.redis.survey.ANSWER_BYTES`."""

PICTURE_PAUSE: Final = 1.0
"""Seconds between the pictures that one viewer is sent from another worker: captions have the same way."""

_ORDER: Final = "bot_order"
_CAMERA: Final = "bot_camera"
_LIVE: Final = "bot_live"

T = TypeVar("T")


class _View(Struct, frozen=True, kw_only=True):
    """The request for a picture, as of :meth:`orch.bots.control.BotsControl.camera`."""

    bot_id: str
    kind: FrameKind
    after: int


class Forwarding:
    """Sends requests to the owners of bots, and handles those of other workers.

    ``survey``: None: there are no other workers. ``runs``: the bots that run here; ``life``: returns what is
    stored, or raises ``unknown_bot``. The mutable state is the bytes in flight.
    """

    def __init__(
        self,
        survey: Survey | None,
        *,
        worker: str,
        runs: Callable[[], Mapping[str, BotRun]],
        life: Callable[[str], Awaitable[Life]],
    ) -> None:
        self._survey = survey if survey is not None and survey.is_shared else None
        self._worker = worker
        self._runs = runs
        self._life = life
        self._in_flight = 0
        if self._survey is not None:
            for subject, handler, within in (
                (_ORDER, self._on_order, ORDER_WITHIN),
                (_CAMERA, self._on_view, CAMERA_WITHIN + SLACK / 2),
                (_LIVE, self._on_live, LIVE_WITHIN),
            ):
                self._survey.register_waiting(subject, handler, within=within, at_a_time=AT_A_TIME)

    # To the owner.

    async def order(self, life: Life, order: Order) -> BotShown:
        """Have the owner carry out a command; return the bot then.

        Problems: the owner's; ``bot_silent`` where nobody runs the bot now; ``worker_silent``, and then it is
        unknown whether the command was carried out; ``overloaded``; ``store_unavailable``.
        """
        request = msgspec.json.encode(order)
        with self._counted(len(request)):
            try:
                return await self._request(life, _ORDER, request, BotShown, within=ORDER_WITHIN + SLACK)
            except ProblemError as problem:
                if problem.code != "worker_silent":
                    raise
                unknown = f"{problem.detail} It is unknown whether the bot has carried out the command."
                raise ProblemError("worker_silent", unknown) from problem

    async def camera(self, life: Life, kind: FrameKind, *, after: int) -> CameraFrame:
        """Return the camera's picture as soon as its number is not ``after``, and no sooner than it may.

        Problems: as of :meth:`order`, and ``picture_too_large``.
        """
        if life.owner is None:
            raise ProblemError("camera_off", "The bot is in no meeting.")
        if after >= 0:
            await trio.sleep(PICTURE_PAUSE)
        request = msgspec.json.encode(_View(bot_id=life.bot_id, kind=kind, after=after))
        wanted: Any = CameraFrame | None
        while True:
            frame: CameraFrame | None = await self._request(
                life, _CAMERA, request, wanted, within=CAMERA_WITHIN + SLACK
            )
            if frame is not None:
                return frame

    async def live(self, life: Life) -> BotLive | None:
        """Return the live state of a bot; None: no other worker runs it, or its owner does not reply."""
        if life.owner is None or self._survey is None or _worker(life.owner) == self._worker:
            await trio.lowlevel.checkpoint()
            return None
        request = msgspec.json.encode(life.bot_id)
        try:
            return await self._request(life, _LIVE, request, BotLive, within=LIVE_WITHIN)
        except ProblemError:
            return None  # what is stored is shown instead

    async def _request(self, life: Life, subject: str, request: bytes, kind: type[T], *, within: float) -> T:
        if life.owner is None:
            raise ProblemError("bot_silent", "No worker runs the bot right now. Try again in half a minute.")
        worker = _worker(life.owner)
        if worker == self._worker:
            raise ProblemError("bot_silent", "This worker is taking the bot over. Try again.")
        if self._survey is None:
            raise ProblemError(
                "bot_silent",
                f"The bot runs on another worker ({life.owner}), to which nothing can be forwarded: the "
                "workers share no session store.",
            )
        try:
            reply = await self._survey.request(worker, subject, request, within=within)
        except ProblemError as problem:
            if problem.code != "unknown_worker":
                raise
            raise ProblemError(
                "bot_silent",
                f"The worker that ran the bot ({life.owner}) has ended. Another one continues with the bot, "
                "or ends it. Try again in half a minute.",
            ) from None
        try:
            return msgspec.json.decode(reply, type=kind)
        except msgspec.ValidationError as error:
            raise ProblemError(
                "worker_silent", f"The worker {worker} has another version, and replied: {error}."
            ) from error

    @contextmanager
    def _counted(self, size: int) -> Iterator[None]:
        counted = max(size, LEAST)
        if self._in_flight + counted > IN_FLIGHT:
            raise ProblemError(
                "overloaded",
                "Too many commands wait for other workers. Try again in a moment.",
                headers={"Retry-After": "2"},
            )
        self._in_flight += counted
        try:
            yield
        finally:
            self._in_flight -= counted

    # As the owner.

    async def _on_order(self, request: bytes) -> bytes:
        order = msgspec.json.decode(request, type=Order)
        run = self._runs().get(order.bot_id)
        if run is None:
            await self._refuse(order)
        await carry_out(run.commands, order)
        return msgspec.json.encode(run.shown())

    async def _refuse(self, order: Order) -> Never:
        """Raise why a bot that does not run here cannot carry out a command."""
        life = await self._life(order.bot_id)
        check_order(order.name, State(life.state))
        raise ProblemError("bot_silent", "Another worker is taking the bot over. Try again in half a minute.")

    async def _on_view(self, request: bytes) -> bytes:
        view = msgspec.json.decode(request, type=_View)
        frame: CameraFrame | None = None
        with trio.move_on_after(CAMERA_WITHIN):
            frame = await self._run(view.bot_id).camera(view.kind, after=view.after)
        if frame is not None and len(frame.file) > LARGEST_PICTURE:
            raise ProblemError(
                "picture_too_large",
                f"The picture has {len(frame.file)} bytes; the bot runs on another worker, which may send "
                f"{LARGEST_PICTURE}.",
            )
        return msgspec.json.encode(frame)

    async def _on_live(self, request: bytes) -> bytes:
        run = self._run(msgspec.json.decode(request, type=str))
        await trio.lowlevel.checkpoint()
        return msgspec.json.encode(run.live())

    def _run(self, bot_id: str) -> BotRun:
        run = self._runs().get(bot_id)
        if run is None:
            raise ProblemError("camera_off", "The bot is in no meeting now.")
        return run


def _worker(owner: str) -> str:
    """Return the name of the worker of an owner: what precedes the slash, as the host gives it out."""
    return owner.partition("/")[0]
