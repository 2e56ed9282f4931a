"""A bot's stay in one meeting on one page: joined, read, left."""

from collections.abc import Awaitable, Callable
from typing import Final

import trio
from msgspec import Struct
from msgspec.structs import replace

from orch.bots.adapters.adapter import CHANNEL_BINDING, SIGNALS_BINDING, STATE_BINDING, Adapter
from orch.bots.adapters.hands import Hands, is_momentary
from orch.bots.adapters.judging import PRESSED, Stay, Step, Verdict, Wanted, judge
from orch.bots.adapters.meeting import Meeting
from orch.bots.adapters.presence import Presence
from orch.bots.adapters.sightings import Sightings
from orch.bots.adapters.signs import Sign
from orch.bots.adapters.snapshots import Seen, State, decode
from orch.bots.chromium.errors import BrowserError, NavigationError
from orch.bots.chromium.page import Page
from orch.bots.chromium.page_messages import Messages
from orch.bots.ends import EndReason
from orch.bots.observations import Over, PageObservation, Place
from orch.bots.requests import Languages

CAPACITY: Final = 512
"""Messages of the page that are queued; of further ones none is missed, because it sends everything again."""

LOOKS: Final = 2.0
"""Seconds without news after which the page is looked at, in case it could not send."""

PATIENCE: Final = 1.5
"""Seconds that a pressed button may take to have an effect, before it is pressed again."""

_PATIENCE: Final = {
    Step.JOIN: 6.0,
    Step.MUTE: 0.5,
    Step.UNMUTE: 0.5,
    Step.CAMERA_OFF: 0.5,
    Step.CAMERA_ON: 0.5,
}

Observed = Callable[[PageObservation], Awaitable[None]]


class Wish(Struct, frozen=True, kw_only=True):
    """How a bot takes part. ``is_signed_in``: its profile has an account. ``chat``: it reads the chat."""

    name: str
    languages: Languages = Languages()
    is_signed_in: bool = False
    microphone: bool = False
    camera: bool = True
    captions: bool = True
    chat: bool = True


class Limits(Struct, frozen=True, kw_only=True):
    """Seconds after which a page that does not go on has changed, or has lost its connection.

    ``loading``: until anything known is there; ``unknown``: nothing known is shown any more; ``door``: it
    cannot be joined; ``reconnecting``: the page tries to connect again.
    """

    loading: float = 40.0
    unknown: float = 15.0
    door: float = 40.0
    reconnecting: float = 90.0


async def attend(
    page: Page,
    adapter: Adapter,
    wish: Wish,
    url: str,
    observed: Observed,
    clock: Callable[[], float],
    *,
    limits: Limits = Limits(),  # noqa: B008 - frozen
    task_status: trio.TaskStatus[Meeting] = trio.TASK_STATUS_IGNORED,
) -> EndReason:
    """Join a meeting and observe it until the stay is over; return why, which is also observed as ``Over``.

    ``page``: prepared with the adapter's scripts and bindings. ``observed`` receives one observation after
    the other; while it waits, what the page sends is queued, and beyond :data:`CAPACITY` messages requested
    again. ``clock``: seconds from the session's start. ``started()`` receives the :class:`Meeting` at once.
    There is no limit for the lobby: the caller leaves.

    Error handling: the page's own errors, in an ExceptionGroup, when the page or its browser ends.
    """
    attendance = _Attendance(page, adapter, wish, observed, clock, limits)
    with (
        page.messages(STATE_BINDING, capacity=CAPACITY, is_own=True) as states,
        page.messages(SIGNALS_BINDING, capacity=CAPACITY, is_own=True) as signals,
        page.messages(CHANNEL_BINDING, capacity=CAPACITY, is_own=True) as captions,
    ):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(attendance.receive_states, states)
            nursery.start_soon(attendance.receive_signals, signals)
            nursery.start_soon(attendance.receive_captions, captions)
            task_status.started(attendance.meeting)
            reason = await attendance.run(url)
            nursery.cancel_scope.cancel()
    return reason


