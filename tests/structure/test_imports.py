"""Pure modules stay pure: they decide, and import nothing that acts."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.structure.sources import ORCH, PATHS, Source, source, sources

#: The areas from the bottom to the top. A module imports from its own area and from the rows before its own,
#: not from the other areas of its row. The longest prefix counts.
LAYERS = (
    (
        "backoff",
        "package_files",
        "masking",
        "untrusted_json",
        "network_addresses",
        "terminal",
        "open_files",
        "shortages",
        "queued_bytes",
        "sockets",
        "websocket_closing",
        "readiness",
        "ready",
        "repeats",
        "socket_backlog",
    ),
    ("overload",),
    ("own_usage",),
    ("problems", "protocol"),
    ("telemetry", "audio.parameters", "audio.process_limits"),
    ("settings",),
    ("tls",),
    ("settings.live",),
    ("capacity", "processes", "supervision", "audio", "overload_watch", "name_lookups"),
    ("stores",),
    ("cluster",),
    ("access",),
    ("workers",),
    ("front", "gateway", "health", "speech", "client"),
    ("websocket", "bots", "journey", "alerts"),
    ("analytics", "limit_usage"),
    ("web",),
    ("application",),
    ("wiring",),
    ("tree",),
    ("asgi", "greeting"),
    ("startup_responses", "sandbox", "back_end_checks", "demo_sharing", "companions"),
    ("serving",),
    ("cli",),
    ("__main__",),
)

#: What does something, or differs at each call. Not `random`: a test below sees to it that it is the default
#: of a parameter at most.
ACTS = {
    "trio",
    "quart",
    "quart_trio",
    "hypercorn",
    "httpx2",
    "socket",
    "time",
    "secrets",
    "asyncio",
    "sqlite3",
    "coredis",
    "asyncpg",
    "trio_asyncio",
    "threading",
    "subprocess",
    "structlog",
    "watchfiles",
}


def module_name(path: Path) -> str:
    parts = path.relative_to(ORCH).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in PATHS}


@cache
def imports(path: Path) -> frozenset[str]:
    """Return the modules that one imports, by full names."""
    found = {alias.name for node in source(path).nodes(ast.Import) for alias in node.names}
    for node in source(path).nodes(ast.ImportFrom):
        for alias in node.names if node.module else ():
            full = f"{node.module}.{alias.name}"
            found.add(full if full.removeprefix("orch.") in MODULES else str(node.module))
    return frozenset(found)


def own_imports(path: Path) -> set[str]:
    return {name.removeprefix("orch.") for name in imports(path) if name.startswith("orch.")}


def place(module: str) -> tuple[int, str]:
    """Return a module's row in LAYERS, and its area."""
    found = [
        (len(area), row, area)
        for row, areas in enumerate(LAYERS)
        for area in areas
        if module == area or module.startswith(area + ".")
    ]
    assert found, f"{module} has no row in LAYERS"
    _, row, area = max(found)
    return row, area


def test_imports_run_one_way() -> None:
    """Each module imports from its own area and from those below it alone; so no circle of areas can be."""
    wrong = []
    for name, path in MODULES.items():
        if not name:
            continue
        row, area = place(name)
        for imported in own_imports(path):
            other_row, other = place(imported)
            if other != area and other_row >= row:
                wrong.append(f"{name} imports {imported}")
    assert not wrong, "\n".join(sorted(wrong))


def test_every_row_of_the_layers_is_an_area_there_is() -> None:
    """A row for what is gone would let something else take its place unseen."""
    for area in (area for areas in LAYERS for area in areas):
        assert any(name == area or name.startswith(area + ".") for name in MODULES), area


def is_pure(path: Path) -> bool:
    """Return whether a module's docstring has the word "Pure.": it decides, and does nothing."""
    # Not parsed: it is asked about all modules in each process that collects tests.
    docstring = re.match(r'r?"""(.*?)"""', path.read_text(encoding="utf-8"), re.DOTALL)
    return docstring is not None and "Pure." in docstring[1]


PURE = sorted(name for name, path in MODULES.items() if is_pure(path))


