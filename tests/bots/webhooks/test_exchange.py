"""One request to a URL that somebody else has chosen: where it goes, and what odd peers do with it."""

import errno
import gzip
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network

import h11
import pytest
import trio

from orch.bots.webhooks.exchange import CONNECT_SECONDS, ExchangeError, Exchanges
from orch.bots.webhooks.schedule import Fault
from orch.bots.webhooks.sent import Request, Sent
from orch.bots.webhooks.targets import TargetRules
from orch.tls.trust import TrustStore
from tests.fakes.webhooks import Net, Received, Receiver, responding, sending

PUBLIC, OTHER = "93.184.216.34", "8.8.8.8"
URL = "http://hooks.example/a?b=c"


@asynccontextmanager
async def net(receiver: Receiver | OSError | None = None) -> AsyncIterator[tuple[Net, Exchanges]]:
    async with trio.open_nursery() as nursery:
        network = Net(nursery)
        if receiver is not None:
            network.add("hooks.example", PUBLIC, receiver)
        rules = TargetRules(http=True)
        yield (
            network,
            Exchanges(lambda: rules, TrustStore(), resolve=network.resolve, connect=network.connect),
        )
        nursery.cancel_scope.cancel()


async def failure(exchanges: Exchanges, url: str = URL) -> ExchangeError:
    with pytest.raises(ExchangeError) as caught:
        async with exchanges.exchange(Request("POST", url, (), b"{}")) as reply:
            await reply.read(1000)
    return caught.value


async def test_what_is_said_to_be_sent_is_what_arrives() -> None:
    """Line, headers in their order, body: byte for byte."""
    log: list[Received] = []
    sent: list[Sent] = []
    async with net(responding(200, body=b"thanks", log=log)) as (network, exchanges):
        request = Request("POST", "http://HOOKS.example:80/a?b=c#d", (("webhook-id", "m"),), b'{"a":1}')
        async with exchanges.exchange(request, on_sending=sent.append) as reply:
            assert await reply.read(1000)
            assert (reply.status, reply.body) == (200, b"thanks")
    assert network.connected == [f"{PUBLIC} 80"]
    assert (sent[0].method, sent[0].url, sent[0].address) == ("POST", URL, PUBLIC)
    assert log == [Received("POST /a?b=c HTTP/1.1", sent[0].headers, sent[0].body)]
    headers = dict(sent[0].headers)
    assert headers["host"] == "hooks.example"
    assert headers["webhook-id"] == "m"
    assert headers["content-length"] == "7"


async def test_a_name_that_changes_between_check_and_connection_gains_nothing() -> None:
    """It is resolved once, and the connection goes to the address that was checked."""
    async with net(responding(200)) as (network, exchanges):
        network.hosts["hooks.example"] = [[PUBLIC], ["127.0.0.1"]]
        async with exchanges.exchange(Request("POST", URL)) as reply:
            assert reply.status == 200
        assert (network.resolved, network.connected) == (["hooks.example"], [f"{PUBLIC} 80"])
        # The next request resolves it again, and is refused.
        assert (await failure(exchanges)).fault is Fault.REFUSED_TARGET
    assert network.connected == [f"{PUBLIC} 80"]


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "10.0.0.8", "::1", "64:ff9b::7f00:1"])
async def test_nothing_is_connected_to_that_is_not_public(address: str) -> None:
    """By name or by address."""
    async with net() as (network, exchanges):
        network.hosts["hooks.example"] = [[address]]
        host = f"[{address}]" if ":" in address else address
        for url in (URL, f"http://{host}/"):
            error = await failure(exchanges, url)
            assert error.fault is Fault.REFUSED_TARGET
            assert "expected a public host" in error.reason
    assert network.connected == []


async def test_the_rules_are_read_at_every_use() -> None:
    """An operator's change holds for the next attempt."""
    rules = TargetRules()
    async with trio.open_nursery() as nursery:
        network = Net(nursery)
        network.add("hooks.example", "10.0.0.8", responding(204))
        exchanges = Exchanges(lambda: rules, TrustStore(), resolve=network.resolve, connect=network.connect)
        assert (await failure(exchanges)).fault is Fault.REFUSED_TARGET
        rules = TargetRules(http=True, networks=(ip_network("10.0.0.0/8"),))
        async with exchanges.exchange(Request("POST", URL)) as reply:
            assert reply.status == 204


async def test_an_address_that_refuses_or_ignores_a_connection_gives_way_to_the_next() -> None:
    """And those that are not allowed are no next ones."""
    async with net() as (network, exchanges):
        network.hosts["hooks.example"] = [["10.0.0.1", "9.9.9.9", OTHER, PUBLIC]]
        network.receivers = {
            "9.9.9.9": ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"),
            OTHER: responding(200),
            PUBLIC: responding(500),
        }
        began = trio.current_time()
        async with exchanges.exchange(Request("POST", URL)) as reply:
            assert reply.status == 200
        assert network.connected == ["9.9.9.9 80", f"{OTHER} 80"]
        assert trio.current_time() == began


async def test_an_address_that_never_accepts_is_given_up_after_five_seconds() -> None:
    """A firewall that drops what it does not like."""

    async def connect(address: str, port: int) -> trio.abc.Stream:
        await trio.sleep_forever()

    async def resolve(host: str, port: int) -> list[str]:
        await trio.lowlevel.checkpoint()
        return [PUBLIC, OTHER]

    exchanges = Exchanges(lambda: TargetRules(http=True), TrustStore(), resolve=resolve, connect=connect)
    began = trio.current_time()
    error = await failure(exchanges)
    assert error.fault is Fault.UNREACHABLE
    assert error.reason == f"{PUBLIC} did not accept a connection within 5 s."
    assert trio.current_time() - began == pytest.approx(2 * CONNECT_SECONDS)


