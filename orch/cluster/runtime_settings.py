"""What operators change while the service runs: the same on all workers.

The problem: a change is asked of one worker. Told to the others alone, it would be missing on one that was
busy just then, and on each that is started later. So a change is kept in the store, under a revision, before
anyone applies it; the others are told, and each worker reads what is kept before it serves, and again every
few seconds. Two changes at a time cannot undo each other: the later one is made anew on top of the earlier.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, Literal, Never

import msgspec
import structlog
import trio
from msgspec import Struct

from orch.cluster.asking import Asking
from orch.cluster.workers import described
from orch.configuration import Configuration
from orch.problems import ProblemError
from orch.settings import Change, Fault, SettingsError
from orch.stores.records import KeptSettings, SettingsStore

#: Seconds between looks at what is kept.
LOOK_EVERY: Final = 3.0

#: How often a change is made anew because another came before it.
ATTEMPTS: Final = 10

_SUBJECT: Final = "settings"

_log = structlog.get_logger("settings")


class WorkerChanged(Struct, frozen=True, kw_only=True):
    """What became of a change on another worker.

    ``refused``: its own file or environment does not go with it, for these reasons; it goes on with what it
    had. ``no_answer``: it takes the change over once it can.
    """

    worker: str
    outcome: Literal["applied", "refused", "no_answer"]
    faults: tuple[Fault, ...] = ()


class Changed(Struct, frozen=True):
    """What a change has changed here, and what became of it on the other workers."""

    changes: tuple[Change, ...]
    workers: tuple[WorkerChanged, ...] = ()


class _Told(Struct, frozen=True, array_like=True):
    """What one worker tells the others."""

    revision: int
    values: dict[str, Any]


_told: Final = msgspec.json.Decoder(_Told)
_faults: Final = msgspec.json.Decoder(tuple[Fault, ...])
_values: Final = msgspec.json.Decoder(dict[str, Any])


class RuntimeSettings:
    """Changes settings on all workers. What has been changed is :class:`Configuration`'s to hold.

    ``store``: where the service keeps things; one that is no :class:`SettingsStore` is of one process.
    """

    def __init__(self, *, configuration: Configuration, store: object, asking: Asking) -> None:
        self._configuration = configuration
        self._store = store if isinstance(store, SettingsStore) else None
        self._asking = asking
        configuration.is_shared = self._store is not None
        asking.answer(_SUBJECT, self._hear)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> Never:
        """Follow what is kept until cancelled; usable once it was read."""
        is_started = False
        while self._store is not None:
            try:
                await self._follow(self._store)
            except ProblemError as error:
                # What is kept cannot be read now; nobody can have changed it either.
                _log.warning("settings of other workers not read", reason=error.detail)
            else:
                if not is_started:
                    task_status.started()
                is_started = True
            await trio.sleep(LOOK_EVERY)
        task_status.started()
        await trio.sleep_forever()

    async def change(self, wanted: Mapping[str, Any]) -> Changed:
        """Change values; None takes an earlier change back. The file is left alone.

        SettingsError names each fault, and nothing is changed anywhere then. Raises ``store_unavailable``
        where several workers share what cannot be kept now.
        """
        configuration = self._configuration
        if self._store is None:
            await trio.lowlevel.checkpoint()
            runtime = configuration.changed(configuration.runtime, wanted)
            return Changed(configuration.adopt(runtime, configuration.revision + 1))
        for _ in range(ATTEMPTS):
            known = await self._follow(self._store)
            runtime = configuration.changed(_values.decode(known.values), wanted)
            kept = KeptSettings(known.revision + 1, msgspec.json.encode(runtime))
            if await self._store.keep_settings(known.revision, kept):
                changes = configuration.adopt(runtime, kept.revision)
                return Changed(changes, await self._tell(kept))
        raise ProblemError("store_unavailable", "Others change the settings all the time. Try again.")

    async def _tell(self, kept: KeptSettings) -> tuple[WorkerChanged, ...]:
        told = msgspec.json.encode(_Told(kept.revision, _values.decode(kept.values)))
        asked = await self._asking.ask(_SUBJECT, told)
        outcomes: list[WorkerChanged] = []
        for answer in asked.answers[1:]:
            faults = _faults.decode(answer.data)
            outcome: Literal["applied", "refused"] = "refused" if faults else "applied"
            outcomes.append(WorkerChanged(worker=described(answer.worker), outcome=outcome, faults=faults))
        silent = [WorkerChanged(worker=described(each), outcome="no_answer") for each in asked.missing]
        return (*outcomes, *silent)

    def _hear(self, question: bytes) -> bytes:
        """Take over what another worker tells; answer what stands in the way of it."""
        told = _told.decode(question)
        faults: tuple[Fault, ...] = ()
        if told.revision > self._configuration.revision:
            try:
                self._configuration.adopt(told.values, told.revision)
            except SettingsError as error:
                faults = tuple(error.faults)
        return msgspec.json.encode(faults)

    async def _follow(self, store: SettingsStore) -> KeptSettings:
        """Take over what is kept, where it is later than what is in force here, and return it."""
        configuration = self._configuration
        kept = await store.settings()
        if kept.revision > configuration.revision:
            # What stands in the way is said where the settings are shown. It is tried again: the file that it
            # does not go with may be mended.
            with suppress(SettingsError):
                configuration.adopt(_values.decode(kept.values), kept.revision)
        elif kept.revision < configuration.revision:
            # The server has lost it; nobody has taken it back.
            again = KeptSettings(configuration.revision + 1, msgspec.json.encode(dict(configuration.runtime)))
            if await store.keep_settings(kept.revision, again):
                _log.warning("settings kept again", revision=again.revision)
                configuration.adopt(_values.decode(again.values), again.revision)
                return again
        return kept
