"""Which errors of a request are worth another attempt. Pure."""

from typing import Final

from orch.problems import ProblemError

#: Transient errors: another attempt later may succeed. All others are durable.
TRANSIENT: Final = frozenset(
    {
        "service_unavailable",
        "overloaded",
        "shed",
        "own_shortage",
        "gateway_timeout",
        "bad_gateway",
        "rate_limited",
        "shutting_down",
        "too_many_connections",
        "internal_error",
    }
)
#: Those of them with which the back end did respond, in a way that cannot be used.
UNUSABLE: Final = frozenset({"bad_gateway", "internal_error"})


def is_transient(error: ProblemError) -> bool:
    """Return whether another attempt later may succeed."""
    return error.code in TRANSIENT


def is_unanswered(error: ProblemError) -> bool:
    """Return whether the back end sent no response of its own."""
    return error.code not in UNUSABLE
