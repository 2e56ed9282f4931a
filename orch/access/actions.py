"""The actions that permissions are given for, and the action of each route, message and topic. Pure.

A new route, message or topic needs a row here: without one it is an operator's alone, and a test fails.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Final


class Action(Enum):
    """What a request or a message does. :func:`orch.access.permissions.allowed` says who may do it."""

    USE_PUBLIC = "use what is public"
    """Pages, files, figures for everyone; also what a later check decides: a recovery token, a join code."""
    CONNECT = "open a WebSocket connection"
    VIEW_OPERATIONS = "view operations"
    """Operators' pages and statuses, settings, and details of connections and sessions."""
    CHANGE_OPERATIONS = "change operations"
    SCRAPE_METRICS = "scrape metrics"
    CREATE_SESSION = "create a session"
    CREATE_SYNTHETIC_SESSION = "create a session that counts in no figure of use"
    READ_SESSION = "read a session"
    """Join it, read its messages, list its recordings."""
    SPEAK_IN_SESSION = "speak in a session"
    """Send messages, audio and recordings."""
    INVITE_TO_SESSION = "invite to a session"
    """Create, list and delete the codes that others join it with."""
    CANCEL_ANY_RECORDING = "cancel any recording of a session"
    """Without the recording's own key."""
    EDIT_TRANSCRIPT = "correct and delete the lines of a session"
    TITLE_SESSION = "give a session a title"
    MODERATE_SESSION = "mute, remove and rename the participants of a session, lock it and end it"
    CALL_BACK_END = "call a back end"
    REGISTER_INSTANCE = "register an instance of a back end"
    """Open at the door; its token, or operator rights, are asked for after that."""
    RECEIVE_ALERTS = "send alerts to the service"
    """Open at the door; their token, or operator rights, are asked for after that."""
    PROCESS_AUDIO = "process a file with the audio pipeline"
    """It costs a core for as long as it takes, so it needs an operator, or this machine."""


#: Actions in a session. Its key decides, or the role of the participant who has joined. A tuple: to hash a
#: member of an Enum takes longer than to compare seven.
IN_SESSION: Final = (
    Action.READ_SESSION,
    Action.SPEAK_IN_SESSION,
    Action.INVITE_TO_SESSION,
    Action.CANCEL_ANY_RECORDING,
    Action.EDIT_TRANSCRIPT,
    Action.TITLE_SESSION,
    Action.MODERATE_SESSION,
)

