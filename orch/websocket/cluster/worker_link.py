"""The link to other workers, as sessions use it; and the one of a service of a single process."""

from typing import Never, Protocol

import trio

from orch.stores.protocols import SessionStore
from orch.stores.records import SessionRecord
from orch.telemetry.boundaries import Boundary
from orch.websocket.connections.outbox import Frame


class WorkerLink(Protocol):
    """The other workers that share the sessions."""

    @property
    def is_shared(self) -> bool:
        """Whether there may be other workers."""

    @property
    def boundaries(self) -> tuple[Boundary, ...]:
        """What counts its failures."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> Never:
        """Publish changes of participants to the other workers until cancelled."""

    async def load(self, session_id: str) -> SessionRecord | None:
        """Load a session and follow it; None if it does not exist."""

    def begin(self, session_id: str) -> None:
        """Note that a session was loaded and that its participants on other workers are not known yet."""

    def is_known(self, session_id: str, *, is_cached: bool = True) -> bool:
        """Return whether a session's participants on all workers are known.

        ``is_cached``: only a session in memory is followed.
        """

    async def learn(self, session_id: str) -> None:
        """Wait until the other workers have sent a session's participants, or for a limited time."""

    async def reach(self, session_id: str, offset: int) -> None:
        """Wait until all messages up to ``offset`` have arrived, or it is certain that there are none."""

    def publish(self, session_id: str, frame: Frame) -> None:
        """Send a frame that is not stored to the members of a session on other workers."""

    def publish_audio(self, session_id: str, frame: Frame) -> None:
        """Send sound to the members of a session on other workers who receive it."""

    async def publish_moderation(self, session_id: str) -> None:
        """Notify the other workers that what the host of a session decided has changed.

        Raises ``store_unavailable``.
        """

    def publish_terms(self, session_id: str, frame: Frame) -> None:
        """Send changed names and terms to the other workers that have the session."""

    def publish_pipeline(self, session_id: str, frame: Frame) -> None:
        """Send a changed pipeline to the other workers that have the session."""

    async def interrupted(self) -> None:
        """Wait until messages of other workers may have been lost, and they can be reached again."""

    def receive(self, session_id: str, payload: bytes) -> None:
        """Apply a message that another worker published about a session."""

    def drop(self, session_id: str) -> None:
        """Forget a session's participants on other workers: it is no longer followed."""

    def resynchronise(self) -> None:
        """Exchange all participants with the other workers again: messages between them were lost."""

    def idle_since(self, before: float) -> float | None:
        """Return the time that the store compares sessions with when it expires them.

        None: this worker knows best which sessions are idle, so that the store need not look.
        """


class SingleWorker:
    """The link of a service of one process: there is nobody to send to, and everything is known here."""

    is_shared = False
    boundaries: tuple[Boundary, ...] = ()

    def __init__(self, store: SessionStore) -> None:
        self._store = store

    def __repr__(self) -> str:
        return "<SingleWorker>"

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> Never:
        """Do nothing until cancelled."""
        task_status.started()
        await trio.sleep_forever()

    async def load(self, session_id: str) -> SessionRecord | None:
        """Load a session; None if it does not exist."""
        return await self._store.load(session_id)

    def begin(self, session_id: str) -> None:
        """Do nothing: all participants are here."""

    def is_known(self, session_id: str, *, is_cached: bool = True) -> bool:  # noqa: ARG002 - as WorkerLink has it
        """Return True: all participants are here."""
        return True

    async def learn(self, session_id: str) -> None:
        """Do nothing: all participants are here."""

    async def reach(self, session_id: str, offset: int) -> None:
        """Do nothing: this worker gives the offsets."""

    def publish(self, session_id: str, frame: Frame) -> None:
        """Do nothing: all members are here."""

    def publish_audio(self, session_id: str, frame: Frame) -> None:
        """Do nothing: all members are here."""

    async def publish_moderation(self, session_id: str) -> None:
        """Do nothing: all members are here."""

    def publish_terms(self, session_id: str, frame: Frame) -> None:
        """Do nothing: all members are here."""

    def publish_pipeline(self, session_id: str, frame: Frame) -> None:
        """Do nothing: all streams are here."""

    async def interrupted(self) -> None:
        """Wait until cancelled: there are no messages of other workers."""
        await trio.sleep_forever()

    def receive(self, session_id: str, payload: bytes) -> None:
        """Do nothing: no other worker publishes."""

    def drop(self, session_id: str) -> None:
        """Do nothing: all participants are here."""

    def resynchronise(self) -> None:
        """Do nothing: all participants are here."""

    def idle_since(self, before: float) -> None:  # noqa: ARG002 - as WorkerLink has it
        """Return None: this worker knows best."""
        return
