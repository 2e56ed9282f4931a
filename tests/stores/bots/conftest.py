from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.fakes.bot_sessions import BotEngine, PostgresBotEngine, SqliteBotEngine
from tests.fakes.postgres import postgres_address
from tests.fakes.processes import lasting


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Run a server for all tests that leave it running; return its address."""
    with ExitStack() as stack:
        with lasting():
            address = stack.enter_context(postgres_address())
        yield address


@pytest.fixture(
    params=["sqlite", pytest.param("postgres", marks=[pytest.mark.real_time, pytest.mark.process])]
)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> BotEngine:
    """Each engine in turn, empty; tests of a server take real time."""
    if request.param == "sqlite":
        return SqliteBotEngine(tmp_path)
    return PostgresBotEngine(request.getfixturevalue("postgres"))
