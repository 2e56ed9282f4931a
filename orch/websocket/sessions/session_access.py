"""Looks up what a session's key grants, for the doors of HTTP and of WebSocket messages."""

import hashlib
from collections.abc import Callable

import structlog
import trio

from orch.access.actions import Action
from orch.access.actors import Actor
from orch.access.addresses import group
from orch.access.permissions import Resource, allowed
from orch.access.wrong_keys import WrongKeys
from orch.problems import ProblemError
from orch.protocol.session_keys import NO_KEYS, Right
from orch.websocket.sessions.address_rates import AddressRates
from orch.websocket.sessions.sessions import Sessions

_log = structlog.get_logger("websocket")


class SessionAccess:
    """Looks up keys in the store, and limits wrong keys and joins by address.

    What the key grants is decided by :func:`orch.access.permissions.allowed`. The response to a stranger does
    not show whether the session exists: either the key is wrong or the session.

    The mutable state is the wrong keys and the joins by address, each bounded, and the number of wrong keys.
    """

    def __init__(self, sessions: Sessions, *, now: Callable[[], float] = trio.current_time) -> None:
        self._sessions = sessions
        self._now = now
        self._guesses = WrongKeys()
        self._joins = AddressRates()
        self.wrong_keys = 0

    async def require(self, actor: Actor, session_id: str, key: str | None, action: Action) -> Right:
        """Return the actor's right in a session, if it may do ``action`` there.

        Raises ``key_required``, ``read_only``, ``unknown_session`` (it does not exist, or it is not its key)
        and ``rate_limited`` after many wrong keys from one address. Without a key, from this machine, the
        session is not looked up.
        """
        shown = await self._look_up(actor, session_id, key) if key else None
        allowed(actor, action, Resource(session_id=session_id, key=shown)).require()
        return Right.SPEAK if shown is None else shown

    async def _look_up(self, actor: Actor, session_id: str, key: str) -> Right:
        """Return what a key grants in a session, and count it if it is wrong."""
        address = group(actor.address)
        wait = self._guesses.wait(address, self._now())
        if wait:
            raise ProblemError(
                "rate_limited",
                f"Too many wrong keys were sent from your address. Try again in {wait:.0f} s.",
                headers={"Retry-After": f"{wait + 0.5:.0f}"},
            )
        # Always from the store: a session in memory would be faster than one that does not exist.
        record = await self._sessions.store.load(session_id)
        right = (NO_KEYS if record is None else record.keys).opens(key)
        if right is Right.NONE:
            self.wrong_keys += 1
            self._note_wrong(actor, address, session_id, key)
        return right

    def may_join(self, actor: Actor) -> None:
        """Raise ``rate_limited`` if too many participants join from one address."""
        if actor.is_trusted:
            return
        most = self._sessions.settings.orchestration.websocket.max_joins_per_minute_per_address
        self._joins.take(group(actor.address), self._now(), a_minute=most, what="joins came")

    def _note_wrong(self, actor: Actor, address: str, session_id: str, key: str) -> None:
        if actor.is_trusted:
            return
        digest = hashlib.sha256(f"{session_id}\n{key}".encode()).digest()[:16]
        if self._guesses.wrong(address, digest, self._now()):
            _log.warning("wrong session key", address=actor.address, session_id=session_id)
