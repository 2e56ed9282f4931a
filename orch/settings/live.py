"""The settings file at run time: read, watched, applied."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Never

import structlog
import trio
from msgspec import Struct

from orch.settings import Change, Decoded, Fault, Settings, SettingsError, changes, decode
from orch.settings.decoding import Source, values
from orch.settings.reload_rules import applicable
from orch.settings.reloads import Reloads
from orch.settings.restrictions import Kind, kind_at, masked, why_fixed
from orch.settings.settings_file import FollowedFile, as_text, read_file
from orch.settings.settling import find_doubt
from orch.settings.static_responses import find_static_faults
from orch.telemetry.events import EventLog
from orch.telemetry.names.metric import Reading
from orch.tls.pair import find_pair_faults
from orch.tls.trust import find_faults

log = structlog.get_logger("configuration")


class FileStatistics(Struct, frozen=True, kw_only=True):
    """The file, when it was last read, and its faults (then it was not applied).

    ``changing``: it has been changing for a while, and is read once it does not.
    """

    path: str
    read_at: float
    faults: tuple[Fault, ...]
    changing: bool = False


class Pending(Struct, frozen=True, kw_only=True):
    """A change that waits for a restart, and why."""

    path: str
    old: Any
    new: Any
    reason: str


class LiveSettingsStatistics(Struct, frozen=True, kw_only=True):
    """Every value with its source, what waits for a restart, and the file's state.

    ``fixed``: the paths that cannot be changed while the service runs, each with the reason. ``runtime``: the
    paths that operators have changed, at their ``revision``. If the revision is ``shared`` by several
    workers, ``refused`` has the reasons why a later one was not applied on this worker.
    """

    values: dict[str, Any]
    sources: dict[str, Source]
    pending: tuple[Pending, ...]
    file: FileStatistics
    environment: tuple[str, ...]
    runtime: tuple[str, ...]
    fixed: dict[str, str] = {}
    revision: int = 0
    shared: bool = False
    refused: tuple[Fault, ...] = ()


def _changeable(runtime: Mapping[str, Any]) -> dict[str, Any]:
    return {path: value for path, value in runtime.items() if why_fixed(path) is None}


class LiveSettings:
    """Holds the current settings.

    Read ``current`` at every use, rather than storing it: it is replaced as a whole when the file changes or
    an operator changes a value. The mutable state is ``current``, the text of the file that was last applied,
    the faults of the file since, and the operators' changes with their ``revision``.
    """

    def __init__(
        self,
        path: Path,
        environ: Mapping[str, str],
        *,
        events: EventLog,
        wall: Callable[[], float],
        overlay: Mapping[str, Any] | None = None,
    ) -> None:
        """Read the file. Raises SettingsError if it is invalid. ``overlay``: settings of the command line."""
        self._path = path
        self._environ = dict(environ)
        self._events = events
        self._wall = wall
        self._command_line: dict[str, Any] = dict(overlay or {})
        self._runtime: dict[str, Any] = {}
        self._refused: tuple[Fault, ...] = ()
        self._pair: tuple[str, str] = ("", "")
        self._is_changing = False
        self._file = FollowedFile(path, read=self._read, lost=self._lost, restless=self._restless)
        self._text = read_file(path)
        self._decoded = self._decode(self._text, self._runtime)
        if self._decoded.ignored:
            log.info(
                "variables ignored",
                variables=list(self._decoded.ignored),
                reason="they are service links of Kubernetes or Docker, not settings",
            )
        self._wanted = self._decoded.settings
        self._read_at = wall()
        self._reloads = Reloads(self._read_at)
        self._faults: tuple[Fault, ...] = ()
        self.current: Settings = self._decoded.settings
        self.revision = 0
        self.is_shared = False
        self.boundary = self._file.boundary
        self.on_applied: Callable[[tuple[Change, ...]], None] = lambda _changed: None

    def _decode(self, text: str, runtime: Mapping[str, Any]) -> Decoded:
        overlay = self._command_line | dict(runtime)
        decoded = decode(text, self._environ, name=str(self._path), overlay=overlay)
        faults = [
            *decoded.faults,
            *find_faults(decoded.settings, self._environ),
            *([] if decoded.faults else find_static_faults(decoded.settings)),
            *self._pair_faults(decoded),
        ]
        if faults:
            raise SettingsError(faults)
        return decoded

    def _pair_faults(self, decoded: Decoded) -> list[Fault]:
        """Check the service's certificate if the setting changed; the current one has its own watcher."""
        frontend = decoded.settings.orchestration.frontend
        pair = (frontend.tls_certificate, frontend.tls_key)
        if decoded.faults or pair == self._pair:
            return []
        found = find_pair_faults(*pair)
        if not found:
            self._pair = pair
        return found

    def reload(self) -> tuple[Change, ...]:
        """Read the file as it is now and apply what can be applied; an invalid file changes nothing."""
        try:
            return self._apply_text(read_file(self._path), is_requested=False)
        except SettingsError as error:
            self._refuse(error)
            return ()

    def request_reload(self) -> None:
        """Have the file read once it has settled, even if it has not changed or may have been cut off."""
        self._file.request()

    def _read(self, content: bytes, is_requested: bool) -> None:  # noqa: FBT001 - a callback's
        try:
            self._apply_text(as_text(self._path, content), is_requested=is_requested)
        except SettingsError as error:
            self._refuse(error)

    def _lost(self, reason: str) -> None:
        self._refuse(SettingsError([Fault(str(self._path), f"expected a readable file: {reason}")]))

    def _restless(self, is_changing: bool) -> None:  # noqa: FBT001 - a callback's
        self._is_changing = is_changing
        if is_changing:
            log.warning("settings file keeps changing", path=str(self._path))
            text = f"The file {self._path.name} keeps changing. It is applied once it stays the same."
            self._events.record("warn", "settings", text)
        self.on_applied(())

    def _apply_text(self, text: str, *, is_requested: bool) -> tuple[Change, ...]:
        """Apply the file's text. Raises SettingsError with each fault; then nothing changes."""
        expected = None
        if not text.strip() and self._text.strip():
            expected = "expected settings: the file is empty. A comment alone in it means the defaults"
        elif not is_requested:
            expected = find_doubt(self._text, text)
        decoded = self._decode(text, self._runtime)
        if expected is not None:
            raise SettingsError([Fault(str(self._path), expected)])
        self._text = text
        self._read_at = self._wall()
        self._faults = ()
        return self._apply(decoded)

    def _refuse(self, error: SettingsError) -> None:
        """Continue with the settings in force, and show why those of the file are not."""
        self._read_at = self._wall()
        self._faults = tuple(error.faults)
        self._reloads.refused()
        for fault in error.faults:
            log.error("settings not applied", path=fault.path, expected=fault.expected)
        text = f"The changed file {self._path.name} was not applied: {error.faults[0]}"
        self._events.record("bad", "settings", text)
        self.on_applied(())

    def with_changes(self, runtime: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Return the operators' changes ``runtime`` merged with ``wanted``.

        A value of None reverts an earlier change. Nothing is applied yet. Raises SettingsError with each
        fault. A setting that cannot be changed at run time is a fault in ``wanted``, and is dropped from
        ``runtime``.
        """
        faults = [
            Fault(path, fixed)
            for path, value in wanted.items()
            if value is not None and (fixed := why_fixed(path))
        ]
        if faults:
            raise SettingsError(faults)
        merged = {**_changeable(runtime), **wanted}
        result = {path: value for path, value in merged.items() if value is not None}
        self._decode(self._text, result)
        return result

    def adopt(self, runtime: Mapping[str, Any], revision: int) -> tuple[Change, ...]:
        """Replace the operators' changes by these; of the file, what was last applied stays in force.

        Raises SettingsError with each fault; then nothing changes, and the refusal is shown. A value that
        cannot be changed at run time (a command, an address, a secret, a file) is left out and shown as
        refused: write access to the store must not imply the right to start programs here.
        """
        kept = _changeable(runtime)
        try:
            decoded = self._decode(self._text, kept)
        except SettingsError as error:
            if self._refused != tuple(error.faults):
                self._refused = tuple(error.faults)
                self._reloads.refused()
                log.error("settings of other workers not applied", fault=str(error.faults[0]))  # noqa: TRY400 - the fault says it all
                text = f"Settings changed on another worker cannot be applied on this one: {error.faults[0]}"
                self._events.record("bad", "settings", text)
                self.on_applied(())
            raise
        refused = tuple(Fault(path, str(why_fixed(path))) for path in sorted(runtime.keys() - kept.keys()))
        if refused and refused != self._refused:
            log.warning(
                "settings refused that cannot change at run time", paths=[each.path for each in refused]
            )
            text = f"A change of settings from the store was refused: {refused[0]}."
            self._events.record("bad", "settings", text)
        self._refused = refused
        self._runtime, self.revision = dict(kept), revision
        return self._apply(decoded)

    @property
    def runtime(self) -> Mapping[str, Any]:
        """The operators' changes, by path."""
        return self._runtime

    def _apply(self, decoded: Decoded) -> tuple[Change, ...]:
        changed = changes(self._wanted, decoded.settings)
        self._decoded, self._wanted = decoded, decoded.settings
        self.current = applicable(self.current, decoded.settings)
        for change in changed:
            shown = (
                {}
                if kind_at(change.path) is Kind.SECRET
                else {
                    "old": masked(change.path, change.old),
                    "new": masked(change.path, change.new),
                }
            )
            if change.reason is None:
                log.info("setting applied", path=change.path, **shown)
            else:
                log.warning("setting waits for a restart", path=change.path, reason=change.reason, **shown)
        if changed:
            self._reloads.applied(self._wall())
            waiting = [change.path for change in changed if change.reason is not None]
            applied = [change.path for change in changed if change.reason is None]
            if applied:
                self._events.record("info", "settings", f"Applied: {', '.join(applied)}.")
            if waiting:
                self._events.record("warn", "settings", f"Needs a restart: {', '.join(waiting)}.")
        self.on_applied(changed)
        return changed

    def readings(self) -> Iterator[Reading]:
        """Yield what Prometheus reads."""
        yield from self._reloads.readings(self.current, self._wanted, is_valid=not self._faults)
        yield from self.boundary.readings()

    async def watch(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> Never:
        """Apply the file whenever it has changed and settled (:mod:`orch.settings.settling`)."""
        await self._file.watch(task_status=task_status)

    async def settle(self, *, is_requested: bool = False) -> None:
        """Wait until the file has settled, and apply it if it has changed, or if that ``is_requested``."""
        await self._file.settle(is_requested=is_requested)

    async def serve_requests(self) -> Never:
        """Apply the file whenever that was requested, once it has settled."""
        await self._file.serve_requests()

    def statistics(self) -> LiveSettingsStatistics:
        """Return every current value, and the changes that wait for a restart."""
        pending = tuple(
            Pending(
                path=change.path,
                old=masked(change.path, change.old),
                new=masked(change.path, change.new),
                reason=change.reason or "",
            )
            for change in changes(self.current, self._wanted)
            if kind_at(change.path) is not Kind.SECRET
        )
        in_force = values(self.current)
        return LiveSettingsStatistics(
            values=in_force,
            sources={path: self._decoded.sources.get(path, "default") for path in in_force},
            pending=pending,
            file=FileStatistics(
                path=str(self._path),
                read_at=self._read_at,
                faults=self._faults,
                changing=self._is_changing,
            ),
            environment=self._decoded.environment,
            runtime=tuple(sorted(self._runtime)),
            fixed={path: why for path in in_force if (why := why_fixed(path)) is not None},
            revision=self.revision,
            shared=self.is_shared,
            refused=self._refused,
        )
