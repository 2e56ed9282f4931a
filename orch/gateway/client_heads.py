"""What the heads of clients' requests, and of the responses to them, become on their way."""

from collections.abc import Callable
from typing import Protocol

from orch.gateway import headers as heads
from orch.gateway import response_headers
from orch.gateway.client_request import ClientRequest, Scope, Send
from orch.gateway.current_routes import CurrentRoutes
from orch.gateway.gateway_problems import looped
from orch.gateway.headers import Header
from orch.gateway.hops import Hops, LoopError
from orch.gateway.response_headers import Place
from orch.gateway.routes import Match
from orch.settings.source import SettingsSource


class Answered(Protocol):
    """The head of an instance's response."""

    @property
    def headers(self) -> tuple[Header, ...]:
        """The headers, as they were sent."""

    @property
    def instance(self) -> str:
        """The URL of the instance."""


class ClientHeads:
    """The heads of requests and WebSocket handshakes, by the settings as they are now."""

    def __init__(
        self, settings: SettingsSource, routes: CurrentRoutes, hops: Hops, make_id: Callable[[], str]
    ) -> None:
        self._settings = settings
        self._routes = routes
        self._hops = hops
        self.make_id = make_id

    def request(self, scope: Scope, send: Send, *, new_id: Callable[[], str] | None = None) -> ClientRequest:
        """Return a client's request; ``new_id``: its id, unless the client has sent one."""
        return ClientRequest(
            scope,
            send,
            new_id=new_id or self.make_id,
            trusted=self._routes.trusted_proxies,
            trusted_hops=self._routes.trusted_hops,
            hops=self._hops,
        )

    def for_back_end(self, call: ClientRequest) -> list[Header]:
        """Return the headers of a request as a back end gets them. ProblemError ``loop_detected``."""
        try:
            return heads.for_back_end(
                call.headers,
                call.client,
                call.request_id,
                self._hops,
                is_own_credential=self._is_own_credential,
            )
        except LoopError as error:
            raise looped(call.match.service if call.match else "") from error

    def for_client(self, call: ClientRequest, response: Answered, match: Match) -> list[Header]:
        """Return the headers of a response as the client gets them."""
        place = Place(response.instance, call.target, self.outside(call, match))
        return response_headers.for_client(response.headers, call.gateway_headers(), place)

    def outside(self, call: ClientRequest, match: Match) -> Callable[[str], str | None]:
        """Return what says where clients find a path of the back end; None: nowhere."""
        root = call.scope.get("root_path", "")

        def outside(path: str) -> str | None:
            found = self._routes.table.outside(match, path)
            return None if found is None else root + found

        return outside

    def _is_own_credential(self, authorization: bytes) -> bool:
        return heads.holds_token(authorization, self._settings.current.orchestration.control_token)
