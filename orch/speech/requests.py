"""Requests to back ends as values, and the type of the function that sends them. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec

AUDIO: Final = "audio-service"
TRANSLATION: Final = "translation-service"

Headers = tuple[tuple[bytes, bytes], ...]


class Response(Protocol):
    """A back end's response."""

    @property
    def headers(self) -> Headers:
        """The headers, names in lower case."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    @property
    def body(self) -> bytes:
        """The whole body."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response as a value."""

    status: int
    headers: Headers
    body: bytes


class RefusedError(Exception):
    """A back end has refused something over a socket; ``response`` has its status and its words."""

    def __init__(self, path: str, response: Response) -> None:
        super().__init__(f"{response.status}")
        self.path = path
        self.response = response


class Fetch(Protocol):
    """Sends a request through the gateway: ``GatewayService.fetch``.

    Raises ProblemError ``unknown_service``, ``service_unavailable``, ``bad_gateway``, ``gateway_timeout``.
    """

    async def __call__(
        self, service: str, method: str, path: str, *, headers: Headers = (), body: bytes = b""
    ) -> Response:
        """Return the response, whatever its status."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request to a back end; ``path`` is the back end's own."""

    method: str
    path: str
    headers: Headers = ()
    body: bytes = b""


def json_request(path: str, document: dict[str, Any], *, headers: Headers = ()) -> Request:
    """Return a POST of JSON."""
    return Request(
        "POST", path, ((b"content-type", b"application/json"), *headers), msgspec.json.encode(document)
    )


def multipart(
    fields: Iterable[tuple[str, str]],
    *,
    file_field: str,
    file_name: str,
    file: bytes,
    boundary: str,
    content_type: str = "audio/wav",
) -> tuple[Headers, bytes]:
    """Return headers and body of ``multipart/form-data`` (RFC 7578) with one file, which comes last.

    A name may occur among ``fields`` several times.

    ``boundary`` must not occur in the file.
    """
    mark = b"--" + boundary.encode()
    parts = [
        mark + f'\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields
    ]
    parts.append(
        mark
        + f'\r\nContent-Disposition: form-data; name="{file_field}"; filename="{file_name}"\r\n'.encode()
        + f"Content-Type: {content_type}\r\n\r\n".encode()
        + file
        + b"\r\n"
    )
    headers = ((b"content-type", f"multipart/form-data; boundary={boundary}".encode()),)
    return headers, b"".join(parts) + mark + b"--\r\n"
