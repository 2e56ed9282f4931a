"""Sign-ins of browsers that sent the control token: a random id in a cookie, its hash in the store.

The store is shared by all workers, so each knows every sign-in. The hash is made with the token: changing the
token ends all sign-ins. Results of look-ups are cached for a moment, and for longer while the store does not
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
"""Seconds without a request after which a sign-in is over. A page that is open counts as one."""
FRESH: Final = 2.0
"""Seconds for which a result of the store is cached."""
WITHIN: Final = 2.0
"""Time limit of the store, in seconds."""
STALE: Final = 600.0
"""Seconds for which the last result is used while the store does not respond."""
WATCH: Final = 30.0
"""Seconds between checks of the sign-ins of open pages."""
REMEMBERED: Final = 1024

_SIGNED_OUT: Final = "signed_out"

_log = structlog.get_logger("access")


class SignIns:
    """Creates, checks and ends sign-ins.

    The mutable state is when each sign-in was last found valid, for at most :data:`REMEMBERED` of them (the
    least recently used is looked up again). ``on_end`` is called on every worker with the name of a sign-in
    that has ended.
    """

    def __init__(self, *, store: SignInStore, survey: Survey, wall: Callable[[], float]) -> None:
        self._store = store
        self._survey = survey
        self._wall = wall
        self._checked: OrderedDict[str, float] = OrderedDict()
        self.boundary = Boundary("sign-ins")
        self.on_end: Callable[[str], None] = lambda _name: None
        survey.register(_SIGNED_OUT, self._hear)

    def name_of(self, cookie: str, token: str) -> str | None:
        """Return a sign-in's name in the store: a hash, which no browser could send.

        None: the cookie was not made with this token. Then nothing is looked up, so forged cookies cost the
        store nothing.
        """
        identity, _, given = cookie.partition(".")
        is_ours = hmac.compare_digest(given.encode("utf-8", "replace"), _sealed(identity, token).encode())
        return _digest(token, f"name {identity}").hex() if is_ours else None

    async def begin(self, token: str) -> str:
        """Begin a sign-in and return the cookie's value. Raises ``store_unavailable``."""
        identity = secrets.token_urlsafe(32)
        cookie = f"{identity}.{_sealed(identity, token)}"
        name, now = _digest(token, f"name {identity}").hex(), self._wall()
        with trio.move_on_after(WITHIN):
            await self._store.store_sign_in(name, now=now, seconds=IDLE)
            self._note(name)
            return cookie
        raise ProblemError("store_unavailable", "The sign-in cannot be stored right now. Try again soon.")

    def is_fresh(self, name: str) -> bool:
        """Return whether a sign-in was found valid a moment ago."""
        return trio.current_time() - self._checked.get(name, float("-inf")) < FRESH

    async def is_valid(self, name: str) -> bool:
        """Return whether a sign-in is valid, and extend it."""
        if self.is_fresh(name):
            return True
        now = self._wall()
        try:
            with trio.fail_after(WITHIN):
                is_there = await self._store.extend_sign_in(name, now=now, seconds=IDLE)
        except (ProblemError, trio.TooSlowError):
            return trio.current_time() - self._checked.get(name, float("-inf")) < STALE
        if is_there:
            self._note(name)
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

        An open page counts as use. Pages whose sign-in was ended while this worker was unreachable are closed
        then.
        """
        task_status.started()
        while True:
            await trio.sleep(WATCH)
            for name in open_now():
                with self.boundary.item():
                    if not await self.is_valid(name):
                        self.on_end(name)

    async def end(self, name: str) -> None:
        """End a sign-in on all workers. Raises ``store_unavailable`` if it cannot be deleted."""
        await self._survey.collect(_SIGNED_OUT, msgspec.json.encode(name))
        await self._store.delete_sign_in(name)
        # Published again for a worker that looked it up between the two.
        await self._survey.collect(_SIGNED_OUT, msgspec.json.encode(name))

    def _hear(self, question: bytes) -> bytes:
        name = msgspec.json.decode(question, type=str)
        self._checked.pop(name, None)
        self.on_end(name)
        return b"true"

    def _note(self, name: str) -> None:
        self._checked[name] = trio.current_time()
        self._checked.move_to_end(name)
        while len(self._checked) > REMEMBERED:
            self._checked.popitem(last=False)


def _sealed(identity: str, token: str) -> str:
    return urlsafe_b64encode(_digest(token, f"cookie {identity}")[:16]).decode().rstrip("=")


def _digest(token: str, text: str) -> bytes:
    return hmac.new(token.encode(), text.encode("utf-8", "replace"), hashlib.sha256).digest()