#: By method and rule, as the application's routes spell it.
ROUTES: Final[Mapping[tuple[str, str], Action]] = {
    # Pages.
    ("GET", "/"): Action.VIEW_OPERATIONS,
    ("GET", "/bots"): Action.VIEW_OPERATIONS,
    ("GET", "/bots/<bot_id>"): Action.VIEW_OPERATIONS,
    ("GET", "/connections"): Action.VIEW_OPERATIONS,
    ("GET", "/gateway"): Action.VIEW_OPERATIONS,
    ("GET", "/tree"): Action.VIEW_OPERATIONS,
    ("GET", "/incidents"): Action.VIEW_OPERATIONS,
    ("GET", "/analytics"): Action.VIEW_OPERATIONS,
    ("GET", "/settings"): Action.VIEW_OPERATIONS,
    ("GET", "/audio-processing-controls.html"): Action.VIEW_OPERATIONS,
    ("GET", "/audio-diagnostic.html"): Action.VIEW_OPERATIONS,
    ("GET", "/test-audio.html"): Action.VIEW_OPERATIONS,
    ("GET", "/translation"): Action.USE_PUBLIC,
    ("GET", "/sessions"): Action.USE_PUBLIC,  # the page; each session's key decides about the session
    ("GET", "/join"): Action.USE_PUBLIC,
    ("POST", "/join"): Action.USE_PUBLIC,  # the code decides
    ("GET", "/captions/<name>"): Action.USE_PUBLIC,  # the page; its session's key decides in join_session
    ("GET", "/sign-in"): Action.USE_PUBLIC,
    ("POST", "/sign-in"): Action.USE_PUBLIC,
    ("POST", "/sign-out"): Action.USE_PUBLIC,
    ("GET", "/static/<path:address>"): Action.USE_PUBLIC,
    ("GET", "/favicon.ico"): Action.USE_PUBLIC,
    # The status page: 404 for everyone until it is switched on.
    ("GET", "/status"): Action.USE_PUBLIC,
    ("GET", "/status/badge/<service>.svg"): Action.USE_PUBLIC,
    ("GET", "/api/status"): Action.USE_PUBLIC,
    # Probes and metrics.
    ("GET", "/livez"): Action.USE_PUBLIC,
    ("GET", "/readyz"): Action.USE_PUBLIC,
    ("GET", "/api/health"): Action.USE_PUBLIC,  # its details are VIEW_OPERATIONS
    ("GET", "/metrics"): Action.SCRAPE_METRICS,
    ("GET", "/ws"): Action.USE_PUBLIC,  # without an upgrade: explains what is missing
    # What operators read.
    ("GET", "/openapi.json"): Action.VIEW_OPERATIONS,
    ("GET", "/api/services/status"): Action.VIEW_OPERATIONS,
    ("GET", "/api/gateway/status"): Action.VIEW_OPERATIONS,
    ("GET", "/api/gateway/explain"): Action.VIEW_OPERATIONS,
    ("GET", "/api/gateway/history"): Action.VIEW_OPERATIONS,
    ("GET", "/api/registry"): Action.VIEW_OPERATIONS,
    ("PUT", "/api/registry/<service>/<instance>"): Action.REGISTER_INSTANCE,
    ("DELETE", "/api/registry/<service>/<instance>"): Action.REGISTER_INSTANCE,
    ("GET", "/api/metrics/dashboard"): Action.VIEW_OPERATIONS,
    ("GET", "/api/analytics/figures"): Action.VIEW_OPERATIONS,
    ("GET", "/api/analytics/series"): Action.VIEW_OPERATIONS,
    ("GET", "/api/analytics/forecast"): Action.VIEW_OPERATIONS,
    ("GET", "/api/analytics/anomalies"): Action.VIEW_OPERATIONS,
    ("GET", "/api/analytics/insights"): Action.VIEW_OPERATIONS,
    ("GET", "/api/tree"): Action.VIEW_OPERATIONS,
    ("GET", "/api/alerts"): Action.VIEW_OPERATIONS,
    ("GET", "/api/alerts/<fingerprint>"): Action.VIEW_OPERATIONS,
    ("POST", "/api/alerts/webhook"): Action.RECEIVE_ALERTS,
    ("GET", "/api/incidents"): Action.VIEW_OPERATIONS,
    ("GET", "/api/incidents/<int:number>"): Action.VIEW_OPERATIONS,
    ("GET", "/api/uptime"): Action.VIEW_OPERATIONS,
    ("GET", "/api/status/announcements"): Action.VIEW_OPERATIONS,
    ("GET", "/api/workers"): Action.VIEW_OPERATIONS,
    ("GET", "/api/connections"): Action.VIEW_OPERATIONS,
    ("GET", "/api/config"): Action.VIEW_OPERATIONS,
    ("GET", "/api/config/export"): Action.VIEW_OPERATIONS,
    ("GET", "/api/sessions"): Action.VIEW_OPERATIONS,
    # What operators change.
    ("PATCH", "/api/config"): Action.CHANGE_OPERATIONS,
    ("POST", "/api/config/import"): Action.CHANGE_OPERATIONS,
    ("POST", "/api/services/restart"): Action.CHANGE_OPERATIONS,
    ("POST", "/api/gateway/control"): Action.CHANGE_OPERATIONS,
    ("POST", "/api/services/stop-recovery"): Action.CHANGE_OPERATIONS,
    ("POST", "/api/tree/<branch>/restart"): Action.CHANGE_OPERATIONS,
    ("POST", "/api/announcements"): Action.CHANGE_OPERATIONS,
    ("POST", "/api/alerts/<fingerprint>/acknowledgement"): Action.CHANGE_OPERATIONS,
    ("DELETE", "/api/alerts/<fingerprint>/acknowledgement"): Action.CHANGE_OPERATIONS,
    ("POST", "/api/incidents/<int:number>/notes"): Action.CHANGE_OPERATIONS,
    ("PUT", "/api/incidents/<int:number>/post-mortem"): Action.CHANGE_OPERATIONS,
    ("POST", "/api/status/announcements"): Action.CHANGE_OPERATIONS,
    ("DELETE", "/api/status/announcements/<int:number>"): Action.CHANGE_OPERATIONS,
    ("DELETE", "/api/connections/<connection_id>"): Action.CHANGE_OPERATIONS,
    ("DELETE", "/api/sessions/<session_id>"): Action.CHANGE_OPERATIONS,
    # Meeting bots: what was said in meetings is for operators alone.
    ("GET", "/api/bots"): Action.VIEW_OPERATIONS,
    ("GET", "/api/bots/stats"): Action.VIEW_OPERATIONS,
    ("GET", "/api/bots/<bot_id>"): Action.VIEW_OPERATIONS,
    ("GET", "/api/bots/<bot_id>/transcript"): Action.VIEW_OPERATIONS,
    ("GET", "/api/bots/<bot_id>/translations"): Action.VIEW_OPERATIONS,
    ("GET", "/api/bots/<bot_id>/timeline"): Action.VIEW_OPERATIONS,
    ("GET", "/api/bots/<bot_id>/correlations"): Action.VIEW_OPERATIONS,
    ("GET", "/api/bots/<bot_id>/events"): Action.VIEW_OPERATIONS,
    ("GET", "/api/bots/<bot_id>/recording"): Action.VIEW_OPERATIONS,
    ("GET", "/api/bots/<bot_id>/recording/<file_id>"): Action.VIEW_OPERATIONS,
    ("GET", "/api/bots/<bot_id>/evidence"): Action.VIEW_OPERATIONS,
    ("GET", "/api/bots/<bot_id>/evidence/<file_id>"): Action.VIEW_OPERATIONS,
    ("GET", "/api/bots/<bot_id>/webcam.png"): Action.VIEW_OPERATIONS,
    ("GET", "/api/bots/<bot_id>/webcam.mjpg"): Action.VIEW_OPERATIONS,
    ("GET", "/api/calendars"): Action.VIEW_OPERATIONS,
    ("GET", "/api/webhooks"): Action.VIEW_OPERATIONS,
    ("GET", "/api/webhooks/<endpoint_id>"): Action.VIEW_OPERATIONS,
    ("GET", "/api/webhooks/<endpoint_id>/deliveries"): Action.VIEW_OPERATIONS,
    ("GET", "/api/webhooks/deliveries/<delivery_id>"): Action.VIEW_OPERATIONS,
    ("POST", "/api/bots"): Action.CHANGE_OPERATIONS,
    ("POST", "/api/bots/<bot_id>/leave"): Action.CHANGE_OPERATIONS,
    ("POST", "/api/bots/<bot_id>/pause"): Action.CHANGE_OPERATIONS,
    ("POST", "/api/bots/<bot_id>/resume"): Action.CHANGE_OPERATIONS,
    ("POST", "/api/bots/<bot_id>/chat"): Action.CHANGE_OPERATIONS,
    ("POST", "/api/bots/<bot_id>/speak"): Action.CHANGE_OPERATIONS,
    ("POST", "/api/bots/<bot_id>/language"): Action.CHANGE_OPERATIONS,
    ("PATCH", "/api/bots/<bot_id>/webcam"): Action.CHANGE_OPERATIONS,
    ("DELETE", "/api/bots/<bot_id>/data"): Action.CHANGE_OPERATIONS,
    ("POST", "/api/webhooks"): Action.CHANGE_OPERATIONS,
    ("PATCH", "/api/webhooks/<endpoint_id>"): Action.CHANGE_OPERATIONS,
    ("POST", "/api/webhooks/<endpoint_id>/rotate"): Action.CHANGE_OPERATIONS,
    ("DELETE", "/api/webhooks/<endpoint_id>"): Action.CHANGE_OPERATIONS,
    ("POST", "/api/webhooks/deliveries/<delivery_id>/redeliver"): Action.CHANGE_OPERATIONS,
    # The audio pipeline.
    ("GET", "/api/pipeline/schema"): Action.USE_PUBLIC,
    ("GET", "/api/pipeline/presets"): Action.USE_PUBLIC,
    ("POST", "/api/pipeline/process"): Action.PROCESS_AUDIO,
    ("POST", "/api/pipeline/analyze"): Action.PROCESS_AUDIO,
    ("POST", "/api/pipeline/compare"): Action.PROCESS_AUDIO,
    # Sessions.
    ("GET", "/api/languages"): Action.USE_PUBLIC,
    ("POST", "/api/sessions/create"): Action.CREATE_SESSION,
    ("GET", "/api/sessions/<session_id>"): Action.READ_SESSION,
    ("PATCH", "/api/sessions/<session_id>"): Action.TITLE_SESSION,
    ("GET", "/api/sessions/<session_id>/transcript"): Action.READ_SESSION,
    ("POST", "/api/sessions/<session_id>/search"): Action.READ_SESSION,
    ("POST", "/api/sessions/<session_id>/codes"): Action.INVITE_TO_SESSION,
    ("GET", "/api/sessions/<session_id>/codes"): Action.INVITE_TO_SESSION,
    ("DELETE", "/api/sessions/<session_id>/codes/<right>"): Action.INVITE_TO_SESSION,
    ("GET", "/api/sessions/<session_id>/pipeline"): Action.MODERATE_SESSION,
    ("PUT", "/api/sessions/<session_id>/pipeline"): Action.MODERATE_SESSION,
    ("GET", "/api/sessions/<session_id>/moderation"): Action.MODERATE_SESSION,
    ("PATCH", "/api/sessions/<session_id>/moderation"): Action.MODERATE_SESSION,
    ("PATCH", "/api/sessions/<session_id>/participants/<participant_id>"): Action.MODERATE_SESSION,
    ("DELETE", "/api/sessions/<session_id>/participants/<participant_id>"): Action.MODERATE_SESSION,
    ("POST", "/api/sessions/<session_id>/keys"): Action.MODERATE_SESSION,
    ("POST", "/api/sessions/<session_id>/end"): Action.MODERATE_SESSION,
    ("POST", "/api/join"): Action.USE_PUBLIC,  # the code decides
    ("POST", "/api/sessions/<session_id>/recordings"): Action.SPEAK_IN_SESSION,
    ("GET", "/api/sessions/<session_id>/recordings"): Action.READ_SESSION,
    ("DELETE", "/api/sessions/<session_id>/recordings/<stream_id>"): Action.SPEAK_IN_SESSION,
    ("POST", "/api/sessions/<session_id>/uploads"): Action.SPEAK_IN_SESSION,
    ("GET", "/api/sessions/<session_id>/uploads/<upload_id>"): Action.SPEAK_IN_SESSION,
    ("PATCH", "/api/sessions/<session_id>/uploads/<upload_id>"): Action.SPEAK_IN_SESSION,
    ("DELETE", "/api/sessions/<session_id>/uploads/<upload_id>"): Action.SPEAK_IN_SESSION,
}

