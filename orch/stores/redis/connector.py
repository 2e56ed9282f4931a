"""Connects to the server, checks whether it is usable, and reconnects.

There are two connections: one task sends all commands on the first; the second receives published messages.
When either is lost, both are reopened, with back-off. A server that replies but rejects writes (out of
memory, disk full) is *refusing*: stored data can still be read.
"""

import random
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Literal, Never

import structlog
import trio

from orch.backoff import exponential
from orch.problems import ProblemError
from orch.settings.redis_url import Address, read_address, shown
from orch.stores.redis.commands import SessionCommands
from orch.stores.redis.connection import CONNECT_WITHIN, Link, LinkLostError, error_text
from orch.stores.redis.diagnosis import (
    cautions,
    clock_caution,
    damage,
    explain,
    is_refusing,
    is_the_same,
    read_info,
    refusal,
)
from orch.stores.redis.document_commands import DocumentCommands
from orch.stores.redis.epochs import adopt_server, require
from orch.stores.redis.feed import Feed
from orch.stores.redis.join_code_commands import JoinCodeCommands
from orch.stores.redis.keys import SERVER_RUN
from orch.stores.redis.pipeline import Pipeline
from orch.stores.redis.rate_commands import RateCommands
from orch.stores.redis.server_clock import ServerClock
from orch.stores.redis.times import RedisTimes
from orch.stores.redis.troubles import Damage, LogThrottle
from orch.telemetry.boundaries import Boundary

#: Pauses between attempts to connect, in seconds: the first and the longest. Half of each is random, so that
#: workers do not reconnect all at once.
FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 3.0

#: Time limit for storing queued operations when the store is stopped.
FLUSH_WITHIN: Final = 5.0

#: After a connection that lasted less than this many seconds, the pause grows.
BRIEF: Final = 3.0

#: Seconds after which a reply is late; after which another connection is tried; between checks of that.
SLOW_AFTER: Final = 2.0
TRY_ANOTHER_AFTER: Final = 2.5
WATCH_EVERY: Final = 0.25

#: Seconds that a reading of the server's clock may take.
CLOCK_READ_WITHIN: Final = 1.0


State = Literal["open", "refusing", "connecting", "stopped"]

_log = structlog.get_logger("orch.stores.redis.store")


