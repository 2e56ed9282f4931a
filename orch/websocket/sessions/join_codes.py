"""Creates, replaces, deletes and resolves the short codes that sessions are joined with."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

import structlog
import trio
from msgspec import Struct

from orch.access.actors import Actor
from orch.access.addresses import group
from orch.access.wrong_keys import WrongKeys
from orch.problems import ProblemError
from orch.protocol.identifiers import new_join_code
from orch.protocol.join_codes import GUESS_WINDOW, GUESSES, CodeError, code_length, read_code
from orch.protocol.session_keys import Right
from orch.stores.protocols import JoinCodeStore
from orch.stores.records import JoinCode, SessionRecord
from orch.telemetry.names.access import AUTH_FAILURES, JOIN_CODES_ENTERED
from orch.telemetry.names.metric import Reading
from orch.websocket.moderation.decisions import decode
from orch.websocket.sessions.address_rates import AddressRates
from orch.websocket.sessions.sessions import Sessions

#: Seconds for which a code is valid, if its session does not end before.
LIFETIME: Final = 12 * 3600.0

#: Codes that one client may create in a minute.
CREATED_A_MINUTE: Final = 30

#: Different wrong codes of one address in a minute that cause no wait: a class behind one address types codes
#: by hand. What bounds guessing is the limit for all addresses together, which one of them does not exhaust.
FREE_TRIES: Final = 12

#: Attempts at a code that is not in use: the first almost always succeeds.
_ATTEMPTS: Final = 5

_log = structlog.get_logger("websocket")


class Opened(Struct, frozen=True, kw_only=True):
    """What a code opens: a session, with the key for its right, as a link contains it."""

    session_id: str
    key: str
    right: Right

    def __repr__(self) -> str:
        return f"Opened({self.session_id!r}, {self.right})"


class JoinCodes:
    """Creates and resolves join codes.

    Guessing is limited for each address as for keys (:class:`orch.access.wrong_keys.WrongKeys`), and for all
    addresses and workers together by the store; :mod:`orch.protocol.join_codes` has the arithmetic. This
    machine and operators need no code, so their wrong ones are not counted.

    The mutable state is the wrong codes and the rates of two kinds of requests, by address, each bounded; and
    how many codes were entered, by result.
    """

    def __init__(
        self, sessions: Sessions, store: JoinCodeStore, *, now: Callable[[], float] = trio.current_time
    ) -> None:
        self._sessions = sessions
        self._store = store
        self._now = now
        self._guesses = WrongKeys(FREE_TRIES)
        self._resolved = AddressRates()
        self._created = AddressRates()
        self._entered: Counter[str] = Counter()

    def readings(self) -> Iterator[Reading]:
        """Yield the metrics."""
        for result in JOIN_CODES_ENTERED.labels[0].values:
            yield Reading(JOIN_CODES_ENTERED, self._entered[result], (result,))
        yield Reading(AUTH_FAILURES, self._entered["wrong"], ("join_code",))

    async def create(self, actor: Actor, session_id: str, right: Right) -> JoinCode:
        """Create a code for a session, in place of its earlier one for this right.

        Raises ``unknown_session``, ``rate_limited`` and ``store_unavailable``.
        """
        self._created.take(actor.limit_key, self._now(), a_minute=CREATED_A_MINUTE, what="codes were created")
        for _ in range(_ATTEMPTS):
            record = await self._load(session_id)
            now = self._sessions.wall()
            length = code_length(await self._store.count_codes(now=now))
            code = JoinCode(
                code=new_join_code(length),
                session_id=session_id,
                right=right,
                created=record.created,
                expires=now + LIFETIME,
            )
            if await self._store.store_code(code, now=now):
                return code
        raise ProblemError("store_unavailable", "The code could not be stored. Try again.")

    async def list(self, session_id: str) -> tuple[JoinCode, ...]:
        """Return the codes of a session. Raises ``unknown_session``."""
        record = await self._load(session_id)
        codes = await self._store.codes_of(session_id, now=self._sessions.wall())
        return tuple(code for code in codes if code.created == record.created)

    async def delete(self, session_id: str, right: Right) -> None:
        """Delete a session's code for a right. Raises ``unknown_session`` and ``unknown_code``."""
        await self._load(session_id)
        if not await self._store.delete_code(session_id, right):
            raise ProblemError("unknown_code", f"The session {session_id} has no such code.")

    async def resolve(self, actor: Actor, text: str) -> Opened:
        """Return what a code opens, as a person typed it.

        Raises ``invalid_request`` if it cannot be a code, ``unknown_code``, ``session_locked``, and
        ``rate_limited`` after too many wrong ones.
        """
        try:
            code = read_code(text)
        except CodeError as error:
            raise ProblemError("invalid_request", str(error), path="code") from None
        if actor.is_trusted:
            opened = await self._find(code)
        else:
            opened = await self._find_limited(actor, code)
        self._entered["wrong" if opened is None else "right"] += 1
        if opened is None:
            raise ProblemError(
                "unknown_code",
                "No session has this code. Compare it with the one that is shown; it may also have been "
                "replaced, or the session has ended.",
            )
        decode((await self._load(opened.session_id)).moderation).require_open(opened.session_id)
        return opened

    async def _find_limited(self, actor: Actor, code: str) -> Opened | None:
        """Resolve a code of a client that might be guessing."""
        address = group(actor.address)
        wait = self._guesses.wait(address, self._now())
        if wait:
            self._entered["address_waits"] += 1
            raise ProblemError(
                "rate_limited",
                f"Too many wrong codes were entered from your address. Try again in {wait + 0.5:.0f} s.",
                headers={"Retry-After": f"{wait + 0.5:.0f}"},
            )
        most = self._sessions.settings.orchestration.websocket.max_joins_per_minute_per_address
        self._resolved.take(address, self._now(), a_minute=most, what="codes were entered")
        digest = hashlib.sha256(code.encode()).digest()[:16]
        # Counted before it is looked up, so that many guesses at once do not pass the limit together.
        if not await self._store.begin_guess(
            digest, most=GUESSES, seconds=GUESS_WINDOW, now=self._sessions.wall()
        ):
            self._entered["not_checked"] += 1
            _log.warning("codes not checked: too many wrong ones", limit=GUESSES, seconds=GUESS_WINDOW)
            raise ProblemError(
                "rate_limited",
                "Too many wrong codes were entered, by others too, so codes are not checked for a few "
                "minutes. Scan the QR code, or open a link to the session.",
                headers={"Retry-After": f"{GUESS_WINDOW:.0f}"},
            )
        opened = await self._find(code)
        if opened is not None:
            await self._store.end_guess(digest)
        elif self._guesses.wrong(address, digest, self._now()):
            _log.warning("wrong join code", address=actor.address)
        return opened

    async def _find(self, code: str) -> Opened | None:
        found = await self._store.code(code, now=self._sessions.wall())
        if found is None:
            return None
        record = await self._sessions.store.load(found.session_id)
        if record is None or record.created != found.created:
            return None
        key = record.keys.speak if found.right is Right.SPEAK else record.keys.read
        return Opened(session_id=found.session_id, key=key, right=found.right)

    async def delete_all(self, session_id: str) -> None:
        """Delete all codes of a session."""
        for right in (Right.SPEAK, Right.READ):
            await self._store.delete_code(session_id, right)

    async def _load(self, session_id: str) -> SessionRecord:
        record = await self._sessions.store.load(session_id)
        if record is None:
            raise ProblemError("unknown_session", f"No session is called {session_id}.")
        return record
