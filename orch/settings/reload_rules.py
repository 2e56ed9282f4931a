"""Which changed settings apply at once, and which wait for a restart. Pure."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from orch.settings.structs import Settings

NEEDS_RESTART: Final[Mapping[str, str]] = {
    "orchestration.frontend": "listening sockets are opened at start",
    "orchestration.bots.postgres_url": "the store of bots is opened at start",
    "orchestration.bots.sqlite_path": "the store of bots is opened at start",
    "orchestration.bots.profiles": "profiles that a killed process left are removed there at start",
    "orchestration.bots.recordings": "bots that run write there",
    "orchestration.bots.evidence": "bots that run write there",
    "orchestration.bots.spool": "the spool is opened at start",
    "orchestration.bots.recording_key": "bots that run encrypt with it",
    "orchestration.bots.calendars": "calendars are followed from the start",
    "orchestration.bots.fonts": "fonts are read at start",
    **{
        f"orchestration.traces.{name}": "the exporter of traces is made at start"
        for name in ("endpoint", "headers", "queue", "timeout")
    },
    "session_management.persistence": "the store is opened at start",
    "session_management.sqlite_path": "the store is opened at start",
    "session_management.redis_url": "the store is opened at start",
}

#: Settings of those sections that apply at once.
AT_ONCE: Final = frozenset(
    f"orchestration.frontend.{name}"
    for name in ("allowed_hosts", "trusted_proxies", "trusted_hops", "public_url", "frame_ancestors")
)


class Change(Struct, frozen=True, kw_only=True):
    """A changed value. ``reason``: why it waits for a restart; None: it applies at once."""

    path: str
    old: Any
    new: Any
    reason: str | None


def changes(old: Settings, new: Settings) -> tuple[Change, ...]:
    """Return the differences of two settings, by dotted path."""
    before, after = _flat(old), _flat(new)
    return tuple(
        Change(path=path, old=before.get(path), new=after.get(path), reason=reason_for(path))
        for path in sorted(before.keys() | after.keys())
        if before.get(path) != after.get(path)
    )


def reason_for(path: str) -> str | None:
    """Return why ``path`` needs a restart, or None."""
    if path in AT_ONCE:
        return None
    return next(
        (why for prefix, why in NEEDS_RESTART.items() if path == prefix or path.startswith(prefix + ".")),
        None,
    )


def applicable(old: Settings, new: Settings) -> Settings:
    """Return ``new``, but with the values of ``old`` where a change needs a restart."""
    frontend = msgspec.structs.replace(
        old.orchestration.frontend,
        allowed_hosts=new.orchestration.frontend.allowed_hosts,
        trusted_proxies=new.orchestration.frontend.trusted_proxies,
        trusted_hops=new.orchestration.frontend.trusted_hops,
        public_url=new.orchestration.frontend.public_url,
        frame_ancestors=new.orchestration.frontend.frame_ancestors,
    )
    management = msgspec.structs.replace(
        new.session_management,
        persistence=old.session_management.persistence,
        sqlite_path=old.session_management.sqlite_path,
        redis_url=old.session_management.redis_url,
    )
    bots = msgspec.structs.replace(
        new.orchestration.bots,
        postgres_url=old.orchestration.bots.postgres_url,
        sqlite_path=old.orchestration.bots.sqlite_path,
        profiles=old.orchestration.bots.profiles,
        recordings=old.orchestration.bots.recordings,
        evidence=old.orchestration.bots.evidence,
        spool=old.orchestration.bots.spool,
        recording_key=old.orchestration.bots.recording_key,
        calendars=old.orchestration.bots.calendars,
        fonts=old.orchestration.bots.fonts,
    )
    traces = msgspec.structs.replace(
        new.orchestration.traces,
        endpoint=old.orchestration.traces.endpoint,
        headers=old.orchestration.traces.headers,
        queue=old.orchestration.traces.queue,
        timeout=old.orchestration.traces.timeout,
    )
    orchestration = msgspec.structs.replace(new.orchestration, frontend=frontend, bots=bots, traces=traces)
    return msgspec.structs.replace(new, orchestration=orchestration, session_management=management)


def _flat(settings: Settings) -> dict[str, Any]:
    flat: dict[str, Any] = {}

    def walk(node: Any, path: str) -> None:
        if isinstance(node, dict) and node:
            for key, value in node.items():
                walk(value, f"{path}.{key}" if path else key)
        else:
            flat[path] = node

    walk(msgspec.to_builtins(settings), "")
    return flat