class _Attendance:
    """The mutable state is presence, stay, sightings, and since when the page is stuck."""

    def __init__(
        self,
        page: Page,
        adapter: Adapter,
        wish: Wish,
        observed: Observed,
        clock: Callable[[], float],
        limits: Limits,
    ) -> None:
        self._page = page
        self._adapter = adapter
        self._language = wish.languages.interface
        self._observed = observed
        self._order = trio.Lock()
        self._clock = clock
        self._limits = limits
        self._hands = Hands(page, adapter)
        self._sightings = Sightings(wish.name, adapter.reader.own_names)
        self._stay = Stay()
        self._since = trio.current_time()
        self._doubt: tuple[str, float] | None = None
        self._presence = Presence(
            Wanted(
                name=wish.name,
                is_signed_in=wish.is_signed_in,
                microphone=wish.microphone,
                camera=wish.camera,
                captions=wish.captions,
                caption_language=wish.languages.captions,
                chat=wish.chat and adapter.opens_chat,
            )
        )
        self.meeting = Meeting(self._hands, self._presence, self._sightings)

    # What the page sends.

    async def receive_states(self, messages: Messages) -> None:
        """Store the newest snapshot; the judging waits for it."""
        async for message in messages:
            state = decode(message.text)
            if isinstance(state, State):
                self._presence.show(self._hands.read(state))

    async def receive_signals(self, messages: Messages) -> None:
        """Pass on what participants do."""
        lost = 0
        async for message in messages:
            signal = decode(message.text)
            if signal is not None and not isinstance(signal, State):
                await self._pass(self._sightings.apply(signal, self._clock()))
            if messages.lost > lost:
                lost = messages.lost
                self._hands.log(f"{lost} messages of the page were lost")
                await self._hands.resend()

    async def receive_captions(self, messages: Messages) -> None:
        """Pass on the data channel's captions. What is lost is not repeated, but the page shows it too."""
        async for message in messages:
            await self._pass(self._sightings.received(message.text, self._clock()))

    async def _pass(self, observations: list[PageObservation]) -> None:
        for each in observations:
            async with self._order:
                await self._observed(each)

    # The stay.

    async def run(self, url: str) -> EndReason:
        """Open the page, then judge each snapshot and act on it until the stay is over."""
        try:
            reason, detail = await self._opened(url) or await self._attended()
            await self._pass([Over(at=self._clock(), reason=reason, detail=detail)])
        finally:
            self._presence.end()
        return reason

    async def _opened(self, url: str) -> tuple[EndReason, str] | None:
        """Open the page; return why the stay is over already, if it is."""
        opened = False
        try:
            with trio.move_on_after(self._limits.loading) as scope, self._presence.interrupting(scope):
                await self._page.open(self._adapter.url(url, self._language))
                opened = True
        except NavigationError as error:
            return EndReason.UNREACHABLE, str(error)
        if self._presence.is_leaving:
            return EndReason.LEFT_ON_REQUEST, "It was asked to leave while the page was loading."
        if not opened:
            return EndReason.UNREACHABLE, f"The page did not load within {self._limits.loading:g} s."
        self._presence.show(await self._hands.look())
        self._since = trio.current_time()
        return None

    async def _attended(self) -> tuple[EndReason, str]:
        while True:
            if self._presence.is_leaving:
                return EndReason.LEFT_ON_REQUEST, await self._left()
            news = self._presence.news()
            seen = self._presence.seen
            verdict = judge(seen, self._presence.wanted, self._stay) if seen is not None else Verdict()
            if verdict.reason is not None and (over := await self._confirmed(verdict)) is not None:
                return over
            if seen is not None and verdict.reason is None:
                await self._moved(verdict, seen)
            if (stuck := self._stuck(verdict)) is not None:
                return stuck
            if verdict.step is not None:
                await self._do(verdict.step)
            else:
                await self._waited(news)

    async def _confirmed(self, verdict: Verdict) -> tuple[EndReason, str] | None:
        """Look again before the stay is over: a page that is being drawn shows parts of two."""
        seen = await self._hands.look()
        self._presence.show(seen)
        if seen is None or verdict.reason is None:
            return None
        again = judge(seen, self._presence.wanted, self._stay)
        return (verdict.reason, verdict.detail) if again.reason is verdict.reason else None

    async def _moved(self, verdict: Verdict, seen: Seen) -> None:
        """Store where the bot is, and pass it on if it is somewhere else."""
        place = verdict.place
        if place is not None and place is not self._stay.place:
            self._hands.log(f"is in the {place}")
            self._stay = self._stay.moved(place)
            self._since = trio.current_time()
        at = self._clock()
        await self._pass(self._sightings.see(seen, place, is_connected=verdict.is_connected, at=at))
        self._presence.place = self._stay.place

    def _stuck(self, verdict: Verdict) -> tuple[EndReason, str] | None:
        """Return why a page that does not go on is given up, once its time has passed."""
        limits, stay = self._limits, self._stay
        now = trio.current_time()
        reason = EndReason.PAGE_CHANGED
        if not verdict.is_connected:
            doubt, limit = "The page tries to connect again", limits.reconnecting
            reason = EndReason.NETWORK_LOST
        elif verdict.place is None and stay.place is None:
            doubt, limit = "The page shows nothing that is known", limits.loading
        elif verdict.place is None:
            doubt, limit = "The page shows nothing known any more", limits.unknown
        elif verdict.place is Place.DOOR:
            doubt, limit = "The page cannot be joined", limits.door
        else:
            self._doubt = None
            return None
        if self._doubt is None or self._doubt[0] != doubt:
            self._doubt = (doubt, self._since if stay.place is None else now)
        waited = now - self._doubt[1]
        return (reason, f"{doubt}, for {waited:.0f} s.") if waited >= limit else None

    async def _waited(self, news: trio.Event) -> None:
        """Wait for the page's next snapshot; look at it if none comes."""
        wait = min(LOOKS, self._limits.unknown / 2)
        with trio.move_on_after(wait) as scope:
            await news.wait()
        if scope.cancelled_caught:
            self._presence.show(await self._hands.look())

    async def _do(self, step: Step) -> None:
        """Do one step, then wait until the page has followed, or for as long as it may take."""
        news = self._presence.news()
        async with self._hands.lock:
            seen = await self._hands.look()
            self._presence.show(seen)
            is_due = seen is not None and judge(seen, self._presence.wanted, self._stay).step is step
            if seen is not None and is_due and not self._presence.is_leaving:
                await self._tried(step, seen)
        if seen is None:
            await self._waited(news)  # another document is being loaded
        elif is_due:  # else a command has done it meanwhile
            await self._followed(PRESSED.get(step), _PATIENCE.get(step, PATIENCE))

    async def _tried(self, step: Step, seen: Seen) -> None:
        """Do a step, as far as the page lets it."""
        attempts = {**self._stay.attempts, step: self._stay.attempts.get(step, 0) + 1}
        self._stay = replace(self._stay, attempts=attempts)
        try:
            await self._act(step, seen)
        except BrowserError as error:
            if not is_momentary(error):
                raise
            self._hands.log(f"cannot do {step}: {error}")

    async def _act(self, step: Step, seen: Seen) -> None:
        sign = PRESSED.get(step)
        name = seen.item(Sign.NAME)
        language = self._presence.wanted.caption_language
        if step is Step.TYPE_NAME and name is not None:
            await self._hands.type_text(name, self._presence.wanted.name)
        elif step is Step.CAPTION_LANGUAGE and language is not None:
            await self._hands.choose_language(seen, language)
        elif sign is not None and (item := seen.item(sign)) is not None:
            await self._hands.press(item)

    async def _followed(self, pressed: Sign | None, patience: float) -> None:
        """Wait until a pressed button is gone; what is typed or chosen is looked at after the next news."""
        if pressed is None:
            self._presence.show(await self._hands.look())
            return
        with trio.move_on_after(patience):
            while not self._presence.is_leaving:
                news = self._presence.news()
                if self._presence.seen is None or pressed not in self._presence.seen.signs:
                    return
                await news.wait()

    async def _left(self) -> str:
        """Press the button that leaves, if the bot is somewhere where others see it; return what happened."""
        for _ in range(3):
            seen = await self._hands.look()
            item = seen.item(Sign.LEAVE) if seen is not None else None
            if item is None:
                return "The page does not show it as a participant any more."
            try:
                async with self._hands.lock:
                    await self._hands.press(item)
            except BrowserError as error:
                if not is_momentary(error):
                    raise
                self._hands.log(f"cannot leave: {error}")
            await self._gone(item.n)
        return "The page did not follow when it left; closing it ends the stay."

    async def _gone(self, number: int) -> None:
        """Wait until a control is gone, for :data:`PATIENCE` seconds."""
        with trio.move_on_after(PATIENCE):
            while True:
                news = self._presence.news()
                seen = await self._hands.look()
                if seen is None or all(each.n != number for each in seen.items.get(Sign.LEAVE, ())):
                    return
                await news.wait()
