"""Downloads a model from the hub into a folder, and continues until it is there.

A lock of the kernel (``flock``) on a file in the folder lets one process download at a time; another one
waits and finds the model there. It is released with the process that holds it, however that ends.
"""

import fcntl
import os
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx2
import structlog
import trio

from orch.sandbox.models import disk, plan
from orch.sandbox.models.catalog import Model
from orch.sandbox.models.locations import Locations
from orch.sandbox.models.plan import FetchError, Kind, Next
from orch.sandbox.models.progress import Progress, State

log = structlog.get_logger("models")

LOCK: Final = "download.lock"
POLL: Final = 2.0
"""Seconds between two looks at a download of another process."""

PATIENCE: Final = 30.0
"""Seconds in which a hub has to send :data:`LEAST` bytes, else the attempt has failed."""

LEAST: Final = 32 * 2**10

REDIRECTS: Final = 10
WRITE_SIZE: Final = 2**20

OpenClient = Callable[[], httpx2.AsyncClient]


def open_client() -> httpx2.AsyncClient:
    """Return a client for the hub. It uses the environment's proxies and certificates."""
    return httpx2.AsyncClient(
        follow_redirects=True,
        max_redirects=REDIRECTS,
        timeout=None,  # the download has its own rule: ``patience``
        headers={"User-Agent": "orchestration-service demo"},
    )