async def test_a_redirect_is_a_response_like_any_other() -> None:
    """To a private address or not: nothing follows it."""
    async with (
        net(responding(307, "location: http://169.254.169.254/")) as (network, exchanges),
        exchanges.exchange(Request("POST", URL)) as reply,
    ):
        assert reply.status == 307
        assert await reply.read(10)
    assert network.connected == [f"{PUBLIC} 80"]


HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("receiver", "fault"),
    [
        (sending(), Fault.CUT),
        (sending(HEAD), Fault.CUT),
        (sending(HEAD + b"content-length: 10\r\n\r\nabc"), Fault.CUT),
        (sending(HEAD + b"transfer-encoding: chunked\r\n\r\n5\r\nab"), Fault.CUT),
        (sending(after_request=False), Fault.CUT),
        (sending(b"\x00\x01\x02 nonsense\r\n\r\n"), Fault.MALFORMED),
        (sending(b"SSH-2.0-OpenSSH_9.2\r\n\r\n", after_request=False), Fault.MALFORMED),
        (sending(HEAD + b"content-length: 1\r\ncontent-length: 2\r\n\r\n"), Fault.MALFORMED),
        (sending(HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n"), Fault.MALFORMED),
        (sending(HEAD, *[b"x: " + b"y" * 4096 + b"\r\n"] * 20), Fault.MALFORMED),
        (sending(*[b"HTTP/1.1 100 Continue\r\n\r\n"] * 100), Fault.MALFORMED),
        (
            sending(b"HTTP/1.1 101 Switching\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n"),
            Fault.MALFORMED,
        ),
        (OSError(errno.ENETUNREACH, "Network is unreachable"), Fault.UNREACHABLE),
        (OSError(errno.EMFILE, "Too many open files"), Fault.SHORTAGE),
    ],
)
async def test_each_way_to_fail_has_its_name(receiver: Receiver | OSError, fault: Fault) -> None:
    """And a sentence."""
    async with net(receiver) as (_, exchanges):
        error = await failure(exchanges)
    assert error.fault is fault
    assert error.reason.endswith(".")


async def test_a_name_that_does_not_exist_is_said_to_be_unknown() -> None:
    """As when the name servers do not respond."""

    async def resolve(host: str, port: int) -> list[str]:
        await trio.lowlevel.checkpoint()
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    exchanges = Exchanges(TargetRules, TrustStore(), resolve=resolve)
    error = await failure(exchanges, "https://hooks.example/")
    assert (error.fault, error.reason) == (Fault.UNKNOWN_HOST, "The name hooks.example cannot be resolved.")


async def test_of_a_response_without_end_only_the_beginning_is_read() -> None:
    """And the connection is closed, so that the sender notices."""
    closed = trio.Event()
    sent = 0

    async def endless(stream: trio.abc.Stream) -> None:
        nonlocal sent
        await stream.send_all(HEAD + b"\r\n")
        try:
            while True:
                await stream.send_all(b"x" * 65_536)
                sent += 65_536
        except trio.BrokenResourceError:
            closed.set()

    async with net(endless) as (_, exchanges):
        async with exchanges.exchange(Request("GET", URL)) as reply:
            assert not await reply.read(1000)
            assert reply.body == b"x" * 1000
        await closed.wait()
    assert sent < 1_000_000


@pytest.mark.parametrize("size", [999, 1000, 1001])
async def test_a_body_of_just_the_limit_is_complete(size: int) -> None:
    """One more byte is too much."""
    async with (
        net(responding(200, body=b"x" * size)) as (_, exchanges),
        exchanges.exchange(Request("GET", URL)) as reply,
    ):
        assert await reply.read(1000) == (size <= 1000)
        assert len(reply.body) == min(size, 1000)


async def test_nothing_is_decompressed() -> None:
    """A few kilobytes can become gigabytes."""
    bomb = gzip.compress(bytes(100_000))
    async with (
        net(responding(200, "content-encoding: gzip", body=bomb)) as (_, exchanges),
        exchanges.exchange(Request("GET", URL)) as reply,
    ):
        assert await reply.read(1000)
        assert reply.body == bomb


async def test_informational_responses_are_skipped() -> None:
    """100 and 103 come before the response."""
    early = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"
    async with (
        net(sending(early + HEAD + b"content-length: 0\r\n\r\n")) as (_, exchanges),
        exchanges.exchange(Request("POST", URL)) as reply,
    ):
        assert reply.status == 200


async def test_a_response_before_the_request_was_read_counts() -> None:
    """A receiver may refuse by the head alone, and close."""

    async def hasty(stream: trio.abc.Stream) -> None:
        await stream.send_all(b"HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n")

    async with net(hasty) as (_, exchanges):
        await trio.testing.wait_all_tasks_blocked()
        async with exchanges.exchange(Request("POST", URL, (), b"x" * 100_000)) as reply:
            assert reply.status == 410


async def test_a_header_cannot_be_smuggled_into_the_request() -> None:
    """What is no header's value is not sent at all."""
    async with net(responding(200)) as (_network, exchanges):
        with pytest.raises(h11.LocalProtocolError, match="value"):
            async with exchanges.exchange(Request("POST", URL, (("x", "a\r\nb: c"),))):
                pass
