"""Every error that the HTTP API and the socket can answer, in one table.

HTTP answers are ``application/problem+json`` (RFC 9457); the socket answers ``error`` with the same code.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct


class Problem(Struct, frozen=True):
    """A kind of error: a stable code, the HTTP status it has, and one sentence that never changes."""

    code: str
    status: int
    title: str


_TABLE: Final = (
    # What was sent cannot be read.
    Problem("invalid_json", 400, "The message is not JSON."),
    Problem("invalid_message", 400, "The message does not have the fields it needs."),
    Problem("unknown_type", 400, "There is no message of this type."),
    Problem("invalid_request", 400, "The request does not have the fields it needs."),
    Problem("unknown_topic", 400, "There is no topic of this name."),
    Problem("message_too_large", 413, "The message is larger than a message may be."),
    # Sessions.
    Problem("session_exists", 409, "A session of this name exists already."),
    Problem("unknown_session", 404, "There is no session of this name. It may have ended."),
    Problem("not_in_session", 409, "Join the session first."),
    Problem("too_many_sessions", 429, "This connection is in as many sessions as it may be."),
    Problem("too_many_sessions_from_address", 429, "There are as many sessions of this address as may be."),
    Problem("sessions_full", 503, "There are as many sessions as may be."),
    Problem("store_full", 507, "All that may be stored is."),
    Problem("store_unavailable", 503, "What must be kept cannot be written now. Try again soon."),
    Problem("key_required", 403, "A session is opened with its key."),
    Problem("not_your_recording", 403, "A recording is cancelled by who sent it, the owner or an operator."),
    Problem("read_only", 403, "Observers read; they do not speak or send."),
    # Speech.
    Problem("audio_not_started", 409, "Send audio_start before audio."),
    Problem("audio_already_started", 409, "This connection is already sending audio. Send audio_end first."),
    Problem("odd_byte_count", 400, "Audio is 16-bit: the number of bytes must be even."),
    Problem("unsupported_sample_rate", 422, "Audio of this sample rate cannot be used."),
    Problem("unsupported_language", 422, "No back end offers this language."),
    Problem("not_audio", 415, "The upload is not a recording that can be read."),
    Problem("empty_audio", 422, "The recording holds no sound."),
    Problem("recording_too_large", 413, "A recording may be 25 MB at most."),
    Problem("recording_too_long", 413, "The recording lasts longer than a recording may."),
    Problem("recording_too_costly", 422, "Reading the recording takes more memory or time than it may."),
    Problem("unknown_recording", 404, "No such recording is being written down. It may have ended."),
    Problem("too_many_recordings", 503, "As many recordings as may be are being read now. Try again soon."),
    Problem("too_many_streams", 429, "As many people as may be are speaking. Try again soon."),
    Problem("speech_lost", 503, "Speech was not written down before the buffer ran out."),
    # Back ends.
    Problem("request_timeout", 408, "The request did not come in full in time."),
    Problem("unknown_service", 404, "There is no service of this name."),
    Problem("service_unavailable", 503, "The service is not answering."),
    Problem("overloaded", 503, "As many requests as may be are under way. Try again soon."),
    Problem("too_many_requests", 429, "As many requests as may be are under way from this address."),
    Problem("own_shortage", 503, "This service itself is short of something it needs. Try again soon."),
    Problem("bad_gateway", 502, "The service gave an answer that cannot be read."),
    Problem("refused", 502, "The service refused the request."),
    Problem("gateway_timeout", 504, "The service did not answer in time."),
    Problem("not_restartable", 409, "The service was not started by this one and has no restart_command."),
    Problem("engine_missing", 503, "No engine is installed that could do this."),
    # The control API.
    Problem("not_found", 404, "There is nothing at this address."),
    Problem("method_not_allowed", 405, "This address does not take this method."),
    Problem("tls_required", 400, "This address is asked for with https."),
    Problem("upgrade_required", 426, "This address takes WebSockets alone."),
    Problem("unsupported_media_type", 415, "A body of this type cannot be read here."),
    Problem("body_too_large", 413, "The body is larger than it may be."),
    Problem("unknown_connection", 404, "There is no connection of this name. It may have ended."),
    Problem("unknown_worker", 404, "There is no worker of this name. It may have ended."),
    Problem("worker_silent", 504, "The worker did not answer in time."),
    Problem("unknown_branch", 404, "The tree has no branch of this name."),
    Problem("invalid_settings", 422, "The settings cannot be used."),
    Problem("token_required", 401, "This needs the rights of an operator: the control token, or a sign-in."),
    Problem("misdirected_request", 421, "The service does not answer to this host name."),
    Problem("wrong_origin", 403, "This page may not talk to the service."),
    Problem("socket_refused", 403, "There is no WebSocket for this request."),
    Problem("rate_limited", 429, "Too many requests. Wait and try again."),
    Problem("starting", 503, "The service is starting. Try again soon."),
    Problem("shutting_down", 503, "The service is stopping. Connect again soon."),
    Problem("too_many_connections", 503, "As many connections as may be are open."),
    Problem("too_many_from_address", 429, "As many connections as may be are open from this address."),
    Problem("internal_error", 500, "Something failed here. The log has the reason under the request's id."),
)

PROBLEMS: Final[Mapping[str, Problem]] = {problem.code: problem for problem in _TABLE}

TYPE_PREFIX: Final = "urn:orchestration:problem:"


class ProblemError(Exception):
    """A request or message that cannot be carried out, with the sentence its sender is shown.

    ``extra`` becomes further members of the answer (RFC 9457 §3.2), for instance ``service``.
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
