"""The table of causes: what each is called, and what to do about it. Pure.

``{subject}`` in a text is the service, route or part that the cause is about.
"""

from enum import StrEnum
from typing import Final, NamedTuple

from orch.analytics.insights.insight import NextStep


class CauseKind(StrEnum):
    """What causes anomalies."""

    START = "start"
    SETTINGS = "settings"
    COMMAND = "command"
    INCIDENT = "incident"
    BACK_END = "back_end"
    BACK_END_SLOW = "back_end_slow"
    BACK_END_ERRORS = "back_end_errors"
    DISCOVERY = "discovery"
    BRANCH = "branch"
    SHORTAGE = "shortage"
    STANDSTILL = "standstill"
    STORE = "store"
    LOAD = "load"
    NO_LOAD = "no_load"
    SATURATED = "saturated"
    GROWTH = "growth"
    CLIENTS = "clients"
    NO_FIGURES = "no_figures"
    BENEATH = "beneath"


class Step(NamedTuple):
    """What a cause is called, and what to do: a sentence, the page, and the request that shows the cause."""

    text: str
    advice: str
    href: str
    command: str

    def next_step(self, subject: str) -> NextStep:
        """Return the next step for a subject."""
        return NextStep(text=self.advice.format(subject=subject), href=self.href, command=self.command)


def _api(path: str) -> str:
    return f"curl -s http://localhost:3000{path}"


STEPS: Final = {
    CauseKind.START: Step(
        "The service was started",
        "Compare the figures before and after the start. Go back to the former version if they stay worse.",
        "/tree",
        _api("/api/tree"),
    ),
    CauseKind.SETTINGS: Step(
        "Settings were changed",
        "Read which settings changed, and change them back if the figures stay worse.",
        "/settings",
        _api("/api/config"),
    ),
    CauseKind.COMMAND: Step(
        "An operator changed how {subject} is used",
        "Check whether the command is still wanted, and undo it if it is not.",
        "/gateway",
        _api("/api/gateway/status"),
    ),
    CauseKind.INCIDENT: Step(
        "{subject} has an incident",
        "Open the incident of {subject}: its entries list each failed check and each step of the recovery.",
        "/incidents",
        _api("/api/incidents"),
    ),
    CauseKind.BACK_END: Step(
        "{subject} fails",
        "Read the last failure of {subject} and its log. Restart it if its own recovery has not.",
        "/gateway",
        _api("/api/services/status"),
    ),
    CauseKind.BACK_END_SLOW: Step(
        "{subject} responds slowly",
        "Look at the load and the log of {subject}. Add an instance, or lower its concurrency limit.",
        "/gateway",
        _api("/api/gateway/status"),
    ),
    CauseKind.BACK_END_ERRORS: Step(
        "{subject} returns errors",
        "Read the last failures of {subject} and its log.",
        "/gateway",
        _api("/api/gateway/status"),
    ),
    CauseKind.DISCOVERY: Step(
        "The instances of {subject} cannot be looked up",
        "Check the name server or the registry. Known instances are used meanwhile.",
        "/gateway",
        _api("/api/registry"),
    ),
    CauseKind.BRANCH: Step(
        "The part {subject} of this service failed",
        "Read the last error of {subject}, with its traceback.",
        "/tree",
        _api("/api/tree"),
    ),
    CauseKind.SHORTAGE: Step(
        "This process is out of a resource",
        "Read which resource it is. Raise its limit, or lower max_connections.",
        "/",
        _api("/api/metrics/dashboard"),
    ),
    CauseKind.STANDSTILL: Step(
        "This process was suspended, or the clock jumped",
        "Look at the machine: memory, processor time that others took, and its time service.",
        "/tree",
        _api("/api/tree"),
    ),
    CauseKind.STORE: Step(
        "The store is failing or slow",
        "Check the disk, Redis or PostgreSQL that the store uses. Messages are queued meanwhile.",
        "/tree",
        _api("/api/tree"),
    ),
    CauseKind.LOAD: Step(
        "There is more use than at such a time",
        "Check where it comes from. If it is wanted and lasts, add a worker or an instance.",
        "/connections",
        _api("/api/connections"),
    ),
    CauseKind.NO_LOAD: Step(
        "There is far less use than at such a time",
        "Check that clients reach the service: the proxy, the network, the certificate, the name.",
        "/connections",
        _api("/api/connections"),
    ),
    CauseKind.SATURATED: Step(
        "A limit of this process is nearly reached",
        "Read which limit it is. Raise it, or add a worker.",
        "/",
        _api("/api/metrics/dashboard"),
    ),
    CauseKind.GROWTH: Step(
        "{subject} grows without more use",
        "Watch whether it goes on. If it does, restart one worker at a quiet time and compare.",
        "/tree",
        _api("/api/tree"),
    ),
    CauseKind.CLIENTS: Step(
        "Clients send what is refused",
        "Read which problem it is, and from which addresses it comes.",
        "/connections",
        _api("/api/connections"),
    ),
    CauseKind.NO_FIGURES: Step(
        "A figure is no longer measured",
        "Check that the part which is measured is running.",
        "/tree",
        _api("/api/tree"),
    ),
    CauseKind.BENEATH: Step(
        "What this service runs on has an alert ({subject})",
        "Open the runbook of the alert about {subject}: this service only shows the consequences.",
        "/",
        _api("/api/alerts"),
    ),
}

UNKNOWN: Final = Step(
    "No cause is known",
    "Compare the figure with the day before, and look for what changed outside of this service.",
    "/analytics",
    _api("/api/analytics/anomalies"),
)
