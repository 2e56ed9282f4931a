"""States of the whole service for the pages to show, built as the real statistics so that their shapes hold.

``full`` is a busy service, ``empty`` one that has just started and knows nothing, ``broken`` one with a back
end away, a branch backing off, a settings file that cannot be used, gaps in its figures, and hostile names.
"""

import math
from collections.abc import Callable
from typing import Any, Final

import msgspec

from orch.configuration import ConfigurationStatistics
from orch.dashboard import DashboardStatistics
from orch.gateway.figures import GatewayStatistics
from orch.health.statistics import ServicesStatistics
from orch.supervision import TreeStatistics
from orch.websocket.figures import ConnectionsStatistics

Scene = dict[str, Any]

KINDS: Final[dict[str, type]] = {
    "services": ServicesStatistics,
    "gateway": GatewayStatistics,
    "connections": ConnectionsStatistics,
    "metrics": DashboardStatistics,
    "tree": TreeStatistics,
    "config": ConfigurationStatistics,
}

HOSTILE: Final = '<img src=x onerror="document.title=1">'

TRACEBACK: Final = """Traceback (most recent call last):
  File "/srv/orch/supervision.py", line 262, in _attempt
    await branch.run(task_status=_Started(usable))
  File "/srv/orch/websocket/service.py", line 141, in run
    await nursery.start(self._sweep)
  File "/srv/orch/websocket/sweeping.py", line 58, in _sweep
    await self._store.delete(expired)
  File "/srv/orch/stores/sqlite.py", line 203, in delete
    raise ProblemError("store_unavailable", "The store does not answer.")
orch.problems.ProblemError: The store does not answer."""


def _checks(now: float, states: str, latency: float) -> list[dict[str, Any]]:
    words = {"h": "healthy", "d": "degraded", "u": "unhealthy", "r": "recovering"}
    return [
        {
            "at": now - 10 * (len(states) - index),
            "state": words[letter],
            "latency_ms": None if letter == "u" else latency * (4 if letter == "d" else 1),
        }
        for index, letter in enumerate(states)
    ]


def _instance(now: float, url: str, state: str, states: str, latency: float, **more: Any) -> dict[str, Any]:
    return {
        "url": url,
        "state": state,
        "reasons": [],
        "since": now - 7400,
        "weight": 1,
        "usable": state in ("healthy", "degraded"),
        "latency_ms": latency,
        "p95_ms": latency * 1.4,
        "uptime": 0.9998,
        "checks": _checks(now, states, latency),
        "restarts": 0,
        "pid": 4711,
        "engine": "pocketsphinx 5.1 (en-us)",
    } | more


def _gateway_instance(service: str, url: str, **more: Any) -> dict[str, Any]:
    return {
        "service": service,
        "url": url,
        "weight": 1,
        "breaker": "closed",
        "breaker_retry_in": None,
        "consecutive_failures": 0,
        "in_flight": 1,
        "requests": 18_204,
        "errors": 3,
        "share": 1.0,
        "p95_ms": 310.0,
        "usable": True,
    } | more


AUDIO, AUDIO_2, TRANSLATION = "http://127.0.0.1:5001", "http://127.0.0.1:5002", "http://127.0.0.1:5003"

ROUTES: Final = (
    ("/api/audio/", "audio-service", "/api/"),
    ("/api/whisper/", "audio-service", "/api/"),
    ("/api/translate", "translation-service", "/api/translate"),
    ("/api/translation/", "translation-service", "/api/"),
)


def _routes(requests: int) -> list[dict[str, Any]]:
    return [
        {
            "prefix": prefix,
            "service": service,
            "path": path,
            "requests": requests // (index + 1),
            "errors": index,
            "p95_ms": 310.0 / (index + 1) if requests else None,
        }
        for index, (prefix, service, path) in enumerate(ROUTES)
    ]


