"""States of the whole service for the pages to show, built as the real statistics so that their shapes hold.

``full`` is a busy service, ``several`` one of several workers, ``empty`` one that has just started and knows
nothing, ``broken`` one with a back end away, a branch backing off, a settings file that cannot be used, gaps
in its figures, and hostile names.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from orch.analytics.dashboard import DashboardStatistics
from orch.cluster.workers import Counts, WorkersStatistics
from orch.gateway.statistics import GatewayStatistics
from orch.health.statistics import ServicesStatistics
from orch.settings.live import LiveSettingsStatistics
from orch.stores.status import StoreStatus
from orch.supervision.branches import TreeStatistics
from orch.websocket.statistics import ConnectionsStatistics
from tests.fakes import gateway_scenes
from tests.fakes.scene_parts import (
    AUDIO,
    AUDIO_2,
    TRANSLATION,
    config,
    connection,
    event,
    flow,
    gateway_figures,
    gateway_instance,
    gateway_service,
    instance,
    own,
    pool,
    routes,
    series,
    service,
    speech,
    tree,
    worker,
)

Scene = dict[str, Any]

KINDS: Final[dict[str, type]] = {
    "services": ServicesStatistics,
    "store": StoreStatus,
    "gateway": GatewayStatistics,
    "connections": ConnectionsStatistics,
    "counts": Counts,
    "workers": WorkersStatistics,
    "metrics": DashboardStatistics,
    "tree": TreeStatistics,
    "config": LiveSettingsStatistics,
}

HOSTILE: Final = '<img src=x onerror="document.title=1">'

TRACEBACK: Final = """Traceback (most recent call last):
  File "/srv/orch/supervision/branches.py", line 262, in _attempt
    await branch.run(task_status=_Started(usable))
  File "/srv/orch/websocket/service.py", line 141, in run
    await nursery.start(self._sweep)
  File "/srv/orch/websocket/sessions/expiry.py", line 58, in _sweep
    await self._store.delete(expired)
  File "/srv/orch/stores/sqlite/store.py", line 203, in delete
    raise ProblemError("store_unavailable", "The store does not answer.")
