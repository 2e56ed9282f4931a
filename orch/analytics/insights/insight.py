"""An insight, as pages and the API show it. Pure."""

from typing import Final, Literal

from msgspec import Struct

Severity = Literal["info", "warn", "bad"]

SEVERITIES: Final[tuple[Severity, ...]] = ("info", "warn", "bad")
"""In order; the last one is the worst."""


class Evidence(Struct, frozen=True, kw_only=True):
    """A fact that an insight rests on. ``at``: when (seconds since the epoch).

    ``key``: of the series that shows it, "" if it is an event.
    """

    text: str
    at: float
    key: str = ""


class NextStep(Struct, frozen=True, kw_only=True):
    """What to do next. ``href``: the page for it; ``command``: the request that shows the cause."""

    text: str
    href: str
    command: str = ""


class Cause(Struct, frozen=True, kw_only=True):
    """A possible cause. ``share``: how likely it is among those that are known, 0 to 1."""

    cause: str
    subject: str
    text: str
    share: float


class Insight(Struct, frozen=True, kw_only=True):
    """What is unusual, why probably, and what to do. Times are seconds since the epoch.

    ``identity``: its name; it stays while the insight grows. ``subject``: what is affected. ``title``: one
    sentence. ``causes``: the likeliest first; empty if none is known. ``evidence``: in the order of time.
    ``keys``: of the series that moved. ``began``, ``until``: of what it is about; ``is_open``: it lasts.
    ``times``: how often it happened within a day. ``words``: the same in other words, "" if there are none.
    """

    identity: str
    severity: Severity
    subject: str
    title: str
    causes: tuple[Cause, ...]
    evidence: tuple[Evidence, ...]
    next_step: NextStep
    keys: tuple[str, ...]
    began: float
    until: float
    is_open: bool
    times: int = 1
    words: str = ""

    @property
    def likely(self) -> str:
        """The kind of the likeliest cause and its subject, which is what makes two insights the same."""
        first = self.causes[0] if self.causes else None
        return f"{first.cause} {first.subject}" if first else f"unknown {self.subject}"
