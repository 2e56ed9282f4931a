"""The service's own TLS certificate: read at start, and again whenever one of its two files changes.

A new pair that cannot be used changes nothing: connections are accepted with the previous one, and an event
says what is wrong with the new one. Open connections keep the pair they began with.
"""

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import structlog
import trio
import watchfiles
from cryptography import x509

from orch.settings import SettingsError
from orch.telemetry.boundaries import Boundary
from orch.telemetry.events import EventLog
from orch.telemetry.names.front import CERTIFICATE_EXPIRY
from orch.telemetry.names.metric import Reading
from orch.tls.pair import read_pair

HTTP1: Final = ("http/1.1",)

_log = structlog.get_logger("certificate")


class Certificate:
    """The certificate and key in use. The mutable state is the TLS context of new connections.

    ``protocols``: offered by ALPN, in the order of preference.
    """

    def __init__(
        self, certificate: str, key: str, *, events: EventLog, protocols: tuple[str, ...] = HTTP1
    ) -> None:
        """Read the pair; SettingsError says which file is at fault."""
        self._certificate = certificate
        self._key = key
        self._events = events
        self._protocols = protocols
        self._seen = self._contents()
        self._context, self._context_http1 = self._read()
        self._pair = self._seen
        self._expires_at = expiry(self._seen[0])
        self.boundary = Boundary("certificate")

    def context(self) -> ssl.SSLContext:
        """Return the context for a new connection."""
        return self._context

    def context_http1(self) -> ssl.SSLContext:
        """Return the context for a new connection to a server that speaks HTTP/1.1 alone."""
        return self._context_http1

    def pair(self) -> tuple[bytes, bytes]:
        """Return the certificate, its chain after it, and the key that are in use, in PEM."""
        certificate, key = self._pair
        assert certificate is not None  # noqa: S101 - both were read before they were used
        assert key is not None  # noqa: S101
        return certificate, key

    def readings(self) -> Iterator[Reading]:
        """Yield what Prometheus reads."""
        yield from self.boundary.readings()
        if self._expires_at is not None:
            yield Reading(CERTIFICATE_EXPIRY, self._expires_at, ("front",))

    def _read(self) -> tuple[ssl.SSLContext, ssl.SSLContext]:
        made = read_pair(self._certificate, self._key, self._protocols)
        if self._protocols == HTTP1:
            return made, made
        return made, read_pair(self._certificate, self._key, HTTP1)

    def reload(self) -> bool:
        """Read the pair again if a file has changed; return whether a new pair is in use now."""
        seen = self._contents()
        if seen == self._seen:
            return False
        self._seen = seen
        try:
            self._context, self._context_http1 = self._read()
        except SettingsError as error:
            fault = error.faults[0]
            _log.error("certificate not replaced", path=fault.path, expected=fault.expected)
            self._events.record(
                "bad",
                "service",
                f"The new TLS certificate cannot be used, so the previous one stays in use: {fault}",
            )
            return False
        self._pair = seen
        self._expires_at = expiry(seen[0])
        _log.info("certificate replaced", path=self._certificate)
        self._events.record("ok", "service", "The TLS certificate was replaced. New connections use it.")
        return True

    def _contents(self) -> tuple[bytes | None, bytes | None]:
        return _contents(Path(self._certificate)), _contents(Path(self._key))

    async def watch(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Reload whenever a file changes, until cancelled.

        The folders are watched, and those that symbolic links point to, since programs that renew
        certificates rename files and change links.
        """
        stop = trio.Event()

        async def stop_when_cancelled() -> None:
            # The watcher's thread cannot be cancelled; it checks this event at every step.
            try:
                await trio.sleep_forever()
            finally:
                stop.set()

        folders = _folders(self._certificate, self._key)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stop_when_cancelled)
            task_status.started()
            async for _ in watchfiles.awatch(
                *folders, recursive=False, step=100, debounce=400, stop_event=stop
            ):
                with self.boundary.item(path=self._certificate):
                    await trio.to_thread.run_sync(self.reload)


def expiry(certificate: bytes | None) -> float | None:
    """Return when the first certificate of a chain in PEM expires, in seconds since the epoch."""
    if certificate is None:
        return None
    try:
        return x509.load_pem_x509_certificate(certificate).not_valid_after_utc.timestamp()
    except ValueError:  # OpenSSL accepts some that are not encoded strictly; they are used all the same
        _log.warning("expiry of the certificate not known")
        return None


def _folders(*paths: str) -> list[Path]:
    given = [Path(each).absolute() for each in paths]
    return sorted({folder for each in given for folder in (each.parent, each.resolve().parent)})


def _contents(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
