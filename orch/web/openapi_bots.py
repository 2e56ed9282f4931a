"""The OpenAPI document of meeting bots, where handlers' types do not cover it: files, and examples. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from orch.speech.exports import FORMATS

_FILE: Final = {"type": "string", "format": "binary"}
_TEXT: Final = {"type": "string"}
_CODES: Final = "Language codes separated by commas: up to 32, each of at most 35 characters."
_FORMATS: Final = ("txt", "srt", "vtt")
_PART: Final = {
    "Accept-Ranges": {"schema": {"enum": ["bytes"]}},
    "Content-Disposition": {"schema": _TEXT},
    "ETag": {"schema": _TEXT},
}


def _download(description: str, *kinds: str) -> dict[str, Any]:
    """Return the responses of a file: whole, in part, and without the part that was requested."""
    content = {kind: {"schema": _FILE} for kind in kinds}
    part = {"Content-Range": {"schema": _TEXT}}
    return {
        "responses": {
            "200": {"description": description, "headers": _PART, "content": content},
            "206": {"description": "The part in Range.", "headers": _PART | part, "content": content},
            "416": {"description": "Nothing of Range exists.", "headers": part},
        }
    }


#: Additions to operations, by method and path.
OPERATIONS: Final[Mapping[tuple[str, str], Mapping[str, Any]]] = {
    ("get", "/api/bots/{bot_id}/transcript"): {
        "more_content": {FORMATS[kind].media_type.partition(";")[0]: {"schema": _TEXT} for kind in _FORMATS},
        "headers": {"X-Transcript-Complete": {"schema": {"enum": ["true", "false"]}}},
        "parameters": {"languages": {"description": _CODES}},
    },
    ("get", "/api/bots/{bot_id}/recording/{file_id}"): _download(
        "The recorded file.", "audio/flac", "audio/wav", "application/octet-stream"
    ),
    ("get", "/api/bots/{bot_id}/evidence/{file_id}"): _download(
        "The file. The page's DOM is plain text.",
        "image/jpeg",
        "image/png",
        "text/plain",
        "application/octet-stream",
    ),
    ("get", "/api/bots/{bot_id}/webcam.png"): {
        "responses": {
            "200": {
                "description": "The picture.",
                "headers": {"X-Camera-Frame": {"schema": {"type": "integer"}}},
                "content": {"image/png": {"schema": _FILE}},
            },
            "204": {"description": "With `frame`: the camera is off since that frame."},
        },
        "parameters": {"frame": {"description": "A frame that the bot's live state named."}},
    },
    ("get", "/api/bots/{bot_id}/webcam.mjpg"): {
        "responses": {
            "200": {
                "description": "JPEG pictures, each when it differs from the one before.",
                "content": {"multipart/x-mixed-replace": {"schema": _FILE}},
            }
        }
    },
    ("post", "/api/bots/{bot_id}/speak"): {
        "requestBody": {
            "required": True,
            "description": "A recording: WAV or any usual format, up to 120 s and 16 MiB.",
            "content": {
                "audio/wav": {"schema": _FILE},
                "audio/*": {"schema": _FILE},
                "application/octet-stream": {"schema": _FILE},
            },
        }
    },
    ("delete", "/api/webhooks/{endpoint_id}"): {
        "responses": {"204": {"description": "The endpoint is removed."}}
    },
}

#: Bodies of requests, by method and path.
EXAMPLES: Final[Mapping[tuple[str, str], Any]] = {
    ("post", "/api/bots"): {
        "meeting_url": "https://meet.google.com/abc-defg-hij",
        "name": "Live captions (bot)",
        "languages": {
            "interface": "en",
            "captions": "en",
            "spoken": "auto",
            "targets": ["es"],
            "camera": "es",
        },
        "camera": {"mode": "bottom_banner", "theme": "dark", "title": "Subtítulos en directo"},
        "recording": {"audio": "per_speaker", "format": "flac"},
        "consent": {"require": "host", "announce": True},
        "rules": {"lobby": 600, "everyone_left": 5, "bot_names": ["Notes of"]},
        "idempotency_key": "ticket-17",
        "metadata": {"ticket": 17},
    },
    ("post", "/api/bots/{bot_id}/chat"): {"text": "The captions are on this bot's camera."},
    ("post", "/api/bots/{bot_id}/language"): {"spoken": "en", "targets": ["es", "de"], "camera": "de"},
    ("patch", "/api/bots/{bot_id}/webcam"): {"on": True, "mode": "sidebar", "theme": "high_contrast"},
    ("post", "/api/webhooks"): {
        "url": "https://hooks.example.org/bots",
        "triggers": ["bot.state_change", "transcript.update"],
        "description": "ticket system",
    },
    ("patch", "/api/webhooks/{endpoint_id}"): {"triggers": ["bot.state_change"], "is_enabled": True},
    ("post", "/api/webhooks/{endpoint_id}/rotate"): {"overlap": 86_400},
}
