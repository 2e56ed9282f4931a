"""Asks DNS, with the name servers of the system, and says how long an answer may be used.

The system's own resolver (getaddrinfo) gives no TTL and no SRV records. Names of ``/etc/hosts`` are not found
here; they have one address, and need no discovery.
"""

from typing import Final, NamedTuple, Protocol

import dns.asyncresolver
import dns.exception
import dns.rdatatype
import dns.rdtypes.IN.SRV
import dns.resolver
import trio

from orch.gateway.discovery.records import SrvRecord

SECONDS: Final = 5.0
"""Seconds for a look-up, with all its servers and repetitions."""


class Addresses(NamedTuple):
    """The addresses of a name, and the seconds for which they may be used."""

    addresses: tuple[str, ...]
    ttl: float


class Services(NamedTuple):
    """The SRV records of a name, and the seconds for which they may be used."""

    records: tuple[SrvRecord, ...]
    ttl: float


class LookUpError(Exception):
    """DNS gave no usable answer. The text says why."""


class Resolver(Protocol):
    """Looks names up. Each call ends within :data:`SECONDS`; raises :class:`LookUpError`."""

    async def addresses(self, name: str) -> Addresses:
        """Return the A and AAAA records of a name, of which there may be none."""
        ...

    async def services(self, name: str) -> Services:
        """Return the SRV records of a name, of which there may be none."""
        ...


class DnsResolver:
    """Asks the name servers of ``/etc/resolv.conf``, read again for each look-up; ``servers`` replaces them.

    ``port``: theirs.
    """

    def __init__(self, servers: tuple[str, ...] = (), *, port: int = 53) -> None:
        self._servers = servers
        self._port = port

    async def addresses(self, name: str) -> Addresses:
        """Return the A and AAAA records of a name; if either question fails, both do."""
        answers: list[dns.resolver.Answer] = []
        failures: list[LookUpError] = []

        async def ask(kind: dns.rdatatype.RdataType) -> None:
            try:
                answers.append(await self._ask(name, kind))
            except LookUpError as error:
                failures.append(error)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, dns.rdatatype.A)
            nursery.start_soon(ask, dns.rdatatype.AAAA)
        if failures:
            raise failures[0]
        found = [record.to_text() for answer in answers for record in answer.rrset or ()]
        return Addresses(tuple(found), _ttl(answers))

    async def services(self, name: str) -> Services:
        """Return the SRV records of a name."""
        answer = await self._ask(name, dns.rdatatype.SRV)
        records = [
            SrvRecord(
                each.priority, each.weight, each.port, each.target.to_text(omit_final_dot=True).strip(".")
            )
            for each in answer.rrset or ()
            if isinstance(each, dns.rdtypes.IN.SRV.SRV)
        ]
        return Services(tuple(records), _ttl([answer]))

    async def _ask(self, name: str, kind: dns.rdatatype.RdataType) -> dns.resolver.Answer:
        try:
            resolver = dns.asyncresolver.Resolver(configure=not self._servers)
            if self._servers:
                resolver.nameservers = list(self._servers)
                resolver.port = self._port
            return await resolver.resolve(name, kind, raise_on_no_answer=False, lifetime=SECONDS)
        except dns.resolver.NXDOMAIN as error:
            raise LookUpError("no such name") from error
        except dns.exception.Timeout as error:
            raise LookUpError(f"no answer within {SECONDS:g} s") from error
        except dns.resolver.NoNameservers as error:
            raise LookUpError("every name server failed") from error
        except dns.resolver.NoResolverConfiguration as error:
            raise LookUpError("/etc/resolv.conf names no server") from error
        except (dns.exception.DNSException, OSError, ValueError) as error:
            raise LookUpError(f"{type(error).__name__}: {error}") from error


def _ttl(answers: list[dns.resolver.Answer]) -> float:
    """Return the least TTL of what was found, along the way to it; without records, that of their absence."""
    having = [answer for answer in answers if answer.rrset is not None] or answers
    return float(min(answer.chaining_result.minimum_ttl for answer in having))