#: What begins something that takes memory or descriptors for a while: refused while few are left.
NEW_WORK: Final = frozenset(
    {
        ("POST", "/api/bots"),
        ("POST", "/api/pipeline/process"),
        ("POST", "/api/pipeline/analyze"),
        ("POST", "/api/pipeline/compare"),
        ("POST", "/api/sessions/create"),
        ("POST", "/api/sessions/<session_id>/recordings"),
        ("POST", "/api/sessions/<session_id>/uploads"),
    }
)

#: By the type of a client's message; ``binary`` is a frame of audio. What SPEAK_IN_SESSION does needs a
#: participant, so the role decides; READ_SESSION is joining, so the key does.
MESSAGES: Final[Mapping[str, Action]] = {
    "ping": Action.USE_PUBLIC,
    "test_message": Action.USE_PUBLIC,
    "create_session": Action.CREATE_SESSION,
    "join_session": Action.READ_SESSION,
    "recover_session": Action.USE_PUBLIC,  # the recovery token decides
    "leave_session": Action.USE_PUBLIC,
    "broadcast": Action.SPEAK_IN_SESSION,
    "audio_start": Action.SPEAK_IN_SESSION,
    "binary": Action.SPEAK_IN_SESSION,  # decided when its stream was opened
    "audio_end": Action.USE_PUBLIC,
    "cancel_recording": Action.SPEAK_IN_SESSION,
    "receive_audio": Action.SPEAK_IN_SESSION,
    "name_speaker": Action.SPEAK_IN_SESSION,
    "set_terms": Action.SPEAK_IN_SESSION,
    "set_pipeline": Action.MODERATE_SESSION,
    "correct_line": Action.EDIT_TRANSCRIPT,
    "delete_line": Action.EDIT_TRANSCRIPT,
    "title_session": Action.TITLE_SESSION,
    "set_session": Action.MODERATE_SESSION,
    "mute_participant": Action.MODERATE_SESSION,
    "unmute": Action.SPEAK_IN_SESSION,  # of oneself
    "remove_participant": Action.MODERATE_SESSION,
    "rename_participant": Action.MODERATE_SESSION,
    "new_keys": Action.MODERATE_SESSION,
    "end_session": Action.MODERATE_SESSION,
    "service_message": Action.CALL_BACK_END,
    "subscribe": Action.USE_PUBLIC,  # its topic decides
    "unsubscribe": Action.USE_PUBLIC,
}

