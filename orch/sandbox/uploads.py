"""Reads the recording in a request to the audio-service, and decodes it to PCM."""

from contextlib import closing
from io import BytesIO
from typing import Final

import trio
from msgspec import Struct
from quart import request
from werkzeug.exceptions import RequestEntityTooLarge

from orch.audio.recordings import open_recording
from orch.audio.wav import canonical_pcm
from orch.problems import ProblemError
from orch.sandbox.engines.recorded_speech import BYTES_PER_SECOND, SAMPLE_RATE
from orch.speech.languages import AUTO


class UploadLimits(Struct, frozen=True):
    """The maximum bytes of an upload, and the maximum seconds of its audio: a small file may be very long."""

    size: int = 25 * 2**20
    seconds: int = 1800


LONGEST_PROMPT: Final = 1000
"""Characters: more do not fit into Whisper's decoder."""

DEFAULT_LIMITS: Final = UploadLimits()


class Upload(Struct, frozen=True, kw_only=True):
    """The recording and the options of a request.

    ``diarization``: also return who speaks, among the speakers of ``session_id``. ``segment_id``: the name of
    the utterance, so that a longer recording of the same one replaces the shorter. ``prompt``: names and
    terms that may be said. ``interim``: the speech goes on, and another upload replaces the text soon.
    """

    recording: bytes
    language: str = AUTO
    session_id: str | None = None
    enable_vad: bool = True
    diarization: bool = False
    segment_id: str | None = None
    prompt: str = ""
    interim: bool = False


async def read_upload(limits: UploadLimits) -> Upload:
    """Read the request: a form with the file in ``audio``, or the file alone.

    Problems: ``unsupported_media_type``, ``recording_too_large``, ``empty_audio``, ``invalid_request``.
    """
    try:
        upload = await _read_body()
    except RequestEntityTooLarge:
        raise _too_large(limits) from None
    if len(upload.recording) > limits.size:
        raise _too_large(limits)
    if not upload.recording:
        raise ProblemError("empty_audio", "The upload is empty.")
    return upload


async def _read_body() -> Upload:
    if request.mimetype == "multipart/form-data":
        form, files = await request.form, await request.files
        file = files.get("audio")
        if file is None:
            raise ProblemError(
                "invalid_request", 'The form must have the recording in the field "audio".', path="audio"
            )
        with closing(file):
            recording = file.read()
        return Upload(
            recording=recording,
            language=form.get("language", AUTO),
            session_id=form.get("session_id"),
            enable_vad=_read_flag("enable_vad", form.get("enable_vad", "true")),
            diarization=_read_flag("diarization", form.get("diarization", "false")),
            segment_id=form.get("segment_id"),
            prompt=_read_prompt(form.get("prompt", "")),
            interim=_read_flag("interim", form.get("interim", "false")),
        )
    if request.mimetype.startswith(("audio/", "video/")) or request.mimetype == "application/octet-stream":
        return Upload(
            recording=bytes(await request.body),
            language=request.args.get("language", AUTO),
            session_id=request.args.get("session_id"),
            enable_vad=_read_flag("enable_vad", request.args.get("enable_vad", "true")),
            diarization=_read_flag("diarization", request.args.get("diarization", "false")),
            segment_id=request.args.get("segment_id"),
            prompt=_read_prompt(request.args.get("prompt", "")),
            interim=_read_flag("interim", request.args.get("interim", "false")),
        )
    raise ProblemError(
        "unsupported_media_type",
        f"Send multipart/form-data, or audio with its own content type, not {request.mimetype or 'no type'}.",
    )


def _read_prompt(text: str) -> str:
    if len(text) > LONGEST_PROMPT:
        raise ProblemError(
            "invalid_request",
            f"The prompt may have {LONGEST_PROMPT:,} characters. It has {len(text):,}.",
            path="prompt",
        )
    return text


async def decode(recording: bytes, places: trio.CapacityLimiter, limits: UploadLimits) -> bytes:
    """Return all of a recording as 16 kHz mono 16-bit PCM; a decoder takes one of ``places``.

    The orchestration service sends this format already; a decoder process for it would take longer than
    everything else but the engine. Problems: ``not_audio``, ``empty_audio``, ``recording_too_large``.
    """
    pcm = canonical_pcm(recording, SAMPLE_RATE)
    if pcm is not None:
        _check_length(len(pcm), limits)
        return pcm
    decoded = bytearray()
    async with places, open_recording(BytesIO(recording), longest=limits.seconds + 1) as opened:
        while chunk := await opened.read():
            decoded += chunk
            _check_length(len(decoded), limits)
    return bytes(decoded)


def _check_length(size: int, limits: UploadLimits) -> None:
    if size > limits.seconds * BYTES_PER_SECOND:
        raise ProblemError(
            "recording_too_large",
            f"A recording can be {limits.seconds // 60} minutes long at most; send it in parts.",
        )


def _read_flag(name: str, text: str) -> bool:
    flags = {"true": True, "1": True, "false": False, "0": False}
    if text.lower() not in flags:
        raise ProblemError("invalid_request", f"{name} must be true or false.", path=name, expected="bool")
    return flags[text.lower()]


def _too_large(limits: UploadLimits) -> ProblemError:
    return ProblemError("recording_too_large", f"The upload is larger than {limits.size >> 20} MB.")
