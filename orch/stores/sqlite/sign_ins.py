"""Operators' sign-ins in a SQLite file."""

from orch.stores.sqlite import statements
from orch.stores.sqlite.file import SqliteFile


class SqliteSignIns:
    """See :class:`orch.access.sign_ins.SignInStore`."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    async def store_sign_in(self, name: str, *, now: float, seconds: float) -> None:
        """Store a sign-in for this many seconds."""
        # An operator who comes to free a full disk must be able to sign in.
        await self._file.execute(
            lambda database: statements.store_sign_in(database, name, now, seconds), frees=True
        )

    async def extend_sign_in(self, name: str, *, now: float, seconds: float) -> bool:
        """Extend a sign-in by this many seconds; False if it does not exist."""
        return await self._file.execute(
            lambda database: statements.extend_sign_in(database, name, now, seconds), frees=True
        )

    async def delete_sign_in(self, name: str) -> None:
        """End a sign-in."""
        await self._file.execute(lambda database: statements.delete_sign_in(database, name), frees=True)
