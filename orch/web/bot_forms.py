"""Checks what a bot is asked for, beyond the types of its fields, and puts it into one form. Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from orch.bots.meeting_url import MeetingUrlError, read_meeting_url
from orch.bots.requests import BotRequest, Languages, LanguagesChange, WebcamChange
from orch.bots.webcam.appearance import Appearance
from orch.bots.webhooks.payloads import PayloadError, read_metadata
from orch.problems import ProblemError
from orch.protocol.plain_text import plain_lines, without_controls

LONGEST_AHEAD: Final = 366 * 86_400.0
"""Seconds until a scheduled start."""
LATEST: Final = 3_600.0
"""Seconds that a scheduled start may have passed; it begins at once then."""
LONGEST_KEY: Final = 255
DEEPEST: Final = 32
"""Levels of a bot's metadata."""
LONGEST_CHAT: Final = 2_000

_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,8}(?:[-_][A-Za-z0-9]{1,8})*")
_QUOTED: Final = re.compile(r'"(.*)"')
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


def read_bot_id(text: str) -> str:
    """Return the id of a bot in a path. ProblemError ``unknown_bot`` where it can be none."""
    if not _ID.fullmatch(text):
        raise ProblemError("unknown_bot", "No bot has this id: ids have letters, digits, - and _.")
    return text


def with_idempotency_key(request: BotRequest, headers: Sequence[str]) -> BotRequest:
    """Return a request with the key of its header ``Idempotency-Key``, as it is or in quotation marks.

    ProblemError ``invalid_request``: several keys, or one that is none.
    """
    if not headers:
        return request
    if len(headers) > 1:
        raise _invalid("Idempotency-Key", "the header once")
    quoted = _QUOTED.fullmatch(headers[0].strip())
    key = quoted[1] if quoted else headers[0].strip()
    if not 1 <= len(key) <= LONGEST_KEY or not key.isascii() or not key.isprintable():
        raise _invalid("Idempotency-Key", f"1 to {LONGEST_KEY} printable characters of ASCII")
    if request.idempotency_key not in (None, key):
        raise _invalid("$.idempotency_key", "the same key as in the header Idempotency-Key, or none")
    return msgspec.structs.replace(request, idempotency_key=key)


def checked_request(request: BotRequest, *, origins: Mapping[str, str], now: float) -> BotRequest:
    """Return a request in one form: the meeting's URL as it is stored, names without control characters.

    ``origins``: the adapter of each origin besides Google Meet. ``now``: seconds since the epoch.

    ProblemError: ``bad_meeting_url``; ``invalid_request`` with the path and what was expected.
    """
    try:
        meeting = read_meeting_url(request.meeting_url, origins)
    except MeetingUrlError as error:
        expected, _, got = str(error).removeprefix("expected ").partition(", got ")
        raise ProblemError(
            "bad_meeting_url",
            f"Expected {expected}{got and ', got '}{got}.",
            path="$.meeting_url",
            expected=expected,
        ) from None
    key = request.idempotency_key
    if key is not None and not key.isprintable():
        raise _invalid("$.idempotency_key", "a key without control characters")
    if request.start_at is not None and not now - LATEST <= request.start_at <= now + LONGEST_AHEAD:
        raise _invalid(
            "$.start_at", "a time in the next 366 days, in seconds (not milliseconds) since the epoch"
        )
    return msgspec.structs.replace(
        request,
        meeting_url=meeting.url,
        name=_name(request.name),
        languages=_checked_languages(request.languages),
        camera=None if request.camera is None else _checked_camera(request.camera),
        rules=msgspec.structs.replace(request.rules, bot_names=_bot_names(request.rules.bot_names)),
        metadata=_metadata(request.metadata),
    )


def checked_languages(change: LanguagesChange) -> LanguagesChange:
    """Return a change of languages that is one. ProblemError ``invalid_request``."""
    named = {name: getattr(change, name) for name in change.__struct_fields__}
    if all(value is msgspec.UNSET for value in named.values()):
        raise _invalid("$", f"at least one of {', '.join(named)}")
    for name, value in named.items():
        for code in value if isinstance(value, tuple) else (value,):
            _check_language(f"$.{name}", code)
    if isinstance(change.targets, tuple):
        return msgspec.structs.replace(change, targets=tuple(dict.fromkeys(change.targets)))
    return change


def checked_webcam(change: WebcamChange) -> WebcamChange:
    """Return a change of a camera that is one, its values in range. ProblemError ``invalid_request``."""
    if all(getattr(change, name) is msgspec.UNSET for name in change.__struct_fields__):
        raise _invalid("$", f"at least one of {', '.join(change.__struct_fields__)}")
    try:
        change.applied_to(Appearance())
    except ValueError as error:
        raise ProblemError("invalid_request", str(error), path="$", expected=str(error)) from None
    if isinstance(change.title, str):
        return msgspec.structs.replace(change, title=without_controls(change.title).strip())
    return change


def checked_chat(text: str) -> str:
    """Return a message as it is written. ProblemError ``invalid_request`` where nothing is left."""
    written = plain_lines(text).strip()
    if not written:
        raise _invalid("$.text", "a text")
    return written


def _name(text: str) -> str:
    name = " ".join(without_controls(text).split())
    if not name:
        raise _invalid("$.name", "a name")
    return name


def _checked_languages(languages: Languages) -> Languages:
    for name in languages.__struct_fields__:
        value = getattr(languages, name)
        for code in value if isinstance(value, tuple) else (value,):
            _check_language(f"$.languages.{name}", code)
    return msgspec.structs.replace(languages, targets=tuple(dict.fromkeys(languages.targets)))


def _check_language(path: str, code: Any) -> None:
    if isinstance(code, str) and not _LANGUAGE.fullmatch(code):
        raise _invalid(path, "the code of a language, such as en or pt-BR")


def _checked_camera(camera: Appearance) -> Appearance:
    return msgspec.structs.replace(camera, title=without_controls(camera.title[:200]).strip())


def _bot_names(names: tuple[str, ...] | None) -> tuple[str, ...] | None:
    for number, name in enumerate(names or ()):
        if not name.strip() or not name.isprintable():
            raise _invalid(f"$.rules.bot_names[{number}]", "a part of a name")
    return names


def _metadata(document: dict[str, Any]) -> dict[str, Any]:
    if _depth(document) > DEEPEST:
        raise _invalid("$.metadata", f"at most {DEEPEST} levels")
    try:
        read_metadata(document)
    except PayloadError as error:
        raise _invalid("$.metadata", str(error).removeprefix("metadata: expected ")) from None
    return document


def _depth(document: Any) -> int:
    """Return how many levels a document has, counted no further than one above :data:`DEEPEST`."""
    level: list[Any] = [document]
    for depth in range(DEEPEST + 1):
        level = [
            inner
            for each in level
            for inner in (each.values() if isinstance(each, dict) else each)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return depth + 1
    return DEEPEST + 1


def _invalid(path: str, expected: str) -> ProblemError:
    return ProblemError("invalid_request", f"{path}: expected {expected}.", path=path, expected=expected)
