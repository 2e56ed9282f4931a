"""Redis commands about the index of sessions: by last activity, and by address of creation. Pure."""

from collections.abc import Callable, Mapping, Sequence

from orch.stores.records import SessionRecord
from orch.stores.redis.calls import Call, Command, ServerCommands, Unreadable
from orch.stores.redis.keys import INDEX, created_key, number, read_text


class IndexCommands(ServerCommands):
    """Builds the calls about the index; see :class:`orch.stores.redis.calls.ServerCommands`.

    ``lifetime``: the seconds after which an unused session expires by itself.
    """

    def __init__(
        self,
        scripts: Mapping[str, bytes],
        *,
        writer: str,
        lifetime: Callable[[], float],
        database: int = 0,
        unreadable: Unreadable = lambda _key, _error: None,
    ) -> None:
        super().__init__(scripts, writer=writer, database=database, unreadable=unreadable)
        self._lifetime = lifetime

    def _ttl(self) -> int:
        return int(self._lifetime() * 1000)

    def note_created(self, address: str, record: SessionRecord) -> Call[None]:
        """Record the address that created a session, for as long as an unused session is stored."""
        key = created_key(address)
        return Call(
            (
                (b"ZADD", key, number(record.created), record.session_id),
                (b"PEXPIRE", key, self._ttl()),
            ),
            lambda _: None,
        )

    def count_created(self, address: str) -> Call[int]:
        """Return the number of sessions created from an address; some of them may have ended."""
        return Call(((b"ZCARD", created_key(address)),), lambda replies: int(replies[0]))

    def created_from(self, address: str) -> Call[list[str]]:
        """Return the names of the sessions created from an address."""
        return Call(((b"ZRANGE", created_key(address), 0, -1),), lambda replies: self._names(replies[0]))

    def forget_created(self, address: str, session_ids: Sequence[str]) -> Call[None]:
        """Remove ended sessions from an address's record."""
        return Call(((b"ZREM", created_key(address), *session_ids),), lambda _: None)

    def indexed(self, session_ids: Sequence[str]) -> Call[list[bool]]:
        """Return for each session whether it exists."""
        return Call(
            ((b"ZMSCORE", INDEX, *session_ids),),
            lambda replies: [score is not None for score in replies[0]],
        )

    def newest(self, limit: int) -> Call[list[str]]:
        """Return the names of the most recently active sessions, newest first; some may have ended."""
        return Call(((b"ZREVRANGE", INDEX, 0, limit - 1),), lambda replies: self._names(replies[0]))

    def count(self) -> Call[int]:
        """Return the number of sessions."""
        return Call(((b"ZCARD", INDEX),), lambda replies: int(replies[0]))

    def idle(self, before: float, limit: int) -> Call[list[str]]:
        """Return the names of sessions that, by the index, were last active before ``before``."""
        return Call(
            ((b"ZRANGEBYSCORE", INDEX, b"-inf", b"(" + number(before), b"LIMIT", 0, limit),),
            lambda replies: self._names(replies[0]),
        )

    def between(self, first: int, last: int) -> Call[list[str]]:
        """Return the names between two ranks in the index."""
        return Call(((b"ZRANGE", INDEX, first, last),), lambda replies: self._names(replies[0]))

    def mend_index(self, seen: Mapping[str, SessionRecord | None]) -> Call[None]:
        """Correct the index from the sessions' own records."""
        commands: list[Command] = [
            (b"ZREM", INDEX, session_id)
            if record is None
            else (b"ZADD", INDEX, b"XX", b"GT", number(record.last_active), session_id)
            for session_id, record in seen.items()
        ]
        return Call(tuple(commands), lambda _: None)

    def unindex(self, session_ids: Sequence[str]) -> Call[None]:
        """Remove sessions from the index."""
        return Call(((b"ZREM", INDEX, *session_ids),), lambda _: None)

    def index(self, session_ids: Sequence[str], at: float) -> Call[None]:
        """Mark sessions as in use in the index, and add missing ones."""
        members = [part for session_id in session_ids for part in (number(at), session_id)]
        return Call(((b"ZADD", INDEX, b"GT", *members),), lambda _: None)

    def _names(self, reply: Sequence[bytes]) -> list[str]:
        return list(self._readable(INDEX, read_text, reply))