class Connector:
    """Maintains the connections to one server.

    The mutable state is: ``state``, ``trouble`` (the current problem, as a sentence), ``cautions`` (warnings,
    see there), ``since`` (when the state began, seconds since the epoch), ``last_error`` and the count of
    connections.

    ``changed`` is called with True when the server accepts writes, with False when it does not.
    """

    def __init__(
        self,
        url: str,
        *,
        scripts: Mapping[str, bytes],
        commands: SessionCommands,
        probed: Sequence[JoinCodeCommands | DocumentCommands | RateCommands],
        pipeline: Pipeline,
        feed: Feed,
        changed: Callable[[bool], None],
        wall: Callable[[], float],
        times: RedisTimes,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.url = shown(url)
        self.state: State = "stopped"
        self.trouble: str | None = None
        self.last_error: str | None = None
        self.since = wall()
        self.connections = 0
        self._url = url
        self._scripts = scripts
        self._commands = commands
        self._probed = tuple(probed)
        self._pipeline = pipeline
        self._feed = feed
        self._changed = changed
        self._wall = wall
        self._times = times
        self._clock = ServerClock(wall, trio.current_time)
        self.is_slow = False
        self.boundary = Boundary("store connection")
        self._draw = draw
        self._run = ""
        self._found: tuple[str, ...] = ()
        self._logged = LogThrottle(times.log_again)
        self._damage = Damage(times.log_again)

    async def run(self, opened: Callable[[], None]) -> Never:
        """Stay connected until cancelled; ``opened`` is called after each successful connection.

        When cancelled, queued operations are still stored if the server can be reached.
        """
        self._enter("connecting")
        try:
            attempt = 0
            while True:
                done, before, began = self._pipeline.exchanges, self.connections, trio.current_time()
                reason = await self._connected(opened)
                # A useless or short connection counts as a failed attempt: otherwise it would be retried at
                # once.
                was_of_use = (
                    self.connections > before
                    and self._pipeline.exchanges > done
                    and trio.current_time() - began > BRIEF
                )
                attempt = 1 if was_of_use else attempt + 1
                self._note(reason, "store lost" if self.connections > before else "store not reached")
                self._enter("connecting")
                await trio.sleep(_pause(attempt, self._draw()))
        finally:
            self.trouble = None
            self._enter("stopped")

    @property
    def cautions(self) -> tuple[str, ...]:
        """Sentences about settings that risk losing messages, and about invalid stored data."""
        return (*self._found, *self._damage.shown(trio.current_time()))

    def failed(self, reason: str) -> None:
        """Handle an error that the server returned for an operation."""
        words = explain(reason)
        if not is_refusing(reason):
            self._log_once("store operation failed", words)
            self.last_error = f"{self.url}: {words}"
        elif self.state in ("open", "refusing"):
            self._note(words, "store accepts no writes")
            self._enter("refusing")

    def damaged(self, keys: str, reason: str) -> None:
        """Handle that the data stored under these keys is invalid."""
        words = damage(keys, reason)
        self._log_once("stored data invalid", words)
        self.last_error = f"{self.url}: {words}"
        self._damage.note(words, trio.current_time())

    def _note(self, words: str, event: str) -> None:
        self.trouble = words
        self.last_error = f"{self.url}: {words}"
        self._log_once(event, words)

    def _log_once(self, event: str, words: str) -> None:
        """Log a problem; the same problem again only after a while."""
        if self._logged.is_new(words, trio.current_time()):
            _log.warning(event, url=self.url, reason=words)

    def _enter(self, state: State) -> None:
        was_open, self.state = self.state == "open", state
        if was_open != (state == "open"):
            self.since = self._wall()
            if state == "open":
                self.trouble = None
                self._logged.clear()
                _log.info("store open", url=self.url)
            self._changed(state == "open")

    async def _connected(self, opened: Callable[[], None]) -> str:
        """Connect, and serve until the connection is lost; return why."""
        reason = ""
        try:
            async with trio.open_nursery() as nursery:
                scope: trio.CancelScope = await nursery.start(self._serve)
                opened()
                try:
                    await trio.sleep_forever()
                except trio.Cancelled:
                    if self._pipeline.is_connected:
                        with trio.move_on_after(FLUSH_WITHIN, shield=True):
                            await self._pipeline.drain()
                    raise
                finally:
                    scope.cancel()
        except* LinkLostError as lost:
            reason = str(_first(lost))
        except* Exception as odd:  # noqa: BLE001 - a boundary: what a server may answer is not known
            # An unexpected reply: reconnect, as after a lost connection.
            self.boundary.note(odd, step="connect")
            reason = reason or f"A reply of the server is invalid: {error_text(_first(odd))}."
        return reason

    async def _serve(self, *, task_status: trio.TaskStatus[trio.CancelScope]) -> None:
        try:
            address = read_address(self._url)
        except ValueError as error:
            raise LinkLostError(f"The address cannot be used: {error}.") from None
        try:
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as nursery:
                    spoken = Link(address)
                    await spoken.open(nursery)
                    heard = Link(address)
                    await heard.open(nursery)
                    trouble = await self._prepare(spoken)
                    nursery.start_soon(heard.refusals)
                    begun: trio.Event = await nursery.start(self._feed.listen, heard)
                    with trio.move_on_after(CONNECT_WITHIN):
                        await begun.wait()
                    if not begun.is_set():
                        raise LinkLostError(explain(f"no answer within {CONNECT_WITHIN:g} s"))
                    # From here on it ends only when queued operations are stored.
                    scope.shield = True
                    self._pipeline.is_connected = True
                    self.connections += 1
                    if trouble is None:
                        self._enter("open")
                    else:
                        self._note(trouble, "store accepts no writes")
                        self._enter("refusing")
                    task_status.started(scope)
                    nursery.start_soon(self._pipeline.write, spoken)
                    nursery.start_soon(self._probe_writes)
                    nursery.start_soon(self._inspect)
                    nursery.start_soon(self._watch, address, (spoken, heard))
                    nursery.start_soon(self._feed.ping, heard)
                    nursery.start_soon(self._feed.catch_up.run)
                    nursery.start_soon(self._feed.audit)
                    nursery.start_soon(self._feed.drop_unused)
        finally:
            self._pipeline.is_connected = False
            self.is_slow = False
            if self.state in ("open", "refusing"):
                self._enter("connecting")

    async def _probe_writes(self) -> Never:
        """Check periodically whether the server accepts writes, also when nothing is queued."""
        while True:
            await trio.sleep(self._times.probe_every)
            with self.boundary.item(LinkLostError, step="try writes"):
                try:
                    await self._pipeline.execute(self._commands.write_probe(self._run))
                except ProblemError:
                    continue  # an error was handled already; a missing reply is detected by _watch
                if self.state == "refusing":
                    self._enter("open")

    async def _prepare(self, link: Link) -> str | None:
        """Load our scripts, and check whether the server is suitable and still has its data.

        Return why it rejects writes now, or None. Raises LinkLostError if it is unusable.
        """
        loads = [(b"SCRIPT", b"LOAD", text) for text in self._scripts.values()]
        answers = await link.exchange([(b"INFO",), (b"GET", SERVER_RUN), *loads])
        require(answers)
        info = read_info(answers[0].decode(errors="replace"))
        if info.get("cluster_enabled") == "1":
            (cluster,) = require(await link.exchange([(b"CLUSTER", b"INFO")]))
            info |= read_info(cluster.decode(errors="replace"))
        requested_at = self._wall()
        (time,) = require(await link.exchange([(b"TIME",)]))
        self._clock.compare(int(time[0]) + int(time[1]) / 1e6, requested_at)
        if (words := refusal(info)) is not None:
            raise LinkLostError(words)
        self._set_warnings((*cautions(info), *clock_caution(self._clock.ahead)))
        require(await link.exchange(self._commands.publish_probe().commands))
        self._run = info.get("run_id", "")
        probes = (
            self._commands.command_probe(secrets.token_hex(8)),
            *(commands.command_probe() for commands in self._probed),
        )
        tried = await link.exchange([command for probe in probes for command in probe.commands])
        known = (answers[1] or b"").decode()
        if not is_the_same(info, known):
            require(tried)
            await adopt_server(link, self._commands, info, url=self.url, is_known=bool(known))
        errors = [error_text(answer) for answer in tried if isinstance(answer, Exception)]
        if errors and is_refusing(errors[0]):
            return explain(errors[0])
        require(tried)
        return None

    def wall(self) -> float:
        """Return the time by the server's clock; see :class:`ServerClock`."""
        return self._clock.now()

    async def _inspect(self) -> Never:
        """Check periodically whether the server is still suitable: its settings may change at run time."""
        while True:
            await trio.sleep(self._times.inspect_every)
            requested_at = self._wall()
            with self.boundary.item(LinkLostError, step="inspect"):
                try:
                    text, time = await self._pipeline.execute(self._commands.look())
                except ProblemError:
                    continue  # detected by _watch
                if self._wall() - requested_at < CLOCK_READ_WITHIN:
                    self._clock.compare(time, requested_at)
                self._set_warnings((*cautions(read_info(text)), *clock_caution(self._clock.ahead)))

    async def _watch(self, address: Address, links: tuple[Link, Link]) -> Never:
        """Report late replies; if a new connection gets a reply meanwhile, abandon the old one.

        A connection whose peer vanished looks like a busy server.
        """
        tried: float | None = None
        while True:
            await trio.sleep(WATCH_EVERY)
            now = trio.current_time()
            pending_since = _oldest(link.pending_since for link in links)
            self.is_slow = pending_since is not None and now - pending_since > SLOW_AFTER
            silent_since = _oldest(link.silent_since for link in links)
            if silent_since is None or now - silent_since < TRY_ANOTHER_AFTER or tried == silent_since:
                continue
            tried = silent_since
            has_reply = False
            with self.boundary.item(LinkLostError, step="try another"):
                has_reply = await _has_reply(address)
            if not has_reply:
                tried = None if now - silent_since > 2 * TRY_ANOTHER_AFTER else tried
                continue
            await trio.sleep(WATCH_EVERY)
            if any(link.silent_since == silent_since for link in links):
                raise LinkLostError("The connection got no reply while a new connection did.")

    def _set_warnings(self, found: tuple[str, ...]) -> None:
        for words in found:
            if words not in self._found:
                _log.warning("store may lose messages", url=self.url, reason=words)
        self._found = found


def _oldest(times: Iterable[float | None]) -> float | None:
    return min((each for each in times if each is not None), default=None)


async def _has_reply(address: Address) -> bool:
    """Return whether the server replies on a new connection within :data:`CONNECT_WITHIN`."""
    has_reply = False
    try:
        async with trio.open_nursery() as nursery:
            link = Link(address)
            with trio.move_on_after(CONNECT_WITHIN):
                await link.open(nursery)
                await link.exchange([(b"PING",)])
                has_reply = True
            nursery.cancel_scope.cancel()
    except* LinkLostError as lost:
        _log.debug("another connection failed", reason=str(_first(lost)))
    return has_reply


def _pause(attempt: int, drawn: float) -> float:
    longest = exponential(FIRST_PAUSE, attempt - 1, longest=LONGEST_PAUSE)
    return longest * (0.5 + drawn / 2)


def _first(group: BaseExceptionGroup[Exception]) -> BaseException:
    first: BaseException = group
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return first
