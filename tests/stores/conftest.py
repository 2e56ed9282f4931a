from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.redis import RedisServer, redis_server
from tests.fakes.stores import Engine, RedisEngine, SqliteEngine


@pytest.fixture(scope="session")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Run a server for all tests that leave it running."""
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis_address(shared_redis: RedisServer) -> str:
    """Return the address of an empty server."""
    assert shared_redis.ask("FLUSHALL") == b"+OK\r\n"
    return shared_redis.url


@pytest.fixture(params=["sqlite", "redis"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    """Each engine in turn, empty."""
    if request.param == "sqlite":
        return SqliteEngine(tmp_path)
    return RedisEngine(request.getfixturevalue("redis_address"))
