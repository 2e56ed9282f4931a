"""Leftovers of ended sessions in Redis expire soon."""

import socket
from pathlib import Path

import pytest

from orch.stores.history import Limits
from tests.fakes.redis import redis_server
from tests.fakes.redis_workers import workers
from tests.fakes.stores import record

pytestmark = pytest.mark.process

SESSIONS = 2_000
SOON = 30_000
SCRIPT = """
local left, longest, for_good = 0, 0, {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  local ttl = redis.call('PTTL', key)
  left = left + 1
  if ttl < 0 then for_good[#for_good + 1] = key else longest = math.max(longest, ttl) end
end
return {left, longest, #for_good}
"""


def left_behind(port: int) -> list[int]:
    """Return how many keys there are, the longest they stay in milliseconds, and how many stay for good."""
    words = [b"EVAL", SCRIPT.encode(), b"0"]
    with socket.create_connection(("127.0.0.1", port), timeout=180) as connection:
        connection.sendall(b"*3\r\n" + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words))
        answer = b""
        while answer.count(b"\r\n") < 4:
            answer += connection.recv(4096)
    return [int(each[1:]) for each in answer.split(b"\r\n")[1:4]]


@pytest.mark.real_time
async def test_leftovers_of_ended_sessions_expire_within_half_a_minute(
    tmp_path: Path,
) -> None:
    """Two marks each at most, so that a repeated request is recognised; hardly anything stays for good."""
    with redis_server(tmp_path / "redis") as server:
        async with workers(server.url, 1) as (worker,):
            names = [f"s{number}" for number in range(SESSIONS)]
            for name in names:
                await worker.store.create(record(name))
                ticket = await worker.store.begin_append(
                    name, b'{"type":"m"}', at=1.0, limits=Limits(messages=10, seconds=60)
                )
                await ticket.wait()
            assert len(await worker.store.delete(names)) == SESSIONS
            assert await worker.store.count() == 0
            left, longest, for_good = left_behind(server.port)
            assert left <= 3 * SESSIONS + 10
            assert for_good <= 5
            # The key of the trial whether the server takes writes is the service's, not a session's.
            assert longest <= 2 * SOON
