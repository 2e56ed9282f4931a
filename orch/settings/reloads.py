"""What Prometheus reads of the settings: which are in force, and whether changes were applied. Pure."""

import hashlib
from collections.abc import Iterator
from typing import Final

import msgspec

from orch.settings.decoding import values
from orch.settings.reload_rules import changes
from orch.settings.structs import Settings
from orch.telemetry.names import settings as names
from orch.telemetry.names.metric import Reading

FINGERPRINT_LENGTH: Final = 12


def fingerprint(settings: Settings) -> str:
    """Return a hash of settings, secrets masked: equal settings have equal ones, in every process."""
    document = msgspec.json.encode(values(settings), order="sorted")
    return hashlib.sha256(document).hexdigest()[:FINGERPRINT_LENGTH]


class Reloads:
    """Counts changes of the settings. ``applied_at``: when some were last applied, seconds since the epoch.

    The mutable state is the counts, and what was computed of the settings that were read last: they change
    rarely, and are read at every scrape.
    """

    def __init__(self, applied_at: float) -> None:
        self._applied_at = applied_at
        self._applied = 0
        self._refused = 0
        self._of: tuple[Settings, Settings] | None = None
        self._fingerprint = ""
        self._pending = 0

    def applied(self, now: float) -> None:
        """Count changes that were applied."""
        self._applied += 1
        self._applied_at = now

    def refused(self) -> None:
        """Count changes that are invalid."""
        self._refused += 1

    def readings(self, current: Settings, wanted: Settings, *, is_valid: bool) -> Iterator[Reading]:
        """Yield the metrics.

        ``current``: in force; ``wanted``: as they would be after a restart; ``is_valid``: whether the file
        was when it was read last.
        """
        if self._of is None or self._of[0] is not current or self._of[1] is not wanted:
            self._of = (current, wanted)
            self._fingerprint = fingerprint(current)
            self._pending = len(changes(current, wanted))
        yield Reading(names.CONFIG_INFO, 1, (self._fingerprint,))
        yield Reading(names.CONFIG_RELOADS, self._applied, ("applied",))
        yield Reading(names.CONFIG_RELOADS, self._refused, ("refused",))
        yield Reading(names.CONFIG_RELOAD_OK, float(is_valid))
        yield Reading(names.CONFIG_RELOADED_AT, self._applied_at)
        yield Reading(names.CONFIG_PENDING, self._pending)
