"""Errors of the server, explained for operators."""

import pytest

from orch.stores.redis.diagnosis import (
    cautions,
    explain,
    is_forbidden,
    is_refusing,
    is_the_same,
    may_have_lost,
    read_info,
    refusal,
)

#: What a server says of itself that is as it should be.
GOOD = {
    "redis_version": "7.0.15",
    "role": "master",
    "aof_enabled": "1",
    "maxmemory": "0",
    "maxmemory_policy": "noeviction",
    "master_replid2": "0" * 40,
    "cluster_enabled": "0",
}


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("OOM command not allowed when used memory > 'maxmemory'.", "Raise maxmemory"),
        ("MISCONF Errors writing to the AOF file: No space left on device", "free disk space"),
        ("ERR Error writing to the append only file: Disk quota exceeded", "free disk space"),
        ("NOREPLICAS Not enough good replicas to write.", "min-replicas-to-write"),
        ("this user has no permissions to run the 'set' command", "ACL SETUSER"),
        ("Redis is loading the dataset in memory", "ends by itself"),
        ("You can't write against a read only replica.", "It is a replica"),
        ("MOVED 866 127.0.0.1:7001", "one node of a cluster of several"),
        ("Hash slot not served", "repair it"),
        ("DB index is out of range", "no such database"),
        ("max number of clients reached", "raise maxclients"),
        ("[Errno 111] Connection refused", "Nothing listens there"),
        ("[Errno -2] Name or service not known", "host name does not resolve"),
        ("", "The connection was closed."),
    ],
)
def test_errors_of_the_server_are_explained(said: str, words: str) -> None:
    """What happened first, then what it means and what to do."""
    explained = explain(said)
    assert words in explained
    assert explained[0].isupper() or explained[0] == "["
    assert explained.endswith(".")


def test_unknown_errors_are_passed_on() -> None:
    """It is said all the same, as it was said."""
    assert explain("something else") == "Something else."


def test_an_error_of_one_command_does_not_mean_that_writes_are_rejected() -> None:
    """A store accepts no writes where the server says so of every one."""
    assert is_refusing("OOM command not allowed when used memory > 'maxmemory'.")
    assert not is_refusing("WRONGTYPE Operation against a key holding the wrong kind of value")
    assert not is_refusing("this user has no permissions to run the 'set' command")
    assert is_forbidden("this user has no permissions to run the 'set' command")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, None),
        ({"redis_version": "6.0.16"}, "Redis 6.0.16 is too old"),
        ({"redis_version": "6.2.0"}, None),
        ({"redis_version": "8.2.1"}, None),
        ({"role": "slave"}, "replica"),
        ({"cluster_enabled": "1", "cluster_size": "1"}, None),
        ({"cluster_enabled": "1", "cluster_size": "3"}, "a cluster of several"),
    ],
)
def test_an_unsuitable_server_is_refused(changes: dict[str, str], words: str | None) -> None:
    """Before anything is kept there, with the reason."""
    found = refusal(GOOD | changes)
    assert found is None if words is None else words in (found or "")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, []),
        ({"aof_enabled": "0"}, ["Set appendonly yes"]),
        ({"maxmemory_policy": "allkeys-lru"}, []),
        ({"maxmemory_policy": "allkeys-lru", "maxmemory": "1000"}, ["Set noeviction"]),
    ],
)
def test_settings_that_may_lose_messages_are_reported(changes: dict[str, str], words: list[str]) -> None:
    """It works; the operator is told what it does not promise."""
    found = cautions(GOOD | changes)
    assert len(found) == len(words)
    assert all(word in caution for word, caution in zip(words, found, strict=True))


@pytest.mark.parametrize(
    ("changes", "lost"),
    [({}, False), ({"aof_enabled": "0"}, True), ({"master_replid2": "ab" * 20}, True)],
)
def test_servers_that_may_have_lost_acknowledged_messages(changes: dict[str, str], lost: bool) -> None:  # noqa: FBT001 - a table
    """One that keeps no log, and one that was a replica until now."""
    assert may_have_lost(GOOD | changes) is lost


def test_a_server_without_a_run_id_counts_as_another() -> None:
    """Nothing is taken for kept that may not be."""
    assert is_the_same(GOOD | {"run_id": "a"}, "a")
    assert not is_the_same(GOOD | {"run_id": "b"}, "a")
    assert not is_the_same(GOOD, "")


def test_info_is_read_by_name() -> None:
    """Headings and blank lines say nothing."""
    assert read_info("# Server\r\nredis_version:7.0.15\r\n\r\nos:Linux:x\r\n") == {
        "redis_version": "7.0.15",
        "os": "Linux:x",
    }
