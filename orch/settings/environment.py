"""Settings in the environment: the short names, and ORCH_SECTION__KEY for any other. Pure."""

import re
from collections.abc import Mapping
from typing import Any, Final, get_args, get_origin

from orch.audio.process_limits import PRIORITIES, PRIORITY
from orch.settings.section import Section, types_of
from orch.settings.structs import Fault, Settings
from orch.settings.yaml_parser import UNUSABLE_TEXT, NotYamlError, is_unusable, read_yaml

SHORT_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "HOST": ("orchestration", "frontend", "host"),
    "PORT": ("orchestration", "frontend", "port"),
    "WORKERS": ("orchestration", "frontend", "workers"),
    "WORKER_PORTS": ("orchestration", "frontend", "worker_ports"),
    "TLS_CERTIFICATE": ("orchestration", "frontend", "tls_certificate"),
    "TLS_KEY": ("orchestration", "frontend", "tls_key"),
    "PUBLIC_URL": ("orchestration", "frontend", "public_url"),
    "AUDIO_SERVICE_URL": ("services", "audio-service", "url"),
    "TRANSLATION_SERVICE_URL": ("services", "translation-service", "url"),
    "REDIS_URL": ("session_management", "redis_url"),
    "SESSION_TIMEOUT": ("orchestration", "websocket", "session_timeout"),
    "METRICS_ENABLE": ("orchestration", "monitoring", "enabled"),
    "HEALTH_CHECK_INTERVAL": ("orchestration", "monitoring", "health_check_interval"),
    "LOG_LEVEL": ("orchestration", "log_level"),
}
PREFIX: Final = "ORCH_"
# Variables that Kubernetes and Docker set in every container for a service named orch or orch-something.
_LINK: Final = re.compile(
    r"ORCH_(\w+_)??(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?|NAME|ENV_\w+)"
)
_LINK_PORT: Final = re.compile(r"ORCH_(\w+_)?PORT")
_LINK_VALUE: Final = re.compile(r"(tcp|udp|sctp)://.*")
NOT_SETTINGS: Final = (
    PRIORITY,
    "ORCH_CONFIG",
    "ORCH_DEMO_MODEL",
    "ORCH_TEST_REDIS_URL",
    "ORCH_TEST_POSTGRES_URL",
)


def overrides(
    environ: Mapping[str, str], document: Mapping[str, Any], faults: list[Fault]
) -> list[tuple[str, tuple[str, ...], Any]]:
    """Return (variable, path, value), the short names first so that the exact name wins."""
    found: list[tuple[str, tuple[str, ...], Any]] = []
    services = document.get("services")
    names = {*Settings().services, *(services if isinstance(services, dict) else ())}
    for variable, path in SHORT_NAMES.items():
        if variable in environ and _is_usable(variable, environ[variable], faults):
            value: Any = environ[variable]
            found.append((variable, path, value.upper() if variable == "LOG_LEVEL" else _scalar(path, value)))
    if environ.get(PRIORITY, "lower") not in PRIORITIES:
        faults.append(Fault(PRIORITY, f"expected {' or '.join(PRIORITIES)}"))
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or variable in NOT_SETTINGS:
            continue
        if not _is_usable(variable, environ[variable], faults):
            continue
        path_or_none = _path_of(variable, names)
        if path_or_none is None and _is_link(variable, environ[variable]):
            continue
        if path_or_none is None:
            faults.append(Fault(variable, "expected ORCH_SECTION__KEY of an existing setting"))
        else:
            found.append((variable, path_or_none, _scalar(path_or_none, environ[variable])))
    return found


def _is_usable(variable: str, value: str, faults: list[Fault]) -> bool:
    """Return whether a variable is text; invalid UTF-8 is a fault."""
    if not is_unusable(variable) and not is_unusable(value):
        return True
    shown = variable.encode("utf-8", "backslashreplace").decode("utf-8")
    faults.append(Fault(shown, f"expected UTF-8 {UNUSABLE_TEXT}"))
    return False


def links(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return, sorted, the variables with our prefix that Kubernetes or Docker set."""
    return tuple(
        sorted(name for name, value in environ.items() if _is_link(name, value) and not is_unusable(name))
    )


def _is_link(name: str, value: str) -> bool:
    if "__" in name:
        return False
    return bool(_LINK.fullmatch(name) or (_LINK_PORT.fullmatch(name) and _LINK_VALUE.fullmatch(value)))


def _path_of(variable: str, services: set[str]) -> tuple[str, ...] | None:
    words = variable.removeprefix(PREFIX).lower().split("__")
    if words[0] == "services" and len(words) > 2:  # noqa: PLR2004 - services, name, key
        hyphenated = words[1].replace("_", "-")
        match = next((name for name in services if name.replace("_", "-").lower() == hyphenated), hyphenated)
        words[1] = match
        if len(words) > 3 and words[2] == "headers":  # noqa: PLR2004 - services, name, headers, header
            words[3] = words[3].replace("_", "-")
    if words[:2] == ["traces", "headers"] or words[1:3] == ["traces", "headers"]:
        words[-1] = words[-1].replace("_", "-")
    roots = types_of(Settings)
    path = tuple(words) if words[0] in roots else ("orchestration", *words)
    return path if type_at(path) is not None else None


def type_at(path: tuple[str, ...]) -> Any | None:
    """Return the type of the setting at ``path``, or None if there is none."""
    kind: Any = Settings
    for key in path:
        if isinstance(kind, type) and issubclass(kind, Section):
            kind = types_of(kind).get(key)
        elif get_origin(kind) is dict:
            kind = get_args(kind)[1]
        else:
            return None
        if kind is None:
            return None
    return kind


def _scalar(path: tuple[str, ...], value: str) -> Any:
    """Parse a variable's value like the file's, but keep text unchanged."""
    kind = type_at(path)
    base = get_args(kind)[0] if hasattr(kind, "__metadata__") else kind
    if base is str:
        return value
    try:
        return read_yaml(value, words_are_text=True)
    except NotYamlError:
        return value


def for_child(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for a program that the service starts: without the service's own settings.

    These include the control token, the keys of back ends and addresses with passwords; every variable with
    the service's prefix, and every one that sets one of its values, is removed.
    """
    return {
        name: value
        for name, value in environ.items()
        if not name.upper().startswith(PREFIX) and name not in SHORT_NAMES
    }
