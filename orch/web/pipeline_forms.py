"""Reads the forms of the audio pipeline: one file and some fields, from a body that is not trusted."""

import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterator, Mapping
from contextlib import ExitStack, aclosing, contextmanager
from typing import IO, Any, Final, cast

import trio
from msgspec import Struct
from quart import Request
from werkzeug.exceptions import RequestEntityTooLarge

from orch.audio.parameter_rules import Fault
from orch.audio.pipeline_settings import PipelineSettings, SettingsFaultError, decode
from orch.audio.presets import PRESETS, UNNAMED
from orch.problems import ProblemError
from orch.settings.structs import Pipeline
from orch.shortages import WORDS, own_shortage
from orch.untrusted_json import UnreadableError, read_document
from orch.web.pipeline_places import RETRY_AFTER
from orch.web.uploads import paced

OVERHEAD: Final = 262_144
"""Bytes that a form may have around its file."""
ARRIVAL_LIMIT: Final = 600.0
"""Time limit of an upload, in seconds."""


class Choice(Struct, frozen=True, kw_only=True):
    """The settings that a form chooses. ``preset``: the name of a preset; None: they are its own."""

    field: str
    preset: str | None
    settings: PipelineSettings


class Form(Struct, frozen=True, kw_only=True):
    """A form: its file, which is closed with the stack that it was read into, and its text fields."""

    audio: IO[bytes]
    fields: Mapping[str, str]


async def read_form(
    request: Request, stack: ExitStack, names: Collection[str], *, limits: Pipeline, rate: int
) -> Form:
    """Read the form, its file to a private file on disk. ``names``: the fields it may have beside ``audio``.

    ProblemError ``unsupported_media_type``, ``invalid_request`` (with ``path``), ``recording_too_large``,
    ``body_too_large``, ``request_timeout``. OSError: see :func:`shortages`.
    """
    if request.mimetype != "multipart/form-data":
        raise ProblemError(
            "unsupported_media_type",
            f"Send multipart/form-data with the file in the field audio, not "
            f"{request.mimetype or 'a body without Content-Type'}.",
        )
    if (request.content_length or 0) > limits.max_upload_bytes + OVERHEAD:
        raise _too_large(limits)
    parser = request.make_form_data_parser()
    parser.silent = False
    files: list[IO[bytes]] = []

    def make(*_: object) -> IO[bytes]:
        if files:
            raise ProblemError("invalid_request", "The form has more than one file.", path="audio")
        files.append(stack.enter_context(tempfile.TemporaryFile()))  # noqa: SIM115 - the stack closes it
        return files[0]

    parser.stream_factory = make
    with _translated():
        async with (
            aclosing(paced(request.body, rate)) as body,
            aclosing(_bounded(body, limits)) as bounded,
        ):
            fields, given = await parser.parse(
                cast("Any", bounded),
                request.mimetype,
                request.content_length,
                request.mimetype_params,
            )
    if files and not given:
        raise ProblemError("invalid_request", "The body ends before its file does.", path="audio")
    if list(given.keys()) != ["audio"]:
        raise ProblemError("invalid_request", 'The form has no file in the field "audio".', path="audio")
    return Form(audio=files[0], fields=_single(fields, names))


@contextmanager
def _translated() -> Iterator[None]:
    """Raise what goes wrong while a form arrives as a problem."""
    try:
        with trio.fail_after(ARRIVAL_LIMIT):
            yield
    except trio.TooSlowError:
        text = f"The file did not arrive completely within {ARRIVAL_LIMIT:g} s."
        raise ProblemError("request_timeout", text) from None
    except RequestEntityTooLarge:
        raise ProblemError("body_too_large", "The form's fields are too large.") from None
    except ValueError as error:
        text = f"The body is no complete multipart/form-data: {error}."
        raise ProblemError("invalid_request", text, path="$") from None


@contextmanager
def shortages() -> Iterator[None]:
    """Raise what this machine lacks (disk space, file descriptors) as a problem: ``own_shortage``."""
    try:
        yield
    except OSError as error:
        shortage = own_shortage(error)
        if shortage is None:
            raise
        text = f"The file cannot be processed: the service is {WORDS[shortage]}. Try again later."
        raise ProblemError("own_shortage", text, headers={"Retry-After": RETRY_AFTER}) from error


async def _bounded(body: AsyncIterator[bytes], limits: Pipeline) -> AsyncGenerator[bytes, None]:
    size = 0
    async for block in body:
        size += len(block)
        if size > limits.max_upload_bytes + OVERHEAD:
            raise _too_large(limits)
        yield block


def _single(fields: Any, names: Collection[str]) -> dict[str, str]:
    """Return the fields, each of them known and sent once."""
    found: dict[str, str] = {}
    for name, values in fields.lists():
        if name not in names:
            raise ProblemError(
                "invalid_request",
                f"The form has the unknown field {name[:100]!r}. Known are: audio, {', '.join(names)}.",
                path=name[:100],
            )
        if len(values) > 1:
            raise ProblemError("invalid_request", f"The form has the field {name} twice.", path=name)
        found[name] = values[0]
    return found


def chosen(fields: Mapping[str, str]) -> Choice:
    """Return what the fields ``preset`` and ``settings`` choose; without both, the preset ``default``.

    ProblemError ``invalid_request``: both; and those of :func:`preset` and :func:`own`.
    """
    if "preset" in fields and "settings" in fields:
        raise ProblemError(
            "invalid_request", "The form has both preset and settings; send one of them.", path="settings"
        )
    if "settings" in fields:
        return own("settings", fields["settings"])
    return preset("preset", fields.get("preset", UNNAMED))


def either(field: str, fields: Mapping[str, str]) -> Choice:
    """Return what one field chooses: a preset's name, or settings, which begin with a brace.

    ProblemError ``invalid_request``: there is no such field; and those of :func:`preset` and :func:`own`.
    """
    text = fields.get(field)
    if text is None:
        raise ProblemError(
            "invalid_request",
            f"The form has no field {field}: the name of a preset, or settings as JSON.",
            path=field,
        )
    return own(field, text) if text.lstrip("\ufeff \t\r\n").startswith("{") else preset(field, text)


def preset(field: str, name: str) -> Choice:
    """Return a preset's settings. ProblemError ``unknown_preset``."""
    known = PRESETS.get(name.strip())
    if known is None:
        raise ProblemError(
            "unknown_preset",
            f"No preset is called {name[:100]!r}. There are: {', '.join(PRESETS)}.",
            path=field,
        )
    return Choice(field=field, preset=known.name, settings=known.settings)


def own(field: str, text: str) -> Choice:
    """Return the settings in an exported file. ProblemError ``invalid_json``, ``invalid_settings``.

    ``invalid_settings`` has all ``faults``, each with its path.
    """
    try:
        document = read_document(text)
    except UnreadableError as error:
        raise ProblemError("invalid_json", f"The field {field} is no JSON: {error}.", path=field) from None
    try:
        return Choice(field=field, preset=None, settings=decode(document))
    except SettingsFaultError as error:
        raise invalid_settings(field, error.faults) from None


def invalid_settings(field: str, faults: Collection[Fault]) -> ProblemError:
    """Return the problem with all faults of the settings in a field."""
    return ProblemError(
        "invalid_settings",
        "; ".join(f"{fault.path}: expected {fault.expected}" for fault in faults)[:2000],
        field=field,
        faults=[{"path": fault.path, "expected": fault.expected} for fault in faults],
    )


def _too_large(limits: Pipeline) -> ProblemError:
    return ProblemError("recording_too_large", f"A file can have {limits.max_upload_bytes:,} bytes at most.")
