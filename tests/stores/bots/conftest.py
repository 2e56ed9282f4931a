from pathlib import Path

import pytest

from tests.fakes.bot_sessions import BotEngine, SqliteBotEngine


@pytest.fixture(params=["sqlite"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> BotEngine:
    """Each engine in turn, empty."""
    return SqliteBotEngine(tmp_path)
