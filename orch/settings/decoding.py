"""Decodes YAML text and the environment into :class:`Settings`, or into all their faults. Pure.

With a decoder that stops at its first fault, a file is corrected one fault per run. Here each field is
decoded on its own, so that all faults are reported at once; checks that involve several fields follow once
every field is valid.
"""

import math
import re
from collections.abc import Iterator, Mapping
from datetime import date
from types import NoneType
from typing import Any, Final, Literal, get_args, get_origin

import msgspec
from msgspec import Struct, structs

from orch.masking import mask_urls
from orch.settings.addresses import trimmed
from orch.settings.back_ends import normalized
from orch.settings.cross_checks import find_cross_faults
from orch.settings.environment import links, overrides, type_at
from orch.settings.restrictions import given, masked, type_words
from orch.settings.section import Section
from orch.settings.service_structs import DIALECTS, Service
from orch.settings.structs import Fault, Settings
from orch.settings.yaml_parser import TRUTHS, UNUSABLE_TEXT, NotYamlError, is_unusable, read_yaml

_MOST_NODES: Final = 100_000

Source = Literal["default", "file", "environment", "runtime"]


class Decoded(Struct, frozen=True, kw_only=True):
    """The result of decoding: settings or faults, and the source of each value.

    ``ignored``: variables with our prefix that are not settings (Kubernetes' service links).
    """

    settings: Settings
    faults: tuple[Fault, ...]
    sources: dict[str, Source]
    environment: tuple[str, ...]
    ignored: tuple[str, ...] = ()


def decode(
    text: str,
    environ: Mapping[str, str],
    *,
    name: str = "config",
    overlay: Mapping[str, Any] | None = None,
) -> Decoded:
    """Decode the file's ``text`` and its overrides.

    ``name`` is the file's, for faults. Variables of ``environ`` win over the file; ``overlay`` (dotted path
    to value) wins over both.
    """
    faults: list[Fault] = []
    document = _parse(text, name, faults)
    sources: dict[str, Source] = {}
    variables = overrides(environ, document, faults)
    for _, path, value in variables:
        _put(document, path, value)
        sources[_dotted(path)] = "environment"
    origin = {_dotted(path): variable for variable, path, _ in variables}
    for dotted, value in (overlay or {}).items():
        path = tuple(dotted.split("."))
        if type_at(path) is None:
            faults.append(Fault(dotted, "expected the path of an existing setting"))
            continue
        _put(document, path, value)
        sources[dotted] = "runtime"
        origin.pop(dotted, None)
    faults += (Fault(_named(path, origin), f"expected {UNUSABLE_TEXT}") for path in _unusable(document, ()))
    decoded, found = _section(Settings, document, (), sources, origin)
    faults += found
    if not faults:
        decoded = _with_token_trimmed(decoded)
        faults += find_cross_faults(decoded)
        faults += _in_the_file(decoded, sources)
    return Decoded(
        settings=decoded,
        faults=tuple(Fault(mask_urls(fault.path), fault.expected) for fault in faults),
        sources=sources,
        environment=tuple(sorted(variable for variable, _, _ in variables)),
        ignored=links(environ),
    )


def values(settings: Settings) -> dict[str, Any]:
    """Return every value under its dotted path, secrets masked."""
    return {
        _dotted(path): masked(_dotted(path), value)
        for path, value in _leaves(msgspec.to_builtins(settings), ())
    }


def _dotted(path: tuple[str, ...]) -> str:
    return ".".join(path)


