"""Small documents of the service itself, in a SQLite file."""

import sqlite3

from orch.stores.records import Document
from orch.stores.sqlite.file import SqliteFile


class SqliteDocuments:
    """See :class:`orch.stores.protocols.DocumentStore`."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    async def documents(self, kind: str, *, now: float) -> tuple[Document, ...]:
        """Return the documents of a kind that have not expired, by name."""
        return await self._file.execute(lambda database: _find(database, kind, now))

    async def store_document(self, document: Document, *, now: float) -> bool:
        """Store a document; False: its revision is not the next one."""
        return await self._file.execute(
            lambda database: _store(database, document, now), size=len(document.body), adds=True
        )

    async def delete_document(self, kind: str, name: str) -> None:
        """Delete a document, if there is one."""
        await self._file.execute(lambda database: _delete(database, kind, name), frees=True)


def _find(database: sqlite3.Connection, kind: str, now: float) -> tuple[Document, ...]:
    rows = database.execute(
        "SELECT kind, name, revision, expires, body FROM documents WHERE kind = ? AND expires > ?"
        " ORDER BY name",
        (kind, now),
    )
    return tuple(Document(*row) for row in rows)


def _store(database: sqlite3.Connection, document: Document, now: float) -> bool:
    database.execute("DELETE FROM documents WHERE expires <= ?", (now,))
    row = database.execute(
        "SELECT revision FROM documents WHERE kind = ? AND name = ?", (document.kind, document.name)
    ).fetchone()
    if document.revision != (0 if row is None else row[0]) + 1:
        return False
    database.execute(
        "INSERT OR REPLACE INTO documents (kind, name, revision, expires, body) VALUES (?, ?, ?, ?, ?)",
        (document.kind, document.name, document.revision, document.expires, document.body),
    )
    return True


def _delete(database: sqlite3.Connection, kind: str, name: str) -> None:
    database.execute("DELETE FROM documents WHERE kind = ? AND name = ?", (kind, name))
