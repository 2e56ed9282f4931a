"""What transcribers and translators share: a request as a value, and what an answer's status means.

Pure, but for the type of the function that carries a request out.
"""

from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

import msgspec
from msgspec import Struct

from orch.problems import PROBLEMS, ProblemError

AUDIO: Final = "audio-service"
TRANSLATION: Final = "translation-service"

SUCCESS: Final = range(200, 300)
CLIENT_ERROR: Final = range(400, 500)

Headers = tuple[tuple[bytes, bytes], ...]
T = TypeVar("T")


class Answer(Protocol):
    """What a back end answered."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    @property
    def body(self) -> bytes:
        """The whole body."""


class Fetch(Protocol):
    """Ask a service through the gateway: ``GatewayService.fetch``.

    Raises ProblemError ``unknown_service``, ``service_unavailable``, ``bad_gateway``, ``gateway_timeout``.
    """

    async def __call__(
        self, service: str, method: str, path: str, *, headers: Headers = (), body: bytes = b""
    ) -> Answer:
        """Return the answer, whatever its status."""


@dataclass(frozen=True, slots=True)
class Request:
    """One question to a back end; ``path`` is the back end's own."""

    method: str
    path: str
    headers: Headers = ()
    body: bytes = b""


# What may pass: asking again later is worth it. Everything else is final.
PASSING: Final = frozenset(
    {
        "service_unavailable",
        "overloaded",
        "own_shortage",
        "gateway_timeout",
        "bad_gateway",
        "rate_limited",
        "shutting_down",
        "too_many_connections",
        "internal_error",
    }
)
# Of those, what says that the back end is there and this one answer is no good.
UNUSABLE: Final = frozenset({"bad_gateway", "internal_error"})


def is_passing(error: ProblemError) -> bool:
    """Say whether asking again later may succeed."""
    return error.code in PASSING


def is_away(error: ProblemError) -> bool:
    """Say whether the back end gave no answer of its own at all."""
    return error.code not in UNUSABLE


def authorization(api_key: str) -> Headers:
    """Return the header for an API key, or none."""
    return ((b"authorization", b"Bearer " + api_key.encode()),) if api_key else ()


def json_request(path: str, document: dict[str, Any], *, headers: Headers = ()) -> Request:
    """Return a POST of JSON."""
    return Request(
        "POST", path, ((b"content-type", b"application/json"), *headers), msgspec.json.encode(document)
    )


def multipart(
    fields: dict[str, str], *, file_field: str, file_name: str, file: bytes, boundary: str
) -> tuple[Headers, bytes]:
    """Return headers and body of ``multipart/form-data`` (RFC 7578) with one WAV file, which comes last.

    ``boundary`` must not occur in the file.
    """
    mark = b"--" + boundary.encode()
    parts = [
        mark + f'\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    parts.append(
        mark
        + f'\r\nContent-Disposition: form-data; name="{file_field}"; filename="{file_name}"\r\n'.encode()
        + b"Content-Type: audio/wav\r\n\r\n"
        + file
        + b"\r\n"
    )
    headers = ((b"content-type", f"multipart/form-data; boundary={boundary}".encode()),)
    return headers, b"".join(parts) + mark + b"--\r\n"


class _Message(Struct):
    message: str | None = None
    code: str | int | None = None
    type: str | None = None


class _Complaint(Struct):
    """The shapes in which servers say what is wrong: RFC 9457, FastAPI, OpenAI, LibreTranslate."""

    code: str | int | None = None
    detail: Any = None
    error: _Message | str | None = None
    message: str | None = None
    title: str | None = None


def complaint(body: bytes) -> tuple[str | None, str]:
    """Return the code and the sentence in the body of an answer that is an error, as far as there are any."""
    try:
        said = msgspec.json.decode(body, type=_Complaint)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None, ""
    nested = said.error if isinstance(said.error, _Message) else _Message()
    code = said.code if isinstance(said.code, str) else nested.code
    plain = said.error if isinstance(said.error, str) else None
    detail = said.detail if isinstance(said.detail, str) else None
    if detail is None and said.detail is not None:
        detail = msgspec.json.encode(said.detail).decode()
    sentence = detail or nested.message or plain or said.message or said.title or ""
    return (code if isinstance(code, str) else None), " ".join(sentence.split())[:500]


_BY_STATUS: Final = {
    429: "rate_limited",
    503: "service_unavailable",
    504: "gateway_timeout",
}


def check(service: str, path: str, answer: Answer) -> None:
    """Raise what an answer's status means, in the back end's own words, unless it is a success.

    Its code is kept where it is one of ours with the same kind of status; a 4xx of none of ours is
    ``refused``.
    """
    status = answer.status
    if status in SUCCESS:
        return
    said, sentence = complaint(answer.body)
    if said is not None and said in PROBLEMS and PROBLEMS[said].status // 100 == status // 100:
        code = said
    elif status in _BY_STATUS:
        code = _BY_STATUS[status]
    else:
        code = "refused" if status in CLIENT_ERROR else "bad_gateway"
    if not sentence:
        sentence = f"{service} answered {path} with status {status}"
        sentence += ". Is its dialect the one in the settings?" if status in (404, 405) else "."
    raise ProblemError(code, sentence, service=service)


def decode(service: str, path: str, answer: Answer, shape: type[T]) -> T:
    """Return the answer's JSON, or raise ``bad_gateway`` with the place that is not as expected."""
    check(service, path, answer)
    try:
        return msgspec.json.decode(answer.body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProblemError(
            "bad_gateway", f"{service} answered {path} with what cannot be read: {error}", service=service
        ) from error


def share(value: float | None) -> float | None:
    """Return a confidence as the back end said it; what is not between 0 and 1 is none."""
    return value if value is not None and 0 <= value <= 1 else None
