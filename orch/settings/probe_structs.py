"""How a back end is checked, and when not: ``services.X.probe`` and ``services.X.maintenance``. Pure."""

from typing import Annotated, Literal

from msgspec import Meta

from orch.settings.section import Count, NotNegative, Positive, Section

StatusRange = Annotated[str, Meta(pattern=r"^[1-5][0-9]{2}(-[1-5][0-9]{2})?$")]
LocalTime = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}$")]

Language = Annotated[str, Meta(pattern=r"^[a-zA-Z]{2,3}(-[A-Za-z0-9]{2,8})*$")]


class Probe(Section, frozen=True):
    """The checks of each instance. Durations in seconds.

    ``kind``: ``http`` (a GET of ``health_endpoint``), ``tcp`` (a connection, with TLS for https) or
    ``websocket`` (a handshake at ``health_endpoint``, a ping and its pong). ``interval`` and ``timeout`` 0:
    those of ``monitoring``. ``status``: accepted ones, such as ``200`` or ``200-299``; empty: as the
    response means. ``body``: a text that it has to contain. ``max_latency``: a response that takes longer is
    a missed check; 0: no limit. ``misses`` in a row make an instance unhealthy, ``good`` ones healthy again,
    ``slow`` ones degraded. ``flaps``: changes within ``flap_window`` from which on it counts as flapping; 0:
    never. ``expiry_days``: days before a certificate expires at which that is an event; 0: never.
    ``real_interval``: seconds between two real requests (a second of speech is transcribed, a greeting is
    translated from ``real_source`` into ``real_target``); 0: none. ``real_timeout``: of each.
    """

    kind: Literal["http", "tcp", "websocket"] = "http"
    interval: NotNegative = 0
    timeout: NotNegative = 0
    status: tuple[StatusRange, ...] = ()
    body: Annotated[str, Meta(max_length=1000)] = ""
    max_latency: NotNegative = 0
    misses: Count = 3
    good: Count = 2
    slow: Count = 2
    flaps: Annotated[int, Meta(ge=0, le=100)] = 6
    flap_window: Positive = 600
    expiry_days: NotNegative = 14
    real_interval: NotNegative = 0
    real_timeout: Positive = 60
    real_source: Language = "en"
    real_target: Language = "es"


class MaintenanceWindow(Section, frozen=True):
    """A time in which a service is not judged, not restarted, and raises no alert.

    ``start``: local time of ``timezone``, such as ``"2026-12-01T02:00"``; ``minutes``: its length;
    ``repeat``: at the same local time again.
    """

    start: LocalTime
    minutes: Annotated[float, Meta(gt=0, le=10_080)]
    repeat: Literal["never", "daily", "weekly"] = "never"
    timezone: Annotated[str, Meta(min_length=1, max_length=64)] = "UTC"
    title: Annotated[str, Meta(max_length=200)] = ""
