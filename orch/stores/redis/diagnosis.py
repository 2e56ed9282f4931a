"""Explains errors and settings of a Redis server to operators. Pure.

Every sentence says what happened, what that means here, and what to do. The server's ``INFO`` is checked
before it is used: some servers accept connections but cannot store sessions.
"""

import re
from collections.abc import Mapping
from typing import Final

#: ``XTRIM … MINID`` and ``ZADD … GT`` came with it.
OLDEST: Final = (6, 2)
#: Difference in seconds between this machine's and the server's clock above which there is a warning.
CLOCK_TOLERANCE: Final = 2.0
#: The replication id that a server reports if it was never a replica.
_NOBODY: Final = re.compile("0*")

#: Errors for a user without permission, directly or in a script.
_FORBIDDEN: Final = r"no permissions?\b|NOPERM|executing the script can't|ACL failure"

# Error messages of the server or the network, and their explanations. The first match is used.
_MEANINGS: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), words)
    for pattern, words in (
        (
            r"already authenticated|authentication required|NOAUTH",
            "It requires a password: add it to the address (redis://:PASSWORD@host).",
        ),
        (
            r"invalid username-password|WRONGPASS|invalid password",
            "The user or password is wrong: correct the address, or the user (ACL SETUSER).",
        ),
        (
            _FORBIDDEN,
            (
                "The user lacks permissions: grant it the keys ~orch:*, the channels &orch:* and the "
                "commands (ACL SETUSER NAME ~orch:* &orch:* +@all -@admin)."
            ),
        ),
        (
            r"DB index is out of range|SELECT is not allowed",
            (
                "It has no such database: correct the number at the end of the address, or raise databases in"
                " its settings. A cluster has only 0."
            ),
        ),
        (
            r"unknown command .?HELLO|NOPROTO",
            "It does not speak RESP3: Redis 6.2 or later is needed.",
        ),
        (
            r"loading the dataset",
            "It is loading its data set. This ends by itself, and nothing is lost.",
        ),
        (
            r"read.?only replica|READONLY|MASTERDOWN",
            (
                "It is a replica, which accepts no writes: after a failover the address still leads to "
                "the old server. Point the address (DNS, proxy) to the primary."
            ),
        ),
        (
            r"\bMOVED\b|^\d+ [^ ]+:\d+$|CROSSSLOT|same slot",
            "It is one node of a cluster of several: use a server by itself, or a cluster of one node.",
        ),
        (
            r"CLUSTERDOWN|cluster is down|hash slot not served",
            "Its cluster does not serve every slot: repair it (redis-cli --cluster fix), then it is used.",
        ),
        (
            r"\bOOM\b|used memory",
            (
                "It is out of memory: new messages are rejected, stored ones can be read. Raise "
                "maxmemory, or let sessions end sooner (session_timeout, history_messages)."
            ),
        ),
        (
            r"MISCONF|appendonly file|AOF file|No space left|Disk quota exceeded",
            "It cannot write to its disk and rejects writes: free disk space; it then recovers by itself.",
        ),
        (
            r"NOREPLICAS",
            (
                "It has fewer replicas than min-replicas-to-write requires, and rejects writes until "
                "they are back."
            ),
        ),
        (
            r"protected mode|DENIED",
            "It accepts connections only from its own machine: set a password, or bind it (protected-mode).",
        ),
        (
            r"max number of clients",
            "It has reached its limit of clients: raise maxclients.",
        ),
        (
            r"certificate",
            (
                "Its certificate is not trusted for this host name: name its authority with "
                "?ssl_ca_certs=FILE, or correct the host."
            ),
        ),
        (
            r"No such file|Permission denied|not be opened",
            "A file named in the address cannot be read: correct its path or permissions.",
        ),
        (
            r"refused|All connection attempts failed",
            "Nothing listens there: start it, or correct the address.",
        ),
        (
            r"not known|no address associated|name resolution",
            "The host name does not resolve: correct the address, or the DNS.",
        ),
        (
            r"RESP data type|wrong version|WRONG_VERSION|no answer within|closed at once",
            (
                "If this continues, another program may listen there, or the address says redis:// "
                "although the server requires TLS (rediss://), or the reverse."
            ),
        ),
    )
)


_REFUSING: Final = re.compile(
    r"\bOOM\b|used memory|MISCONF|appendonly file|AOF file|No space left|Disk quota exceeded|NOREPLICAS",
    re.IGNORECASE,
)


_ABOUT_DATA: Final = re.compile(
    r"WRONGTYPE|wrong kind of value|user_script|running script|stored|stream|not an integer|"
    r"not a valid float|cannot be read",
    re.IGNORECASE,
)


