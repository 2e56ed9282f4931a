"""Sign-ins of browsers that sent the control token: a random id in a cookie, its hash in the store.

All workers share the store, so a sign-in is valid on each. The hash is keyed with the token, so a new token
ends all sign-ins. The result of a look-up is cached for a moment, and for longer while the store does not
respond, so that operators can see what is wrong with it.
"""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Callable, Collection
from typing import Final, Never

import msgspec
import structlog
import trio

from orch.cluster.survey import Survey
from orch.problems import ProblemError
from orch.stores.protocols import SignInStore
from orch.telemetry.boundaries import Boundary

IDLE: Final = 12 * 3600.0
"""Seconds without a request after which a sign-in expires. An open page counts as a request."""
FRESH: Final = 2.0
"""Seconds for which a result of the store is used without another look-up."""
TIMEOUT: Final = 2.0
"""Time-out of the store, in seconds."""
STALE: Final = 600.0
"""Seconds for which the last result is used while the store does not respond."""
CHECK_INTERVAL: Final = 30.0
"""Seconds between checks of the sign-ins of open pages."""
CACHED: Final = 1024

_SIGNED_OUT: Final = "signed_out"

_log = structlog.get_logger("access")


class SignIns:
    """Creates, checks and ends sign-ins.

    The mutable state is the time at which the store last confirmed each sign-in, of :data:`CACHED` at most
    (the least recently used is dropped, and looked up again), and how many were ``begun`` or ``failed`` to be
    stored. ``on_end`` is called with the name of a sign-in that has ended, on every worker.
    """

    def __init__(self, *, store: SignInStore, survey: Survey, wall: Callable[[], float]) -> None:
        self._store = store
        self._survey = survey
        self._wall = wall
        self._checked: OrderedDict[str, float] = OrderedDict()
        self.boundary = Boundary("sign-ins")
        self.begun = self.failed = 0
        self.on_end: Callable[[str], None] = lambda _name: None
        survey.register(_SIGNED_OUT, self._receive_end)

    def name_of(self, cookie: str, token: str) -> str | None:
        """Return a sign-in's name in the store: a hash, from which the cookie cannot be derived.

        None if the cookie was not issued with this token. Then nothing is looked up, so forged cookies cause
        no load on the store.
        """
        identity, _, given = cookie.partition(".")
        is_own = hmac.compare_digest(given.encode("utf-8", "replace"), _sealed(identity, token).encode())
        return _digest(token, f"name {identity}").hex() if is_own else None

    async def begin(self, token: str) -> str:
        """Begin a sign-in and return the cookie's value. Raises ``store_unavailable``."""
        identity = secrets.token_urlsafe(32)
        cookie = f"{identity}.{_sealed(identity, token)}"
        name, now = _digest(token, f"name {identity}").hex(), self._wall()
        try:
            with trio.move_on_after(TIMEOUT):
                await self._store.store_sign_in(name, now=now, seconds=IDLE)
                self._cache(name)
                self.begun += 1
                return cookie
        except ProblemError:
            self.failed += 1
            raise
        self.failed += 1
        raise ProblemError("store_unavailable", "The sign-in cannot be stored right now. Try again soon.")

    def is_fresh(self, name: str) -> bool:
        """Return whether the store confirmed a sign-in within :data:`FRESH` seconds."""
        return trio.current_time() - self._checked.get(name, float("-inf")) < FRESH

    async def is_valid(self, name: str) -> bool:
        """Return whether a sign-in is valid, and extend it."""
        if self.is_fresh(name):
            return True
        now = self._wall()
        try:
            with trio.fail_after(TIMEOUT):
                is_there = await self._store.extend_sign_in(name, now=now, seconds=IDLE)
        except (ProblemError, trio.TooSlowError):
            return trio.current_time() - self._checked.get(name, float("-inf")) < STALE
        if is_there:
            self._cache(name)
        else:
            self._checked.pop(name, None)
        return is_there

    async def watch(
        self,
        open_now: Callable[[], Collection[str]],
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> Never:
        """Check the sign-ins of open pages periodically, until cancelled.

        An open page counts as use. If a sign-in ended while this worker could not be notified, its pages are
        closed then.
        """
        task_status.started()
        while True:
            await trio.sleep(CHECK_INTERVAL)
            for name in open_now():
                with self.boundary.item():
                    if not await self.is_valid(name):
                        self.on_end(name)

    async def end(self, name: str) -> None:
        """End a sign-in on all workers. Raises ``store_unavailable`` if the store cannot delete it."""
        await self._survey.collect(_SIGNED_OUT, msgspec.json.encode(name))
        await self._store.delete_sign_in(name)
        # Again, for a worker that looked it up between the two.
        await self._survey.collect(_SIGNED_OUT, msgspec.json.encode(name))

    def _receive_end(self, message: bytes) -> bytes:
        name = msgspec.json.decode(message, type=str)
        self._checked.pop(name, None)
        self.on_end(name)
        return b"true"

    def _cache(self, name: str) -> None:
        self._checked[name] = trio.current_time()
        self._checked.move_to_end(name)
        while len(self._checked) > CACHED:
            self._checked.popitem(last=False)


def _sealed(identity: str, token: str) -> str:
    return urlsafe_b64encode(_digest(token, f"cookie {identity}")[:16]).decode().rstrip("=")


def _digest(token: str, text: str) -> bytes:
    return hmac.new(token.encode(), text.encode("utf-8", "replace"), hashlib.sha256).digest()
