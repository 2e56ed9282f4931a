from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.fakes.processes import lasting
from tests.fakes.redis import ClusterNode, RedisServer, redis_server
from tests.fakes.stores import Engine, RedisEngine, SqliteEngine


@pytest.fixture(scope="session")
def lone_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Run a server for all tests that leave it running."""
    with ExitStack() as stack:
        with lasting():
            server = stack.enter_context(redis_server(tmp_path_factory.mktemp("redis")))
        yield server


@pytest.fixture(scope="session")
def redis_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Run a cluster of one node for all tests that leave it running."""
    with ExitStack() as stack:
        with lasting():
            server = stack.enter_context(redis_server(tmp_path_factory.mktemp("cluster"), kind=ClusterNode))
        yield server


@pytest.fixture(params=["lone_redis", "redis_cluster"])
def shared_redis(request: pytest.FixtureRequest) -> RedisServer:
    """Each kind of server in turn."""
    server: RedisServer = request.getfixturevalue(request.param)
    return server


@pytest.fixture
def redis_address(shared_redis: RedisServer) -> str:
    """Return the address of an empty server."""
    return _emptied(shared_redis)


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("lone_redis", marks=pytest.mark.real_time),
        pytest.param("redis_cluster", marks=pytest.mark.real_time),
    ]
)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    """Each engine in turn, empty; tests of a server take real time."""
    if request.param == "sqlite":
        return SqliteEngine(tmp_path)
    return RedisEngine(_emptied(request.getfixturevalue(request.param)))


def _emptied(server: RedisServer) -> str:
    assert server.ask("FLUSHALL") == b"+OK\r\n"
    return server.url
