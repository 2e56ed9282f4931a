"""What scenes are made of: one plausible thing of each kind, any member of it replaceable."""

import math
from typing import Any, Final

from orch.settings.restrictions import why_fixed
from orch.websocket.statistics import ACTIVITIES


def checks(now: float, states: str, latency: float) -> list[dict[str, Any]]:
    words = {"h": "healthy", "d": "degraded", "u": "unhealthy", "r": "recovering"}
    return [
        {
            "at": now - 10 * (len(states) - index),
            "state": words[letter],
            "latency_ms": None if letter == "u" else latency * (4 if letter == "d" else 1),
        }
        for index, letter in enumerate(states)
    ]


def instance(now: float, url: str, state: str, states: str, latency: float, **more: Any) -> dict[str, Any]:
    return {
        "url": url,
        "state": state,
        "reasons": [],
        "since": now - 7400,
        "weight": 1,
        "usable": state in ("healthy", "degraded"),
        "latency_ms": latency,
        "p95_ms": latency * 1.4,
        "answered": 0.9998,
        "checks": checks(now, states, latency),
        "restarts": 0,
        "pid": 4711,
        "engine": "pocketsphinx 5.1 (en-us)",
    } | more


def gateway_lane(flow: str, **more: Any) -> dict[str, Any]:
    return {
        "flow": flow,
        "breaker": "closed",
        "breaker_retry_in": None,
        "consecutive_failures": 0,
        "ejected_for": None,
        "ejection_cause": None,
        "ejections": 0,
        "ejections_total": 0,
        "in_flight": 1,
        "connections": 64,
        "busy": 1,
        "waiting": 0,
        "waiting_limit": 256,
        "requests": 9_102,
        "errors": 1,
        "requests_last_minute": 925,
        "errors_last_minute": 0,
        "p95_ms": 310.0,
        "is_admitting": True,
    } | more


def gateway_service(service: str, **more: Any) -> dict[str, Any]:
    """Return a service whose breaker is closed, in both flows."""
    flow = {
        "breaker": "closed",
        "breaker_retry_in": None,
        "consecutive_failures": 0,
        "ejected": 0,
        "most_ejected": 1,
        "retries_left": 61,
        "retries_refused": 0,
        "retry_window": 10,
    } | more
    return {
        "service": service,
        "balancer": "round_robin",
        "flows": [{"flow": name, **flow} for name in ("captions", "requests")],
    }


def gateway_instance(service: str, url: str, **more: Any) -> dict[str, Any]:
    """Both flows fare alike, unless ``lanes`` says otherwise."""
    told = {key: more[key] for key in ("breaker", "breaker_retry_in") if key in more}
    is_admitting = more.get("breaker", "closed") != "open"
    lanes = [gateway_lane(flow, **told, is_admitting=is_admitting) for flow in ("captions", "requests")]
    return {
        "service": service,
        "url": url,
        "weight": 1,
        "configured_weight": 1,
        "is_drained": False,
        "weight_now": 1.0,
        "first_byte_ms": 120.0,
        "breaker": "closed",
        "breaker_retry_in": None,
        "consecutive_failures": 0,
        "in_flight": 1,
        "requests": 18_204,
        "errors": 3,
        "requests_last_minute": 1_850,
        "errors_last_minute": 1,
        "share": 1.0,
        "p95_ms": 310.0,
        "usable": True,
        "places_taken": 1,
        "places_limit": 4,
        "places_from": "declared",
        "lanes": lanes,
    } | more


AUDIO, AUDIO_2, TRANSLATION = "http://127.0.0.1:5001", "http://127.0.0.1:5002", "http://127.0.0.1:5003"

ROUTES: Final = (
    ("/api/audio/", "audio-service", "/api/"),
    ("/api/whisper/", "audio-service", "/api/"),
    ("/api/translate", "translation-service", "/api/translate"),
    ("/api/translation/", "translation-service", "/api/"),
)


def flow(requests: int, p50: float | None, p95: float | None, errors: int = 0) -> dict[str, Any]:
    """One flow's figures: a tenth of ``requests`` in the last minute."""
    minute = requests // 10
    return {
        "requests": requests,
        "errors": errors,
        "requests_last_minute": minute,
        "errors_last_minute": min(errors, minute),
        "timed": minute if p95 is not None else 0,
        "p50_ms": p50,
        "p95_ms": p95,
        "p99_ms": None if p95 is None else 1.8 * p95,
    }


def own(requests: int) -> list[dict[str, Any]]:
    """Return what the service itself asks of its back ends."""
    return [
        {
            "flow": "captions",
            "service": service,
            "requests": requests,
            "errors": 0,
            "requests_last_minute": requests // 10,
            "errors_last_minute": 0,
            "p50_ms": p95 / 2,
            "p95_ms": p95,
            "p99_ms": p95 * 1.4,
        }
        for service, p95 in (("audio-service", 2_900.0), ("translation-service", 61.0))
    ]


def gateway_figures() -> dict[str, Any]:
    """Return the figures of both pages; rows of routes and captions add up to them."""
    clients, captions = 37_500, 18_000
    return {
        "requests": clients + captions,
        "errors": 14,
        "retries": 108,
        "requests_last_minute": (clients + captions) // 10,
        "errors_last_minute": 2,
        "in_flight": 9,
        "requests_per_second": 92.5,
        "error_rate": 0.0004,
        "clients": flow(clients, 22.0, 78.0, errors=2),
        "captions": flow(captions, 610.0, 2_900.0),
    }


