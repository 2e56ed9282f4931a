"""Finds out who asks, and refuses hosts that are not ours: the shell around the pure decision."""

import hmac
from collections.abc import Mapping
from typing import Any, Protocol

from orch.access.actors import Actor, bearer, client_address, decide, is_local, may_serve
from orch.access.addresses import Network, read_network
from orch.problems import ProblemError
from orch.settings import Settings


class CurrentSettings(Protocol):
    """Where the settings of the moment are."""

    @property
    def current(self) -> Settings:
        """The settings now; another object after each change."""
        ...


class Access:
    """Says who sends a request or opens a connection.

    The mutable state is the trusted networks of the settings last seen.
    """

    def __init__(self, *, settings: CurrentSettings) -> None:
        self._settings = settings
        self._proxies: tuple[str, ...] = ()
        self._networks: tuple[Network, ...] = ()

    def _trusted(self, proxies: tuple[str, ...]) -> tuple[Network, ...]:
        if proxies is not self._proxies:
            self._networks = tuple(read_network(each) for each in proxies)
            self._proxies = proxies
        return self._networks

    def actor(self, scope: Mapping[str, Any], *, trusts_local: bool) -> Actor:
        """Return who asks. ``trusts_local``: the connection was accepted by a front of our own.

        Raises ``misdirected_request`` where the host that is asked for is not this service's.
        """
        orchestration = self._settings.current.orchestration
        frontend, token = orchestration.frontend, orchestration.control_token
        if not may_serve(scope, allowed=frontend.allowed_hosts, token=token, trusts_local=trusts_local):
            raise ProblemError(
                "misdirected_request",
                "The service does not answer to the host name in this request. Open it as localhost, or name "
                "the host in orchestration.frontend.allowed_hosts.",
            )
        given = bearer(scope["headers"]) if token else None
        return decide(
            is_local=is_local(scope),
            address=client_address(scope, self._trusted(frontend.trusted_proxies)),
            token=token,
            has_token=given is not None and hmac.compare_digest(given.encode(), token.encode()),
            trusts_local=trusts_local,
        )
