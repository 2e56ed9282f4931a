"""The static responses of the settings, with their bodies."""

from typing import NamedTuple

import structlog

from orch.settings import Gateway, StaticResponse
from orch.settings.static_responses import read_body
from orch.telemetry.events import EventLog

log = structlog.get_logger("fallbacks")


class StaticBody(NamedTuple):
    """A static response with its body."""

    response: StaticResponse
    body: bytes


class StaticBodies:
    """The bodies, read when settings are applied. The mutable state is what was read last.

    A file that could be read when the settings were checked, and cannot any more, leaves what was read of it.
    """

    def __init__(self, events: EventLog) -> None:
        self._events = events
        self._read: dict[str, StaticBody] = {}

    def get(self, name: str) -> StaticBody | None:
        """Return a static response by its name."""
        return self._read.get(name)

    def apply(self, gateway: Gateway) -> None:
        """Read the bodies of changed settings."""
        read: dict[str, StaticBody] = {}
        for response in gateway.static_responses:
            try:
                read[response.name] = StaticBody(response, read_body(response))
            except ValueError as error:
                log.error("static response not read", name=response.name, expected=str(error))  # noqa: TRY400 - the reason says it all
                self._events.record(
                    "bad", "gateway", f"The static response {response.name} cannot be used: {error}."
                )
                if response.name in self._read:
                    read[response.name] = self._read[response.name]
        self._read = read
