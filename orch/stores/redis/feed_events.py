"""Events of a followed session, and the actions that :class:`SessionFeed` answers them with. Pure.

See :mod:`orch.stores.redis.session_feed`.
"""

from collections.abc import Callable, Sequence

from msgspec import Struct

from orch.stores.records import Appended, SessionRecord

Token = Callable[[], None]
"""What is called to wake a waiter: only by the shell."""


# Events.


class JoinStarted(Struct, frozen=True):
    """A client is joining: the session is about to be read."""


class JoinFinished(Struct, frozen=True):
    """The session was read. ``record``: None if it does not exist, or could not be read.

    ``is_current``: the subscription is the one that was confirmed before the read.
    """

    record: SessionRecord | None
    is_current: bool = True


class Stored(Struct, frozen=True):
    """The store has acknowledged a message of this worker; ``token`` waits until it is delivered."""

    message: Appended
    token: Token


class Published(Struct, frozen=True):
    """A message was published."""

    message: Appended


class EndPublished(Struct, frozen=True):
    """It was published that the session of this epoch was ended."""

    epoch: str


class Awaited(Struct, frozen=True):
    """A waiter needs everything up to ``offset``, which the store has given."""

    offset: int
    token: Token


class Doubted(Struct, frozen=True):
    """Publications may have been missed, or the session may be gone."""


class Disconnected(Struct, frozen=True):
    """The connection was lost: the server may come back with less than was delivered."""


class LookDue(Struct, frozen=True):
    """The time of :class:`LookAt` has come."""


class LookFailed(Struct, frozen=True):
    """The head or the history could not be read."""


class HeadRead(Struct, frozen=True):
    """The session's head was read, None if it does not exist; ``asked``: what :class:`ReadHead` said."""

    head: SessionRecord | None
    asked: "ReadHead"


class HistoryRead(Struct, frozen=True):
    """The stored messages up to ``until`` were read.

    ``captions_dropped``: up to which offset captions are no longer stored; 0: none was dropped.
    """

    messages: Sequence[Appended]
    until: int
    captions_dropped: int = 0


class Closed(Struct, frozen=True):
    """The store stops: nobody waits any longer."""


Event = (
    JoinStarted
    | JoinFinished
    | Stored
    | Published
    | EndPublished
    | Awaited
    | Doubted
    | Disconnected
    | LookDue
    | LookFailed
    | HeadRead
    | HistoryRead
    | Closed
)


# Actions.


class Deliver(Struct, frozen=True):
    """Deliver messages, in order."""

    messages: Sequence[Appended]


class Wake(Struct, frozen=True):
    """Call the waiters' tokens."""

    tokens: Sequence[Token]


class LookAt(Struct, frozen=True):
    """Send :class:`LookDue` at this time, unless an earlier one is set."""

    at: float


class ReadHead(Struct, frozen=True):
    """Read the session's head. What is known when it is sent: the head is compared with that.

    ``delivered``: the position; ``newest``: the highest offset heard of; ``sure``: the newest that the store
    is known to have given.
    """

    delivered: int
    newest: int
    sure: int


class ReadHistory(Struct, frozen=True):
    """Read the stored messages after ``after`` up to ``until``."""

    after: int
    until: int


class RaiseOffset(Struct, frozen=True):
    """Raise the offset that the server goes on from: it has less than it had acknowledged."""

    epoch: str
    offset: int


class Report(Struct, frozen=True):
    """Report that the session was ended.

    ``is_lost``: that it is gone without having been ended, or that what was missed is no longer stored.
    """

    is_lost: bool = False


class Unfollow(Struct, frozen=True):
    """Drop this feed and its subscription."""


class Warn(Struct, frozen=True):
    """Log a warning. ``is_failure``: count it as well."""

    text: str
    offset: int
    is_failure: bool = False


Request = ReadHead | ReadHistory | RaiseOffset
"""What the server is needed for."""

Action = Deliver | Wake | LookAt | ReadHead | ReadHistory | RaiseOffset | Report | Unfollow | Warn