def _series(now: float, points: int, gap: tuple[int, int] = (0, 0)) -> dict[str, list[float | None]]:
    def course(base: float, swing: float, period: float) -> list[float | None]:
        return [
            None
            if gap[0] <= index < gap[1]
            else base + swing * math.sin(index / period) + swing * 0.4 * math.sin(index * 1.7)
            for index in range(points)
        ]

    bump = [95.0 if points - 30 < index < points - 12 else 0.0 for index in range(points)]
    p95 = [
        None if value is None else value + extra for value, extra in zip(course(33, 2, 9), bump, strict=True)
    ]
    return {
        "at": [now - 5 * (points - 1 - index) for index in range(points)],
        "requests_per_second": course(431, 18, 23),
        "errors_per_second": [
            None if value is None else max(0.0, value - 0.9) for value in course(0.6, 0.5, 11)
        ],
        "gateway_p50_ms": course(22, 1, 13),
        "gateway_p95_ms": p95,
        "connections": [None if value is None else float(round(value)) for value in course(1440, 12, 40)],
        "sessions": course(412, 3, 50),
        "messages_out_per_second": course(2100, 90, 17),
        "caption_p95_ms": course(840, 25, 19),
    }


def _speech(**more: Any) -> dict[str, Any]:
    return {
        "streams": 3,
        "utterances": 5210,
        "finals": 5207,
        "lost": 0,
        "lost_seconds": 0.0,
        "revisions": 15_310,
        "revisions_dropped": 212,
        "waiting_seconds": 0.8,
        "caption_p50_ms": 610.0,
        "caption_p95_ms": 840.0,
        "utterances_per_minute": 61.0,
    } | more


def _event(number: int, at: float, severity: str, subject: str, text: str) -> dict[str, Any]:
    return {"number": number, "at": at, "severity": severity, "subject": subject, "text": text}


BRANCHES: Final = (
    ("stores", "sqlite"),
    ("health", "2 services"),
    ("bots", "0"),
    ("websocket", "1,458 connections, 412 sessions"),
    ("gateway", "431/s"),
    ("front", "http://127.0.0.1:3000, 1460 open"),
)


def _branch(now: float, name: str, depth: int, detail: str, **more: Any) -> dict[str, Any]:
    queues = {
        "stores": [{"name": "operations", "fill": 3, "limit": 1024}],
        "websocket": [
            {"name": "connections", "fill": 1458, "limit": 10_000},
            {"name": "outbox c-7f3k2", "fill": 912_000, "limit": 1_048_576},
        ],
    }
    tasks = [
        {"name": "Service.run", "count": 1, "depth": 0, "waits_for": "trio.sleep_forever"},
        {"name": "Service._sweep", "count": 1, "depth": 1, "waits_for": "trio.sleep"},
        {"name": "serve_connection", "count": 1458, "depth": 1, "waits_for": "Event.wait"},
    ]
    return {
        "name": name,
        "depth": depth,
        "state": "running",
        "since": now - 86_000,
        "uptime": 86_000.0,
        "restarts": 0,
        "restart_limit": 5,
        "restart_window": 60.0,
        "backoff_until": None,
        "last_error": None,
        "detail": detail,
        "waits_for": None,
        "tasks": tasks,
        "queues": queues.get(name, []),
    } | more


def _tree(now: float) -> dict[str, Any]:
    return {
        "state": "running",
        "uptime": 86_000.0,
        "reason": None,
        "branches": [_branch(now, name, depth, detail) for depth, (name, detail) in enumerate(BRANCHES)],
    }


def _connection(now: float, index: int, **more: Any) -> dict[str, Any]:
    names = ("Ana", "Jürgen", None, "Mei-Ling", None, "Omar")
    agents = (
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36",
        "Mozilla/5.0 (Windows NT 10.0; rv:132.0) Gecko/20100101 Firefox/132.0",
        None,
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0) AppleWebKit/605.1 Version/18.0 Safari/604.1",
    )
    return {
        "connection_id": f"c-{index:05d}",
        "address": f"192.0.2.{index % 250 + 1}",
        "state": "open",
        "since": now - 40 - index * 97,
        "sessions": [] if index % 4 == 2 else [f"budget-{index % 3}f3k"],
        "name": names[index % 6],
        "queued_bytes": 0,
        "sent": 1240 + index * 31,
        "received": 80 + index,
        "streaming": index % 7 == 0,
        "agent": agents[index % 4],
    } | more