#: Subscribing, by topic.
TOPICS: Final[Mapping[str, Action]] = {
    "counts": Action.USE_PUBLIC,
    "services": Action.VIEW_OPERATIONS,
    "store": Action.VIEW_OPERATIONS,
    "gateway": Action.VIEW_OPERATIONS,
    "connections": Action.VIEW_OPERATIONS,
    "workers": Action.VIEW_OPERATIONS,
    "metrics": Action.VIEW_OPERATIONS,
    "analytics": Action.VIEW_OPERATIONS,
    "insights": Action.VIEW_OPERATIONS,
    "tree": Action.VIEW_OPERATIONS,
    "config": Action.VIEW_OPERATIONS,
    "alerts": Action.VIEW_OPERATIONS,
    "bots": Action.VIEW_OPERATIONS,
    "bots/ID": Action.VIEW_OPERATIONS,
}


def action_of_route(method: str, rule: str) -> Action:
    """Return the action of a route; HEAD counts as GET, OPTIONS only lists the methods."""
    if method == "OPTIONS":
        return Action.USE_PUBLIC
    return ROUTES.get(("GET" if method == "HEAD" else method, rule), Action.CHANGE_OPERATIONS)


def action_of_message(kind: str) -> Action:
    """Return the action of a message type."""
    return MESSAGES.get(kind, Action.CHANGE_OPERATIONS)


def action_of_topic(topic: str) -> Action:
    """Return the action of subscribing to a topic."""
    return TOPICS.get(topic, Action.VIEW_OPERATIONS)