def is_refusing(said: str) -> bool:
    """Return whether an error concerns all writes, not only this one, and may be temporary."""
    return _REFUSING.search(said) is not None


def is_forbidden(said: str) -> bool:
    """Return whether an error means a missing permission: the connection is unusable until it is granted."""
    return re.search(_FORBIDDEN, said, re.IGNORECASE) is not None


def explain(said: str) -> str:
    """Return an error message with its meaning and the remedy, where known."""
    said = said.strip() or "the connection was closed"
    meaning = next((words for pattern, words in _MEANINGS if pattern.search(said)), "")
    sentence = said[0].upper() + said[1:] + ("" if said.endswith((".", "!", "?")) else ".")
    return f"{sentence} {meaning}".rstrip()


def is_about_data(said: str) -> bool:
    """Return whether an error is about the data stored under the keys rather than about the server."""
    return _ABOUT_DATA.search(said) is not None


def refused(said: str, keys: str) -> str:
    """Return the sentence for the caller of an operation that the server has refused."""
    if is_refusing(said) or not is_about_data(said):
        return "The session store accepts no writes right now. Try again soon."
    return (
        f"The server cannot process the data stored under {keys}. Retrying does not help: an "
        "operator must correct the data."
    )


def unreadable(keys: str) -> str:
    """Return the sentence for the caller of an operation whose stored data is invalid."""
    return (
        f"The data stored under {keys} cannot be read. Retrying does not help: an operator must "
        "correct the data."
    )


def damage(keys: str, said: str) -> str:
    """Return the sentence for operators about keys with invalid data."""
    if "WRONGTYPE" in said:
        said = "it has another type of value than this service stores there (WRONGTYPE)"
    said = said.strip()[:300].rstrip(".")
    return (
        f"The data stored under {keys} cannot be used: {said}. Operations that need it fail until "
        "you correct or delete it. Look at it (redis-cli TYPE KEY), and find out who wrote it."
    )


def read_info(*texts: str) -> dict[str, str]:
    """Parse ``INFO`` into its fields."""
    lines = (line for text in texts for line in text.splitlines())
    return dict(line.split(":", 1) for line in lines if ":" in line and not line.startswith("#"))


def refusal(info: Mapping[str, str]) -> str | None:
    """Return why a server cannot store sessions, or None if it can."""
    version = info.get("redis_version", "0")
    if _numbers(version) < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        return f"Redis {version} is too old to store sessions. Use {wanted} or later."
    if info.get("role") in ("slave", "replica"):
        return explain("You can't write against a read only replica.")
    if info.get("cluster_enabled") == "1" and info.get("cluster_size", "1") not in ("0", "1"):
        return explain(f"MOVED: it has {info['cluster_size']} nodes that hold keys.")
    return None


def cautions(info: Mapping[str, str]) -> tuple[str, ...]:
    """Return warnings about settings that risk losing messages, with the remedy."""
    found: list[str] = []
    if info.get("aof_enabled") != "1":
        found.append(
            "appendonly is off: when the Redis server stops, its last messages are lost and every "
            "session gets a new epoch. Set appendonly yes."
        )
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction" and info.get("maxmemory", "0") != "0":
        found.append(
            f"maxmemory-policy is {policy}: a full Redis server evicts sessions that are in use. Set "
            "noeviction, so that it rejects new messages instead."
        )
    return tuple(found)


def clock_caution(ahead: float) -> tuple[str, ...]:
    """Return the warning for a clock ``ahead`` seconds ahead of the server's; empty if it is close enough."""
    if abs(ahead) <= CLOCK_TOLERANCE:
        return ()
    which = "ahead of" if ahead > 0 else "behind"
    words = (
        f"The clock of this machine is {abs(ahead):.0f} s {which} that of the Redis server: times "
        "in sessions differ between workers. The server's clock decides when a session ends. "
        "Synchronise the clocks of all machines (NTP)."
    )
    return (words,)


def is_the_same(info: Mapping[str, str], run: str) -> bool:
    """Return whether this is the server process with the run id ``run``; False if it reports none."""
    return bool(run) and info.get("run_id") == run


def may_have_lost(info: Mapping[str, str]) -> bool:
    """Return whether a restarted or replaced server may lack messages that were acknowledged.

    A server with an append-only log has all of them. A former replica lacks what had not been replicated.
    """
    return info.get("aof_enabled") != "1" or not _NOBODY.fullmatch(info.get("master_replid2", ""))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])
