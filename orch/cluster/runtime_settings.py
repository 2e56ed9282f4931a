"""Operators' changes of settings at run time, the same on all workers.

The problem: a change reaches one worker. If it were only published to the others, it would be missing on one
that was busy, and on those started later. So a change is stored under a revision before any worker applies
it, and each worker reads the stored changes before it serves, and again every few seconds. Only the existence
of a new revision is published: the right to publish must not imply the right to change settings. Concurrent
changes cannot undo each other: the later one is repeated on top of the earlier.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal, Never

import msgspec
import structlog
import trio
from msgspec import Struct

from orch.cluster.survey import Survey
from orch.cluster.workers import Reply, described
from orch.problems import ProblemError
from orch.settings import Change, Fault, SettingsError
from orch.settings.live import LiveSettings
from orch.stores.protocols import SettingsStore
from orch.stores.records import StoredSettings
from orch.telemetry.boundaries import Boundary

#: Seconds between reads of the stored changes.
READ_EVERY: Final = 3.0

#: Maximum attempts of a change that is overtaken by others.
ATTEMPTS: Final = 10

#: Seconds for other workers to apply a change before the response is sent, and between checks of that.
APPLIED_WITHIN: Final = 2.0
APPLIED_EVERY: Final = 0.05

_SUBJECT: Final = "settings_revision"

_log = structlog.get_logger("settings")


class WorkerChanged(Struct, frozen=True, kw_only=True):
    """The result of a change on another worker.

    ``refused``: the reasons why it contradicts that worker's own file or environment; its settings are
    unchanged. ``no_answer``: it applies the change once it can.
    """

    worker: str
    outcome: Literal["applied", "refused", "no_answer"]
    faults: tuple[Fault, ...] = ()


class Changed(Struct, frozen=True):
    """The effects of a change on this worker, and its results on the others."""

    changes: tuple[Change, ...]
    workers: tuple[WorkerChanged, ...] = ()


class _AppliedRevision(Struct, frozen=True, array_like=True):
    """The revision that a worker has applied, and a later one that it refused, with the reasons."""

    revision: int
    refused: int = 0
    faults: tuple[Fault, ...] = ()


_hint: Final = msgspec.json.Decoder(int)
_applied: Final = msgspec.json.Decoder(_AppliedRevision)
_values: Final = msgspec.json.Decoder(dict[str, Any])


class RuntimeSettings:
    """Changes settings on all workers. :class:`LiveSettings` holds the changes.

    ``store``: where several workers share them; None: there is one process.
    """

    def __init__(self, *, configuration: LiveSettings, store: SettingsStore | None, survey: Survey) -> None:
        self._configuration = configuration
        self._store = store
        self._survey = survey
        self._refused = _AppliedRevision(0)
        self._hinted = trio.Event()
        self.boundary = Boundary("settings of other workers")
        configuration.is_shared = self._store is not None
        survey.register(_SUBJECT, self._reply)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> Never:
        """Follow the stored changes until cancelled; usable once they were read."""
        is_started = False
        while self._store is not None:
            with self.boundary.item():
                try:
                    await self._apply_stored(self._store)
                except ProblemError as error:
                    # The stored changes cannot be read now; nor can anyone have changed them.
                    _log.warning("settings of other workers not readable", reason=error.detail)
                else:
                    if not is_started:
                        task_status.started()
                    is_started = True
            with trio.move_on_after(READ_EVERY):
                await self._hinted.wait()
            self._hinted = trio.Event()
        task_status.started()
        await trio.sleep_forever()

    async def change(self, wanted: Mapping[str, Any]) -> Changed:
        """Change values; None reverts an earlier change. The file is unchanged.

        Raises SettingsError with each fault, and ``store_unavailable`` if a shared store cannot be written;
        then nothing is changed on any worker.
        """
        configuration = self._configuration
        if self._store is None:
            await trio.lowlevel.checkpoint()
            runtime = configuration.with_changes(configuration.runtime, wanted)
            return Changed(configuration.adopt(runtime, configuration.revision + 1))
        for _ in range(ATTEMPTS):
            known = await self._apply_stored(self._store)
            runtime = configuration.with_changes(_read(known), wanted)
            stored = StoredSettings(known.revision + 1, msgspec.json.encode(runtime))
            if await self._store.store_settings(known.revision, stored):
                changes = configuration.adopt(runtime, stored.revision)
                return Changed(changes, await self._notify_others(stored))
        raise ProblemError(
            "store_unavailable", "Another change to the settings was made at the same time. Try again."
        )

    async def _notify_others(self, stored: StoredSettings) -> tuple[WorkerChanged, ...]:
        """Ask the other workers to read the stored changes; return the result on each."""
        hint = msgspec.json.encode(stored.revision)
        give_up_at = trio.current_time() + APPLIED_WITHIN
        while True:
            result = await self._survey.collect(_SUBJECT, hint, within=APPLIED_WITHIN)
            outcomes = [_outcome(reply, stored.revision) for reply in result.replies[1:]]
            if all(each.outcome != "no_answer" for each in outcomes) or trio.current_time() >= give_up_at:
                break
            await trio.sleep(APPLIED_EVERY)
        silent = [WorkerChanged(worker=described(each), outcome="no_answer") for each in result.missing]
        return (*outcomes, *silent)

    def _reply(self, request: bytes) -> bytes:
        """Reply with this worker's revision; schedule a read if the other worker has a later one."""
        applied = _AppliedRevision(self._configuration.revision, self._refused.refused, self._refused.faults)
        if _hint.decode(request) > applied.revision:
            self._hinted.set()
        return msgspec.json.encode(applied)

    async def _apply_stored(self, store: SettingsStore) -> StoredSettings:
        """Apply the stored changes if they are newer, and return them."""
        configuration = self._configuration
        stored = await store.settings()
        if stored.revision > configuration.revision:
            # The faults are shown with the settings. It is tried again, since the file may be corrected.
            try:
                configuration.adopt(_read(stored), stored.revision)
            except SettingsError as error:
                self._refused = _AppliedRevision(0, stored.revision, tuple(error.faults))
        elif stored.revision < configuration.revision:
            # The server has lost it; no operator has undone the change.
            again = StoredSettings(
                configuration.revision + 1, msgspec.json.encode(dict(configuration.runtime))
            )
            if await store.store_settings(stored.revision, again):
                _log.warning("settings stored again", revision=again.revision)
                configuration.adopt(_read(again), again.revision)
                return again
        return stored


def _read(stored: StoredSettings) -> dict[str, Any]:
    """Return the stored changes. Raises ``store_unavailable``."""
    try:
        return _values.decode(stored.values)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise ProblemError(
            "store_unavailable",
            f"The settings that operators changed cannot be read from the store ({str(error)[:200]}). "
            "The current settings stay in force; check the stored value (in Redis: orch:settings).",
        ) from error


def _outcome(reply: Reply, revision: int) -> WorkerChanged:
    """Return the result of a revision on another worker, from its reply."""
    worker = described(reply.worker)
    try:
        applied = _applied.decode(reply.data)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return WorkerChanged(worker=worker, outcome="no_answer")  # of another version
    if applied.revision >= revision:
        return WorkerChanged(worker=worker, outcome="applied")
    if applied.refused >= revision:
        return WorkerChanged(worker=worker, outcome="refused", faults=applied.faults)
    return WorkerChanged(worker=worker, outcome="no_answer")
