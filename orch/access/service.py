"""Identifies actors and refuses foreign host names: the shell around the pure decisions."""

import hmac
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import structlog
import trio
from msgspec import structs

from orch.access.actors import (
    Actor,
    actor_of,
    bearer,
    client_address,
    cookie,
    identify,
    is_local,
    is_secure,
    is_served_host,
)
from orch.access.addresses import Proxies, group
from orch.access.sign_ins import IDLE, SignIns
from orch.access.wrong_tokens import WrongTokens
from orch.problems import ProblemError
from orch.settings import Frontend
from orch.settings.source import SettingsSource
from orch.telemetry.names.access import AUTH_FAILURES, SIGN_INS, WRONG_TOKENS
from orch.telemetry.names.metric import Reading

#: The cookie's name; over TLS with the prefix that makes browsers accept it only from this host.
COOKIE: Final = "orch_sign_in"
SECURE_COOKIE: Final = f"__Host-{COOKIE}"

_log = structlog.get_logger("access")


class Access:
    """Identifies the actor of a request or connection, and signs browsers in and out.

    The mutable state is the count of wrong tokens by address (:class:`WrongTokens`), and the trusted networks
    of the settings last seen.
    """

    def __init__(self, *, settings: SettingsSource, sign_ins: SignIns) -> None:
        self._settings = settings
        self._throttle = WrongTokens()
        self._frontend: Frontend | None = None
        self._trusted_proxies = Proxies()
        self.sign_ins = sign_ins

    def readings(self) -> Iterator[Reading]:
        """Yield what Prometheus reads."""
        yield Reading(WRONG_TOKENS, self._throttle.wrong)
        yield Reading(AUTH_FAILURES, self._throttle.wrong, ("control_token",))
        yield Reading(SIGN_INS, self.sign_ins.begun, ("begun",))
        yield Reading(SIGN_INS, self.sign_ins.failed, ("failed",))
        yield from self.sign_ins.boundary.readings()

    @property
    def has_token(self) -> bool:
        """Whether a token is configured; then it is always required."""
        return bool(self._settings.current.orchestration.control_token)

    def _trusted(self) -> Proxies:
        frontend = self._settings.current.orchestration.frontend
        if frontend is not self._frontend:
            self._trusted_proxies = Proxies(frontend.trusted_proxies, frontend.trusted_hops)
            self._frontend = frontend
        return self._trusted_proxies

    def actor(
        self,
        scope: Mapping[str, Any],
        *,
        trusts_local: bool,
        is_for_back_end: Callable[[], bool] = lambda: False,
    ) -> Actor:
        """Return the actor of a request, before its sign-in is looked up (see :meth:`signed_in`).

        ``trusts_local``: our own server accepted the connection. ``is_for_back_end``: the request goes to a
        back end, which may use bearer tokens itself, so a token that is not ours is not counted as wrong.

        Raises ``misdirected_request`` if the service does not accept the requested host name, and
        ``rate_limited`` if the address has sent too many wrong tokens.
        """
        orchestration = self._settings.current.orchestration
        token, headers = orchestration.control_token, scope["headers"]
        allowed = orchestration.frontend.allowed_hosts
        if not is_served_host(scope, allowed=allowed, token=token, trusts_local=trusts_local):
            raise ProblemError(
                "misdirected_request",
                "The service does not accept the host name of this request. Open it as localhost, or add "
                "the host name to orchestration.frontend.allowed_hosts.",
            )
        address = client_address(scope, self._trusted())
        given = bearer(headers) if token else None
        has_token = given is not None and self._is_token(given, address, may_be_back_ends=is_for_back_end)
        return identify(
            is_local=is_local(scope),
            address=address,
            token=token,
            has_token=has_token,
            trusts_local=trusts_local,
        )

    def unless_changed(self, scope: Mapping[str, Any], also: Callable[[], bool]) -> Callable[[], bool] | None:
        """Return a function: whether a request like this one has the same actor now, and ``also``.

        Where a token is configured and made the caller an operator, its address must not have to wait after
        wrong ones. None: the actor depends on more than the request, its connection, the settings and that.
        So it is where a token is configured and the request has a cookie, since a sign-in may have ended, or
        a token that was not looked at.
        """
        settings, source = self._settings.current, self._settings
        if not settings.orchestration.control_token:
            return lambda: source.current is settings and also()
        headers = scope["headers"]
        if any(name == b"cookie" for name, _ in headers):
            return None
        given, actor = bearer(headers), actor_of(scope)
        if given is None or not _is_same(given, settings.orchestration.control_token):
            return lambda: source.current is settings and also()
        if actor.via != "token":
            return None
        throttle, key = self._throttle, group(actor.address)
        return lambda: source.current is settings and throttle.wait(key, trio.current_time()) <= 0 and also()

    def _is_token(self, given: str, address: str, *, may_be_back_ends: Callable[[], bool]) -> bool:
        token = self._settings.current.orchestration.control_token
        if may_be_back_ends():
            is_waiting = self._throttle.wait(group(address), trio.current_time()) > 0
            return not is_waiting and _is_same(given, token)
        try:
            self.check_token(given, address)
        except ProblemError as error:
            if error.code == "rate_limited":
                raise
            return False
        return True

    def check_token(self, given: str, address: str) -> None:
        """Raise ``token_required`` for a wrong token, ``rate_limited`` while its address has to wait."""
        token = self._settings.current.orchestration.control_token
        key, now = group(address), trio.current_time()
        wait = self._throttle.wait(key, now)
        if wait > 0:
            raise _too_fast(wait)
        if token and _is_same(given, token):
            self._throttle.right_token(key)
            return
        self.count_wrong_token(address)
        raise ProblemError(
            "token_required", "That is not the control token.", headers={"WWW-Authenticate": "Bearer"}
        )

    def count_refused_token(self, scope: Mapping[str, Any], actor: Actor) -> None:
        """Count the token of a refused request to a back end: it was meant for this service, and is wrong."""
        if self.has_token and bearer(scope["headers"]) is not None:
            self.count_wrong_token(actor.address)

    def count_wrong_token(self, address: str) -> None:
        """Count and log a wrong token."""
        wait = self._throttle.wrong_token(group(address), trio.current_time())
        _log.warning("wrong control token", address=address, wait=round(wait, 1))

    # Browsers that have signed in.

    def sign_in_of(self, scope: Mapping[str, Any]) -> str | None:
        """Return the sign-in id in a request's cookie, valid or not; None without a cookie."""
        token = self._settings.current.orchestration.control_token
        if not token:
            return None
        wanted = SECURE_COOKIE if is_secure(scope, self._trusted()) else COOKIE
        value = cookie(scope["headers"], wanted)
        return None if value is None else self.sign_ins.name_of(value, token)

    def sign_in_to_look_up(self, scope: Mapping[str, Any], actor: Actor) -> str | None:
        """Return the sign-in to look up in the store to identify the actor, or None."""
        return None if actor.is_operator else self.sign_in_of(scope)

    async def signed_in(self, actor: Actor, name: str) -> Actor:
        """Return the actor after looking up the sign-in in the store."""
        token = self._settings.current.orchestration.control_token
        is_valid = await self.sign_ins.is_valid(name)
        if not is_valid or token != self._settings.current.orchestration.control_token:
            return actor  # or the token was changed meanwhile, which ends all sign-ins
        return structs.replace(actor, is_operator=True, via="cookie", sign_in=name)

    async def sign_in(self, scope: Mapping[str, Any], actor: Actor, given: str) -> str:
        """Check the token and return the ``Set-Cookie`` of a new sign-in. Raises like :meth:`check_token`."""
        self.check_token(given, actor.address)
        value = await self.sign_ins.begin(self._settings.current.orchestration.control_token)
        _log.info("signed in", address=actor.address)
        return self._cookie(scope, value, age=int(IDLE))

    async def sign_out(self, scope: Mapping[str, Any], actor: Actor) -> str:
        """End the sign-in of a request's cookie on all workers; return the ``Set-Cookie`` to delete it."""
        name = self.sign_in_of(scope)
        if name is not None:
            await self.sign_ins.end(name)
            _log.info("signed out", address=actor.address)
        return self._cookie(scope, "", age=0)

    def _cookie(self, scope: Mapping[str, Any], value: str, *, age: int) -> str:
        secure = is_secure(scope, self._trusted())
        parts = (
            f"{SECURE_COOKIE if secure else COOKIE}={value}",
            "Path=/",
            f"Max-Age={age}",
            "HttpOnly",
            "SameSite=Strict",
            *(("Secure",) if secure else ()),
        )
        return "; ".join(parts)


def _is_same(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), token.encode())


def _too_fast(wait: float) -> ProblemError:
    seconds = math.ceil(wait)
    return ProblemError(
        "rate_limited",
        f"Too many wrong tokens. Wait {seconds} s and try again.",
        headers={"Retry-After": str(seconds)},
    )
