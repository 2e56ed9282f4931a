"""Every error that the HTTP API and the WebSocket can return, in one table. Pure.

HTTP responses are ``application/problem+json`` (RFC 9457); the WebSocket sends ``error`` with the same code.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct


class Problem(Struct, frozen=True):
    """A kind of error: a stable code, its HTTP status, and its title."""

    code: str
    status: int
    title: str


_TABLE: Final = (
    # Malformed requests.
    Problem("invalid_json", 400, "The message is not valid JSON."),
    Problem("invalid_message", 400, "A field of the message is missing or invalid."),
    Problem("unknown_type", 400, "Unknown message type."),
    Problem("invalid_request", 400, "A field of the request is missing or invalid."),
    Problem("unknown_topic", 400, "No topic has this name."),
    Problem("too_many_topics", 429, "This connection follows too many topics."),
    Problem("message_too_large", 413, "The message is too large."),
    # Sessions.
    Problem("session_exists", 409, "A session with this name already exists."),
    Problem("unknown_session", 404, "No session has this name. It may have ended."),
    Problem("unknown_code", 404, "No session has this code. It may have been replaced."),
    Problem("not_in_session", 409, "Join the session first."),
    Problem("too_many_sessions", 429, "This connection has joined too many sessions."),
    Problem("too_many_sessions_from_address", 429, "The session limit of this address has been reached."),
    Problem("sessions_full", 503, "The session limit has been reached."),
    Problem("store_full", 507, "The storage limit for sessions has been reached."),
    Problem("store_unavailable", 503, "Nothing can be stored right now. Try again soon."),
    Problem("key_required", 403, "Joining this session requires its key."),
    Problem(
        "not_your_recording",
        403,
        "Only its sender, the session's owner or an operator can cancel a recording.",
    ),
    Problem("not_owner", 403, "Only the session's owner or an operator can do this."),
    Problem("session_locked", 423, "The session is locked: nobody new can join."),
    Problem("session_ended", 410, "The session's host has ended it."),
    Problem("removed", 403, "The session's host has removed this participant."),
    Problem("muted", 403, "The session's host has muted this participant."),
    Problem("unknown_participant", 404, "No participant of this session has this id."),
    Problem("unknown_line", 404, "No line of this session has this id and offset. It may be gone."),
    Problem("read_only", 403, "Observers can read, but not speak or send."),
    # Speech.
    Problem("audio_not_started", 409, "Send audio_start before audio."),
    Problem("audio_already_started", 409, "This connection is already sending audio. Send audio_end first."),
    Problem("odd_byte_count", 400, "Audio samples are 16-bit: the number of bytes must be even."),
    Problem("unsupported_sample_rate", 422, "This sample rate is not supported."),
    Problem("unsupported_language", 422, "No back end supports this language."),
    Problem("not_audio", 415, "The upload is not a recording in a supported format."),
    Problem("empty_audio", 422, "The recording contains no audio."),
    Problem("recording_too_large", 413, "The recording is too large."),
    Problem("recording_too_long", 413, "The recording is too long."),
    Problem("recording_too_costly", 422, "Decoding the recording takes too much memory or time."),
    Problem("nothing_left", 422, "The stage silence removed all of the recording."),
    Problem("unknown_preset", 422, "No preset of the audio pipeline has this name."),
    Problem("pipeline_busy", 503, "The limit of files in the audio pipeline has been reached."),
    Problem("too_many_files", 429, "The limit of files of this address in the audio pipeline is reached."),
    Problem("unknown_recording", 404, "No recording with this id is being transcribed. It may have ended."),
    Problem("unsupported_tus_version", 412, "The service supports version 1.0.0 of the tus protocol."),
    Problem("unknown_upload", 404, "No upload has this id. It was cancelled, or is too old."),
    Problem("wrong_offset", 409, "A piece has to begin where the stored bytes end."),
    Problem("upload_in_use", 423, "Another request is still sending to this upload."),
    Problem("upload_incomplete", 409, "Parts of the upload have not arrived yet."),
    Problem("too_many_uploads", 503, "The limit of unfinished uploads has been reached. Try again later."),
    Problem("too_many_recordings", 503, "The recording limit has been reached. Try again soon."),
    Problem("too_many_streams", 429, "The limit of audio streams has been reached. Try again soon."),
    Problem("speech_lost", 503, "Some speech could not be transcribed before the buffer overflowed."),
    # Back ends.
    Problem("request_timeout", 408, "The request did not arrive completely in time."),
    Problem("unknown_service", 404, "No service has this name."),
    Problem("unknown_instance", 404, "The service has no instance with this name or URL."),
    Problem("service_unavailable", 503, "The service is not responding."),
    Problem("overloaded", 503, "The request limit has been reached. Try again soon."),
    Problem("shed", 503, "The service has too much to do. Try again later."),
    Problem("too_many_requests", 429, "The request limit of this address has been reached."),
    Problem("own_shortage", 503, "The orchestration service is out of a resource. Try again soon."),
    Problem("bad_gateway", 502, "The service sent an invalid response."),
    Problem("refused", 502, "The service refused the request."),
    Problem("loop_detected", 508, "The request came back to the service that forwarded it."),
    Problem("gateway_timeout", 504, "The service did not respond in time."),
    Problem("no_recovery", 409, "There is no recovery to stop."),
    Problem(
        "not_restartable",
        409,
        "The service cannot be restarted from here: it is not a child process and has no restart_command.",
    ),
    Problem("registry_off", 404, "Instances of this service cannot register themselves."),
    Problem("address_refused", 403, "No instance may be registered at this address."),
    Problem("instance_taken", 409, "Another address has registered an instance of this name."),
    Problem("registry_full", 409, "The limit of registered instances has been reached."),
    Problem("engine_missing", 503, "The back end has no engine installed."),
    # Meeting bots.
    Problem("bad_meeting_url", 422, "This is not the URL of a meeting that a bot can join."),
    Problem("unknown_bot", 404, "No bot has this id."),
    Problem("meeting_unreachable", 503, "The meeting's address cannot be reached from this machine."),
    Problem("wrong_bot_state", 409, "A bot in this state cannot do this."),
    Problem("bots_off", 503, "Meeting bots are switched off."),
    Problem("browser_missing", 503, "Bots need Chromium, which is not installed."),
    Problem("too_many_bots", 503, "The limit of bots that wait for a place has been reached."),
    Problem("idempotency_key_reused", 422, "Another request has used this idempotency key."),
    Problem("bot_silent", 504, "The bot did not carry out the command in time."),
    Problem("bot_data_deleted", 410, "What this bot captured has been deleted."),
    Problem("camera_off", 409, "The bot has no camera picture now."),
    Problem("picture_too_large", 503, "The camera's picture is too large to be sent between workers."),
    Problem("too_many_viewers", 503, "The limit of viewers of cameras has been reached."),
    Problem("unknown_file", 404, "The bot has no file with this id. It may have been deleted."),
    Problem("file_locked", 409, "The file is encrypted with a key that the service does not have."),
    Problem("file_damaged", 409, "The file was changed, and cannot be decrypted."),
    Problem("bad_webhook_url", 422, "Webhooks cannot be sent to this URL."),
    Problem("unknown_endpoint", 404, "No webhook endpoint has this id."),
    Problem("unknown_delivery", 404, "No delivery has this id. It may have been deleted."),
    Problem("endpoint_disabled", 409, "The webhook endpoint is disabled. Enable it first."),
    Problem("delivery_in_progress", 409, "The delivery is being attempted."),
    Problem("too_many_endpoints", 409, "The limit of webhook endpoints has been reached."),
    # The control API.
    Problem("not_found", 404, "This path does not exist."),
    Problem("method_not_allowed", 405, "This path does not support the method."),
    Problem("tls_required", 400, "This address requires https."),
    Problem("upgrade_required", 426, "This path accepts WebSocket connections only."),
    Problem("unsupported_media_type", 415, "This content type is not supported here."),
    Problem("body_too_large", 413, "The body is too large."),
    Problem("unknown_alert", 404, "No alert has this fingerprint. It may have ended long ago."),
    Problem("alert_over", 409, "The alert does not fire any more."),
    Problem("unknown_incident", 404, "No incident has this number. It may be older than 90 days."),
    Problem("unknown_announcement", 404, "No announcement has this number. It may be older than 90 days."),
    Problem("too_many_notes", 409, "The limit of notes of this incident has been reached."),
    Problem(
        "too_many_announcements", 409, "The limit of current announcements has been reached. End one first."
    ),
    Problem("status_page_off", 404, "The public status page is switched off."),
    Problem("unknown_connection", 404, "No connection has this id. It may have ended."),
    Problem("unknown_worker", 404, "No worker has this id. It may have ended."),
    Problem("worker_silent", 504, "The worker did not reply in time."),
    Problem("forecast_late", 503, "The forecast was not computed in time. Try again soon."),
    Problem("unknown_branch", 404, "No branch of the tree has this name."),
    Problem("invalid_settings", 422, "The settings are invalid."),
    Problem("token_required", 401, "Only operators may do this. Sign in, or send the control token."),
    Problem("misdirected_request", 421, "The service does not accept this host name."),
    Problem("wrong_origin", 403, "Pages of this origin may not use the service."),
    Problem("socket_refused", 403, "The WebSocket request was refused."),
    Problem("rate_limited", 429, "Too many requests. Wait and try again."),
    Problem("starting", 503, "The service is starting. Try again soon."),
    Problem("shutting_down", 503, "The service is stopping. Connect again soon."),
    Problem("too_many_connections", 503, "The connection limit has been reached."),
    Problem("too_many_from_address", 429, "The connection limit of this address has been reached."),
    Problem("internal_error", 500, "Internal error. The log has the reason under the request's id."),
)

PROBLEMS: Final[Mapping[str, Problem]] = {problem.code: problem for problem in _TABLE}

TYPE_PREFIX: Final = "urn:orchestration:problem:"


class ProblemError(Exception):
    """A request or message failed; ``detail`` is a sentence for its sender.

    ``extra`` becomes further members of the document (RFC 9457 §3.2), for instance ``service``.
    """

    def __init__(
        self, code: str, detail: str, *, headers: Mapping[str, str] | None = None, **extra: Any
    ) -> None:
        super().__init__(detail)
        self.problem = PROBLEMS[code]
        self.detail = detail
        self.headers = dict(headers or {})
        self.extra = extra

    @property
    def code(self) -> str:
        """The stable code."""
        return self.problem.code

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.problem.status

    def members(self, *, instance: str | None = None) -> dict[str, Any]:
        """Return the members of the problem document."""
        document: dict[str, Any] = {
            "type": TYPE_PREFIX + self.code,
            "title": self.problem.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        }
        if instance is not None:
            document["instance"] = instance
        return document | self.extra

    def body(self, *, instance: str | None = None) -> bytes:
        """Return the ``application/problem+json`` body; ``instance`` is the request's id."""
        return msgspec.json.encode(self.members(instance=instance))
