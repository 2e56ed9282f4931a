"""What a back end's response means: its JSON, or the error that its status and body describe. Pure."""

import math
from typing import Any, Final

import msgspec

from orch.problems import PROBLEMS, ProblemError
from orch.speech.requests import Response
from orch.untrusted_json import UnreadableError, read_document, unpacked

SUCCESS: Final = range(200, 300)
CLIENT_ERROR: Final = range(400, 500)

LARGEST: Final = 2**20  # bytes of a body that are read, compressed or not: a minute of speech has 100,000
LONGEST_WORDS: Final = 500
_NOT_THERE: Final = frozenset({404, 405})


def _read(body: bytes, *, largest: int = LARGEST) -> Any:
    """Return the JSON in a body, compressed or not. Raises UnreadableError, also where it is too long."""
    if len(body) > largest:
        raise UnreadableError(f"it has more than {largest} bytes")
    return read_document(unpacked(body, limit=largest))


def read_error(body: bytes) -> tuple[str | None, str]:
    """Return the code and the sentence in the body of an error response, as far as there are any."""
    try:
        said = _read(body)
    except UnreadableError:
        return None, ""
    return error_fields(said)


def error_fields(said: Any) -> tuple[str | None, str]:
    """Return the code and the sentence of an error's document.

    The shapes are those of RFC 9457, FastAPI, OpenAI, LibreTranslate, Ollama, whisper.cpp, DeepL and
    Deepgram; values of other types are ignored.
    """
    if not isinstance(said, dict):
        return None, said[:LONGEST_WORDS] if isinstance(said, str) else ""
    error = said.get("error")
    nested = error if isinstance(error, dict) else {}
    code = next((each for each in (said.get("code"), nested.get("code")) if isinstance(each, str)), None)
    detail = said.get("detail")
    if isinstance(detail, dict | list):
        detail = msgspec.json.encode(detail).decode()
    deepgram = (said.get("err_msg"), said.get("description"))
    candidates = (detail, nested.get("message"), error, said.get("message"), *deepgram, said.get("title"))
    sentence = next((each for each in candidates if isinstance(each, str) and each.strip()), "")
    return code, cleaned(sentence)


def cleaned(text: str) -> str:
    """Return text from a back end as one line of limited length, without unprintable characters."""
    line = " ".join(text[: 4 * LONGEST_WORDS].split())
    return "".join(character for character in line if character.isprintable())[:LONGEST_WORDS]


def parameter_of(body: bytes) -> str:
    """Return an error's whole document in lower case, to look for the name of a request's field in."""
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


def check(service: str, path: str, response: Response) -> None:
    """Raise the error that a response's status means, with the back end's own sentence, unless it succeeded.

    Its code is used if it is one of this service's with the same class of status. Any other 4xx is
    ``refused``.
    """
    status = response.status
    if status in SUCCESS:
        return
    said, sentence = read_error(response.body)
    if said is not None and said in PROBLEMS and PROBLEMS[said].status // 100 == status // 100:
        code = said
    elif status in _BY_STATUS:
        code = _BY_STATUS[status]
    else:
        code = "refused" if status in CLIENT_ERROR else "bad_gateway"
    if not sentence:
        sentence = f"{service} answered {path.partition('?')[0]} with status {status}"
        sentence += ". Is its dialect the one in the settings?" if status in _NOT_THERE else "."
        location = _header(response, b"location") if status in _REDIRECTION else ""
        if location:
            sentence += (
                f" That sends to {_without_query(location)}: is its url in the settings the right one?"
            )
    raise ProblemError(code, sentence, service=service)


def read_json(service: str, path: str, response: Response, *, largest: int = LARGEST) -> Any:
    """Return the response's JSON. Raises the error that its status means, or ``bad_gateway``."""
    check(service, path, response)
    try:
        return _read(response.body, largest=largest)
    except UnreadableError as error:
        coding = _header(response, b"content-encoding")
        why = f"{cleaned(str(error))}{f' (it is packed with {coding})' if coding else ''}"
        if response.body.lstrip()[:1] == b"<":
            why = "it is a web page or XML, not JSON"
        raise ProblemError(
            "bad_gateway",
            f"{service} sent an invalid response to {path.partition('?')[0]}: {why}",
            service=service,
        ) from error


def _header(response: Response, name: bytes) -> str:
    """Return a header of a response as one short line; "" if it has none."""
    values = [value for known, value in response.headers if known == name]
    return cleaned(values[0].decode("ascii", "replace"))[:_LONGEST_SHOWN] if values else ""


def _without_query(url: str) -> str:
    """Return a URL without the parts that may contain a key: user, query and fragment."""
    scheme, mark, rest = url.partition("?")[0].partition("#")[0].rpartition("//")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{mark}{authority.rpartition('@')[2]}{slash}{path}"


def read_object(service: str, path: str, response: Response, *, largest: int = LARGEST) -> dict[str, Any]:
    """Return the response's JSON object. Raises as :func:`read_json` does."""
    said = read_json(service, path, response, largest=largest)
    if isinstance(said, dict):
        return said
    raise unusable(service, path, {}, "an object")


def unusable(service: str, path: str, said: dict[str, Any], missing: str) -> ProblemError:
    """Return the error for a response with a 2xx status that lacks a required field.

    Some servers describe an error in such a response (whisper.cpp before 1.8): that is used then.
    """
    if said.get("error"):
        _, sentence = error_fields(said)
        return ProblemError(
            "bad_gateway", sentence or f"{service} answered with an error without a message.", service=service
        )
    return ProblemError(
        "bad_gateway",
        f"{service} sent an invalid response to {path.partition('?')[0]}: {missing} is missing.",
        service=service,
    )


def confidence_of(value: Any) -> float | None:
    """Return a confidence as the back end sent it; None if it is no number between 0 and 1."""
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


def objects(value: Any) -> list[dict[str, Any]]:
    """Return the objects in a list; none of anything else."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