def _leaves(node: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(node, dict) and node:
        for key, value in node.items():
            yield from _leaves(value, (*path, key))
    else:
        yield path, node


def _unquoted(error: str) -> str:
    """Return the YAML parser's message without quotes from the file, which may be secrets."""
    return re.sub(r"""(['"])(?!\1)(?:.{2,})\1""", "…", error)


def _parse(text: str, name: str, faults: list[Fault]) -> dict[str, Any]:
    try:
        document = read_yaml(text, words_are_text=True)
    except NotYamlError as error:
        where = name if error.line is None else f"{name}:{error.line}:{error.column}"
        faults.append(Fault(where, f"expected YAML: {_unquoted(str(error))}"))
        return {}
    if document is None:
        return {}
    budget = [_MOST_NODES]
    if not isinstance(document, dict):
        faults.append(Fault(name, f"expected sections such as «orchestration:», got {type_words(document)}"))
        return {}
    try:
        # Sections that begin with x- are merged into others, as in a compose file.
        return {key: _copied(value, budget) for key, value in document.items() if not key.startswith("x-")}
    except (NotYamlError, RecursionError):
        faults.append(Fault(name, "expected YAML without recursive or exploding anchors"))
        return {}


def _copied(node: Any, budget: list[int]) -> Any:
    """Return a deep copy, so that overriding a value behind an anchor changes no other value.

    ``budget``: the number of further nodes allowed; a few lines of anchors can become millions.
    """
    budget[0] -= 1
    if budget[0] < 0:
        raise NotYamlError("too many nodes")
    if isinstance(node, dict):
        return {key: _copied(value, budget) for key, value in node.items()}
    return [_copied(value, budget) for value in node] if isinstance(node, list) else node


def _unusable(node: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield the paths of unusable text values; unusable keys are reported by the YAML parser."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _unusable(value, (*path, key))
    elif isinstance(node, list):
        if any(True for each in node for _ in _unusable(each, path)):
            yield path
    elif isinstance(node, str) and is_unusable(node):
        yield path


def _in_the_file(settings: Settings, sources: Mapping[str, Source]) -> list[Fault]:
    """Find a key beside what it encrypts: a copy of the file and of the recordings would open them."""
    where = "orchestration.bots.recording_key"
    if not settings.orchestration.bots.recording_key or sources.get(where) != "file":
        return []
    return [Fault(where, "expected it in the environment only: ORCH_BOTS__RECORDING_KEY")]


def _with_token_trimmed(settings: Settings) -> Settings:
    """Return the settings with the token trimmed: secret files end with a line break."""
    orchestration = settings.orchestration
    token = orchestration.control_token
    if not trimmed(token):
        return settings  # a blank token is reported as a fault
    orchestration = structs.replace(orchestration, control_token=trimmed(token))
    return structs.replace(settings, orchestration=orchestration)


def _put(document: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for key in path[:-1]:
        inner = document.get(key)
        if not isinstance(inner, dict):
            if inner is not None:
                return  # the fault there is reported when its section is decoded
            inner = document[key] = {}
        document = inner
    document[path[-1]] = value


def _section(
    kind: type[Any],
    node: Any,
    path: tuple[str, ...],
    sources: dict[str, Source],
    origin: Mapping[str, str],
) -> tuple[Any, list[Fault]]:
    """Decode one section field by field; return it and all its faults."""
    if node is None:
        node = {}
    if not isinstance(node, dict):
        return None, [Fault(_dotted(path), f"expected a section with keys, got {type_words(node)}")]
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    faults: list[Fault] = []
    given: dict[str, Any] = {}
    for key, value in node.items():
        here = (*path, key)
        if key not in fields:
            faults.append(Fault(_named(here, origin), f"unknown key; expected one of {', '.join(fields)}"))
            continue
        decoded, found = _value(fields[key].type, value, here, sources, origin)
        faults += found
        if not found:
            given[key] = decoded
    for field in fields.values():
        if field.required and field.name not in node:
            faults.append(Fault(_dotted((*path, field.name)), "expected a value, it has no default"))
    if faults and any(field.required and field.name not in given for field in fields.values()):
        return None, faults
    return kind(**given), faults


def _value(
    kind: Any, value: Any, path: tuple[str, ...], sources: dict[str, Source], origin: Mapping[str, str]
) -> tuple[Any, list[Fault]]:
    if isinstance(kind, type) and issubclass(kind, Section):
        return _section(kind, value, path, sources, origin)
    if get_origin(kind) is dict:
        read = _services if get_args(kind)[1] is Service else _texts
        return read(value, path, sources, origin)
    inner = get_args(kind)[0] if get_origin(kind) is tuple else None
    if isinstance(inner, type) and issubclass(inner, Section):
        return _items(inner, value, path, sources, origin)
    sources.setdefault(_dotted(path), "file")
    if kind is bool and isinstance(value, str):
        value = TRUTHS.get(value.lower(), value)
    try:
        converted = msgspec.convert(value, kind)
        if not isinstance(converted, float) or math.isfinite(converted):
            return converted, []
    except (msgspec.ValidationError, ValueError, OverflowError):
        pass  # reported as a fault below, in the terms of the file
    return None, [
        Fault(_named(path, origin), f"expected {_expected(kind)}, got {given(_dotted(path), value)}")
    ]


def _items(
    kind: type[Any], value: Any, path: tuple[str, ...], sources: dict[str, Source], origin: Mapping[str, str]
) -> tuple[Any, list[Fault]]:
    if not isinstance(value, list):
        return None, [Fault(_named(path, origin), f"expected a list, got {type_words(value)}")]
    sources.setdefault(_dotted(path), "file")
    items, faults = [], []
    for number, item in enumerate(value):
        inner_sources: dict[str, Source] = {}
        item_path = (*path[:-1], f"{path[-1]}[{number}]")
        decoded, found = _section(kind, item, item_path, inner_sources, origin)
        items.append(decoded)
        faults += found
    return tuple(items), faults


def _texts(
    value: Any, path: tuple[str, ...], sources: dict[str, Source], origin: Mapping[str, str]
) -> tuple[Any, list[Fault]]:
    """Decode names with text values. Numbers and dates, which YAML makes of unquoted text, become text."""
    if value is None:
        return {}, []
    if not isinstance(value, dict):
        return None, [Fault(_named(path, origin), "expected names with text values")]
    faults: list[Fault] = []
    texts: dict[str, str] = {}
    for name, text in value.items():
        here = (*path, name)
        sources.setdefault(_dotted(here), "file")
        if isinstance(text, str):
            texts[name] = text
        elif isinstance(text, (int, float, date)) and not isinstance(text, bool):
            texts[name] = str(text)
        else:
            faults.append(Fault(_named(here, origin), "expected a text"))
    return texts, faults


def _services(
    value: Any, path: tuple[str, ...], sources: dict[str, Source], origin: Mapping[str, str]
) -> tuple[Any, list[Fault]]:
    """Decode the services; omitted fields of a known service keep its defaults."""
    if not isinstance(value, dict):
        return None, [
            Fault(
                _named(path, origin), f"expected service names with their settings, got {type_words(value)}"
            )
        ]
    defaults = Settings().services
    services: dict[str, Service] = {} if value else dict(defaults)
    faults: list[Fault] = []
    for name, node in value.items():
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
            faults.append(
                Fault(_dotted((*path, name)), "expected a name of lower-case letters, digits and hyphens")
            )
            continue
        dialect = node.get("dialect") if isinstance(node, dict) else None
        dialects = DIALECTS.get(name)
        if dialects is not None and dialect is not None and dialect not in dialects:
            expected = f"expected one of {', '.join(dialects)}, got {given('', dialect)}"
            faults.append(Fault(_named((*path, name, "dialect"), origin), expected))
            node = {key: given for key, given in node.items() if key != "dialect"}  # noqa: PLW2901 - said above
        base = {"url": defaults[name].url} if name in defaults else {}
        merged = base | node if isinstance(node, dict) else (base if node is None else node)
        decoded, found = _section(Service, merged, (*path, name), sources, origin)
        if base and isinstance(node, dict) and "url" not in node:
            sources.pop(_dotted((*path, name, "url")), None)
        faults += found
        if decoded is not None:
            services[name] = normalized(decoded)
    for name, service in defaults.items():
        services.setdefault(name, service)
    return services, faults


def _named(path: tuple[str, ...], origin: Mapping[str, str]) -> str:
    dotted = _dotted(path)
    return f"{dotted} (from {origin[dotted]})" if dotted in origin else dotted


def _expected(kind: Any) -> str:
    """Describe the values of ``kind`` in words."""
    if NoneType in get_args(kind):  # of a setting that is None where it is not set
        kind = get_args(kind)[0]
    meta = next(iter(getattr(kind, "__metadata__", ())), None)
    base = get_args(kind)[0] if meta is not None else kind
    if get_origin(base) is Literal:
        return "one of " + ", ".join(str(choice) for choice in get_args(base))
    if get_origin(base) is tuple:
        return f"a list of {_expected(get_args(base)[0])}s"
    words = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}[base]
    return words if meta is None else words + _limits(meta)


def _limits(meta: msgspec.Meta) -> str:
    if meta.ge is not None and meta.le is not None:
        return f" from {meta.ge:g} to {meta.le:g}"
    if meta.gt is not None:
        return f" above {meta.gt:g}"
    if meta.ge is not None:
        return f" of {meta.ge:g} or more"
    if meta.pattern is None:
        return " that is not empty" if meta.min_length else ""
    is_path = meta.pattern in {"^/", "^(/|$)"}
    return " that begins with /" if is_path else " such as translate.example or *.example.org"
