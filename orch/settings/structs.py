"""The file's sections as frozen structs, with every default and limit. Pure."""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct, field

from orch.audio import parameters
from orch.settings.alerts import Alerts
from orch.settings.analytics import Analytics
from orch.settings.bots import Bots
from orch.settings.gateway_structs import Gateway
from orch.settings.incidents import Incidents, StatusPage
from orch.settings.journey import Journey
from orch.settings.overload import Overload
from orch.settings.section import (
    KIND,
    Count,
    FilePath,
    HostName,
    NotNegative,
    Port,
    Positive,
    Secret,
    Section,
    Url,
)
from orch.settings.service_structs import DEFAULT_SERVICES, Service
from orch.settings.traces import Traces

_DAY: Final = 86_400.0
_VAD: Final = parameters.Vad()


class Frontend(Section, frozen=True):
    """The addresses and protocols of the service.

    ``worker_ports``: worker 0 also listens at this port of loopback, worker 1 at the next, and so on; 0:
    none. ``allowed_hosts``: accepted host names besides loopback names; ``*.example.org`` means all names
    below. ``trusted_proxies``: addresses and networks whose ``X-Forwarded-For`` and ``-Proto`` are trusted.
    ``trusted_hops``: how many proxies each request passes, the last of which is one of them; 0: those in
    front of it are trusted that are among them, too.
    ``tls_certificate``, ``tls_key``: PEM files, which enable https. ``http2``, ``http3``: enable them, with
    Hypercorn. ``public_url``: the address for other machines, ``https://HOST[:PORT]``, used in links that are
    copied on the machine itself. ``frame_ancestors``: origins, ``https://HOST[:PORT]`` or
    ``https://*.example.org``, whose sites may embed ``/captions/SESSION``.
    """

    host: Annotated[str, Meta(min_length=1)] = "127.0.0.1"
    port: Port = 3000
    workers: Count = 1
    worker_ports: Port = 0
    server: Literal["orch", "hypercorn"] = "orch"
    compression: bool = False
    allowed_hosts: tuple[HostName, ...] = ()
    trusted_proxies: tuple[str, ...] = ("127.0.0.0/8", "::1/128")
    trusted_hops: Annotated[int, Meta(ge=0, le=16)] = 0
    tls_certificate: FilePath = ""
    tls_key: FilePath = ""
    public_url: Url = ""
    frame_ancestors: tuple[Url, ...] = ()
    http2: bool = False
    http3: bool = False


class Websocket(Section, frozen=True):
    """The hub's limits. Durations in seconds.

    ``max_connections``: WebSockets; lowered to what fits into the limit of open files.
    ``max_connections_per_address`` 0: a quarter of them, and unlimited from this machine.
    ``max_sessions``: on all workers together; ``…_per_address``: created from one address.
    ``history_messages`` and ``history_bytes`` are for captions; broadcasts have their own budget, so that
    they never displace captions.
    ``keep_days``: sessions that nobody is in are stored so long, with their messages; 0: no longer than
    ``session_timeout`` and ``history_seconds``.
    """

    max_connections: Count = 10_000
    max_connections_per_address: Annotated[int, Meta(ge=0)] = 0
    max_sessions: Count = 100_000
    max_sessions_per_address: Count = 2_000
    max_sessions_per_connection: Count = 64
    max_sessions_per_minute_per_address: Count = 600
    max_joins_per_minute_per_address: Count = 1_200
    max_messages_per_second: Annotated[float, Meta(ge=1)] = 5_000
    max_bytes_per_second: Annotated[int, Meta(ge=65_536)] = 33_554_432
    heartbeat_interval: Positive = 25
    heartbeat_timeout: Positive = 10
    session_timeout: Positive = 1800
    keep_days: Annotated[float, Meta(ge=0, le=3_650)] = 0
    outbox_bytes: Annotated[int, Meta(ge=65_536)] = 1_048_576
    outboxes_bytes: Annotated[int, Meta(ge=1_048_576)] = 268_435_456
    outbox_seconds: Positive = 120
    history_messages: Count = 10_000
    history_bytes: Annotated[int, Meta(ge=1_048_576)] = 8_388_608
    history_seconds: Positive = 86_400
    history_broadcasts: Count = 1_000
    history_broadcast_bytes: Annotated[int, Meta(ge=65_536)] = 1_048_576
    max_broadcast_bytes: Annotated[int, Meta(ge=1_024, le=1_048_576)] = 65_536

    @property
    def kept_seconds(self) -> float:
        """Seconds after its last use until a session ends."""
        return max(self.session_timeout, self.keep_days * _DAY)

    @property
    def message_seconds(self) -> float:
        """Seconds that a message is stored; an unused session is stored no longer."""
        return max(self.history_seconds, self.keep_days * _DAY)


class AlertThresholds(Section, frozen=True):
    """Thresholds above which figures are shown as warnings: milliseconds, and a share from 0 to 1."""

    response_time: Positive = 1000
    error_rate: Annotated[float, Meta(ge=0, le=1)] = 0.05


