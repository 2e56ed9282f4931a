"""What an error of PostgreSQL means for the caller, and its explanation for operators. Pure.

Errors are classified by their SQLSTATE, the first two characters of which are its class
(https://www.postgresql.org/docs/current/errcodes-appendix.html).
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Trouble(StrEnum):
    """What an error means."""

    AWAY = "away"
    """The server cannot be reached, or is starting or stopping. Nothing is stored until it is back."""
    FORBIDDEN = "forbidden"
    FULL = "full"
    READ_ONLY = "read_only"
    SCHEMA = "schema"
    NEWER = "newer"
    BUSY = "busy"
    """Another transaction was in the way; the same again may succeed."""
    REFUSED = "refused"
    """The data does not fit into the schema; the same again fails again."""
    CANCELLED = "cancelled"
    """The server was asked to end the statement: by an operator, or by a limit of its settings."""
    FAILING = "failing"


RETRIED: Final = frozenset({Trouble.BUSY})
"""The script is run again at once."""

CLOSING: Final = frozenset({Trouble.AWAY, Trouble.FORBIDDEN, Trouble.NEWER})
"""Nothing more is attempted until a probe succeeds."""

ADVICE: Final[Mapping[Trouble, str]] = {
    Trouble.AWAY: "Start it, or correct the address. What bots capture is spooled on the disk meanwhile.",
    Trouble.FORBIDDEN: "Correct the address (user, password, database), or grant the rights.",
    Trouble.FULL: "Free space on its disk, or raise its limits. What bots capture is spooled meanwhile.",
    Trouble.READ_ONLY: "It is a standby, or read-only by its settings. Point the address to the primary.",
    Trouble.SCHEMA: "Its tables are not those of this version. They are migrated within seconds.",
    Trouble.NEWER: "Start that version of the service, or use another database.",
    Trouble.BUSY: "Another transaction holds locks. If this continues, look into pg_stat_activity.",
    Trouble.REFUSED: "The data does not fit into the schema. Retrying does not help.",
    Trouble.CANCELLED: "A limit of its settings (statement_timeout, lock_timeout) or an operator ended it.",
    Trouble.FAILING: "Look at its log.",
}

_BY_STATE: Final[Mapping[str, Trouble]] = {
    "25006": Trouble.READ_ONLY,
    "53300": Trouble.AWAY,  # too many connections: others will end
    "55P03": Trouble.BUSY,
    "55P04": Trouble.BUSY,
    "57014": Trouble.CANCELLED,
    "42501": Trouble.FORBIDDEN,
    "3D000": Trouble.FORBIDDEN,
}
_BY_CLASS: Final[Mapping[str, Trouble]] = {
    "08": Trouble.AWAY,
    "22": Trouble.REFUSED,
    "23": Trouble.REFUSED,
    "25": Trouble.AWAY,  # such as idle_in_transaction_session_timeout: the connection is gone
    "28": Trouble.FORBIDDEN,
    "40": Trouble.BUSY,
    "42": Trouble.SCHEMA,
    "53": Trouble.FULL,
    "54": Trouble.REFUSED,  # such as a row larger than a page
    "57": Trouble.AWAY,
    "58": Trouble.FULL,
    "3F": Trouble.SCHEMA,
}


def trouble_of(state: str | None) -> Trouble:
    """Return what an SQLSTATE means."""
    if not state:
        return Trouble.FAILING
    return _BY_STATE.get(state) or _BY_CLASS.get(state[:2]) or Trouble.FAILING


def reason(trouble: Trouble, said: str, where: str) -> str:
    """Return the sentences for operators. ``where``: the server, without the password."""
    said = " ".join(said.split()).rstrip(".") or "no reason given"
    return f"Bot sessions cannot be stored in PostgreSQL at {where}: {said}. {ADVICE[trouble]}"


def refused(trouble: Trouble) -> str:
    """Return the sentence for a caller whose request failed."""
    if trouble is Trouble.FULL:
        return "Bot sessions cannot be stored right now: the database is full. Try again in a moment."
    if trouble is Trouble.AWAY:
        return (
            "Bot sessions cannot be stored right now: the database is not reachable. Try again in a moment."
        )
    return "Bot sessions cannot be stored right now. Try again in a moment."
