"""Exchanges over real sockets and TLS on loopback."""

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_network

import pytest
import trio

from orch.bots.webhooks.exchange import ExchangeError, Exchanges
from orch.bots.webhooks.schedule import Fault
from orch.bots.webhooks.sent import Request, Sent
from orch.bots.webhooks.targets import TargetRules
from orch.tls.trust import TrustStore
from tests.fakes.webhooks import Received, responding, sending
from tests.gateway.test_loopback import CERTIFICATE, back_end, server_tls

pytestmark = pytest.mark.real_time


@asynccontextmanager
async def receiver(
    log: list[Received], tls: ssl.SSLContext | None, *, ca_file: str = str(CERTIFICATE)
) -> AsyncIterator[tuple[Exchanges, int]]:
    """Listen on loopback; each name leads there."""

    async def resolve(_host: str, _port: int) -> list[str]:
        await trio.lowlevel.checkpoint()
        return ["127.0.0.1"]

    async with back_end(responding(200, body=b"yes", log=log), tls=tls) as port:
        rules = TargetRules(networks=(ip_network("127.0.0.0/8"),), http=True, ports=frozenset({port}))
        yield Exchanges(lambda: rules, TrustStore(), ca_file=lambda: ca_file, resolve=resolve), port


async def test_the_name_of_the_url_is_in_host_and_sni_and_is_checked() -> None:
    """While the connection is made to the address that was checked."""
    names: list[str | None] = []
    tls = server_tls()
    tls.sni_callback = lambda _socket, name, _context: names.append(name)
    log: list[Received] = []
    sent: list[Sent] = []
    async with receiver(log, tls) as (exchanges, port):
        request = Request("POST", f"https://localhost:{port}/hook", (), b"{}")
        async with exchanges.exchange(request, on_sending=sent.append) as reply:
            assert await reply.read(100)
            assert (reply.status, reply.body) == (200, b"yes")
    assert names == ["localhost"]
    assert (sent[0].address, log[0].headers, log[0].body) == ("127.0.0.1", sent[0].headers, b"{}")
    assert log[0].headers[0] == ("host", f"localhost:{port}")


async def fault(
    make_url: Callable[[int], str], tls: ssl.SSLContext | None, **options: str
) -> tuple[Fault, str]:
    log: list[Received] = []
    async with receiver(log, tls, **options) as (exchanges, port):
        with pytest.raises(ExchangeError) as caught:
            async with exchanges.exchange(Request("POST", make_url(port), (), b"{}")):
                pass
    assert log == [], "nothing is sent before the certificate is known to be right"
    return caught.value.fault, caught.value.reason


async def test_a_certificate_of_another_name_is_refused() -> None:
    """A name that leads to somebody else's server."""
    kind, reason = await fault(lambda port: f"https://hooks.example:{port}/", server_tls())
    assert (kind, reason) == (
        Fault.TLS,
        "No secure connection: its certificate is for another host name than its url.",
    )


async def test_a_certificate_that_is_not_trusted_is_refused() -> None:
    """The remedy is the receiver's, not a setting of this service."""
    kind, reason = await fault(lambda port: f"https://localhost:{port}/", server_tls(), ca_file="")
    assert kind is Fault.TLS
    assert "certificate is not trusted" in reason
    assert "ca_file" not in reason


async def test_a_file_of_authorities_that_was_deleted_is_a_failure_that_says_so() -> None:
    """It was there when the settings were read."""
    kind, reason = await fault(lambda port: f"https://localhost:{port}/", server_tls(), ca_file="/nowhere")
    assert (kind, reason) == (Fault.TLS, "The file of bots.webhooks.ca_file cannot be read.")


async def test_a_server_without_tls_is_refused() -> None:
    """It is not tried without."""
    plain = sending(b"HTTP/1.1 400 Bad Request\r\n\r\n", after_request=False)
    async with back_end(plain) as port:
        rules = TargetRules(networks=(ip_network("127.0.0.0/8"),), ports=frozenset({port}))
        with pytest.raises(ExchangeError, match="does not speak TLS") as caught:
            async with Exchanges(lambda: rules, TrustStore()).exchange(
                Request("POST", f"https://127.0.0.1:{port}/")
            ):
                pass
    assert caught.value.fault is Fault.TLS


async def test_a_port_where_nobody_listens_is_unreachable() -> None:
    """Refused at once."""
    async with back_end(responding(200)) as port:
        pass
    rules = TargetRules(networks=(ip_network("127.0.0.0/8"),), http=True, ports=frozenset({port}))
    exchanges = Exchanges(lambda: rules, TrustStore())
    with pytest.raises(ExchangeError) as caught:
        async with exchanges.exchange(Request("POST", f"http://127.0.0.1:{port}/")):
            pass
    assert caught.value.fault is Fault.UNREACHABLE
    assert caught.value.reason.startswith("127.0.0.1 cannot be reached: ")


async def test_a_cancelled_handshake_leaves_no_socket() -> None:
    """A peer that accepts and says nothing: warnings about sockets left open are errors in these tests."""

    async def silent(stream: trio.abc.Stream) -> None:
        assert await stream.receive_some()
        accepted.set()
        while await stream.receive_some():
            pass
        closed.set()

    accepted, closed = trio.Event(), trio.Event()
    async with back_end(silent) as port, trio.open_nursery() as nursery:
        rules = TargetRules(networks=(ip_network("127.0.0.0/8"),), ports=frozenset({port}))
        exchanges = Exchanges(lambda: rules, TrustStore())

        async def send() -> None:
            async with exchanges.exchange(Request("POST", f"https://127.0.0.1:{port}/")):
                pass

        nursery.start_soon(send)
        await accepted.wait()
        nursery.cancel_scope.cancel()
        with trio.CancelScope(shield=True):
            await closed.wait()