class Monitoring(Section, frozen=True):
    """How often back ends are checked. Durations in seconds.

    ``busy_limit``: how long an instance that works on requests may leave checks unanswered; 0:
    the longest total of its routes.
    """

    enabled: bool = True
    health_check_interval: Positive = 10
    health_check_timeout: Positive = 5
    busy_limit: NotNegative = 0
    metrics_collection_interval: Positive = 5
    alert_thresholds: AlertThresholds = AlertThresholds()
    journey: Journey = Journey()


class Vad(Section, frozen=True):
    """Voice activity detection. Milliseconds, hertz, and energy as RMS of full scale.

    ``model``: decides what is speech where it is installed; ``frame_duration`` and the frequencies are used
    without one only.
    """

    model: Literal["silero", "none"] = "silero"
    aggressiveness: parameters.Aggressiveness = _VAD.aggressiveness
    frame_duration: parameters.FrameDuration = _VAD.frame_duration
    min_speech_duration: parameters.MinSpeechDuration = _VAD.min_speech_duration
    max_silence_duration: parameters.MaxSilenceDuration = _VAD.max_silence_duration
    energy_threshold: parameters.EnergyThreshold = _VAD.energy_threshold
    voice_freq_min: parameters.VoiceFreqMin = _VAD.voice_freq_min
    voice_freq_max: parameters.VoiceFreqMax = _VAD.voice_freq_max


class Speech(Section, frozen=True):
    """How speech becomes captions. Durations in seconds.

    ``diarization``: speakers who share a microphone may be distinguished by their voices.
    ``translate_growing``: whether settled clauses of growing lines are translated; ``auto``: if requests to
    the translation-service cost nothing. ``growing_translations_per_minute``: the limit of each session.
    """

    revision_interval: Positive = 1.0
    translate_growing: Literal["auto", "on", "off"] = "auto"
    growing_translations_per_minute: Count = 120
    buffer_seconds: Positive = 60
    max_utterance: Annotated[float, Meta(ge=2, le=60)] = 15
    concurrent_recordings: Count = 4
    max_recordings_per_session: Count = 3
    max_recordings_per_address: Count = 3
    max_recording_seconds: Positive = 21_600
    min_upload_rate: Annotated[int, Meta(ge=1)] = 4_096
    max_upload_bytes: Annotated[int, Meta(ge=1)] = 2**30
    uploads_bytes: Annotated[int, Meta(ge=1)] = 4 * 2**30
    concurrent_requests: Count = 4
    max_waiting_seconds: Positive = 1800
    resume_seconds: Annotated[float, Meta(ge=0, le=600)] = 60
    max_streams: Count = 256
    max_streams_per_session: Count = 64
    max_streams_per_address: Count = 32
    diarization: bool = True
    vad: Vad = Vad()


class Pipeline(Section, frozen=True):
    """The audio pipeline over HTTP: what a worker accepts at a time, and of one file.

    ``max_seconds``: the length of a file. ``max_upload_bytes``: its size.
    """

    concurrent_requests: Count = 2
    max_requests_per_address: Count = 2
    max_seconds: Positive = 7_200
    max_upload_bytes: Count = 2**28


class Orchestration(Section, frozen=True):
    """The service itself."""

    frontend: Frontend = Frontend()
    websocket: Websocket = Websocket()
    gateway: Gateway = Gateway()
    monitoring: Monitoring = Monitoring()
    alerts: Alerts = Alerts()
    traces: Traces = Traces()
    analytics: Analytics = Analytics()
    incidents: Incidents = Incidents()
    status_page: StatusPage = StatusPage()
    speech: Speech = Speech()
    pipeline: Pipeline = Pipeline()
    bots: Bots = Bots()
    overload: Overload = Overload()
    shutdown_grace: Positive = 10
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    control_token: Secret = ""


class SessionManagement(Section, frozen=True):
    """Where sessions are stored. Durations in seconds.

    ``max_bytes``: the size of all sessions together in the store.
    """

    persistence: Literal["sqlite", "redis"] = "sqlite"
    sqlite_path: Annotated[str, Meta(min_length=1, extra={KIND: "file"})] = "var/sessions.sqlite3"
    redis_url: Url = "redis://localhost:6379"
    max_bytes: Annotated[int, Meta(ge=1_048_576)] = 1_073_741_824
    cleanup_interval: Positive = 300
    recovery_enabled: bool = True


class Settings(Section, frozen=True):
    """The whole file."""

    orchestration: Orchestration = Orchestration()
    services: dict[str, Service] = field(default_factory=lambda: dict(DEFAULT_SERVICES))
    session_management: SessionManagement = SessionManagement()


class Fault(Struct, frozen=True):
    """One invalid value: its path in the file, and what was expected."""

    path: str
    expected: str

    def __str__(self) -> str:
        """Format as one line."""
        return f"{self.path}: {self.expected}"


class SettingsError(Exception):
    """The settings are invalid. ``faults`` has all reasons."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = faults
