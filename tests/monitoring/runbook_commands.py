"""The commands of the runbooks, and which of them run without containers."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

from msgspec import Struct

RUNBOOKS: Final = Path(__file__).parents[2] / "docs" / "runbooks"

#: Of a line with a command.
INDENT: Final = "       "
_COMPOSE: Final = "docker compose -f docker-compose.monitoring.yml "

#: Of what has to be replaced by the reader: ids, files and addresses.
_OF_READERS: Final = re.compile(r"\b(?:[A-Z]+_ID|FINGERPRINT|FOLDER|PID)\b|gpu-1|meet\.google\.com")
_QUERY: Final = re.compile(r"promtool query \w+ http://localhost:9090 '([^']*)'")
_FILTER: Final = re.compile(r"\| jq (?:-r )?(?:'([^']*)'|(\S+))")
_PATH: Final = re.compile(r"localhost:3000(/[^\s'|]*)")


class Command(Struct, frozen=True):
    """A command of a page, as it is printed there."""

    page: str
    text: str

    @property
    def query(self) -> str | None:
        """The expression that it has Prometheus evaluate."""
        return found[1] if (found := _QUERY.search(self.text)) else None

    @property
    def filter(self) -> str | None:
        """What ``jq`` does with a response."""
        return (found[1] or found[2]) if (found := _FILTER.search(self.text)) else None

    @property
    def path(self) -> str | None:
        """The path that it requests from the service, without a query."""
        return found[1].partition("?")[0] if (found := _PATH.search(self.text)) else None

    @property
    def method(self) -> str:
        """The method of a request."""
        return found[1] if (found := re.search(r"-X ([A-Z]+)", self.text)) else "GET"

    @property
    def is_example(self) -> bool:
        """Whether the reader has to put something in."""
        return _OF_READERS.search(self.text) is not None


@cache
def commands() -> tuple[Command, ...]:
    """Return all commands, in the order of the pages' names."""
    return tuple(
        Command(path.stem, line.strip())
        for path in sorted(RUNBOOKS.glob("*.md"))
        if path.stem != "README"
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.startswith(INDENT)
    )


class Places(Struct, frozen=True):
    """Where programs are that stand for the containers: ``HOST:PORT``, and files."""

    service: str
    prometheus: str
    alertmanager: str
    redis_port: int
    postgres_port: int
    postgres_programs: Path
    log: Path


def _replacements(places: Places) -> Mapping[str, str]:
    """Return what stands in a command for what needs containers, the longer texts first."""
    postgres = f"-h 127.0.0.1 -p {places.postgres_port}"
    return {
        f"{_COMPOSE}exec redis redis-cli": f"redis-cli -p {places.redis_port}",
        f"{_COMPOSE}exec postgres psql": f"{places.postgres_programs}/psql {postgres}",
        f"{_COMPOSE}exec postgres pg_isready": f"{places.postgres_programs}/pg_isready {postgres}",
        f"{_COMPOSE}exec prometheus promtool check config": "promtool check config --syntax-only",
        f"{_COMPOSE}exec prometheus promtool": "promtool",
        f"{_COMPOSE}exec alertmanager amtool": "amtool",
        f"{_COMPOSE}logs --since 1h orchestration": f"cat '{places.log}'",
        "scripts/deploy-monitoring.sh logs orchestration": f"cat '{places.log}'",
        "/etc/prometheus/": "monitoring/prometheus/",
        "/etc/alertmanager/": "monitoring/alertmanager/",
        "localhost:3000": places.service,
        "localhost:9090": places.prometheus,
        "localhost:9093": places.alertmanager,
        # An error status is an error.
        "curl -s ": "curl -sS --fail-with-body ",
    }


def runnable(command: Command, places: Places) -> str | None:
    """Return a command for a shell here; None for what needs containers, Loki, or what a reader puts in."""
    text = command.text
    if command.is_example or command.query is not None or "localhost:3100" in text:
        return None
    for old, new in _replacements(places).items():
        text = text.replace(old, new)
    first = text.partition(" ")[0].rpartition("/")[2]
    is_here = first in {"curl", "redis-cli", "psql", "pg_isready", "promtool", "amtool", "cat"}
    return text if is_here else None
