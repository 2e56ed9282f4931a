"""Redis commands as values, and those that are not about one session. Pure."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import resources
from typing import Any, Final, Generic, TypeVar

from msgspec import Struct

from orch.stores.history import Share
from orch.stores.records import Origin, StoredSettings
from orch.stores.redis.keys import (
    OWN_CHANNELS,
    PROBE,
    PUBLISH_PROBE,
    RENEWAL,
    SERVER_RUN,
    SETTINGS,
    WRITE_PROBE,
    Notice,
    UnreadableError,
    channel,
    channel_worker,
    encode_header,
    encode_notice,
    keys,
    lease_keys,
    off_wire,
    on_wire,
    read_number,
    sign_in_key,
)

T = TypeVar("T")
A = TypeVar("A")
R = TypeVar("R")
Unreadable = Callable[[bytes, Exception], None]
Command = tuple[bytes | str | int, ...]

#: How long the last fence of an unused lease is stored: longer than any holder lives.
FENCE_MS: Final = 86_400_000

#: Maximum number of keys named in one sentence.
NAMED: Final = 4

#: The prelude of every script.
_SHARED: Final = {
    "append": ("clock", "book"),
    "prune": ("clock", "book"),
    "erase": ("book",),
    "losses": ("book",),
    "touch": ("clock",),
}


class Call(Struct, Generic[T], frozen=True):
    """A group of commands, and the function that reads their replies.

    ``session_id``: the session that all commands are about, so calls about other sessions need not wait. Each
    call is idempotent: it may be sent again if no reply came. ``decisive``: the number of replies that decide
    whether it was done; the others are about the index, which readers repair. ``is_partial``: each command is
    about another session, and ``read`` receives errors among the replies, so that a failure for one session
    does not affect the others.

    ``read`` raises if a reply is invalid; then only this call fails.
    """

    commands: tuple[Command, ...]
    read: Callable[[Sequence[Any]], T]
    session_id: str | None = None
    size: int = 0
    decisive: int | None = None
    is_partial: bool = False


def key_names(commands: Sequence[Command]) -> str:
    """Return the names of the keys or channels of some commands, for operators."""
    found: dict[str, None] = {}
    for name, *arguments in commands:
        if name == b"EVALSHA":
            names = arguments[2 : 2 + int(arguments[1])]
        else:
            names = arguments[1:2] if name == b"PUBSUB" else arguments[:1]
        found |= dict.fromkeys(_text(each) for each in names)
    shown = list(found)[:NAMED]
    return ", ".join(shown) + (f" and {len(found) - NAMED} more" if len(found) > NAMED else "")


def _text(name: bytes | str | int) -> str:
    return name.decode(errors="replace") if isinstance(name, bytes) else str(name)


class Message(Struct, frozen=True):
    """A message without its offset."""

    body: bytes
    at: float
    header: bytes


def message(body: bytes, at: float, share: Share, origin: Origin | None) -> Message:
    """Return a message to append to the history."""
    return Message(body, at, encode_header(at, share, origin))


def load_scripts() -> Mapping[str, bytes]:
    """Return the scripts by name."""
    folder = resources.files("orch.stores.redis").joinpath("scripts")
    texts = {
        file.name.removesuffix(".lua"): file.read_bytes()
        for file in folder.iterdir()
        if file.name.endswith(".lua")
    }
    shared = {name: texts.pop(name) for name in ("clock", "book")}
    return {
        name: b"".join(shared[each] for each in _SHARED.get(name, ())) + text for name, text in texts.items()
    }


class ServerCommands:
    """Builds the commands that are not about one session. Stateless.

    ``scripts``: by name; ``writer``: the name of this writer; ``database``: the number of the database;
    ``unreadable`` is called with the key and the error of each value that is skipped as invalid.
    """

    def __init__(
        self,
        scripts: Mapping[str, bytes],
        *,
        writer: str,
        database: int = 0,
        unreadable: Unreadable = lambda _key, _error: None,
    ) -> None:
        self._shas = {
            name: hashlib.sha1(text, usedforsecurity=False).hexdigest() for name, text in scripts.items()
        }
        self._writer = writer
        self._database = database
        self._unreadable = unreadable

    def _script(self, name: str, names: Sequence[bytes], *arguments: bytes | str | int) -> Command:
        return (b"EVALSHA", self._shas[name], len(names), *names, *arguments)

    def _channel(self, session_id: str) -> bytes:
        return on_wire(channel(session_id), self._database)

    def renewal(self, token: str, milliseconds: int) -> Call[Any]:
        """Acquire the lock for giving all sessions new epochs; None: another worker holds it."""
        return Call(((b"SET", RENEWAL, token, b"NX", b"PX", milliseconds),), lambda replies: replies[0])

    def renewed(self) -> Call[None]:
        """Record that all sessions have new epochs."""
        return Call(((b"DEL", RENEWAL),), lambda _: None)

    def acquire_lease(self, name: str, holder: str, milliseconds: int) -> Call[int | None]:
        """Acquire or renew a lease; return its fence, or None if another worker holds it."""
        return Call(
            (self._script("lease", lease_keys(name), holder, milliseconds, FENCE_MS),),
            lambda replies: int(replies[0]) or None,
        )

    def release_lease(self, name: str, holder: str) -> Call[None]:
        """Release a lease, if ``holder`` holds it."""
        return Call((self._script("release", lease_keys(name)[:1], holder),), lambda _: None)

    def write_probe(self, run: str) -> Call[None]:
        """Probe whether we may write, and restore the server's run id if it was flushed."""
        return Call(
            ((b"SET", WRITE_PROBE, b"", b"PX", 60_000), (b"SET", SERVER_RUN, run, b"NX")),
            lambda _: None,
        )

    def publish_probe(self) -> Call[None]:
        """Probe whether we may publish."""
        said = encode_notice(Notice("message", self._writer, b""))
        return Call(
            (
                self._script("tell", keys(PROBE)[:1], self._channel(PROBE), said),
                (b"PUBLISH", PUBLISH_PROBE, b""),
            ),
            lambda _: None,
        )

    def settings(self) -> Call[StoredSettings]:
        """Return the operators' changes."""
        return Call(
            ((b"HMGET", SETTINGS, b"revision", b"values"),),
            lambda replies: _kept_settings(*replies[0]),
        )

    def store_settings(self, known: int, kept: StoredSettings, *, token: str) -> Call[bool]:
        """Store the operators' changes, if the stored revision is still ``known``."""
        return Call(
            (self._script("settings", (SETTINGS,), known, kept.revision, token, kept.values),),
            lambda replies: replies[0] == 1,
            size=len(kept.values),
        )

    def store_sign_in(self, name: str, seconds: float) -> Call[None]:
        """Store an operator's sign-in for this many seconds."""
        return Call(((b"SET", sign_in_key(name), b"1", b"PX", int(seconds * 1000)),), lambda _: None)

    def extend_sign_in(self, name: str, seconds: float) -> Call[bool]:
        """Extend a sign-in by this many seconds. False: it does not exist."""
        return Call(((b"PEXPIRE", sign_in_key(name), int(seconds * 1000)),), lambda replies: replies[0] == 1)

    def delete_sign_in(self, name: str) -> Call[None]:
        """End a sign-in."""
        return Call(((b"DEL", sign_in_key(name)),), lambda _: None)

    def send_survey(self, where: bytes, payload: bytes) -> Call[frozenset[str]]:
        """Publish to a channel; return the names of all workers that have subscribed."""
        return Call(
            (
                (b"PUBSUB", b"CHANNELS", on_wire(OWN_CHANNELS, self._database)),
                (b"PUBLISH", on_wire(where, self._database), payload),
            ),
            lambda replies: frozenset(
                self._readable(
                    on_wire(OWN_CHANNELS, self._database),
                    lambda name: channel_worker(off_wire(name)),
                    replies[0],
                )
            ),
            size=len(payload),
        )

    def publish(self, where: bytes, payload: bytes) -> Call[int]:
        """Publish to a channel; return the number of subscribers (on this node)."""
        where = on_wire(where, self._database)
        return Call(((b"PUBLISH", where, payload),), lambda replies: int(replies[0]), size=len(payload))

    def _readable(self, key: bytes, read: Callable[[A], R], found: Iterable[A]) -> Iterator[R]:
        """Yield the valid values of ``found``; report the invalid ones."""
        for each in found:
            try:
                yield read(each)
            except UnreadableError as error:
                self._unreadable(key, error)


def _kept_settings(revision: bytes | None, values: bytes | None) -> StoredSettings:
    return StoredSettings(read_number(revision or b"0"), values or b"{}")