def _pool(now: float, connections: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    sessions = sorted({session for each in connections for session in each["sessions"]})
    return {
        "active": 1458,
        "total": 20_411,
        "limit": 10_000,
        "sessions": 412,
        "evicted": 0,
        "messages_in": 190_233,
        "messages_out": 2_400_120,
        "messages_in_per_second": 61.0,
        "messages_out_per_second": 2104.0,
        "queued_bytes": sum(each["queued_bytes"] for each in connections),
        "outbox_limit": 1_048_576,
        "problems": {},
        "connections": connections,
        "session_list": [
            {
                "session_id": session,
                "participants": 3 + index,
                "offset": 142 * (index + 1),
                "created": now - 900 * (index + 1),
                "last_active": now - 4 * index,
                "streams": 1 if index == 0 else 0,
            }
            for index, session in enumerate(sessions)
        ],
    } | more


def _config(now: float) -> dict[str, Any]:
    values: dict[str, Any] = {
        "orchestration.frontend.host": "127.0.0.1",
        "orchestration.frontend.port": 3000,
        "orchestration.frontend.workers": 1,
        "orchestration.websocket.max_connections": 10_000,
        "orchestration.websocket.heartbeat_interval": 25.0,
        "orchestration.gateway.timeout": 30.0,
        "orchestration.gateway.retries": 3,
        "orchestration.gateway.routes": [
            {"prefix": prefix, "service": service, "path": path} for prefix, service, path in ROUTES
        ],
        "orchestration.monitoring.enabled": True,
        "orchestration.log_level": "INFO",
        "orchestration.control_token": "(set)",
        "services.audio-service.url": AUDIO,
        "services.audio-service.api_key": "(set)",
        "services.translation-service.url": TRANSLATION,
        "session_management.persistence": "sqlite",
        "session_management.sqlite_path": "var/sessions.sqlite3",
    }
    sources = dict.fromkeys(values, "default") | {
        "orchestration.gateway.timeout": "file",
        "services.audio-service.url": "environment",
        "services.translation-service.url": "environment",
        "orchestration.log_level": "runtime",
    }
    return {
        "values": values,
        "sources": sources,
        "pending": [],
        "file": {"path": "config/orchestration.yaml", "read_at": now - 200, "faults": []},
        "environment": ["AUDIO_SERVICE_URL", "TRANSLATION_SERVICE_URL"],
        "runtime": ["orchestration.log_level"],
    }


def _service(
    now: float, name: str, state: str, instances: list[dict[str, Any]], **more: Any
) -> dict[str, Any]:
    return {
        "name": name,
        "state": state,
        "reason": "",
        "since": now - 86_000,
        "restartable": True,
        "recovery": None,
        "instances": instances,
    } | more


def full(now: float) -> Scene:
    """Return a busy service, one instance degraded."""
    slow = _instance(
        now,
        AUDIO_2,
        "degraded",
        "h" * 36 + "d" * 9,
        2410.0,
        reasons=["answers in 2.4 s, usually in 0.31 s"],
        since=now - 95,
        uptime=0.9971,
    )
    connections = [_connection(now, index) for index in range(60)]
    connections[3] |= {"queued_bytes": 912_000}
    connections[5] |= {"state": "closing"}
    return {
        "services": {
            "state": "degraded",
            "services": [
                _service(
                    now,
                    "audio-service",
                    "degraded",
                    [_instance(now, AUDIO, "healthy", "h" * 45, 310.0), slow],
                    reason="1 of 2 instances answers in 2.4 s, usually in 0.31 s",
                    since=now - 95,
                ),
                _service(
                    now,
                    "translation-service",
                    "healthy",
                    [
                        _instance(
                            now,
                            TRANSLATION,
                            "healthy",
                            "h" * 12 + "d" + "h" * 32,
                            44.0,
                            engine="apertium 3.8",
                        )
                    ],
                ),
            ],
        },
        "gateway": {
            "requests": 36_411,
            "errors": 14,
            "retries": 108,
            "in_flight": 9,
            "requests_per_second": 431.0,
            "error_rate": 0.0004,
            "p50_ms": 22.0,
            "p95_ms": 78.0,
            "routes": _routes(18_000),
            "instances": [
                _gateway_instance("audio-service", AUDIO),
                _gateway_instance(
                    "audio-service", AUDIO_2, share=0.0, p95_ms=2410.0, breaker="half_open", errors=11
                ),
                _gateway_instance("translation-service", TRANSLATION, p95_ms=44.0),
            ],
        },
        "connections": _pool(now, connections),
        "metrics": {
            "uptime": 86_000.0,
            "now": now,
            "interval": 5.0,
            "series": _series(now, 180),
            "gateway": {
                "requests": 36_411,
                "errors": 14,
                "retries": 108,
                "in_flight": 9,
                "requests_per_second": 431.0,
                "error_rate": 0.0004,
                "p50_ms": 22.0,
                "p95_ms": 78.0,
            },
            "speech": _speech(),
            "connections": {
                "active": 1458,
                "total": 20_411,
                "limit": 10_000,
                "sessions": 412,
                "evicted": 0,
                "messages_out_per_second": 2104.0,
            },
            "events": [
                _event(
                    6, now - 40, "warn", "audio-service", f"{AUDIO_2} answers in 2.4 s, usually in 0.31 s."
                ),
                _event(5, now - 300, "info", "settings", "Applied: orchestration.gateway.timeout."),
                _event(4, now - 1210, "ok", "translation-service", "Healthy again after 14 s."),
                _event(
                    3,
                    now - 1224,
                    "bad",
                    "translation-service",
                    "The process ended with status -9. Starting it again.",
                ),
                _event(2, now - 4000, "info", "websocket", "Restarted by an operator."),
                _event(1, now - 86_000, "info", "front", "Listening at http://127.0.0.1:3000."),
            ],
            "process": {"rss_bytes": 148_000_000, "cpu_share": 0.21, "open_files": 1502, "tasks": 3012},
        },
        "tree": _tree(now),
        "config": _config(now),
    }


def empty(now: float) -> Scene:
    """Return a service that has just started: nothing checked, nobody here, nothing asked."""
    scene = full(now)
    fresh: dict[str, Any] = {
        "checks": [],
        "latency_ms": None,
        "p95_ms": None,
        "uptime": None,
        "engine": None,
        "pid": None,
    }
    scene["services"] = {
        "state": "unknown",
        "services": [
            _service(
                now,
                name,
                "unknown",
                [_instance(now, url, "unknown", "", 0.0, reasons=["not checked yet"], since=now - 1) | fresh],
                reason="not checked yet",
                restartable=False,
            )
            for name, url in (("audio-service", AUDIO), ("translation-service", TRANSLATION))
        ],
    }
    quiet = {
        "requests": 0,
        "errors": 0,
        "retries": 0,
        "in_flight": 0,
        "requests_per_second": 0.0,
        "error_rate": 0.0,
        "p50_ms": None,
        "p95_ms": None,
    }
    scene["gateway"] = quiet | {
        "routes": _routes(0),
        "instances": [
            _gateway_instance(name, url, requests=0, errors=0, in_flight=0, share=0.0, p95_ms=None)
            for name, url in (("audio-service", AUDIO), ("translation-service", TRANSLATION))
        ],
    }
    nobody = {
        "active": 0,
        "total": 0,
        "sessions": 0,
        "messages_in": 0,
        "messages_out": 0,
        "messages_in_per_second": 0.0,
        "messages_out_per_second": 0.0,
    }
    scene["connections"] = _pool(now, [], **nobody)
    scene["metrics"] |= {
        "uptime": 1.0,
        "series": {name: [] for name in scene["metrics"]["series"]},
        "gateway": quiet,
        "speech": _speech(
            streams=0,
            utterances=0,
            finals=0,
            caption_p50_ms=None,
            caption_p95_ms=None,
            utterances_per_minute=0.0,
        ),
        "connections": {
            "active": 0,
            "total": 0,
            "limit": 10_000,
            "sessions": 0,
            "evicted": 0,
            "messages_out_per_second": 0.0,
        },
        "events": [],
        "process": {"rss_bytes": None, "cpu_share": None, "open_files": None, "tasks": 40},
    }
    for branch in scene["tree"]["branches"]:
        branch |= {"uptime": 1.0, "since": now - 1, "detail": "", "queues": [], "tasks": []}
    scene["config"]["sources"] = dict.fromkeys(scene["config"]["values"], "default")
    scene["config"] |= {"environment": [], "runtime": []}
    return scene


def broken(now: float) -> Scene:
    """Return a service in trouble, with gaps in its figures and names that are markup."""
    scene = full(now)
    scene["services"] = {
        "state": "unhealthy",
        "services": [
            _service(
                now,
                "audio-service",
                "recovering",
                [
                    _instance(
                        now,
                        AUDIO,
                        "recovering",
                        "h" * 20 + "u" * 6 + "r" * 3,
                        310.0,
                        reasons=["the process ended with status -9"],
                        since=now - 12,
                        pid=None,
                        restarts=2,
                    )
                ],
                reason="the process ended with status -9",
                since=now - 12,
                recovery={
                    "attempt": 2,
                    "limit": 5,
                    "next_in": 4.0,
                    "text": "Starting it again in 4 s (attempt 2 of 5).",
                },
            ),
            _service(
                now,
                "translation-service",
                "unhealthy",
                [
                    _instance(
                        now,
                        TRANSLATION,
                        "unhealthy",
                        "h" * 5 + "u" * 40,
                        44.0,
                        reasons=[f"connection refused {HOSTILE}"],
                        since=now - 5000,
                        latency_ms=None,
                        p95_ms=None,
                        uptime=0.0,
                        engine=None,
                        pid=None,
                    )
                ],
                reason=f"connection refused {HOSTILE}",
                since=now - 5000,
                restartable=False,
            ),
        ],
    }
    scene["gateway"] |= {
        "error_rate": 0.412,
        "instances": [
            _gateway_instance(
                "audio-service",
                AUDIO,
                breaker="open",
                breaker_retry_in=7.2,
                usable=False,
                p95_ms=None,
                errors=41,
            ),
            _gateway_instance(
                "translation-service",
                TRANSLATION,
                breaker="open",
                breaker_retry_in=1.2,
                usable=False,
                p95_ms=None,
                share=0.0,
                errors=900,
            ),
        ],
    }
    scene["metrics"]["series"] = _series(now, 120, gap=(50, 75))
    scene["metrics"]["gateway"] |= {"error_rate": 0.412, "p95_ms": None, "p50_ms": None}
    scene["metrics"]["speech"] = _speech(lost=4, lost_seconds=31.0, caption_p95_ms=None)
    scene["connections"] = _pool(
        now,
        [_connection(now, 1, name=HOSTILE, agent=HOSTILE, sessions=["x" * 128], queued_bytes=1_040_000)],
        active=10_000,
        evicted=31,
    )
    scene["tree"]["branches"][3] |= {
        "state": "backing_off",
        "since": now - 2,
        "uptime": 0.0,
        "restarts": 3,
        "backoff_until": now + 4,
        "waits_for": "its next attempt",
        "last_error": {
            "type": "ProblemError",
            "message": "The store does not answer.",
            "traceback": TRACEBACK,
            "at": now - 2,
        },
    }
    scene["config"]["pending"] = [
        {
            "path": "orchestration.frontend.port",
            "old": 3000,
            "new": 3001,
            "reason": "the listening socket is opened once",
        }
    ]
    scene["config"]["file"]["faults"] = [
        {"path": "orchestration.gateway.timeout", "expected": "expected a number greater than 0, got -3"},
        {"path": "orchestration.gatway", "expected": "unknown key; did you mean gateway?"},
    ]
    return scene


SCENES: Final[dict[str, Callable[[float], Scene]]] = {"full": full, "empty": empty, "broken": broken}


def statistics(scene: Scene) -> dict[str, Any]:
    """Return the scene as the parts' own structs; ValidationError where a shape is not theirs."""
    return {topic: msgspec.convert(scene[topic], kind) for topic, kind in KINDS.items()}
