"""The gateway of scenes: what waits, is limited, found or drained; whole gateways in trouble and of size."""

import math
from typing import Any

from tests.fakes.scene_parts import (
    AUDIO,
    AUDIO_2,
    TRANSLATION,
    gateway_instance,
    gateway_lane,
    gateway_service,
)

CLASSES = (("live", 256, 2.0), ("interactive", 256, 10.0), ("batch", 64, 120.0))
LONG = "speech-recognition-for-the-quarterly-planning-meeting-of-the-whole-company"


def queues(service: str, waiting: tuple[int, int, int] = (0, 0, 0), **more: Any) -> list[dict[str, Any]]:
    """Return the three queues of a service."""
    return [
        {
            "service": service,
            "priority": priority,
            "waiting": count,
            "waiting_limit": limit,
            "deadline": deadline,
            "is_overloaded": False,
            "queued": 120 + count,
            "shed_deadline": 0,
            "shed_queue_full": 0,
        }
        | more
        for count, (priority, limit, deadline) in zip(waiting, CLASSES, strict=True)
    ]


def rate_limits(refused: int = 0) -> list[dict[str, Any]]:
    """Return one limit of each kind."""
    limits = (("per-address", "address", 100, 60, ""), ("per-key", "key", 1000, 3600, ""))
    of_route = ("translation", "route", 50, 1, "/api/translate")
    return [
        {
            "name": name,
            "per": per,
            "requests": requests,
            "window": window,
            "route": route,
            "allowed": 18_000,
            "refused": refused,
        }
        for name, per, requests, window, route in (*limits, of_route)
    ]


def discovery(*, fails: bool = False) -> list[dict[str, Any]]:
    """Return a service that is found by DNS, and one whose instances register themselves."""
    dns = {
        "service": "audio-service",
        "source": "dns",
        "name": "audio.example",
        "instances": [AUDIO, AUDIO_2],
        "age": 912.0 if fails else 12.0,
        "next_in": 14.0,
        "failures": 7 if fails else 0,
        "problem": "the name server did not answer" if fails else "",
        "left_out": 3 if fails else 0,
    }
    registry = {
        "service": "translation-service",
        "source": "registry",
        "name": "",
        "instances": [TRANSLATION],
        "age": 0.4,
        "next_in": 0.6,
        "failures": 0,
        "problem": "",
        "left_out": 0,
        "leases": [{"instance": "gpu-2", "url": TRANSLATION, "seconds_left": 3.0 if fails else 22.0}],
    }
    return [dns, registry]


def overload(memory: float = 0.41, step: int = 0, refused: int = 0) -> dict[str, Any]:
    """Return the overload of a process that uses that share of 2 GiB."""
    return {
        "uses": [
            {"resource": "memory", "used": int(memory * 2**31), "limit": 2**31, "step": step},
            {"resource": "open files", "used": 1_502, "limit": 20_000, "step": 0},
        ],
        "no_keep_alive": 0.92,
        "refuse": 0.95,
        "refused": refused,
    }


def history(now: float, points: int, base: float = 30.0) -> dict[str, Any]:
    """Return the course of one route."""

    def course(middle: float, swing: float) -> list[float | None]:
        return [middle + swing * math.sin(index / 9) for index in range(points)]

    return {
        "interval": 5.0,
        "window": 60,
        "at": [now - 5 * (points - 1 - index) for index in range(points)],
        "requests_per_second": course(base, base / 6),
        "errors_per_second": course(0.2, 0.2),
        "p50_ms": course(140, 9),
        "p95_ms": course(310, 40),
        "p99_ms": course(620, 150),
    }


def strained(scene: dict[str, Any]) -> None:
    """Put a gateway into a scene where everything that can be wrong with one is."""
    ejected = {"ejected_for": 24.6, "ejection_cause": "back_end", "ejections": 2, "is_admitting": False}
    gateway = scene["gateway"]
    gateway["instances"] = [
        gateway_instance(
            "audio-service",
            AUDIO,
            weight=4,
            configured_weight=4,
            weight_now=1.2,
            slow_start_left=7.0,
            places_taken=4,
        ),
        gateway_instance(
            "audio-service",
            AUDIO_2,
            lanes=[gateway_lane(flow, **ejected) for flow in ("captions", "requests")],
            usable=False,
            errors_last_minute=400,
            share=0.22,
        ),
        gateway_instance(
            "translation-service", TRANSLATION, breaker="open", breaker_retry_in=7.2, usable=False
        ),
    ]
    gateway["services"] = [
        gateway_service("audio-service", ejected=1, retries_left=0, retries_refused=412),
        gateway_service("translation-service"),
    ]
    gateway["queues"] = [
        *queues("audio-service", (3, 256, 64), is_overloaded=True, shed_deadline=41, shed_queue_full=12),
        *queues("translation-service"),
    ]
    gateway["rate_limits"] = rate_limits(refused=1_204)
    gateway |= {"rate_buckets": 412, "rates_unchecked": 31, "places": 1_024, "error_rate": 0.22}
    gateway["discovery"] = discovery(fails=True)
    gateway["draining"] = [
        {"service": "audio-service", "url": "http://127.0.0.1:5009", "in_flight": 2, "seconds_left": 21.0}
    ]
    gateway["fallbacks"] = [
        {
            "route": "/api/translate",
            "service": 4,
            "cached": 31,
            "static": 0,
            "none": 2,
            "active_for": 12.0,
            "stored": 57,
            "stored_bytes": 81_000,
        }
    ]
    gateway["fallback_cache"] = {
        "responses": 57,
        "bytes": 81_000,
        "max_responses": 1_000,
        "max_bytes": 8_388_608,
        "evicted": 0,
    }
    gateway["hedging"] = [
        {
            "prefix": "/api/translate",
            "service": "translation-service",
            "extra": 1,
            "delay_ms": 210.0,
            "samples": 900,
            "samples_needed": 20,
            "budget": 0.05,
            "budget_left": 3,
            "sent": 61,
            "won": 40,
            "declined": {"budget": 5, "no_instance": 0},
        }
    ]
    gateway["sockets"] = {
        "open": 12,
        "limit": 256,
        "limit_per_address": 32,
        "opened": 40,
        "refused": 2,
        "endings": {"closed_client": 26, "lost_back_end": 2},
    }
    scene["metrics"]["overload"] = overload(memory=0.96, step=2, refused=88)


def crowded(scene: dict[str, Any]) -> None:
    """Put a gateway with 50 instances and 100 routes into a scene, with names as long as they get."""
    urls = [f"http://gpu-{number}.{'rack-' * 8}example.internal:8000" for number in range(48)]
    service = scene["services"]["services"][0]
    service["name"] = LONG
    service["instances"] = [
        service["instances"][0] | {"url": url, "state": "unhealthy" if index == 40 else "healthy"}
        for index, url in enumerate(urls)
    ]
    gateway = scene["gateway"]
    gateway["instances"] = [
        *(gateway_instance(LONG, url, share=1 / 48, usable=index != 40) for index, url in enumerate(urls)),
        gateway_instance("translation-service", TRANSLATION, p95_ms=44.0),
    ]
    first = gateway["routes"][0]
    gateway["routes"] = [
        first
        | {
            "prefix": f"/api/tenant-{number}/{'department/' * (1 + number % 5)}transcriptions/",
            "service": LONG,
            "requests_last_minute": number * 7 % 91,
            "errors_last_minute": 9 if number == 70 else 0,
        }
        for number in range(100)
    ]
    gateway["queues"] = [*queues(LONG, (1, 2, 3)), *queues("translation-service")]
