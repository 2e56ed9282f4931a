"""An alert as it is stored. Pure.

The limits below bound what one alert takes, whatever its labels are: a label may have any length.
"""

import re
from collections.abc import Mapping
from typing import Final

from msgspec import Struct, field

from orch.protocol.plain_text import plain_lines, without_controls

STORED: Final = 500
"""Alerts stored; beyond, those are dropped that ended first, then the least severe."""

STORED_FOR: Final = 86_400.0
"""Seconds that an alert is stored after its end."""

LABELS: Final = 48
LABEL_VALUE: Final = 512
"""Characters of a label's value that are stored; the rest is cut (:attr:`Alert.cut`)."""
ANNOTATION: Final = 1_000
NAME: Final = 128

ESCALATION: Final = "escalation"
"""The label of the copy of an alert that goes to the receiver ``escalation``."""

WATCHDOG: Final = "Watchdog"
"""The alert that always fires."""

#: Annotations that are stored, and those of them that are addresses.
ANNOTATIONS: Final = ("summary", "description", "impact", "runbook_url", "dashboard")
_ADDRESSES: Final = frozenset({"runbook_url", "dashboard"})


class Acknowledgement(Struct, frozen=True, kw_only=True):
    """Somebody takes care of an alert. Times in seconds since the epoch.

    ``by``: who, as the operator was identified. ``silence``: the id of Alertmanager's silence; "": there is
    none (yet), for the reason ``fault``; "" too: it is being made. ``made``: when the silence was made.
    """

    at: float
    until: float
    by: str
    comment: str = ""
    silence: str = ""
    made: float = 0.0
    fault: str = ""


class Alert(Struct, frozen=True, kw_only=True):
    """One alert: labels identify it, and ``fingerprint`` is Alertmanager's name for them.

    ``since``: when it began to fire, by Prometheus; ``noticed``: when the service received that; ``ended``:
    None while it fires. ``cut``: the labels of which only the beginning is stored. ``silenced``,
    ``inhibited``: by Alertmanager, which then notifies nobody. ``escalated``: when the receiver
    ``escalation`` was notified, and ``escalation_fault`` why not. ``surplus_silences``: those that should be
    ended and are not yet.
    """

    fingerprint: str
    labels: dict[str, str]
    annotations: dict[str, str] = field(default_factory=dict)
    cut: tuple[str, ...] = ()
    generator: str = ""
    since: float
    noticed: float
    ended: float | None = None
    silenced: bool = False
    inhibited: bool = False
    acknowledgement: Acknowledgement | None = None
    escalated: float | None = None
    escalation_fault: str = ""
    surplus_silences: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The alert's name, or its fingerprint without one."""
        return self.labels.get("alertname") or self.fingerprint

    @property
    def severity(self) -> str:
        """``critical``, ``warning``, ``info`` or what the rule says."""
        return self.labels.get("severity", "")

    @property
    def is_firing(self) -> bool:
        """Whether it fires."""
        return self.ended is None


class Sighting(Struct, frozen=True, kw_only=True):
    """What Alertmanager said of an alert at one time, made fit to be stored.

    ``silenced``, ``inhibited``: None where it does not say.
    """

    fingerprint: str
    labels: dict[str, str]
    annotations: dict[str, str]
    cut: tuple[str, ...]
    generator: str
    since: float
    ended: float | None
    silenced: bool | None = None
    inhibited: bool | None = None
    silences: tuple[str, ...] = ()


def sighting(
    fingerprint: str,
    labels: Mapping[str, str],
    annotations: Mapping[str, str],
    *,
    generator: str,
    since: float,
    ended: float | None,
    silenced: bool | None = None,
    inhibited: bool | None = None,
    silences: tuple[str, ...] = (),
) -> Sighting:
    """Return a sighting with labels and annotations within their limits.

    The name, the severity and the service come first, the other labels by name; an address that no browser
    should open is left out.
    """
    first = ("alertname", "severity", "service")
    names = [*(name for name in first if name in labels), *sorted(labels.keys() - set(first))]
    usable = [name for name in names if labels[name] and len(name) <= NAME]
    kept = {name: labels[name][:LABEL_VALUE] for name in usable[:LABELS]}
    return Sighting(
        fingerprint=fingerprint,
        labels=kept,
        annotations={
            name: text for name in ANNOTATIONS if (text := _annotation(name, annotations.get(name, "")))
        },
        cut=tuple(name for name in kept if len(labels[name]) > LABEL_VALUE),
        generator=_address(generator),
        since=since,
        ended=ended,
        silenced=silenced,
        inhibited=inhibited,
        silences=silences,
    )


def shown_text(text: str) -> str:
    """Return a text of a label as one line, without characters that are no text."""
    return without_controls(text.replace("\n", " "))


def _annotation(name: str, text: str) -> str:
    return _address(text) if name in _ADDRESSES else plain_lines(text[:ANNOTATION]).strip()


def _address(text: str) -> str:
    """Return the URL or path of a document; "" for one that a browser would run, or take for another host."""
    is_path = re.fullmatch(r"/?[\w.-]+(?:/[\w.#-]+)*", text) is not None
    is_usable = is_path or text.startswith(("http://", "https://"))
    return text if is_usable and len(text) <= 2 * ANNOTATION and text.isprintable() else ""
