"""Small documents of the service itself, in Redis."""

from collections.abc import Callable

from orch.stores.records import Document
from orch.stores.redis.document_commands import DocumentCommands
from orch.stores.redis.pipeline import Pipeline


class RedisDocuments:
    """See :class:`orch.stores.protocols.DocumentStore`.

    ``token`` returns a new token for a write that must not be done twice.
    """

    def __init__(self, commands: DocumentCommands, pipeline: Pipeline, *, token: Callable[[], str]) -> None:
        self._commands = commands
        self._pipeline = pipeline
        self._token = token

    async def documents(self, kind: str, *, now: float) -> tuple[Document, ...]:
        """Return the documents of a kind that have not expired, by name; delete the others."""
        found = await self._pipeline.execute(self._commands.find(kind))
        expired = [document.name for document in found if document.expires <= now]
        if expired:
            await self._pipeline.execute(self._commands.delete(kind, expired))
        return tuple(document for document in found if document.expires > now)

    async def store_document(self, document: Document, *, now: float) -> bool:
        """Store a document; False: its revision is not the next one."""
        del now
        return await self._pipeline.execute(self._commands.store(document, token=self._token()))

    async def delete_document(self, kind: str, name: str) -> None:
        """Delete a document, if there is one."""
        await self._pipeline.execute(self._commands.delete(kind, [name]))
