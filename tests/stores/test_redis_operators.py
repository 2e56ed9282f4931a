"""Operators' mistakes: each is reported with a remedy, and the store continues once it is corrected."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import trio

from orch.problems import ProblemError
from orch.stores.redis.store import RedisStatistics, RedisStore
from orch.stores.redis.times import RedisTimes
from tests.fakes.redis import ClusterNode, RedisServer, redis_server
from tests.fakes.redis_workers import workers
from tests.fakes.running import run
from tests.fakes.stores import append, record, running
from tests.fakes.waiting import wait_until

pytestmark = [pytest.mark.process, pytest.mark.real_time]

CERTIFICATE = Path(__file__).parents[1] / "data" / "tls" / "localhost.pem"


async def looked_at(
    store: RedisStore, wanted: Callable[[RedisStatistics], bool], limit: float = 30
) -> RedisStatistics:
    """Return the statistics once they are as wanted; nobody tells of them."""
    with trio.fail_after(limit):
        while not wanted(statistics := store.statistics()):  # noqa: ASYNC110 - nobody is told
            await trio.sleep(0.01)
    return statistics


async def trouble_at(url: str) -> str:
    """Return what a store says that cannot begin; it does not give up."""
    store = RedisStore(url)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(store.run)
        found = await looked_at(store, lambda statistics: statistics.trouble is not None)
        assert not found.open
        nursery.cancel_scope.cancel()
    assert store.statistics().trouble is None
    return found.trouble or ""


def with_user(rules: str) -> Callable[[RedisServer], str]:
    """Return the address for a user who may do what the rules say."""

    def address(server: RedisServer) -> str:
        assert server.ask("ACL", "SETUSER", "me", "on", ">word", *rules.split()) == b"+OK\r\n"
        return server.url.replace("//", "//me:word@")

    return address


def followed(server: RedisServer) -> str:
    """Return the address of a server that has become a replica."""
    assert server.ask("REPLICAOF", "127.0.0.1", "1") == b"+OK\r\n"
    return server.url


@pytest.mark.parametrize(
    ("address", "words"),
    [
        (lambda server: server.url + "/99", "no such database"),
        (lambda server: server.url.replace("redis:", "rediss:"), "rediss://"),
        (lambda server: server.url.replace("redis:", "rediss:") + "?ssl_ca_certs=/none", "correct its path"),
        (lambda _: "redis://127.0.0.1:1", "Nothing listens there"),
        (lambda _: "unix:///none/there", "correct its path"),
        (lambda _: "redis://there-is-none.invalid", "host name does not resolve"),
        (lambda _: "http://127.0.0.1", "address cannot be used"),
        (with_user("~orch:* +@all -info"), "ACL SETUSER"),
        (with_user("~orch:* +@all resetchannels"), "&orch:*"),
        (with_user("~other:* &orch:* +@all"), "~orch:*"),
        (with_user("~orch:* &orch:* +@all -xadd"), "ACL SETUSER"),
        (with_user("~orch:* &orch:* +@all -zremrangebyscore"), "ACL SETUSER"),
        (with_user("~orch:* +@all -ssubscribe &orch:*"), "ACL SETUSER"),
        (followed, "It is a replica"),
    ],
)
def test_an_unsuitable_server_is_reported(
    tmp_path: Path, address: Callable[[RedisServer], str], words: str
) -> None:
    """What happened, what it means, what to do; the store keeps trying and accepts nothing meanwhile."""
    with redis_server(tmp_path) as server:
        url = address(server)
        assert words in run(partial(trouble_at, url), virtual=False)


def test_a_missing_password_is_reported(tmp_path: Path) -> None:
    """The sentence says where it belongs."""
    with redis_server(tmp_path, "--requirepass", "right") as server:
        assert "redis://:PASSWORD@host" in run(partial(trouble_at, server.url), virtual=False)


async def test_the_advised_rights_are_sufficient(tmp_path: Path) -> None:
    """What the sentence advises is enough."""
    with redis_server(tmp_path) as server:
        url = with_user("~orch:* &orch:* +@all -@admin")(server)
        async with workers(url) as (a, b):
            await a.store.create(record())
            await b.cluster.follow("s")
            await append(a.store)
            await b.until_heard(1)
            b.events.reply = lambda _: b"!"
            assert (await a.cluster.survey(b"?", within=5.0)).missing == frozenset()


async def test_missing_rights_are_reported_and_restored_rights_are_used(tmp_path: Path) -> None:
    """Also where it is only one command of those that are needed: it is not tried again and again."""
    with redis_server(tmp_path) as server:
        url = with_user("~orch:* &orch:* +@all")(server)
        async with workers(url, 1) as (a,):
            states = a.events.connections
            states.clear()
            await a.store.create(record())
            server.ask("ACL", "SETUSER", "me", "-xadd")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(append, a.store)
                found = await looked_at(a.store, lambda statistics: statistics.trouble is not None)
                assert "ACL SETUSER" in (found.trouble or "")
                assert found.state == "connecting"
                before = found.reconnects
                # Several more attempts, none of which is taken for a connection.
                await trio.sleep(0.5)
                assert a.store.statistics().reconnects == before
                server.ask("ACL", "SETUSER", "me", "+xadd")
            # What was on its way waited for it.
            assert await append(a.store) == 2
            assert states == [False, True]


def test_a_cluster_that_lacks_slots_is_not_used(tmp_path: Path) -> None:
    """It would refuse some sessions and not others."""
    with redis_server(tmp_path, kind=ClusterNode) as server:
        assert server.ask("CLUSTER", "DELSLOTSRANGE", "0", "99") == b"+OK\r\n"
        wait_until(lambda: b"cluster_state:fail" in server.ask("CLUSTER", "INFO"), "the cluster has failed")
        assert "does not serve every slot" in run(partial(trouble_at, server.url), virtual=False)


def test_a_cluster_of_several_nodes_is_not_used(tmp_path: Path) -> None:
    """Each of its nodes keeps some sessions only; which that is would be found out by losing messages."""
    with (
        redis_server(tmp_path / "a", kind=ClusterNode) as a,
        redis_server(tmp_path / "b", kind=ClusterNode) as b,
    ):
        assert isinstance(b, ClusterNode)
        a.ask("CLUSTER", "DELSLOTSRANGE", "8192", "16383")
        b.ask("CLUSTER", "DELSLOTSRANGE", "0", "8191")
        a.ask("CLUSTER", "MEET", "127.0.0.1", str(b.port), str(b.bus_port))
        whole = {b"cluster_size:2", b"cluster_state:ok"}
        wait_until(
            lambda: whole <= set(a.ask("CLUSTER", "INFO").split(b"\r\n")), "the two nodes are one cluster"
        )
        assert "a cluster of one node" in run(partial(trouble_at, a.url), virtual=False)


def test_over_tls_only_a_trusted_server_is_used(tmp_path: Path) -> None:
    """One that is not trusted, or is another's, is not spoken to; without TLS it is said to want it."""
    options = (
        *("--tls-cert-file", str(CERTIFICATE), "--tls-key-file", str(CERTIFICATE)),
        *("--tls-auth-clients", "no", "--bind", "127.0.0.1", "127.0.0.2"),
    )

    async def main(address: str) -> None:
        store = RedisStore(address)
        async with running(store):
            await store.create(record())
            assert await store.load("s") == record()

    with redis_server(tmp_path, *options, tls=True) as server:
        url = f"rediss://localhost:{server.tls_port}"
        run(main, f"{url}?ssl_ca_certs={CERTIFICATE}", virtual=False)
        assert "ssl_ca_certs" in run(partial(trouble_at, url), virtual=False)
        other = f"rediss://127.0.0.2:{server.tls_port}?ssl_ca_certs={CERTIFICATE}"
        assert "correct the host" in run(partial(trouble_at, other), virtual=False)
        run(main, f"{other}&ssl_check_hostname=false", virtual=False)
        assert "requires TLS" in run(
            partial(trouble_at, f"redis://localhost:{server.tls_port}"), virtual=False
        )


