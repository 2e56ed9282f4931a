"""The files of bots over HTTP: recordings, and evidence of why a bot gave up."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import quote

from msgspec import Struct
from quart import Blueprint, Response, request
from quart_schema import document_response

from orch.bots.recordings.files import RecordingFile
from orch.bots.recordings.sealing import DamagedError, LockedError
from orch.problems import ProblemError
from orch.settings.bots import Bots, read_recording_key
from orch.settings.source import SettingsSource
from orch.stores import bot_records as records
from orch.web import bot_records
from orch.web.bot_records import BotRecords, Captured
from orch.web.downloads import Downloads, PlainFile, Readable, attachment, open_below, unknown_file
from orch.web.json_api import json_response

AUDIO_TYPES: Final = {"flac": "audio/flac", "wav": "audio/wav"}
PICTURE_TYPES: Final = {".jpg": "image/jpeg", ".png": "image/png"}
TEXT: Final = "text/plain; charset=utf-8"
"""The page's DOM and the log: the DOM is the meeting's, and must not be a page of this origin."""

GROWING: Final = "recording"
"""The status of a file that is being written."""


class BotRecordingFile(Struct, frozen=True, kw_only=True):
    """A recorded file. ``start``, ``end``: seconds from the session's start; ``at``: since the epoch.

    ``speaker_name``: whose track it is; null: everybody's, or not known. ``file_size``, ``file_hash``: of the
    file on the disk (SHA-256), which may be encrypted. ``processing_status``: ``recording`` while it grows,
    ``complete``, or ``incomplete`` for the ``reason``. ``kind``: ``mixed``, ``speaker``, ``channel`` (of
    several), ``meeting`` (as the page mixes it) or ``signals`` (a tape). ``lost_seconds``: of it that are
    silence in place of sound.
    """

    file_id: str
    file_name: str
    file_size: int
    file_format: str
    duration_seconds: float
    sample_rate: int
    channels: int
    start: float
    end: float
    at: float
    file_hash: str
    processing_status: str
    kind: str
    reason: str | None
    lost_seconds: float
    speaker_name: str | None
    is_encrypted: bool
    href: str


class BotRecordings(Struct, frozen=True, kw_only=True):
    """The recorded files of a bot, by their time."""

    bot_id: str
    session_id: str
    files: tuple[BotRecordingFile, ...]


class BotEvidenceFile(Struct, frozen=True, kw_only=True):
    """A file of evidence: ``screenshot``, ``dom`` or ``log``."""

    file_id: str
    kind: str
    file_size: int
    at: float
    file_hash: str
    href: str


class BotEvidence(Struct, frozen=True, kw_only=True):
    """What the page showed when the bot gave up."""

    bot_id: str
    session_id: str
    files: tuple[BotEvidenceFile, ...]


def open_recording(folders: Sequence[Path], record: records.AudioFile, key: bytes | None) -> Readable:
    """Open a recording, decrypted if it is encrypted; blocks.

    Problems: ``unknown_file``, ``file_locked``, ``file_damaged``.
    """
    descriptor = open_in_any(folders, Path(record.file_path))
    try:
        return RecordingFile(descriptor, key)
    except LockedError as error:
        raise ProblemError("file_locked", str(error)) from None
    except DamagedError as error:
        raise ProblemError("file_damaged", str(error)) from None


def blueprint(bots: BotRecords, settings: SettingsSource) -> Blueprint:
    """Return the routes."""
    api = Blueprint("bot_files", __name__, url_prefix="/api/bots")
    downloads = Downloads()

    @api.get("/<bot_id>/recording")
    @document_response(BotRecordings)
    async def recordings(bot_id: str) -> Response:
        """Return the recorded files of a bot, by their time; each is at its ``href``."""
        found = await bots.find(bot_id)
        files = tuple(_recording(bot_id, each) for each in await _audio_files(found))
        return json_response(BotRecordings(bot_id=bot_id, session_id=found.session_id, files=files))

    @api.get("/<bot_id>/recording/<file_id>")
    async def recording(bot_id: str, file_id: str) -> Response:
        """Return a recorded file, or a part of it (``Range``)."""
        found = await bots.find(bot_id)
        for each in await _audio_files(found):
            if each.file_id == file_id:
                section = settings.current.orchestration.bots
                key = read_recording_key(section.recording_key)
                return await downloads.respond(
                    request,
                    partial(open_recording, _known(section.recordings, section), each, key),
                    content_type=AUDIO_TYPES.get(each.file_format, "application/octet-stream"),
                    # A file that is being written has another content in a moment.
                    etag=None if each.processing_status == GROWING else each.file_hash or None,
                    headers={"Content-Disposition": attachment(each.file_name)},
                )
        raise unknown_file()

    @api.get("/<bot_id>/evidence")
    @document_response(BotEvidence)
    async def evidence(bot_id: str) -> Response:
        """Return what the page showed when the bot gave up: a picture, the DOM, the last lines of the log."""
        found = await bots.find(bot_id)
        files = tuple(_evidence(bot_id, each) for each in await _evidence_files(found))
        return json_response(BotEvidence(bot_id=bot_id, session_id=found.session_id, files=files))

    @api.get("/<bot_id>/evidence/<file_id>")
    async def evidence_file(bot_id: str, file_id: str) -> Response:
        """Return a file of evidence; the DOM is plain text."""
        found = await bots.find(bot_id)
        for each in await _evidence_files(found):
            if each.file_id == file_id:
                path = Path(each.file_path)
                kind = PICTURE_TYPES.get(path.suffix) if each.kind == "screenshot" else TEXT
                name = f"bot-{bot_id}-{each.kind}{path.suffix if kind != TEXT else '.txt'}"
                shown = "inline" if kind and kind != TEXT else attachment(name)
                section = settings.current.orchestration.bots
                return await downloads.respond(
                    request,
                    partial(_open_plain, _known(section.evidence, section), path),
                    content_type=kind or "application/octet-stream",
                    etag=each.file_hash,
                    headers={"Content-Disposition": shown},
                )
        raise unknown_file()

    return api


def open_in_any(folders: Sequence[Path], path: Path) -> int:
    """Return the descriptor of a file in the first of the folders that has it; blocks.

    Paths come from the store: a file anywhere else is ``unknown_file``, as one that is not there.
    """
    for folder in folders:
        try:
            return open_below(folder, path)
        except ProblemError as problem:
            if problem.code != "unknown_file":
                raise
    raise unknown_file()


def _known(folder: str, section: Bots) -> tuple[Path, ...]:
    """Return the folders from which files are sent: where they are written now, and were before."""
    return (Path(folder), *map(Path, section.former_folders))


def _open_plain(folders: Sequence[Path], path: Path) -> Readable:
    return PlainFile(open_in_any(folders, path))


async def _audio_files(found: Captured) -> list[records.AudioFile]:
    async def read(*, after: records.AudioFile | None, limit: int) -> tuple[records.AudioFile, ...]:
        return await found.store.audio_files(found.session_id, after=after, limit=limit)

    return [each async for page in bot_records.every(read) for each in page]


async def _evidence_files(found: Captured) -> list[records.EvidenceFile]:
    async def read(*, after: records.EvidenceFile | None, limit: int) -> tuple[records.EvidenceFile, ...]:
        return await found.store.evidence_files(found.session_id, after=after, limit=limit)

    return [each async for page in bot_records.every(read) for each in page]


def _recording(bot_id: str, each: records.AudioFile) -> BotRecordingFile:
    name, reason = each.metadata.get("speaker_name"), each.metadata.get("reason")
    return BotRecordingFile(
        file_id=each.file_id,
        file_name=each.file_name,
        file_size=each.file_size,
        file_format=each.file_format,
        duration_seconds=each.duration_seconds,
        sample_rate=each.sample_rate,
        channels=each.channels,
        start=each.chunk_start_time,
        end=each.chunk_end_time,
        at=each.at,
        file_hash=each.file_hash,
        processing_status=each.processing_status,
        kind=str(each.metadata.get("kind") or ("speaker" if name else "mixed")),
        reason=reason if isinstance(reason, str) else None,
        lost_seconds=float(each.metadata.get("lost_seconds") or 0.0),
        speaker_name=name if isinstance(name, str) else None,
        is_encrypted=bool(each.metadata.get("encrypted")),
        href=f"/api/bots/{bot_id}/recording/{quote(each.file_id, safe='')}",
    )


def _evidence(bot_id: str, each: records.EvidenceFile) -> BotEvidenceFile:
    return BotEvidenceFile(
        file_id=each.file_id,
        kind=each.kind,
        file_size=each.file_size,
        at=each.at,
        file_hash=each.file_hash,
        href=f"/api/bots/{bot_id}/evidence/{quote(each.file_id, safe='')}",
    )