def routes(requests: int) -> list[dict[str, Any]]:
    return [
        {
            "prefix": prefix,
            "service": service,
            "path": path,
            "requests": requests // (index + 1),
            "errors": index,
            "requests_last_minute": requests // (index + 1) // 10,
            "errors_last_minute": 0,
            "p50_ms": 140.0 / (index + 1) if requests else None,
            "p95_ms": 310.0 / (index + 1) if requests else None,
            "p99_ms": 620.0 / (index + 1) if requests else None,
        }
        for index, (prefix, service, path) in enumerate(ROUTES)
    ]


def series(now: float, points: int, gap: tuple[int, int] = (0, 0)) -> dict[str, list[float | None]]:
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
        "gateway_p99_ms": [None if value is None else 1.8 * value for value in p95],
        "caption_requests_p95_ms": course(610, 40, 15),
        "connections": [None if value is None else float(round(value)) for value in course(1440, 12, 40)],
        "sessions": course(412, 3, 50),
        "messages_out_per_second": course(2100, 90, 17),
        "caption_p95_ms": course(840, 25, 19),
    }


def speech(**more: Any) -> dict[str, Any]:
    return {
        "streams": 3,
        "utterances": 5210,
        "finals": 5207,
        "lost": 0,
        "lost_seconds": 0.0,
        "revisions": 15_310,
        "revisions_dropped": 212,
        "waiting_seconds": 0.8,
        "waiting_longest": 0.4,
        "caption_p50_ms": 610.0,
        "caption_p95_ms": 840.0,
        "utterances_per_minute": 61,
        "window_seconds": 900.0,
        "captions_timed": 870,
        "caption_ago": 1.4,
        "utterances_in_window": 912,
        "lost_in_window": 0,
    } | more


def event(number: int, at: float, severity: str, subject: str, text: str) -> dict[str, Any]:
    return {"number": number, "at": at, "severity": severity, "subject": subject, "text": text}


BRANCHES: Final = (
    ("stores", "sqlite"),
    ("health", "2 services"),
    ("bots", "0"),
    ("websocket", "1,458 connections, 412 sessions"),
    ("gateway", "431/s"),
    ("front", "http://127.0.0.1:3000, 1460 open"),
)


def branch(now: float, name: str, depth: int, detail: str, **more: Any) -> dict[str, Any]:
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


def tree(now: float) -> dict[str, Any]:
    return {
        "state": "running",
        "pid": 4711,
        "worker": None,
        "uptime": 86_000.0,
        "reason": None,
        "branches": [branch(now, name, depth, detail) for depth, (name, detail) in enumerate(BRANCHES)],
    }


def connection(now: float, index: int, **more: Any) -> dict[str, Any]:
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


def worker(now: float, place: int | None, **more: Any) -> dict[str, Any]:
    number = place or 0
    names = {"place": place, "name": f"w-{number}", "host": "translate-1", "pid": 4711 + number}
    return {
        "worker": names | more,
        "here": number == 0,
        "answered": True,
        "brief": {
            "connections": 729 if place is not None else 1458,
            "state": "running",
            "amiss": [],
            "since": now - 86_000,
            "revision": 0,
        },
    }


def doing(connection: dict[str, Any]) -> str:
    if connection["state"] == "closing":
        return "closing"
    if connection["queued_bytes"] > 0.05 * 1_048_576:
        return "behind"
    if connection["streaming"]:
        return "speaking"
    return "listening" if connection["sessions"] else "idle"


def pool(now: float, connections: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    sessions = sorted({session for each in connections for session in each["sessions"]})
    connections = [
        {"doing": doing(each), "session_count": len(each["sessions"]), "worker": "w-0"} | each
        for each in connections
    ]
    words = [each["doing"] for each in connections]
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
        "sums": [
            {"name": name, "taken": taken, "limit": limit, "setting": setting, "is_shared": shared}
            for name, taken, limit, setting, shared in (
                ("connections", 1458, 10_000, "websocket.max_connections", False),
                ("sessions", 412, 100_000, "websocket.max_sessions", True),
                ("stored_bytes", 988_000_000, 1_073_741_824, "session_management.max_bytes", True),
                ("outgoing_bytes", 1_400_000, 268_435_456, "websocket.outboxes_bytes", False),
                ("streams", 37, 256, "speech.max_streams", False),
                ("waiting_speech_seconds", 41.5, 1800, "speech.max_waiting_seconds", False),
                ("gateway_requests", 3, 1024, "gateway.max_requests", False),
                ("spooled_bytes", 0, 1_073_741_824, "gateway.spool_bytes", False),
            )
        ],
        "problems": {},
        "doings": {word: words.count(word) for word in ACTIVITIES},
        "matching": more.get("active", 1458),
        "connections": connections,
        "workers": [{"worker": worker(now, None)["worker"], "here": True, "answered": True, "active": 1458}],
        "session_list": [
            {
                "session_id": session,
                "participants": 3 + index,
                "offset": 142 * (index + 1),
                "created": now - 900 * (index + 1),
                "last_active": now - 4 * index,
                "streams": 2 if index == 0 else 0,
                "speaking": 1 if index == 0 else 0,
            }
            for index, session in enumerate(sessions)
        ],
    } | more


def config(now: float) -> dict[str, Any]:
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
        "fixed": {path: why for path in values if (why := why_fixed(path)) is not None},
    }


def service(
    now: float, name: str, state: str, instances: list[dict[str, Any]], **more: Any
) -> dict[str, Any]:
    is_restartable = more.get("restartable", True)
    return {
        "name": name,
        "state": state,
        "reason": "",
        "since": now - 86_000,
        "restartable": is_restartable,
        "recovery": None,
        "instances": [{"restartable": is_restartable, **each} for each in instances],
    } | more
