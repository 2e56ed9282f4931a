"""Whether someone may use a session, and how: asked with its key at the socket and over HTTP alike."""

import hashlib
from collections.abc import Callable

import structlog
import trio

from orch.access.actors import Actor
from orch.access.addresses import group
from orch.access.rights import right_of
from orch.access.table import Need, allowed
from orch.access.wrong_keys import WrongKeys
from orch.problems import ProblemError
from orch.protocol.session_keys import NO_KEYS, Right
from orch.websocket.sessions.address_rates import AddressRates
from orch.websocket.sessions.sessions import Sessions

_log = structlog.get_logger("websocket")


class SessionAccess:
    """Decides what someone may do in a session.

    From this machine, and for operators, a session's name is enough; from elsewhere its key is needed. A key
    that is shown decides alone: a reading link reads only, whoever opens it.

    What a stranger is answered does not depend on whether there is such a session: the key was wrong, or the
    session, and nobody learns which.

    The mutable state is the wrong keys and the joins by address, each bounded.
    """

    def __init__(self, sessions: Sessions, *, now: Callable[[], float] = trio.current_time) -> None:
        self._sessions = sessions
        self._now = now
        self._guesses = WrongKeys()
        self._joins = AddressRates()

    async def right(self, actor: Actor, session_id: str, key: str | None) -> Right:
        """Return what someone may do there.

        Raises ``key_required``, ``unknown_session`` (there is none, or the key is not its key) and
        ``rate_limited`` after many wrong keys from one address. Without a key from this machine it is not
        looked at whether there is such a session.
        """
        if not key:
            if allowed(actor, Need.SPEAK):
                return Right.SPEAK
            raise ProblemError(
                "key_required",
                "Joining this session requires the key in its link. Open the whole link that you were "
                "given, including the part after #.",
            )
        address = group(actor.address)
        wait = self._guesses.wait(address, self._now())
        if wait:
            raise ProblemError(
                "rate_limited",
                f"Too many wrong keys were sent from your address. Try again in {wait:.0f} s.",
                headers={"Retry-After": f"{wait + 0.5:.0f}"},
            )
        # From the store always: a session in memory would answer sooner than one that there is none of.
        record = await self._sessions.store.load(session_id)
        right = right_of(actor, NO_KEYS if record is None else record.keys, key)
        if right is Right.NONE:
            self._note_wrong(actor, address, session_id, key)
            raise ProblemError(
                "unknown_session",
                f"This key opens no session called {session_id}. The session has ended, or the link is "
                "incomplete: open the whole link, including the part after #.",
            )
        return right

    async def require(self, actor: Actor, session_id: str, key: str | None, need: Need) -> Right:
        """Return what someone may do there, if it is what they want to do. Raises ``read_only`` as well."""
        right = await self.right(actor, session_id, key)
        if need is Need.SPEAK and right is not Right.SPEAK:
            raise ProblemError(
                "read_only",
                "This link is for reading only: you cannot speak, send messages or upload recordings.",
            )
        return right

    def may_join(self, actor: Actor) -> None:
        """Raise ``rate_limited`` where more participants join from one address than may."""
        if actor.is_local or actor.is_operator:
            return
        most = self._sessions.settings.orchestration.websocket.max_joins_per_minute_per_address
        self._joins.take(group(actor.address), self._now(), a_minute=most, what="joins came")

    def _note_wrong(self, actor: Actor, address: str, session_id: str, key: str) -> None:
        if actor.is_local or actor.is_operator:
            return
        digest = hashlib.sha256(f"{session_id}\n{key}".encode()).digest()[:16]
        if self._guesses.wrong(address, digest, self._now()):
            _log.warning("wrong session key", address=actor.address, session_id=session_id)