def reached(module: str) -> dict[str, str]:
    """Return every module that one imports, directly or through others, each with who imports it."""
    found: dict[str, str] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = MODULES.get(name.removeprefix("orch."))
        if path is None or (name != module and not name.startswith("orch.")):
            continue
        for imported in imports(path):
            if imported not in found:
                found[imported] = name
                waiting.append(imported)
    return found


@pytest.mark.parametrize("name", PURE)
def test_a_pure_module_reaches_nothing_that_acts(name: str) -> None:
    """No event loop, no clock, no chance, no socket: not by itself, and not through what it imports."""
    acting = {imported: by for imported, by in reached(name).items() if imported.partition(".")[0] in ACTS}
    assert not acting


def test_most_modules_that_decide_say_that_they_are_pure() -> None:
    """The search itself works: it finds the modules that it should."""
    assert len(PURE) > 100


def test_no_module_keeps_the_names_that_hide_what_a_thing_is() -> None:
    """No utils, no helpers, no Manager."""
    for path in PATHS:
        assert path.stem not in {"utils", "helpers", "common", "misc"}, path
        for node in source(path).nodes(ast.ClassDef):
            assert not node.name.endswith(("Manager", "Helper")), f"{path}: {node.name}"


#: Where a clock is read in place: programs of their own, and threads that have no loop to take the time from.
READS_CLOCKS = {
    "sandbox/audio_service.py",
    "sandbox/translation_service.py",
    "stores/sqlite/database.py",
    "stores/sqlite/open_file.py",
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


def clock_calls(module: Source) -> set[str]:
    """Return the clocks and dice that a module calls, by their full names, whatever it imports them as."""
    known: dict[str, str] = {}
    for node in module.nodes(ast.Import):
        known |= {alias.asname or alias.name.partition(".")[0]: alias.name for alias in node.names}
    for origin in module.nodes(ast.ImportFrom):
        if origin.module:
            known |= {alias.asname or alias.name: f"{origin.module}.{alias.name}" for alias in origin.names}
    found: set[str] = set()
    for call in module.nodes(ast.Call):
        parts = ast.unparse(call.func).split(".")
        name = ".".join([known.get(parts[0], parts[0] + "?"), *parts[1:]])
        if name.startswith(CLOCKS) and name not in NO_CLOCKS:
            found.add(name)
    return found


def test_no_module_reads_a_clock_or_draws_to_decide() -> None:
    """Clocks and dice are handed in, as a parameter's default at most, so that tests can hand in others."""
    calling = {name: calls for name, module in sources().items() if (calls := clock_calls(module))}
    assert set(calling) <= READS_CLOCKS, calling


@pytest.mark.parametrize(
    ("text", "calls"),
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
def test_calls_of_clocks_are_found_however_they_are_imported(text: str, calls: set[str]) -> None:
    """The search itself works: it finds the modules that it should."""
    assert clock_calls(Source(text)) == calls


def test_nothing_is_found_out_about_a_store_at_run_time() -> None:
    """What a store offers stands in :class:`orch.stores.opening.Stores`, where types are checked.

    A protocol that may be asked for with ``isinstance`` needs ``runtime_checkable``; ``isinstance`` with a
    store's class is the same question.
    """
    found = []
    for name, path in MODULES.items():
        if name.partition(".")[0] in ("stores", "cluster", "access"):
            named = source(path).nodes(ast.Name)
            found += [f"{name}:{node.lineno} {node.id}" for node in named if node.id == "runtime_checkable"]
        for call in source(path).nodes(ast.Call):
            if ast.unparse(call.func) in ("isinstance", "issubclass"):
                classes = {ast.unparse(each) for each in ast.walk(call.args[1]) if isinstance(each, ast.Name)}
                found += [f"{name}:{call.lineno} {each}" for each in classes if each.endswith("Store")]
    assert not found, "\n".join(found)


def test_request_ids_are_made_and_judged_in_one_module() -> None:
    """One rule of what is valid, for the pages, the API, the gateway and the log."""
    assert [name for name, path in MODULES.items() if "import uuid" in source(path).text] == []
    judges = [
        name
        for name, path in MODULES.items()
        for node in source(path).nodes(ast.FunctionDef)
        if "request_id" in node.name
    ]
    assert sorted(judges) == ["protocol.identifiers", "protocol.request_id"]
