"""Look-ups at a real name server on loopback, which answers as the test says."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
import trio

from orch.gateway.discovery.records import SrvRecord
from orch.gateway.discovery.resolver import DnsResolver, LookUpError

pytestmark = pytest.mark.real_time

Zone = dict[tuple[str, str], tuple[int, list[str]]]

ZONE: Zone = {
    ("audio.example.", "A"): (30, ["10.0.0.1", "10.0.0.2"]),
    ("audio.example.", "AAAA"): (20, ["2001:db8::1"]),
    ("four.example.", "A"): (40, ["10.0.0.4"]),
    ("_http._tcp.audio.example.", "SRV"): (
        15,
        ["10 5 8000 one.example.", "20 0 8001 two.example.", "0 0 0 ."],
    ),
}


@asynccontextmanager
async def name_server(zone: Zone, *, rcode: int | None = None) -> AsyncIterator[DnsResolver]:
    """Answer from ``zone``, or with ``rcode``; yields a resolver that asks it."""
    sock = trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM)
    await sock.bind(("127.0.0.1", 0))
    known = {name for name, _ in zone}

    async def serve() -> None:
        while True:
            wire, client = await sock.recvfrom(4096)
            question = dns.message.from_wire(wire)
            response = dns.message.make_response(question)
            response.flags |= dns.flags.RA
            (asked,) = question.question
            name, kind = asked.name.to_text(), dns.rdatatype.to_text(asked.rdtype)
            if rcode is not None:
                response.set_rcode(dns.rcode.Rcode(rcode))
            elif (name, kind) in zone:
                ttl, records = zone[name, kind]
                response.answer.append(dns.rrset.from_text_list(name, ttl, "IN", kind, records))
            elif name not in known:
                response.set_rcode(dns.rcode.NXDOMAIN)
            await sock.sendto(response.to_wire(), client)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        yield DnsResolver(("127.0.0.1",), port=sock.getsockname()[1])
        nursery.cancel_scope.cancel()
    sock.close()


async def test_addresses_have_the_least_ttl() -> None:
    """Of IPv4 and IPv6; a name may have one kind only."""
    async with name_server(ZONE) as resolver:
        found = await resolver.addresses("audio.example")
        assert sorted(found.addresses) == ["10.0.0.1", "10.0.0.2", "2001:db8::1"]
        assert found.ttl == 20
        assert await resolver.addresses("four.example") == (("10.0.0.4",), 40.0)


async def test_services_have_priority_weight_and_port() -> None:
    """A target of "." says that there is no such service."""
    async with name_server(ZONE) as resolver:
        found = await resolver.services("_http._tcp.audio.example")
        assert found.ttl == 15
        assert set(found.records) == {
            SrvRecord(10, 5, 8000, "one.example"),
            SrvRecord(20, 0, 8001, "two.example"),
            SrvRecord(0, 0, 0, ""),
        }
        assert (await resolver.services("audio.example")).records == ()


@pytest.mark.parametrize(
    ("name", "rcode", "reason"),
    [
        ("nobody.example", None, "no such name"),
        ("audio.example", int(dns.rcode.SERVFAIL), "every name server failed"),
        ("a" * 64 + ".example", None, "LabelTooLong"),
    ],
)
async def test_a_failure_has_its_reason(name: str, rcode: int | None, reason: str) -> None:
    async with name_server(ZONE, rcode=rcode) as resolver:
        with pytest.raises(LookUpError, match=reason):
            await resolver.addresses(name)
        with pytest.raises(LookUpError, match=reason):
            await resolver.services(name)