orch.problems.ProblemError: The store does not answer."""


def full(now: float) -> Scene:
    """Return a busy service, one instance degraded."""
    slow = instance(
        now,
        AUDIO_2,
        "degraded",
        "h" * 36 + "d" * 9,
        2410.0,
        reasons=["responds in 2.4 s, usually in 0.31 s"],
        since=now - 95,
        answered=0.9971,
    )
    connections = [connection(now, index) for index in range(60)]
    connections[3] |= {"queued_bytes": 912_000}
    connections[5] |= {"state": "closing"}
    return {
        "services": {
            "state": "degraded",
            "services": [
                service(
                    now,
                    "audio-service",
                    "degraded",
                    [instance(now, AUDIO, "healthy", "h" * 45, 310.0), slow],
                    reason="1 of 2 instances responds in 2.4 s, usually in 0.31 s",
                    since=now - 95,
                ),
                service(
                    now,
                    "translation-service",
                    "healthy",
                    [
                        instance(
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
        "gateway": gateway_figures()
        | {
            "p50_ms": 22.0,
            "p95_ms": 78.0,
            "unasked_last_minute": 0,
            "own": own(9_000),
            "places": 3,
            "places_limit": 1024,
            "spooled_bytes": 1_900_000,
            "spool_limit": 1_073_741_824,
            "queues": [
                *gateway_scenes.queues("audio-service", (0, 2, 0)),
                *gateway_scenes.queues("translation-service"),
            ],
            "rate_limits": gateway_scenes.rate_limits(),
            "rate_buckets": 12,
            "discovery": gateway_scenes.discovery(),
            "p99_ms": 141.0,
            "routes": routes(18_000),
            "instances": [
                gateway_instance("audio-service", AUDIO, requests_last_minute=3_700),
                gateway_instance(
                    "audio-service",
                    AUDIO_2,
                    share=0.0,
                    requests_last_minute=0,
                    errors_last_minute=0,
                    p95_ms=2410.0,
                    breaker="half_open",
                    errors=11,
                ),
                gateway_instance("translation-service", TRANSLATION, p95_ms=44.0),
            ],
        },
        "connections": pool(now, connections),
        "store": {"engine": "sqlite", "state": "healthy", "reason": "", "since": None, "cautions": []},
        "counts": {"connections": 1458, "sessions": 412, "bots": 8},
        "workers": {"workers": [worker(now, None)]},
        "metrics": {
            "uptime": 86_000.0,
            "now": now,
            "interval": 5.0,
            "series": series(now, 180),
            "gateway": gateway_figures(),
            "speech": speech(),
            "connections": {
                "active": 1458,
                "total": 20_411,
                "limit": 10_000,
                "sessions": 412,
                "evicted": 0,
                "unanswered": 0,
                "messages_out_per_second": 2104.0,
            },
            "events": [
                event(
                    6, now - 40, "warn", "audio-service", f"{AUDIO_2} responds in 2.4 s, usually in 0.31 s."
                ),
                event(5, now - 300, "info", "settings", "Applied: orchestration.gateway.timeout."),
                event(4, now - 1210, "ok", "translation-service", "Healthy again after 14 s."),
                event(
                    3,
                    now - 1224,
                    "bad",
                    "translation-service",
                    "The process ended with status -9. Starting it again.",
                ),
                event(2, now - 4000, "info", "websocket", "Restarted by an operator."),
                event(1, now - 86_000, "info", "front", "Listening at http://127.0.0.1:3000."),
            ],
            "process": {"rss_bytes": 148_000_000, "cpu_share": 0.21, "open_files": 1502, "tasks": 3012},
            "overload": gateway_scenes.overload(),
        },
        "tree": tree(now),
        "config": config(now),
    }


def empty(now: float) -> Scene:
    """Return a service that has just started: nothing checked, nobody here, nothing asked."""
    scene = full(now)
    fresh: dict[str, Any] = {
        "checks": [],
        "latency_ms": None,
        "p95_ms": None,
        "answered": None,
        "engine": None,
        "pid": None,
    }
    scene["services"] = {
        "state": "unknown",
        "services": [
            service(
                now,
                name,
                "unknown",
                [instance(now, url, "unknown", "", 0.0, reasons=["not checked yet"], since=now - 1) | fresh],
                reason="not checked yet",
                restartable=False,
            )
            for name, url in (("audio-service", AUDIO), ("translation-service", TRANSLATION))
        ],
    }
    nothing = flow(0, None, None)
    quiet = {
        **dict.fromkeys(("requests", "errors", "retries", "in_flight"), 0),
        **dict.fromkeys(("requests_last_minute", "errors_last_minute"), 0),
        "requests_per_second": 0.0,
        "error_rate": 0.0,
        "clients": nothing,
        "captions": nothing,
    }
    scene["gateway"] = quiet | {
        "p50_ms": None,
        "p95_ms": None,
        "unasked_last_minute": 0,
        "own": [],
        "places": 0,
        "places_limit": 1024,
        "spooled_bytes": 0,
        "spool_limit": 1_073_741_824,
        "queues": [],
        "rate_limits": [],
        "routes": routes(0),
        "instances": [
            gateway_instance(
                name,
                url,
                requests=0,
                errors=0,
                requests_last_minute=0,
                errors_last_minute=0,
                in_flight=0,
                share=None,
                p95_ms=None,
            )
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
    scene["connections"] = pool(now, [], **nobody)
    scene["counts"] = {"connections": 0, "sessions": 0, "bots": 0}
    scene["metrics"] |= {
        "uptime": 1.0,
        "series": {name: [] for name in scene["metrics"]["series"]},
        "gateway": quiet,
        "speech": speech(
            streams=0,
            utterances=0,
            finals=0,
            caption_p50_ms=None,
            caption_p95_ms=None,
            utterances_per_minute=0,
            captions_timed=0,
            caption_ago=None,
            utterances_in_window=0,
        ),
        "connections": {
            "active": 0,
            "total": 0,
            "limit": 10_000,
            "sessions": 0,
            "evicted": 0,
            "unanswered": 0,
            "messages_out_per_second": 0.0,
        },
        "events": [],
        "process": {"rss_bytes": None, "cpu_share": None, "open_files": None, "tasks": 40},
        "overload": gateway_scenes.overload() | {"uses": []},
    }
    for branch in scene["tree"]["branches"]:
        branch |= {
            "uptime": 1.0,
            "since": now - 1,
            "detail": "",
            "queues": [],
            "rate_limits": [],
            "tasks": [],
        }
    scene["config"]["sources"] = dict.fromkeys(scene["config"]["values"], "default")
    scene["config"] |= {"environment": [], "runtime": []}
    return scene


def broken(now: float) -> Scene:
    """Return a service in trouble, with gaps in its figures and names that are markup."""
    scene = full(now)
    scene["services"] = {
        "state": "unhealthy",
        "services": [
            service(
                now,
                "audio-service",
                "recovering",
                [
                    instance(
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
            service(
                now,
                "translation-service",
                "unhealthy",
                [
                    instance(
                        now,
                        TRANSLATION,
                        "unhealthy",
                        "h" * 5 + "u" * 40,
                        44.0,
                        reasons=[f"connection refused {HOSTILE}"],
                        since=now - 5000,
                        latency_ms=None,
                        p95_ms=None,
                        answered=0.0,
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
            gateway_instance(
                "audio-service",
                AUDIO,
                breaker="open",
                breaker_retry_in=7.2,
                usable=False,
                p95_ms=None,
                errors=41,
            ),
            gateway_instance(
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
    scene["store"] = {
        "engine": "redis",
        "state": "degraded",
        "reason": f"Redis at redis://r:6379: Connection refused {HOSTILE}. Nothing listens there: start it.",
        "since": now - 42,
        "cautions": [],
    }
    scene["metrics"]["series"] = series(now, 120, gap=(50, 75))
    scene["metrics"]["gateway"] |= {
        "error_rate": 0.412,
        "errors_last_minute": 1_483,
        "clients": flow(18_000, None, None, errors=1_483),
    }
    scene["metrics"]["speech"] = speech(
        lost=4,
        lost_seconds=31.0,
        caption_p50_ms=None,
        caption_p95_ms=None,
        captions_timed=0,
        lost_in_window=4,
    )
    scene["connections"] = pool(
        now,
        [connection(now, 1, name=HOSTILE, agent=HOSTILE, sessions=["x" * 128], queued_bytes=1_040_000)],
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
            "reason": "listening sockets are opened at start",
        }
    ]
    scene["config"]["file"]["faults"] = [
        {"path": "orchestration.gateway.timeout", "expected": "expected a number greater than 0, got -3"},
        {"path": "orchestration.gatway", "expected": "unknown key; did you mean gateway?"},
    ]
    return scene


def strained(now: float) -> Scene:
    """Return the busy service, with all that can be wrong with a gateway."""
    scene = full(now)
    gateway_scenes.strained(scene)
    return scene


def crowded(now: float) -> Scene:
    """Return a service with 50 instances and 100 routes, and names as long as they get."""
    scene = full(now)
    gateway_scenes.crowded(scene)
    return scene


def several(now: float) -> Scene:
    """Return the busy service as three workers, one of which does not answer."""
    scene = full(now)
    workers = [worker(now, place) for place in range(3)]
    workers[1]["brief"] |= {"amiss": ["gateway"]}
    workers[2] |= {"answered": False}
    scene["workers"] = {"workers": workers}
    scene["tree"] |= {"worker": 0}
    connections = [
        each | {"worker": f"w-{index % 2}"} for index, each in enumerate(scene["connections"]["connections"])
    ]
    scene["connections"] |= {
        "connections": connections,
        "workers": [
            {
                "worker": each["worker"],
                "here": each["here"],
                "answered": each["answered"],
                "active": 729 if each["answered"] else None,
            }
            for each in workers
        ],
    }
    return scene


#: Words from the right, as people and back ends have them, with a number that would move.
FOREIGN: Final = "مترجم 12 (تجربة)"


def foreign(now: float) -> Scene:
    """Return the service in trouble, all that people and back ends say in a script from the right."""
    scene = broken(now)
    for each in scene["services"]["services"]:
        each["reason"] = FOREIGN
        for one in each["instances"]:
            one |= {"reasons": [FOREIGN], "engine": FOREIGN, "notice": FOREIGN}
        if each["recovery"]:
            each["recovery"]["text"] = FOREIGN
    scene["services"]["shortages"] = [
        {"kind": "descriptors", "text": FOREIGN, "last": FOREIGN, "since": now - 9, "times": 2}
    ]
    scene["store"] |= {"reason": FOREIGN, "brief": FOREIGN}
    for each in scene["metrics"]["events"]:
        each |= {"subject": FOREIGN, "text": FOREIGN}
    name = {"name": FOREIGN, "agent": f"{FOREIGN}/1", "sessions": [FOREIGN]}
    scene["connections"] = pool(now, [connection(now, index, **name) for index in (0, 1)], active=2)
    for each in scene["tree"]["branches"]:
        each |= {"detail": FOREIGN, "waits_for": FOREIGN}
        each["queues"] = [{"name": FOREIGN, "fill": 1, "limit": 4}]
        each["tasks"] = [{"name": FOREIGN, "count": 1, "depth": 0, "waits_for": FOREIGN}]
        each["last_error"] = {"type": "OSError", "message": FOREIGN, "traceback": FOREIGN, "at": now - 9}
    config = scene["config"]
    config["values"]["services.audio-service.model"] = FOREIGN
    config["sources"]["services.audio-service.model"] = "file"
    config["file"] |= {"path": FOREIGN, "faults": [{"path": FOREIGN, "expected": FOREIGN}]}
    config["pending"] = [{"path": "a.b", "old": FOREIGN, "new": FOREIGN, "reason": FOREIGN}]
    return scene


SCENES: Final[dict[str, Callable[[float], Scene]]] = {
    "full": full,
    "empty": empty,
    "broken": broken,
    "strained": strained,
    "crowded": crowded,
    "several": several,
    "foreign": foreign,
}


def statistics(scene: Scene) -> dict[str, Any]:
    """Return the scene as the parts' own structs; ValidationError where a shape is not theirs."""
    names = sorted({each["service"] for each in scene["gateway"]["instances"]})
    gateway = {"services": [gateway_service(name) for name in names], **scene["gateway"]}
    return {
        topic: msgspec.convert({**scene, "gateway": gateway}[topic], kind) for topic, kind in KINDS.items()
    }
