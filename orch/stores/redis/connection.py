"""One connection to Redis, used by a single task.

A connection from a pool that is returned by a cancelled task may still have a pending reply. So there is no
pool: one task sends commands for all callers, who wait for their replies elsewhere.
"""

import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any, Final

import trio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from coredis.connection import BaseConnection, TCPConnection, UnixDomainSocketConnection
from coredis.connection import TCPLocation as Tcp
from coredis.connection import UnixDomainSocketLocation as Unix
from coredis.exceptions import (
    ClusterDownError,
    MovedError,
    NoScriptError,
    ReadOnlyError,
    RedisError,
    TryAgainError,
)
from coredis.exceptions import (
    ConnectionError as RedisConnectionError,
)

from orch.settings.redis_url import Address, Tls
from orch.stores.redis.calls import Command
from orch.stores.redis.diagnosis import explain, is_forbidden

#: Time limits for opening a connection and for a reply. A server that is busy or suspended for less only
#: delays callers; one without a reply for longer counts as lost.
CONNECT_WITHIN: Final = 3.0
ANSWER_WITHIN: Final = 10.0

# Errors about the server rather than the command: it is loading, a replica, or lacks our scripts.
_NOT_NOW: Final = (
    RedisConnectionError,
    NoScriptError,
    ReadOnlyError,
    ClusterDownError,
    TryAgainError,
    MovedError,
)


class LinkLostError(Exception):
    """The connection is lost. It is unknown whether commands without a reply were done.

    The message has the reason and the remedy.
    """


class Link:
    """A connection. Its tasks run in the opener's nursery, where LinkLostError is raised when it is lost.

    Raises LinkLostError if a file named in the address cannot be used.
    """

    def __init__(self, address: Address) -> None:
        known: dict[str, Any] = {
            "db": address.database,
            "username": address.username,
            "password": address.password,
        }
        self._asked_at: float | None = None
        self._silent_since: float | None = None
        self._connection: BaseConnection
        if address.path is not None:
            self._connection = UnixDomainSocketConnection(Unix(address.path), **known)
        else:
            context = None if address.tls is None else _context(address.tls)
            self._connection = TCPConnection(Tcp(address.host, address.port), ssl_context=context, **known)

    async def open(self, nursery: trio.Nursery) -> None:
        """Connect. Raises LinkLostError, also later in ``nursery``."""
        try:
            with trio.fail_after(CONNECT_WITHIN):
                await nursery.start(self._run)
        except trio.TooSlowError:
            raise LinkLostError(explain(f"no answer within {CONNECT_WITHIN:g} s")) from None

    async def _run(self, *, task_status: trio.TaskStatus[None]) -> None:
        try:
            await self._connection.run(task_status=task_status)
        except RedisError as error:
            words = error_text(error)
            if not words or "reset by peer" in words:
                words = "the connection was closed at once"
            raise LinkLostError(explain(words)) from error
        finally:
            # coredis leaves the buffers of a failed connection open.
            for each in vars(self._connection).values():
                if isinstance(each, MemoryObjectSendStream | MemoryObjectReceiveStream):
                    each.close()
        raise LinkLostError(explain(""))

    @property
    def is_sharded(self) -> bool:
        """Whether the server has sharded channels (Redis 7 and later)."""
        version = self._connection.server_version or "0"
        return int(version.partition(".")[0]) >= 7  # noqa: PLR2004 - the version in the sentence above

    async def exchange(self, commands: Sequence[Command]) -> list[Any]:
        """Send commands together and return their replies in order, errors among them.

        Raises LinkLostError if a reply is missing, or if the server cannot process commands; then all of them
        may have been done, or none. After a cancel the connection is unusable.
        """
        answers: list[Any] = []
        self._asked_at = trio.current_time()
        try:
            requests = [
                self._connection.create_request(*_words(command), decode=False, raise_exceptions=False)
                for command in commands
            ]
            self._silent_since = trio.current_time()
            with trio.fail_after(ANSWER_WITHIN):
                for request in requests:
                    answer: Any = await request
                    self._silent_since = trio.current_time()
                    if isinstance(answer, _NOT_NOW) or (
                        isinstance(answer, RedisError) and is_forbidden(error_text(answer))
                    ):
                        raise _lost(answer) from answer
                    answers.append(answer)
        except trio.TooSlowError:
            self._connection.invalidate()
            raise LinkLostError(explain(f"no answer within {ANSWER_WITHIN:g} s")) from None
        except trio.Cancelled:
            self._connection.invalidate()
            raise
        except RedisConnectionError as error:
            raise _lost(error) from error
        finally:
            self._asked_at = self._silent_since = None
        return answers

    @property
    def pending_since(self) -> float | None:
        """When the oldest pending request was sent, in monotonic seconds; None if none is pending."""
        return self._asked_at

    @property
    def silent_since(self) -> float | None:
        """Since when a reply is pending and none arrives, in monotonic seconds; None if none is pending.

        Of many requests that are sent together each reply counts: a server that is busy with them is there.
        """
        return self._silent_since

    def send(self, *command: bytes) -> None:
        """Send a command whose reply is a push message: a subscription. Raises LinkLostError."""
        try:
            self._connection.send_command(command[0], *command[1:])
        except RedisConnectionError as error:
            raise _lost(error) from error

    async def pushes(self) -> AsyncIterator[list[Any]]:
        """Yield the server's push messages, until the connection is lost (LinkLostError)."""
        try:
            async for push in self._connection.push_messages:
                yield push
        except RedisConnectionError as error:
            raise _lost(error) from error

    async def refusals(self) -> None:
        """Wait for the server to refuse a command of :meth:`send`; then the connection counts as lost."""
        try:
            async with aclosing(self._connection.streamed_messages) as answers:
                async for answer in answers:
                    if isinstance(answer, RedisError):
                        raise _lost(answer) from answer
        except RedisConnectionError as error:
            raise _lost(error) from error


def error_text(error: BaseException) -> str:
    """Return the message of an error's innermost cause."""
    words = ""
    cause: BaseException | None = error
    while cause is not None:
        words = str(cause) or words
        if isinstance(cause, MovedError):
            words = f"MOVED {words}"
        group = cause.exceptions if isinstance(cause, BaseExceptionGroup) else ()
        cause = group[0] if group else cause.__cause__
    return words


def _lost(error: BaseException) -> LinkLostError:
    return LinkLostError(explain(error_text(error)))


def _context(tls: Tls) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=tls.trusts)
        if tls.certificate is not None:
            context.load_cert_chain(tls.certificate, tls.key)
    except OSError as error:  # ssl.SSLError is one
        raise LinkLostError(explain(f"The TLS files of the address cannot be used: {error}")) from error
    context.check_hostname = tls.checks_name
    if not tls.checks_certificate:
        context.verify_mode = ssl.CERT_NONE
    return context


def _words(command: Command) -> tuple[bytes, *tuple[bytes | str | int, ...]]:
    name, *arguments = command
    assert isinstance(name, bytes)  # noqa: S101 - every command's first word is
    return (name, *arguments)