class ModelDownload:
    """The download of one model. The mutable state is ``progress`` and the number of failures in a row.

    ``on_change`` is called after each change of the progress. ``patience``: see :data:`PATIENCE`; ``sleep``
    waits between two attempts.
    """

    def __init__(
        self,
        model: Model,
        places: Locations,
        *,
        open_client: OpenClient = open_client,
        patience: float = PATIENCE,
        sleep: Callable[[float], Awaitable[None]] = trio.sleep,
    ) -> None:
        self.on_change: Callable[[], None] = lambda: None
        self.model: Final = model
        self.folder: Final = places.folder(model)
        self.progress = Progress(state="checking", received=0, size=model.size)
        self._places = places
        self._hub = urlsplit(places.hub).hostname or places.hub
        self._open_client = open_client
        self._patience = patience
        self._sleep = sleep
        self._failures = 0
        self._most = 0  # bytes on the disk at best: a hub that breaks off at the same byte makes no progress

    async def run(self) -> Path:
        """Return the model's folder as soon as the model is there, however long that takes.

        A cancelled download stays on the disk, and the next one continues it.
        """
        while True:
            try:
                return await self._attempt()
            except FetchError as error:
                self._failures += 1
                seconds = plan.pause(error, self._failures)
                log.warning(
                    "model not downloaded",
                    model=self.model.name,
                    reason=str(error),
                    attempt=self._failures,
                    next_in=seconds,
                )
                self._show("waiting", problem=str(error), next_in=seconds)
            await self._sleep(seconds)

    async def _attempt(self) -> Path:
        """Download what is missing. Raises :class:`FetchError`."""
        async with self._locked():
            found = await trio.to_thread.run_sync(disk.find, self.model, self._places)
            if found is None:
                await trio.to_thread.run_sync(self._remove_damaged)
                await self._download()
                found = self.folder
        self._show("complete")
        return found

    @asynccontextmanager
    async def _locked(self) -> AsyncIterator[None]:
        """Hold the folder's lock, waiting while another process has it."""
        path = self.folder / LOCK
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise disk.disk_error(error, path) from error
        try:
            while not _try_lock(lock):
                self._show("other_process")
                await trio.sleep(POLL)
            yield
        finally:
            os.close(lock)

    def _remove_damaged(self) -> None:
        """Remove files of the right size with other contents: they would count as complete."""
        sizes = disk.sizes(self.folder)
        for file in disk.damaged(self.folder, self.model):
            if sizes.get(file.name) == file.size:
                log.warning("model damaged", file=str(self.folder / file.name))
                try:
                    (self.folder / file.name).unlink()
                except OSError as error:
                    raise disk.disk_error(error, self.folder / file.name) from error

    async def _download(self) -> None:
        try:
            client = self._open_client()
        except (ValueError, ImportError, OSError, httpx2.InvalidURL) as error:
            raise FetchError(
                Kind.REFUSED, f"The proxy or the certificates of the environment cannot be used: {error}."
            ) from error
        async with client:
            while True:
                wanted = plan.next_request(self.model, disk.sizes(self.folder))
                if wanted is None:
                    return
                await self._fetch_file(client, wanted)

    async def _fetch_file(self, client: httpx2.AsyncClient, wanted: Next) -> None:
        """Download one file from its offset on, check it, and give it its name."""
        missing = self.model.size - plan.received(self.model, disk.sizes(self.folder))
        await trio.to_thread.run_sync(disk.require_space, self.folder, missing)
        part = await trio.to_thread.run_sync(disk.PartFile, self.folder, wanted.file, wanted.offset)
        try:
            if not wanted.is_received:
                await self._receive(client, wanted, part)
            try:
                plan.check_hash(wanted.file, part.sha256(), hub=self._hub, is_continued=part.is_continued)
            except FetchError:
                part.remove()
                raise
            await trio.to_thread.run_sync(part.complete)
        finally:
            part.close()
        self._show("downloading")

    async def _receive(self, client: httpx2.AsyncClient, wanted: Next, part: disk.PartFile) -> None:
        """Request a file from its offset on, and write the response to ``part``."""
        url = self._places.url(self.model, wanted.file.name)
        if not self._failures:  # else the last problem is shown until something arrives
            self._show("downloading")
        with trio.move_on_after(self._patience) as scope:
            try:
                async with client.stream("GET", url, headers=wanted.headers) as response:
                    start = plan.start_of_body(wanted, response.status_code, response.headers, hub=self._hub)
                    if start != wanted.offset:
                        part.restart()
                    await self._write_body(response, wanted, part, scope)
            except httpx2.TooManyRedirects as error:
                raise FetchError(Kind.REFUSED, f"{self._hub} redirects in a circle.") from error
            except (httpx2.InvalidURL, httpx2.UnsupportedProtocol, UnicodeError) as error:
                # UnicodeError: a redirect to a host name that cannot be encoded
                raise FetchError(
                    Kind.REFUSED, f"{url}, or what it redirects to, is no usable address: {error}."
                ) from error
            except httpx2.HTTPError as error:
                what = "cannot be reached" if isinstance(error, httpx2.ConnectError) else "broke off"
                raise FetchError(Kind.UNREACHABLE, f"{self._hub} {what}: {reason_of(error)}.") from error
            return
        raise FetchError(Kind.UNREACHABLE, f"{self._hub} sends nothing, or too slowly.")

    async def _write_body(
        self, response: httpx2.Response, wanted: Next, part: disk.PartFile, scope: trio.CancelScope
    ) -> None:
        """Write the body as it arrives, and extend the deadline of ``scope`` while enough does.

        A failure cancels the reading instead of leaving the loop: the HTTP library closes its generators only
        when the error comes from inside them.
        """
        buffer = bytearray()
        counted = 0
        failure: FetchError | None = None
        try:
            with trio.CancelScope() as reading:
                async for data in response.aiter_raw():
                    if failure is not None:
                        continue
                    buffer += data
                    counted += len(data)
                    if counted >= LEAST:
                        counted = 0
                        scope.deadline = trio.current_time() + self._patience
                    try:
                        received = part.length + len(buffer)
                        plan.check_length(wanted.file, received, hub=self._hub, is_end=False)
                        if len(buffer) >= WRITE_SIZE:
                            await self._write(part, buffer)
                    except FetchError as error:
                        failure = error
                        reading.cancel()
        finally:
            # What was received is stored, whatever ended it.
            with trio.CancelScope(shield=True):
                if buffer and failure is None:
                    await self._write(part, buffer)
        if failure is not None:
            raise failure
        plan.check_length(wanted.file, part.length, hub=self._hub, is_end=True)

    async def _write(self, part: disk.PartFile, buffer: bytearray) -> None:
        data = bytes(buffer)
        buffer.clear()
        await trio.to_thread.run_sync(part.write, data)
        self._show("downloading")
        if self.progress.received >= self._most + LEAST:
            self._most = self.progress.received
            self._failures = 0

    def _show(self, state: State, *, problem: str = "", next_in: float | None = None) -> None:
        received = plan.received(self.model, disk.sizes(self.folder))
        self.progress = Progress(
            state=state, received=received, size=self.model.size, problem=problem, next_in=next_in
        )
        self.on_change()


def reason_of(error: BaseException) -> str:
    """Return why a connection failed, in words, without the full stop."""
    causes = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) is not None and cause not in causes:
        causes.append(cause)
    for each in causes:
        if isinstance(each, socket.gaierror):
            return "its address cannot be found; this machine may have no network"
        if isinstance(each, ssl.SSLCertVerificationError):
            return (
                f"its certificate is not trusted ({each.verify_message}); for a proxy with a certificate of "
                "its own set SSL_CERT_FILE"
            )
        if isinstance(each, ConnectionRefusedError):
            return "the connection is refused"
    return str(error).rstrip(".") or type(error).__name__


def _try_lock(lock: int) -> bool:
    """Take the lock of an open file; return False if another process has it.

    On a file system without locks there is none to take: two downloads at once then fail by their hashes.
    """
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        log.warning("models cannot be locked", reason=str(error))
    return True
