"""What transcribers and translators share: a request as a value, and what an answer's status means. Pure.

Pure, but for the type of the function that carries a request out.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec

from orch.problems import PROBLEMS, ProblemError
from orch.untrusted_json import UnreadableError, read_document, unpacked

AUDIO: Final = "audio-service"
TRANSLATION: Final = "translation-service"

SUCCESS: Final = range(200, 300)
CLIENT_ERROR: Final = range(400, 500)

Headers = tuple[tuple[bytes, bytes], ...]

LARGEST: Final = 2**20  # bytes of an answer that are read, packed or not: a minute of speech has 100,000
LONGEST_WORDS: Final = 500
_NOT_THERE: Final = frozenset({404, 405})


class Answer(Protocol):
    """What a back end answered."""

    @property
    def headers(self) -> Headers:
        """The headers, names in lower case."""

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
TRANSIENT: Final = frozenset(
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


def is_transient(error: ProblemError) -> bool:
    """Say whether asking again later may succeed."""
    return error.code in TRANSIENT


def is_unanswered(error: ProblemError) -> bool:
    """Say whether the back end gave no answer of its own at all."""
    return error.code not in UNUSABLE


def json_request(path: str, document: dict[str, Any], *, headers: Headers = ()) -> Request:
    """Return a POST of JSON."""
    return Request(
        "POST", path, ((b"content-type", b"application/json"), *headers), msgspec.json.encode(document)
    )


def multipart(
    fields: Iterable[tuple[str, str]], *, file_field: str, file_name: str, file: bytes, boundary: str
) -> tuple[Headers, bytes]:
    """Return headers and body of ``multipart/form-data`` (RFC 7578) with one WAV file, which comes last.

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
        + b"Content-Type: audio/wav\r\n\r\n"
        + file
        + b"\r\n"
    )
    headers = ((b"content-type", f"multipart/form-data; boundary={boundary}".encode()),)
    return headers, b"".join(parts) + mark + b"--\r\n"


def _read(body: bytes) -> Any:
    """Return the JSON in a body, packed or not. Raises UnreadableError, also where it is too long."""
    if len(body) > LARGEST:
        raise UnreadableError(f"it has more than {LARGEST} bytes")
    return read_document(unpacked(body, limit=LARGEST))


def complaint(body: bytes) -> tuple[str | None, str]:
    """Return the code and the sentence in the body of an answer that is an error, as far as there are any."""
    try:
        said = _read(body)
    except UnreadableError:
        return None, ""
    return words_of(said)


def words_of(said: Any) -> tuple[str | None, str]:
    """Return the code and the sentence of an error's document.

    The shapes are those of RFC 9457, FastAPI, OpenAI, LibreTranslate, Ollama and whisper.cpp; what is not of
    a kind that could be shown is passed over.
    """
    if not isinstance(said, dict):
        return None, said[:LONGEST_WORDS] if isinstance(said, str) else ""
    error = said.get("error")
    nested = error if isinstance(error, dict) else {}
    code = next((each for each in (said.get("code"), nested.get("code")) if isinstance(each, str)), None)
    detail = said.get("detail")
    if isinstance(detail, dict | list):
        detail = msgspec.json.encode(detail).decode()
    candidates = (detail, nested.get("message"), error, said.get("message"), said.get("title"))
    sentence = next((each for each in candidates if isinstance(each, str) and each.strip()), "")
    return code, cleaned(sentence)


def cleaned(text: str) -> str:
    """Return words of others as one line of bounded length, without characters that are not shown."""
    line = " ".join(text[: 4 * LONGEST_WORDS].split())
    return "".join(character for character in line if character.isprintable())[:LONGEST_WORDS]


def parameter_of(body: bytes) -> str:
    """Return what an error's document says of the request's fields, in lower case: to look for a name in."""
    try:
        return msgspec.json.encode(_read(body)).decode().lower()
    except UnreadableError:
        return body[:LONGEST_WORDS].decode("utf-8", "replace").lower()


_REDIRECTION: Final = range(300, 400)
_LONGEST_SHOWN: Final = 200

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
        sentence = f"{service} answered {path.partition('?')[0]} with status {status}"
        sentence += ". Is its dialect the one in the settings?" if status in _NOT_THERE else "."
        elsewhere = _header(answer, b"location") if status in _REDIRECTION else ""
        if elsewhere:
            sentence += (
                f" That sends to {_without_query(elsewhere)}: is its url in the settings the right one?"
            )
    raise ProblemError(code, sentence, service=service)


def document(service: str, path: str, answer: Answer) -> Any:
    """Return the answer's JSON, packed or not. Raises what its status means, or ``bad_gateway``."""
    check(service, path, answer)
    try:
        return _read(answer.body)
    except UnreadableError as error:
        coding = _header(answer, b"content-encoding")
        why = f"{cleaned(str(error))}{f' (it is packed with {coding})' if coding else ''}"
        if answer.body.lstrip()[:1] == b"<":
            why = "it is a web page or XML, not JSON"
        raise ProblemError(
            "bad_gateway",
            f"{service} sent an invalid response to {path.partition('?')[0]}: {why}",
            service=service,
        ) from error


def _header(answer: Answer, name: bytes) -> str:
    """Return what a header of an answer says, as one short line; "" where there is none."""
    values = [value for known, value in answer.headers if known == name]
    return cleaned(values[0].decode("ascii", "replace"))[:_LONGEST_SHOWN] if values else ""


def _without_query(url: str) -> str:
    """Return an address without what may hold a key: user, query and fragment."""
    scheme, mark, rest = url.partition("?")[0].partition("#")[0].rpartition("//")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{mark}{authority.rpartition('@')[2]}{slash}{path}"


def table(service: str, path: str, answer: Answer) -> dict[str, Any]:
    """Return the answer's JSON object. Raises as :func:`document` does."""
    said = document(service, path, answer)
    if isinstance(said, dict):
        return said
    raise unusable(service, path, {}, "an object")


def unusable(service: str, path: str, said: dict[str, Any], missing: str) -> ProblemError:
    """Return the error for an answer with a good status that lacks what was asked for.

    Some servers say what went wrong in such an answer (whisper.cpp before 1.8): that is the error then.
    """
    if said.get("error"):
        _, sentence = words_of(said)
        return ProblemError(
            "bad_gateway", sentence or f"{service} answered with an error without a message.", service=service
        )
    return ProblemError(
        "bad_gateway",
        f"{service} sent an invalid response to {path.partition('?')[0]}: {missing} is missing.",
        service=service,
    )


def share(value: Any) -> float | None:
    """Return a confidence as the back end said it; what is not a number between 0 and 1 is none."""
    found = number(value)
    return found if found is not None and 0 <= found <= 1 else None


def number(value: Any) -> float | None:
    """Return a finite number, or None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def text(value: Any) -> str | None:
    """Return a text, or None for anything else."""
    return value if isinstance(value, str) else None


def tables(value: Any) -> list[dict[str, Any]]:
    """Return the objects in a list; of anything else there are none."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
