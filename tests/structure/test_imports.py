"""Pure modules stay pure: they decide, and import nothing that acts."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "orch"

PURE = (
    "access/actors.py",
    "access/addresses.py",
    "access/guesses.py",
    "access/origins.py",
    "access/table.py",
    "cluster/workers.py",
    "masking.py",
    "greeting.py",
    "front/plain_http.py",
    "front/sieve.py",
    "websocket/address_rates.py",
    "websocket/space.py",
    "front/partial_messages.py",
    "front/small_chunks.py",
    "front/flooders.py",
    "front/small_frames.py",
    "front/frame_meters.py",
    "web/openapi_extras.py",
    "problems.py",
    "shortages.py",
    "outgoing.py",
    "capacity.py",
    "front/admission.py",
    "restarts.py",
    "workers/rolling.py",
    "settings/structs.py",
    "documents.py",
    "settings/addresses.py",
    "settings/back_ends.py",
    "settings/credentials.py",
    "settings/decoding.py",
    "settings/yaml_reading.py",
    "settings/environment.py",
    "settings/kinds.py",
    "settings/portable.py",
    "settings/reloading.py",
    "analytics/latencies.py",
    "analytics/series.py",
    "client/backlog.py",
    "client/events.py",
    "client/reconnecting.py",
    "client/recovery.py",
    "client/sessions.py",
    "client/state.py",
    "client/stored_speech.py",
    "telemetry/events.py",
    "front/http1.py",
    "front/heads.py",
    "front/chunks.py",
    "front/responses.py",
    "front/refusals.py",
    "front/scopes.py",
    "gateway/routes.py",
    "gateway/balancer.py",
    "gateway/breaker.py",
    "gateway/retries.py",
    "gateway/headers.py",
    "gateway/answer_headers.py",
    "gateway/figures.py",
    "gateway/flows.py",
    "gateway/places.py",
    "gateway/public.py",
    "gateway/http1.py",
    "gateway/bodies.py",
    "front/answers.py",
    "front/frames.py",
    "front/deflate.py",
    "front/handshake.py",
    "front/wheel.py",
    "websocket/messages.py",
    "websocket/keys.py",
    "websocket/names.py",
    "websocket/topics.py",
    "websocket/sessions.py",
    "websocket/members.py",
    "websocket/others.py",
    "websocket/resident.py",
    "websocket/roster.py",
    "websocket/history.py",
    "websocket/closes.py",
    "websocket/comings.py",
    "websocket/decoding.py",
    "websocket/figures.py",
    "websocket/handshake.py",
    "websocket/lateness.py",
    "websocket/limits.py",
    "websocket/outbox.py",
    "websocket/parts.py",
    "websocket/pool.py",
    "websocket/steady.py",
    "websocket/tokens.py",
    "cluster/leases.py",
    "stores/records.py",
    "stores/standing.py",
    "stores/sqlite_trouble.py",
    "stores/redis_address.py",
    "stores/redis_calls.py",
    "stores/redis_commands.py",
    "stores/redis_troubles.py",
    "stores/redis_words.py",
    "stores/redis_following.py",
    "stores/redis_keys.py",
    "health/verdict.py",
    "health/recovery.py",
    "health/answers.py",
    "health/history.py",
    "health/statistics.py",
    "health/words.py",
    "speech/noise_floor.py",
    "speech/segmenter.py",
    "speech/backlog.py",
    "speech/turn_order.py",
    "websocket/stream_shares.py",
    "websocket/continuing.py",
    "speech/exports.py",
    "speech/growing.py",
    "speech/backends.py",
    "speech/patience.py",
    "speech/standing.py",
    "speech/captions.py",
    "speech/guest_words.py",
    "speech/containers.py",
    "speech/decoder_frames.py",
    "speech/downmix.py",
    "speech/lengths.py",
    "speech/timeline.py",
    "speech/cues.py",
    "speech/languages.py",
    "speech/lines.py",
    "speech/resampling.py",
    "speech/rows.py",
    "speech/tally.py",
    "speech/wav.py",
)
ACTS = {
    "trio",
    "quart",
    "quart_trio",
    "hypercorn",
    "httpx2",
    "socket",
    "time",
    "asyncio",
    "sqlite3",
    "coredis",
    "threading",
}
SHELLS = {
    "service",
    "proxy",
    "upstream",
    "probes",
    "processes",
    "connection",
    "written",
    "linked",
    "endpoint",
    "live",
}


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


@pytest.mark.parametrize("name", PURE)
def test_a_pure_module_imports_nothing_that_acts(name: str) -> None:
    """No event loop, no clock, no socket, and no shell of ours."""
    found = imports(ROOT / name)
    assert not {module.partition(".")[0] for module in found} & ACTS
    assert not {module for module in found if module.startswith("orch.") and module.split(".")[-1] in SHELLS}


def test_no_module_keeps_the_names_that_hide_what_a_thing_is() -> None:
    """No utils, no helpers, no Manager."""
    for path in ROOT.rglob("*.py"):
        assert path.stem not in {"utils", "helpers", "common", "misc"}, path
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                assert not node.name.endswith(("Manager", "Helper")), f"{path}: {node.name}"


#: Where a clock is read in place: programs of their own, and threads that have no loop to take the time from.
READS_CLOCKS = {
    "sandbox/audio_service.py",
    "sandbox/translation_service.py",
    "stores/database.py",
    "stores/sqlite_file.py",
}

CLOCKS = (
    "time.",
    "random.",
    "datetime.datetime.now",
    "datetime.datetime.utcnow",
    "datetime.datetime.today",
    "datetime.date.today",
)
NO_CLOCKS = ("time.sleep", "time.process_time", "time.strftime", "time.gmtime", "random.Random")


def clock_calls(source: str) -> set[str]:
    """Return the clocks and dice that a module calls, by their full names, whatever it imports them as."""
    tree = ast.parse(source)
    known: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            known |= {alias.asname or alias.name.partition(".")[0]: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            known |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            parts = ast.unparse(node.func).split(".")
            name = ".".join([known.get(parts[0], parts[0] + "?"), *parts[1:]])
            if name.startswith(CLOCKS) and name not in NO_CLOCKS:
                found.add(name)
    return found


def test_no_module_reads_a_clock_or_draws_to_decide() -> None:
    """Clocks and dice are handed in, as a parameter's default at most, so that tests can hand in others."""
    calling = {
        str(path.relative_to(ROOT)): calls
        for path in ROOT.rglob("*.py")
        if (calls := clock_calls(path.read_text(encoding="utf-8")))
    }
    assert set(calling) <= READS_CLOCKS, calling


@pytest.mark.parametrize(
    ("source", "calls"),
    [
        ("import time\nnow = time.time()", {"time.time"}),
        ("from time import time\nnow = time()", {"time.time"}),
        ("from time import time as clock\ndef f(): return clock()", {"time.time"}),
        ("import time as t\nt.monotonic_ns()", {"time.monotonic_ns"}),
        ("import datetime\ndatetime.datetime.now()", {"datetime.datetime.now"}),
        ("from datetime import datetime, UTC\ndatetime.now(UTC)", {"datetime.datetime.now"}),
        ("import datetime as dt\ndt.datetime.utcnow()", {"datetime.datetime.utcnow"}),
        ("from random import uniform\nuniform(0, 1)", {"random.uniform"}),
        ("import random\nx = [random.random() for _ in y]", {"random.random"}),
        ("import time\ndef f(wall=time.time): return wall()", set()),
        ("from random import random\ndef f(draw=random): return draw()", set()),
        ("def time(): ...\ntime()", set()),
        ("import trio\ntrio.current_time()", set()),
    ],
)
def test_calls_of_clocks_are_found_however_they_are_imported(source: str, calls: set[str]) -> None:
    """A search that finds nothing proves nothing."""
    assert clock_calls(source) == calls
