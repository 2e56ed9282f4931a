"""One connection to Redis, used by whoever opened it and by nobody else.

A connection that is lent from a pool and given back by a task that was cancelled in between may still have
somebody's answer in it. So none is lent here: callers wait for their answers elsewhere, and one task speaks
on the connection for all of them.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import trio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from coredis import ConnectionPool
from coredis.connection import BaseConnection
from coredis.exceptions import (
    AuthenticationError,
    ClusterDownError,
    NoScriptError,
    ReadOnlyError,
    RedisError,
    TryAgainError,
)
from coredis.exceptions import (
    ConnectionError as RedisConnectionError,
)

from orch.stores.redis_commands import Command

#: How long opening a connection may take, and how long an answer. A server that is busy or stopped for less
#: costs a wait; one that says nothing for longer is taken for gone.
CONNECT_WITHIN: Final = 3.0
ANSWER_WITHIN: Final = 10.0

# What says that the server, not the command, is not as it should be: loading, a replica, without our scripts.
_NOT_NOW: Final = (RedisConnectionError, NoScriptError, ReadOnlyError, ClusterDownError, TryAgainError)


class LinkLostError(Exception):
    """The connection is of no use any more. What was not answered may have been done or not."""


class Link:
    """A connection. It lives in the nursery of whoever opened it; where it is lost, that nursery is told."""

    def __init__(self, url: str) -> None:
        if urlsplit(url).scheme not in ("redis", "rediss", "unix"):
            raise LinkLostError(f"{without_password(url)} is no address of a Redis server")
        try:
            pool = ConnectionPool.from_url(url, decode_components=True)
            # The pool only reads the address; it is never entered and lends nothing.
            kind: Any = pool.connection_class
            self._connection: BaseConnection = kind(pool.location, **pool.connection_kwargs)
        except (ValueError, RedisError, AssertionError, RuntimeError) as error:
            raise LinkLostError(f"{without_password(url)} is no address of a Redis server") from error
        self._url = url

    async def open(self, nursery: trio.Nursery) -> None:
        """Connect. Raises LinkLostError, also later in ``nursery``."""
        try:
            with trio.fail_after(CONNECT_WITHIN):
                await nursery.start(self._run)
        except trio.TooSlowError:
            raise LinkLostError(f"no answer within {CONNECT_WITHIN:g} s") from None

    async def _run(self, *, task_status: trio.TaskStatus[None]) -> None:
        try:
            await self._connection.run(task_status=task_status)
        except AuthenticationError as error:
            raise LinkLostError(f"does not let us in: {error}") from error
        except RedisError as error:
            raise LinkLostError(str(error.__cause__ or error)) from error
        finally:
            # A connection that was never made leaves its buffers open.
            for each in vars(self._connection).values():
                if isinstance(each, MemoryObjectSendStream | MemoryObjectReceiveStream):
                    each.close()
        raise LinkLostError("the connection was closed")

    @property
    def is_sharded(self) -> bool:
        """Whether the server has sharded channels (Redis 7 and later)."""
        version = self._connection.server_version or "0"
        return int(version.partition(".")[0]) >= 7  # noqa: PLR2004 - the version in the sentence above

    async def exchange(self, commands: Sequence[Command]) -> list[Any]:
        """Say commands at once and return the answers, errors among them, in order.

        Raises LinkLostError where one is missing, or the server is not in a state to answer; all of them may
        have been done then, or none. Cancelled, it leaves the connection of no use.
        """
        answers: list[Any] = []
        try:
            requests = [
                self._connection.create_request(*_words(command), decode=False, raise_exceptions=False)
                for command in commands
            ]
            with trio.fail_after(ANSWER_WITHIN):
                for request in requests:
                    answer: Any = await request
                    if isinstance(answer, _NOT_NOW):
                        raise LinkLostError(str(answer)) from answer
                    answers.append(answer)
        except trio.TooSlowError:
            self._connection.invalidate()
            raise LinkLostError(f"no answer within {ANSWER_WITHIN:g} s") from None
        except trio.Cancelled:
            self._connection.invalidate()
            raise
        except RedisConnectionError as error:
            raise LinkLostError(str(error)) from error
        return answers

    def say(self, *command: bytes) -> None:
        """Say a command whose answer comes as news: a subscription. Raises LinkLostError."""
        try:
            self._connection.send_command(command[0], *command[1:])
        except RedisConnectionError as error:
            raise LinkLostError(str(error)) from error

    async def news(self) -> AsyncIterator[list[Any]]:
        """Yield what the server says unasked, until it is lost (LinkLostError)."""
        try:
            async for push in self._connection.push_messages:
                yield push
        except RedisConnectionError as error:
            raise LinkLostError(str(error)) from error


def _words(command: Command) -> tuple[bytes, *tuple[bytes | str | int, ...]]:
    name, *arguments = command
    assert isinstance(name, bytes)  # noqa: S101 - every command's first word is
    return (name, *arguments)


def without_password(url: str) -> str:
    """Return the address as it may be shown."""
    parts = urlsplit(url)
    if "@" not in parts.netloc:
        return url
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
