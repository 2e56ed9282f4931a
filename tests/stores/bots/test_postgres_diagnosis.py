"""What errors of PostgreSQL mean; and the addresses, times and statements of its side."""

import pytest

from orch.stores.bot_scripts.requests import for_sqlite, marks
from orch.stores.postgres.address import server_of
from orch.stores.postgres.connections import to_microseconds, to_seconds
from orch.stores.postgres.diagnosis import ADVICE, Trouble, reason, refused, trouble_of
from orch.stores.postgres.migrations import migrations


@pytest.mark.parametrize(
    ("state", "trouble"),
    [
        ("08006", Trouble.AWAY),
        ("57P01", Trouble.AWAY),
        ("57P03", Trouble.AWAY),
        ("53300", Trouble.AWAY),
        ("25P03", Trouble.AWAY),
        ("53100", Trouble.FULL),
        ("53200", Trouble.FULL),
        ("28P01", Trouble.FORBIDDEN),
        ("3D000", Trouble.FORBIDDEN),
        ("42501", Trouble.FORBIDDEN),
        ("42P01", Trouble.SCHEMA),
        ("3F000", Trouble.SCHEMA),
        ("25006", Trouble.READ_ONLY),
        ("40P01", Trouble.BUSY),
        ("40001", Trouble.BUSY),
        ("55P03", Trouble.BUSY),
        ("23505", Trouble.REFUSED),
        ("22003", Trouble.REFUSED),
        ("57014", Trouble.CANCELLED),
        ("XX000", Trouble.FAILING),
        ("", Trouble.FAILING),
        (None, Trouble.FAILING),
    ],
)
def test_a_state_says_what_to_do(state: str | None, trouble: Trouble) -> None:
    """A shortage, a mistake of the settings, and data that does not fit are told apart."""
    assert trouble_of(state) is trouble


def test_every_trouble_has_its_sentences() -> None:
    """What happened, where, and what to do; for callers without what the server has said."""
    for trouble in Trouble:
        words = reason(trouble, "it said\n this.", "host/db")
        assert (
            words
            == f"Bot sessions cannot be stored in PostgreSQL at host/db: it said this. {ADVICE[trouble]}"
        )
        assert "it said" not in refused(trouble)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://user:secret@db.example:5433/bots", "db.example:5433/bots"),
        ("postgres://db/bots?password=secret", "db/bots"),
        ("postgresql:///bots", "localhost/bots"),
        ("postgresql://u:p@host:notaport/x", "host/x"),
    ],
)
def test_an_address_is_shown_without_secrets(address: str, shown: str) -> None:
    """Neither from the user's part nor from the query."""
    assert server_of(address) == shown


@pytest.mark.parametrize(
    "at", [0.0, 1_764_444_000.123456, 1_764_444_000.000001, -1.5, 253_402_300_799.999999]
)
def test_times_are_exact_to_a_microsecond(at: float) -> None:
    """In both directions."""
    assert abs(to_seconds(to_microseconds(at)) - at) <= 1e-6 if abs(at) < 1e10 else 1e-4
    assert to_seconds(to_microseconds(to_seconds(to_microseconds(at)))) == to_seconds(to_microseconds(at))


def test_the_statement_of_sqlite_is_derived() -> None:
    """Tables with a prefix, numbered parameters, and no locks of rows."""
    sql = "SELECT x FROM bot_sessions.lives WHERE a = $1 AND b IN ($12) FOR KEY SHARE"
    assert for_sqlite(sql) == "SELECT x FROM bot_lives WHERE a = ?1 AND b IN (?12)"
    assert for_sqlite("SELECT 1 FROM bot_sessions.sessions FOR UPDATE") == "SELECT 1 FROM bot_sessions"
    assert marks(3) == "$1, $2, $3"
    assert marks(2, 4) == "$4, $5"


def test_migrations_are_numbered_without_gap() -> None:
    """Each is run once, in this order."""
    assert [step.version for step in migrations()] == list(range(1, len(migrations()) + 1))
