"""Trailers of responses, from the back end to a client that asks for them."""

from typing import Any

import pytest
import trio

from orch.gateway.response_headers import SECURITY, trailers_for_client
from tests.fakes.gateway import Browser, answering, gateway_rig, read_request
from tests.gateway.test_loopback import hosted

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
END = b"0\r\nX-Checksum: 7\r\nSet-Cookie: a=1\r\nContent-Type: a/b\r\n\r\n"
GET = b"GET /api/audio/x HTTP/1.1\r\nHost: x\r\n"
WANTED = b"TE: trailers\r\nConnection: TE\r\n"


@pytest.mark.parametrize(
    ("name", "is_kept"),
    [
        (b"x-checksum", True),
        (b"server-timing", True),
        (b"grpc-status", True),
        (b"set-cookie", False),
        (b"location", False),
        (b"x-gateway-service", False),
        (b"x-request-id", False),
        (b"transfer-encoding", False),
        *((name, False) for name, _ in SECURITY),
    ],
)
def test_trailers_are_chosen_as_headers_are(name: bytes, *, is_kept: bool) -> None:
    """And none of them can pass for a header that the gateway answers for."""
    assert trailers_for_client([(name, b"1")]) == ([(name, b"1")] if is_kept else [])


async def exchange(host: str, port: int, data: bytes, until: bytes) -> bytes:
    async with await trio.open_tcp_stream(host, port) as stream:
        await stream.send_all(data)
        received = b""
        while not received.endswith(until):
            more = await stream.receive_some(65_536)
            assert more, received
            received += more
        return received


@pytest.mark.real_time
@pytest.mark.parametrize("parts", [(HEAD + b"2\r\nok\r\n" + END,), (HEAD, b"2\r\nok\r\n", END)])
async def test_a_client_that_asks_for_trailers_gets_them(parts: tuple[bytes, ...]) -> None:
    """Whether the response arrives whole or in parts; the back end is told that they are wanted."""
    heads: list[bytes] = []

    async def serve(stream: Any) -> None:
        while head := await read_request(stream):
            heads.append(head)
            for part in parts:
                await stream.send_all(part)
                await trio.sleep(0.03 if len(parts) > 1 else 0)

    async with hosted(serve) as (_, host, port):
        for _ in range(2):
            got = await exchange(
                host, port, GET + WANTED + b"\r\n", b"\r\n\r\n2\r\nok\r\n0\r\nx-checksum: 7\r\n\r\n"
            )
            assert b"\r\ntransfer-encoding: chunked\r\n" in got
        assert all(b"te: trailers\r\nconnection: te\r\n" in head for head in heads)


@pytest.mark.real_time
@pytest.mark.parametrize(
    ("request_head", "ending"),
    [
        (GET, b"\r\n\r\nok"),
        (GET.replace(b"1.1", b"1.0") + WANTED, b"\r\n\r\nok"),
        (GET.replace(b"GET", b"HEAD") + WANTED, b"\r\n\r\n"),
    ],
    ids=["not asked for", "HTTP/1.0", "HEAD"],
)
async def test_other_clients_get_none(request_head: bytes, ending: bytes) -> None:
    """A client that does not know of them would take them for the next response."""
    async with hosted(answering(HEAD + b"2\r\nok\r\n" + END)) as (_, host, port):
        if request_head.startswith(b"HEAD"):
            async with hosted(answering(HEAD)) as (_, own_host, own_port):
                got = await exchange(own_host, own_port, request_head + b"\r\n", ending)
        else:
            got = await exchange(host, port, request_head + b"\r\n", ending)
        assert b"checksum" not in got


async def test_a_server_that_cannot_send_trailers_is_sent_none() -> None:
    """It says in the scope whether it can."""
    seen: list[bytes] = []
    async with gateway_rig() as rig:
        rig.network.servers["a:1"] = answering(HEAD + b"2\r\nok\r\n" + END, seen=seen)
        browser = Browser("GET", "/api/audio/x", headers=[(b"te", b"trailers")])
        await rig.gateway.proxy(browser.scope, browser.receive, browser.send)
        assert browser.body == b"ok"
        assert {message["type"] for message in browser.sent} == {"http.response.start", "http.response.body"}
        assert b"te:" not in seen[0]


@pytest.mark.real_time
@pytest.mark.parametrize("uploads", ["stored", "streamed"])
async def test_trailers_of_requests_reach_no_back_end(uploads: str) -> None:
    """They come after the headers were checked: a back end that merges them would act on names like these."""
    requests: list[bytes] = []
    route = {"prefix": "/api/audio/", "service": "audio-service", "path": "/api/", "uploads": uploads}
    async with hosted(answering(b"HTTP/1.1 204 No Content\r\n\r\n", seen=requests), routes=[route]) as (
        _,
        host,
        port,
    ):
        request = (
            b"POST /api/audio/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: X-Checksum\r\n"
            b"\r\n2\r\nok\r\n0\r\nX-Checksum: 7\r\nX_Auth_User: root\r\nX-Forwarded-Prefix: /admin\r\n\r\n"
        )
        await exchange(host, port, request, b"\r\n\r\n")
    (received,) = requests
    for name in (b"checksum", b"auth", b"x-forwarded-prefix", b"trailer"):
        assert name not in received.lower()
    assert received.endswith(b"0\r\n\r\n" if uploads == "streamed" else b"\r\n\r\nok")
