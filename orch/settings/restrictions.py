"""Which settings are secret, and which cannot be changed at run time. Pure.

Each setting that is a secret, a URL, a command or a file declares it in its type; the name
of a key does not matter.
"""

import datetime as dt
import re
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Final, get_args, get_origin
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from orch.masking import DOTS, is_masked, mask_file, mask_text, mask_url, shown_command
from orch.settings.environment import type_at
from orch.settings.section import KIND, Section, types_of
from orch.settings.service_structs import Service


class Kind(Enum):
    """The kinds of settings with restrictions; others are plain values."""

    SECRET = "secret"  # noqa: S105 - a kind of setting
    URL = "url"
    COMMAND = "command"
    FILE = "file"
    PLAIN = "plain"


_WHY_FIXED: Final[Mapping[Kind, str]] = {
    Kind.SECRET: "is a secret",
    Kind.URL: "is an address to which the service sends its keys",
    Kind.COMMAND: "starts a program",
    Kind.FILE: "names a file",
}


def kind_at(path: str) -> Kind:
    """Return the kind of the setting at a dotted path; a list of tables with a URL field is a URL."""
    parts = re.sub(r"\[[0-9]+\]", "", path).split(".")
    for length in range(len(parts), 0, -1):
        # Below a secret, a list of tables or an unknown name, the kind is that of the nearest known parent.
        kind = type_at(tuple(parts[:length]))
        if kind is not None:
            below = _field(kind, parts[length:])
            return _kind(kind) if below is None else _kind(below)
    return Kind.PLAIN


def _field(kind: Any, rest: list[str]) -> Any | None:
    """Return the type of a field of a list's tables."""
    inner = get_args(kind)[0] if get_origin(kind) is tuple else None
    if not rest or not (isinstance(inner, type) and issubclass(inner, Struct)):
        return None
    return types_of(inner).get(rest[0])


def _kind(kind: Any) -> Kind:
    for meta in getattr(kind, "__metadata__", ()):
        if KIND in (getattr(meta, "extra", None) or {}):
            return Kind(meta.extra[KIND])
    if get_origin(kind) is dict:
        return _kind(get_args(kind)[1])  # a mapping has the kind of its values
    inner = get_args(kind)[0] if get_origin(kind) is tuple else None
    if isinstance(inner, type) and issubclass(inner, Struct):
        found = {_kind(each) for each in types_of(inner).values()}
        return next((each for each in _WHY_FIXED if each in found), Kind.PLAIN)
    return Kind.PLAIN


def why_fixed(path: str) -> str | None:
    """Return why a setting cannot be changed at run time, or None if it can."""
    kind = type_at(tuple(path.split(".")))
    if (isinstance(kind, type) and issubclass(kind, Section)) or get_origin(kind) is dict:
        if kind is not None and get_origin(kind) is dict and _kind(kind) is not Kind.PLAIN:
            return _sentence(_kind(kind))
        return "is a section: name one of its values"
    found = Kind.PLAIN if kind is None else _kind(kind)
    return None if found is Kind.PLAIN else _sentence(found)


def _sentence(kind: Kind) -> str:
    return f"{_WHY_FIXED[kind]}: set it in the file or the environment, and restart the service"


def masked(path: str, value: Any) -> Any:
    """Return the value of a setting with secrets masked."""
    if isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value):
        return [_entry(path, item) for item in value]
    return _masked(kind_at(path), value)


def _masked(kind: Kind, value: Any) -> Any:
    if kind is Kind.SECRET:
        if isinstance(value, Mapping):
            return dict.fromkeys(value, DOTS)
        return DOTS if value else value
    if kind is Kind.COMMAND:
        return shown_command(value)
    if kind is Kind.URL:
        if isinstance(value, list | tuple) and all(isinstance(each, str) for each in value):
            return _plain(mask_url, value)
        return mask_url(value) if isinstance(value, str) else DOTS if value else value
    return _plain(mask_file if kind is Kind.FILE else mask_text, value)


def _plain(mask: Callable[[str], str], value: Any) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(_plain(mask, each) for each in value)
    return mask(value) if isinstance(value, str) else value


def _entry(path: str, item: Any) -> Any:
    """Return one table of a list, with secrets and everything that looks like a URL masked."""
    if not isinstance(item, Mapping):
        return item
    shown = {name: masked(f"{path}.{name}", value) for name, value in item.items()}
    return {
        name: mask_url(value) if isinstance(value, str) and "://" in value else value
        for name, value in shown.items()
    }


def given(path: str, value: Any) -> str:
    """Describe an invalid value for a fault; of a secret, only its type."""
    kind = kind_at(path)
    if kind is Kind.PLAIN or kind is Kind.FILE:
        if isinstance(value, Mapping | list | tuple):
            return type_words(value)
        try:
            shown = repr(_masked(kind, value))
        except (ValueError, RecursionError):  # a number of more digits than Python prints
            return type_words(value)
        return shown if len(shown) <= 60 else shown[:57] + "…"  # noqa: PLR2004 - one line of a terminal
    if kind is Kind.URL and isinstance(value, str):
        return repr(_without_words_as_port(mask_url(value))) if "://" in value else "a text that is not a URL"
    return f"{type_words(value)} (not shown)"


def _without_words_as_port(url: str) -> str:
    """Return a URL with an invalid port masked: it may be a password whose host was omitted."""
    return re.sub(r"(://[^/@\[\]:]*):(?![0-9]*(?:[/?#]|$))[^/@\[\]]*", rf"\1:{DOTS}", url, count=1)


_WORDS: Final[tuple[tuple[type | tuple[type, ...], str], ...]] = (
    (type(None), "nothing"),
    (bool, "true or false"),
    ((int, float), "a number"),
    (str, "a text"),
    (Mapping, "a section"),
    ((list, tuple), "a list"),
    (dt.date, "a date"),
)


def type_words(value: Any) -> str:
    """Return the type of a YAML value in words."""
    return next((words for kind, words in _WORDS if isinstance(value, kind)), "something else")


def secrets_of(service: Service) -> tuple[str, ...]:
    """Return all secrets sent to a back end, in the forms in which a library's error may quote them."""
    found: list[str] = []
    for field in service.__struct_fields__:
        value = getattr(service, field)
        if kind_at(f"services.x.{field}") is Kind.SECRET:
            found += value.values() if isinstance(value, Mapping) else [value]
    for instance in service.all_instances():
        found += _of_url(instance.url)
    found += _options(service.health_endpoint.partition("?")[2])
    return tuple(found)


def _of_url(url: str) -> list[str]:
    try:
        parts = urlsplit(url)
        userinfo = [parts.username, parts.password]
    except ValueError:
        return []
    return [form for each in userinfo if each for form in (each, unquote(each))] + _options(parts.query)


def _options(query: str) -> list[str]:
    options = [each.partition("=")[2] or each for each in query.split("&") if is_masked(each)]
    return [form for each in options if each for form in (each, unquote(each))]
