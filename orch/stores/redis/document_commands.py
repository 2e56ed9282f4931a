"""The Redis commands about small documents of the service itself. Pure.

The documents of a kind are the fields of one hash: ``REVISION TOKEN EXPIRES BODY``. A reader leaves expired
ones out, and deletes them.
"""

from collections.abc import Sequence
from typing import Any, Final

from orch.stores.records import Document
from orch.stores.redis.calls import Call, ServerCommands
from orch.stores.redis.keys import PROBE, UnreadableError, number, read_number, read_text, read_time

_DOCUMENTS: Final = b"orch:documents:"

#: Milliseconds after the last change of a kind at which all of it is deleted: after the service is gone.
LIFETIME_MS: Final = 100 * 86_400_000

_PARTS: Final = 4


class DocumentCommands(ServerCommands):
    """Builds the calls about documents; see :class:`orch.stores.redis.calls.ServerCommands`."""

    def command_probe(self) -> Call[None]:
        """Probe all operations on a kind that does not exist."""
        calls: tuple[Call[Any], ...] = (
            self.find(PROBE),
            self.store(Document(PROBE, PROBE, 2, 0.0, b""), token=PROBE),
            self.delete(PROBE, [PROBE]),
        )
        return Call(tuple(command for call in calls for command in call.commands), lambda _: None)

    def find(self, kind: str) -> Call[tuple[Document, ...]]:
        """Return the documents of a kind, by name; those that cannot be read are reported and left out."""
        return Call(((b"HGETALL", _key(kind)),), lambda replies: self._read_all(kind, replies[0]))

    def store(self, document: Document, *, token: str) -> Call[bool]:
        """Store a document. False: its revision is not the next one."""
        return Call(
            (
                self._script(
                    "document",
                    (_key(document.kind),),
                    document.name,
                    document.revision,
                    token,
                    number(document.expires),
                    document.body,
                    LIFETIME_MS,
                ),
            ),
            lambda replies: replies[0] == 1,
            size=len(document.body),
        )

    def delete(self, kind: str, names: Sequence[str]) -> Call[None]:
        """Delete documents, if they exist."""
        return Call(((b"HDEL", _key(kind), *names),), lambda _: None)

    def _read_all(self, kind: str, reply: Any) -> tuple[Document, ...]:
        pairs = (
            list(reply.items())
            if isinstance(reply, dict)
            else list(zip(reply[::2], reply[1::2], strict=True))
        )
        found = self._readable(_key(kind), lambda pair: _read(kind, *pair), pairs)
        return tuple(sorted(found, key=lambda document: document.name))


def _key(kind: str) -> bytes:
    return _DOCUMENTS + kind.encode()


def _read(kind: str, name: bytes, data: bytes) -> Document:
    parts = data.split(b" ", _PARTS - 1)
    if len(parts) != _PARTS:
        raise UnreadableError(f"expected REVISION TOKEN EXPIRES BODY, found {data[:40]!r}")
    revision, _, expires, body = parts
    return Document(kind, read_text(name), read_number(revision), read_time(expires), body)