@pytest.mark.parametrize(
    ("break_it", "mend_it", "words"),
    [
        (
            ("CONFIG", "SET", "maxmemory", "1mb"),
            ("CONFIG", "SET", "maxmemory", "0"),
            "Raise maxmemory",
        ),
        (
            ("CONFIG", "SET", "min-replicas-to-write", "1"),
            ("CONFIG", "SET", "min-replicas-to-write", "0"),
            "until they are back",
        ),
    ],
)
async def test_a_server_that_rejects_writes_is_detected_and_so_is_its_recovery(
    tmp_path: Path,
    break_it: tuple[str, ...],
    mend_it: tuple[str, ...],
    words: str,
) -> None:
    """With nobody saying anything as well; what is kept can be read meanwhile, and clients are told."""
    with redis_server(tmp_path) as server:
        async with workers(server.url, 1, times=RedisTimes(probe_every=0.05)) as (a,):
            states = a.events.connections
            states.clear()
            await a.store.create(record())
            await append(a.store)
            server.ask(*break_it)
            found = await looked_at(a.store, lambda statistics: statistics.state == "refusing")
            assert words in (found.trouble or "")
            assert len(await a.store.read("s", after=0, until=9)) == 1
            with pytest.raises(ProblemError) as caught:
                await append(a.store)
            assert caught.value.code == "store_unavailable"
            server.ask(*mend_it)
            found = await looked_at(a.store, lambda statistics: statistics.open)
            assert found.trouble is None
            assert await append(a.store) == 2
            assert states == [False, True]
            assert a.store.statistics().reconnects == 0


async def test_a_server_that_cannot_save_is_detected(tmp_path: Path) -> None:
    """Its disk refuses: it says MISCONF to every write."""
    with redis_server(tmp_path) as server:
        async with workers(server.url, 1, times=RedisTimes(probe_every=0.05)) as (a,):
            await a.store.create(record())
            (tmp_path / "dump.rdb").mkdir()
            server.ask("CONFIG", "SET", "save", "3600 1")
            server.ask("BGSAVE")
            found = await looked_at(a.store, lambda statistics: statistics.state == "refusing")
            assert "cannot write to its disk" in (found.trouble or "")


async def test_warnings_about_possible_losses_are_logged_once(tmp_path: Path) -> None:
    """A server without a log, and one that drops what is in use, work; the operator is told."""
    options = ("--appendonly", "no", "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
    with redis_server(tmp_path, *options) as server:
        async with workers(server.url, 1) as (a,):
            statistics = a.store.statistics()
            assert statistics.open
            assert statistics.trouble is None
            first, second = statistics.cautions
            assert "Set appendonly yes" in first
            assert "Set noeviction" in second
