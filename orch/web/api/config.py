"""Settings: every current value with its source, and changes at run time."""

from typing import Any

import trio
from msgspec import Struct
from quart import Blueprint, Response, request
from quart_schema import document_querystring, document_request, document_response

from orch.cluster.runtime_settings import Changed, RuntimeSettings, WorkerChanged
from orch.problems import ProblemError
from orch.settings import SettingsError
from orch.settings.export import ImportedChange, exported, imported
from orch.settings.live import LiveSettings, LiveSettingsStatistics
from orch.settings.restrictions import masked, why_fixed
from orch.web.audit import log_change
from orch.web.json_api import JSON_LIMIT, json_response, read_json, read_query


class Patch(Struct, frozen=True, forbid_unknown_fields=True):
    """Values by dotted path (``orchestration.gateway.timeout``); null removes an earlier change."""

    values: dict[str, Any]


class Applied(Struct, frozen=True, kw_only=True):
    """The changes, what waits for a restart, and all current values.

    ``workers``: the result on the other workers, if there are several.
    """

    applied: tuple[str, ...]
    waiting: tuple[str, ...]
    workers: tuple[WorkerChanged, ...]
    config: LiveSettingsStatistics


class ImportQuery(Struct, frozen=True):
    """``dry_run``: return the changes without making them."""

    dry_run: bool = False


class Imported(Struct, frozen=True, kw_only=True):
    """The changes of a file, made or (``dry_run``) only previewed.

    ``workers``: the result on the other workers, if there are several.
    """

    dry_run: bool
    changes: tuple[ImportedChange, ...]
    workers: tuple[WorkerChanged, ...] = ()


def _refused(error: SettingsError) -> ProblemError:
    faults = [{"path": fault.path, "expected": fault.expected} for fault in error.faults]
    return ProblemError("invalid_settings", str(error.faults[0]), faults=faults)


async def _read_text() -> str:
    """Return the body as text. Problems: ``body_too_large``, ``invalid_settings``."""
    length = request.content_length
    body = b""
    if length is None or length <= JSON_LIMIT:
        given = await request.get_data(cache=False)
        body = given if isinstance(given, bytes) else given.encode()
    if len(body) > JSON_LIMIT or (length or 0) > JSON_LIMIT:
        raise ProblemError("body_too_large", f"A settings file can have {JSON_LIMIT} bytes at most.")
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        faults = [{"path": "the file", "expected": "expected UTF-8 text"}]
        raise ProblemError("invalid_settings", "the file: expected UTF-8 text", faults=faults) from None


def blueprint(settings: LiveSettings, runtime: RuntimeSettings) -> Blueprint:
    """Return the routes."""
    api = Blueprint("config", __name__, url_prefix="/api/config")

    @api.get("")
    @document_response(LiveSettingsStatistics)
    async def config() -> Response:
        """Return every current value with its source, and what waits for a restart. Secrets are masked."""
        return json_response(settings.statistics())

    @api.patch("")
    @document_request(Patch)
    @document_response(Applied)
    async def change() -> Response:
        """Change values at run time, on all workers; the file is unchanged.

        A single process forgets them when it ends. Several workers store them until they are reverted, so
        that workers started later have them too.
        """
        wanted = (await read_json(Patch)).values
        given = [path for path, value in wanted.items() if value is not None]
        fixed = {path: why for path in given if (why := why_fixed(path)) is not None}
        for path, why in fixed.items():
            raise ProblemError(
                "invalid_settings",
                f"{path[:200]} cannot be changed at run time. It {why}.",
                faults=[{"path": each, "expected": reason} for each, reason in fixed.items()],
            )
        try:
            changed = await runtime.change(wanted)
        except SettingsError as error:
            raise _refused(error) from None
        _log(changed)
        return json_response(
            Applied(
                applied=tuple(change.path for change in changed.changes if change.reason is None),
                waiting=tuple(change.path for change in changed.changes if change.reason is not None),
                workers=changed.workers,
                config=settings.statistics(),
            )
        )

    @api.get("/export")
    async def export() -> Response:
        """Return the current settings as a YAML file, without secrets."""
        text = await trio.to_thread.run_sync(exported, settings.current)
        headers = {
            "Cache-Control": "no-store",
            "Content-Disposition": 'attachment; filename="orchestration.yaml"',
        }
        return Response(text, content_type="application/yaml; charset=utf-8", headers=headers)

    @api.post("/import")
    @document_querystring(ImportQuery)
    @document_response(Imported)
    async def import_() -> Response:
        """Apply the settings of a YAML file (the body); ``dry_run`` only previews the changes.

        A value that the file leaves out stays as it is. Commands, URLs, keys and file paths are left alone.
        """
        query = read_query(ImportQuery)
        text = await _read_text()
        try:
            plan = await trio.to_thread.run_sync(imported, text, settings.current)
            if query.dry_run or not plan.values:
                return json_response(Imported(dry_run=query.dry_run, changes=plan.changes))
            changed = await runtime.change(plan.values)
        except SettingsError as error:
            raise _refused(error) from None
        _log(changed)
        return json_response(Imported(dry_run=False, changes=plan.changes, workers=changed.workers))

    return api


def _log(changed: Changed) -> None:
    """Write a line for each value that was changed."""
    for each in changed.changes:
        old, new = masked(each.path, each.old), masked(each.path, each.new)
        log_change("setting", path=each.path, old=old, new=new, waits=each.reason is not None)
