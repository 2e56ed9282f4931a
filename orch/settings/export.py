"""Exports settings as a YAML file without secrets, and compares such a file with them. Pure."""

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec
import yaml
from msgspec import Struct

from orch.settings.decoding import decode
from orch.settings.reload_rules import changes, reason_for
from orch.settings.restrictions import masked, why_fixed
from orch.settings.structs import Settings, SettingsError

_HEAD: Final = """\
# The settings in force, without secrets and without values that have one in them:
# the service reads those from its own file and environment.
"""


class ImportedChange(Struct, frozen=True, kw_only=True):
    """A value of the file that differs from the current one, both masked.

    ``outcome``: ``applies`` at once, ``waits`` for a restart, or is ``fixed``: it cannot be changed at run
    time and is ignored. ``reason`` is the reason.
    """

    path: str
    old: Any
    new: Any
    outcome: Literal["applies", "waits", "fixed"]
    reason: str | None = None


class Import(Struct, frozen=True):
    """The changes of an imported file, masked, and the new values by path."""

    changes: tuple[ImportedChange, ...]
    values: dict[str, Any]


def exported(settings: Settings) -> str:
    """Return the settings as YAML; comments list what was left out."""
    left_out: list[str] = []
    document = _shown(msgspec.to_builtins(settings), (), left_out)
    body = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110)
    return _HEAD + "".join(f"# left out: {path}\n" for path in left_out) + body


def _shown(node: Mapping[str, Any], path: tuple[str, ...], left_out: list[str]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, value in node.items():
        here = (*path, name)
        dotted = ".".join(here)
        if isinstance(value, dict) and value:
            below = _shown(value, here, left_out)
            if below:
                result[name] = below
        elif masked(dotted, plain := list(value) if isinstance(value, tuple) else value) == plain:
            result[name] = plain
        else:
            left_out.append(dotted)
    return result


def imported(text: str, current: Settings) -> Import:
    """Return the changes that a file would make. Raises SettingsError with all its faults.

    Values that the file does not name are unchanged.
    """
    decoded = decode(text, {}, name="the file")
    if decoded.faults:
        raise SettingsError(list(decoded.faults))
    found: list[ImportedChange] = []
    wanted: dict[str, Any] = {}
    for change in changes(current, decoded.settings):
        path = change.path
        if not _is_named(path, decoded.sources):
            continue
        why = why_fixed(path)
        reason = why or reason_for(path)
        outcome: Literal["applies", "waits", "fixed"] = "fixed" if why else "waits" if reason else "applies"
        old, new = masked(path, change.old), masked(path, change.new)
        found.append(ImportedChange(path=path, old=old, new=new, outcome=outcome, reason=reason))
        if why is None:
            wanted[path] = change.new
    return Import(tuple(found), wanted)


def _is_named(path: str, sources: Mapping[str, str]) -> bool:
    """Whether the file has the value, or one below it."""
    return path in sources or any(each.startswith(f"{path}.") for each in sources)
