"""Registers instances in the store that all workers share, and reads them from there."""

import hmac
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import msgspec
import structlog
import trio

from orch.access.addresses import group
from orch.access.wrong_tokens import WrongTokens
from orch.gateway.discovery.registration import (
    KIND,
    Registered,
    Wanted,
    accepted_url,
    decode,
    require_owner,
)
from orch.problems import ProblemError
from orch.settings import Service
from orch.settings.source import SettingsSource
from orch.stores.protocols import DocumentStore
from orch.stores.records import Document

TRIES: Final = 4
"""How often a registration is stored again that another worker was faster with."""
SECONDS: Final = 5.0
"""Seconds that the store has for one registration."""

log = structlog.get_logger("registry")


class Registry:
    """The registrations. The mutable state is the count of wrong tokens by address.

    ``wall``: the clock of the store. ``on_change`` is called after each registration that changes something.
    """

    def __init__(
        self, documents: DocumentStore, *, settings: SettingsSource, wall: Callable[[], float]
    ) -> None:
        self._documents = documents
        self._settings = settings
        self._wall = wall
        self._wrong = WrongTokens()
        self.on_change: Callable[[], None] = lambda: None
        self.on_left: Callable[[str, str], None] = lambda _service, _instance: None

    @property
    def is_used(self) -> bool:
        """Whether a service has its instances register themselves."""
        return any(each.discovery.registry != "off" for each in self._settings.current.services.values())

    @property
    def wrong_tokens(self) -> int:
        """How many wrong tokens were sent."""
        return self._wrong.wrong

    @property
    def time(self) -> float:
        """The store's time, by which leases end."""
        return self._wall()

    def require_token(self, given: str | None, address: str) -> None:
        """Raise ``token_required`` or ``rate_limited`` unless this is the registry's token."""
        token = self._settings.current.orchestration.gateway.registry_token
        key, now = group(address), trio.current_time()
        if given is not None and token:
            if (wait := self._wrong.wait(key, now)) > 0:
                raise ProblemError(
                    "rate_limited",
                    "Too many wrong tokens came from this address.",
                    headers={"Retry-After": str(int(wait) + 1)},
                )
            if hmac.compare_digest(given.encode("utf-8", "surrogateescape"), token.encode()):
                self._wrong.right_token(key)
                return
            self._wrong.wrong_token(key, now)
        raise ProblemError(
            "token_required",
            "Registering an instance requires operator rights, or the registry's token "
            "(orchestration.gateway.registry_token) in X-Registry-Token.",
        )

    async def read(self) -> tuple[Registered, ...]:
        """Return what is registered now, of services whose registry is on. Raises ``store_unavailable``."""
        services = self._settings.current.services
        with _limited():
            stored = await self._documents.documents(KIND, now=self._wall())
        found = [decode(each.body) for each in stored]
        return tuple(
            each
            for each in found
            if each is not None
            and (service := services.get(each.service)) is not None
            and service.discovery.registry != "off"
            and self._is_accepted(each, service)
        )

    async def put(
        self, service: str, instance: str, wanted: Wanted, registrant: str, *, is_operator: bool
    ) -> tuple[Registered, bool]:
        """Register an instance or renew its lease; return it, and whether it is new.

        Raises ProblemError: unknown_service, invalid_request, address_refused, instance_taken, registry_full,
        store_unavailable.
        """
        configured = self._service(service)
        url = accepted_url(
            wanted.url, registrant, networks=configured.discovery.networks, own_ports=self._own_ports()
        )
        with _limited():
            for _ in range(TRIES):
                stored = await self._documents.documents(KIND, now=self._wall())
                known = self._known(stored, service, instance)
                before = None if known is None else decode(known.body)
                require_owner(before, registrant, is_operator=is_operator)
                self._require_room(stored, service, instance, configured.discovery.max_instances)
                now = self._wall()
                made = Registered(
                    service=service,
                    instance=instance,
                    url=url,
                    weight=wanted.weight,
                    seconds=wanted.seconds,
                    registrant=registrant,
                    since=now if before is None else before.since,
                    expires=now + wanted.seconds,
                )
                revision = 1 if known is None else known.revision + 1
                document = Document(
                    KIND, _name(service, instance), revision, made.expires, msgspec.json.encode(made)
                )
                if await self._documents.store_document(document, now=now):
                    if before is None or (before.url, before.weight) != (made.url, made.weight):
                        log.info(
                            "instance registered",
                            service=service,
                            instance=instance,
                            url=url,
                            weight=wanted.weight,
                            registrant=registrant,
                        )
                        self.on_change()
                    return made, before is None
        raise ProblemError("overloaded", "Other workers change this registration too. Try again soon.")

    async def delete(self, service: str, instance: str, registrant: str, *, is_operator: bool) -> None:
        """Remove an instance, if it is registered. Raises ProblemError as :meth:`put`."""
        self._service(service)
        with _limited():
            stored = await self._documents.documents(KIND, now=self._wall())
            known = self._known(stored, service, instance)
            if known is None:
                return
            require_owner(decode(known.body), registrant, is_operator=is_operator)
            await self._documents.delete_document(KIND, known.name)
        log.info("instance left", service=service, instance=instance, registrant=registrant)
        self.on_left(service, instance)
        self.on_change()

    def _service(self, name: str) -> Service:
        service = self._settings.current.services.get(name)
        if service is None:
            raise ProblemError("unknown_service", f"No service is called {name}.", service=name)
        if service.discovery.registry == "off":
            raise ProblemError(
                "registry_off",
                f"Instances of {name} cannot register themselves: set services.{name}.discovery.registry.",
                service=name,
            )
        return service

    def _is_accepted(self, found: Registered, service: Service) -> bool:
        """Return whether what is stored would be accepted now: the settings may have changed since."""
        try:
            url = accepted_url(
                found.url,
                found.registrant,
                networks=service.discovery.networks,
                own_ports=self._own_ports(),
            )
        except ProblemError:
            return False
        return url == found.url

    def _own_ports(self) -> frozenset[int]:
        frontend = self._settings.current.orchestration.frontend
        first = frontend.worker_ports
        return frozenset({frontend.port, *(range(first, first + frontend.workers) if first else ())})

    def _known(self, stored: tuple[Document, ...], service: str, instance: str) -> Document | None:
        return next((each for each in stored if each.name == _name(service, instance)), None)

    def _require_room(self, stored: tuple[Document, ...], service: str, instance: str, most: int) -> None:
        others = [
            each
            for each in stored
            if each.name.startswith(f"{service}/") and each.name != _name(service, instance)
        ]
        if len(others) >= most:
            raise ProblemError(
                "registry_full",
                f"{most} instances of {service} are registered, which is the limit "
                f"(services.{service}.discovery.max_instances).",
                headers={"Retry-After": "30"},
            )


def _name(service: str, instance: str) -> str:
    return f"{service}/{instance}"


@contextmanager
def _limited() -> Iterator[None]:
    """Limit what the store may take. Raises ``store_unavailable`` beyond it."""
    try:
        with trio.fail_after(SECONDS):
            yield
    except trio.TooSlowError as error:
        raise ProblemError("store_unavailable", "The store does not respond right now.") from error
