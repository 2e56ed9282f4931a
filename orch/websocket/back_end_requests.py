"""``service_message``: a client's request to a back end, sent through the gateway."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final, Protocol

import msgspec
from msgspec import UNSET, Raw

from orch.access.addresses import group
from orch.gateway.flows import Flow
from orch.problems import ProblemError
from orch.protocol.messages import MessageId, ServiceMessage, ServiceResponse
from orch.websocket.connections.connection import Connection
from orch.websocket.connections.decoding import FRAME_LIMIT

#: The path of a back end's actions. A response may be as large as a frame that a client may send.
ACTION_PREFIX: Final = "/api/"

_JSON_HEADERS: Final = ((b"content-type", b"application/json"), (b"accept", b"application/json"))

Refuse = Callable[[Connection, ProblemError, MessageId | None], None]
"""Sends a client the error with which its message is refused, and counts it."""


class BackEndResponse(Protocol):
    """A back end's response."""

    @property
    def status(self) -> int:
        """HTTP status."""

    @property
    def body(self) -> bytes:
        """The whole body."""


class Gateway(Protocol):
    """Sends requests to back ends: see ``orch.gateway.service``."""

    async def fetch(
        self,
        service: str,
        method: str,
        path: str,
        *,
        headers: Any = ...,
        body: bytes = ...,
        max_response: int = ...,
        flow: Flow = ...,
        caller: str = ...,
    ) -> BackEndResponse:
        """Send a request and return the response."""

    def is_public_inside(self, service: str, method: str, path: str) -> bool:
        """Return whether the settings open a request to everyone."""


class BackEndRequests:
    """Sends clients' requests to back ends. It has no state of its own."""

    def __init__(self, gateway: Gateway, *, refuse: Refuse, now_ms: Callable[[], int]) -> None:
        self._gateway = gateway
        self._refuse = refuse
        self._now_ms = now_ms

    def is_public(self, message: ServiceMessage) -> bool:
        """Return whether the settings open this request to everyone."""
        return self._gateway.is_public_inside(
            message.target_service, _method(message), ACTION_PREFIX + message.action
        )

    def start(self, connection: Connection, message: ServiceMessage) -> None:
        """Send a request; ``service_response`` follows. Raises ``invalid_message`` for a path with dots.

        It runs beside the client's next messages: a back end may take as long as the gateway allows.
        """
        if any(part in (".", "..", "") for part in message.action.split("/")):
            raise ProblemError(
                "invalid_message", "$.action: A path without empty, . and .. parts.", path="$.action"
            )
        connection.start(partial(self._request, connection, message))

    async def _request(self, connection: Connection, message: ServiceMessage) -> None:
        try:
            response = await self._gateway.fetch(
                message.target_service,
                _method(message),
                ACTION_PREFIX + message.action,
                headers=_JSON_HEADERS if message.payload is not None else _JSON_HEADERS[1:],
                body=b"" if message.payload is None else msgspec.json.encode(message.payload),
                max_response=FRAME_LIMIT,
                flow=Flow.REQUESTS,
                caller=group(connection.actor.address),
            )
        except ProblemError as error:
            error.extra.setdefault("service", message.target_service)
            self._refuse(connection, error, message.id)
            return
        connection.answer(
            ServiceResponse(
                timestamp=self._now_ms(),
                id=UNSET if message.id is None else message.id,
                source_service=message.target_service,
                action=message.action,
                status=response.status,
                data=_as_json(response.body),
                session_id=UNSET if message.session_id is None else message.session_id,
            )
        )


def _method(message: ServiceMessage) -> str:
    return "GET" if message.payload is None else "POST"


def _as_json(body: bytes) -> Raw:
    """Return a response's body as JSON; one that is not JSON becomes ``{"text": …}``."""
    text = body.decode(errors="replace")
    try:
        return msgspec.json.decode(text, type=Raw)
    except (msgspec.DecodeError, RecursionError):
        return Raw(msgspec.json.encode({"text": text}))
