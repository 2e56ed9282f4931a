"""Whatever is sent to any documented way of serving: the process lives, and no request hides in another."""

import datetime as dt
import random
import socket
import ssl
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx2
import pytest

from orch.tls import self_signed as self_made
from tests.fakes.patience import PATIENCE
from tests.fakes.service import RunningService, service

WAYS = {
    "orch": {},
    "orch-tls": {},
    "hypercorn": {"ORCH_FRONTEND__SERVER": "hypercorn"},
    "hypercorn-tls": {"ORCH_FRONTEND__SERVER": "hypercorn"},
    "hypercorn-http2": {"ORCH_FRONTEND__SERVER": "hypercorn", "ORCH_FRONTEND__HTTP2": "true"},
    "hypercorn-http2-tls": {"ORCH_FRONTEND__SERVER": "hypercorn", "ORCH_FRONTEND__HTTP2": "true"},
}

HIDDEN = b"GET /api/health?hidden HTTP/1.1\r\nHost: localhost\r\n\r\n"
CHUNKED = b"0\r\n\r\n"
HEAD = b"POST /api/translate HTTP/1.1\r\nHost: localhost\r\n"

#: Two readers may see different requests in each of these.
SMUGGLING = {
    "length-and-chunked": HEAD
    + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
    + CHUNKED
    + HIDDEN,
    "chunked-and-length": HEAD
    + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"
    + CHUNKED
    + HIDDEN,
    "two-lengths": HEAD + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello" + HIDDEN,
    "two-different-lengths": HEAD + b"Content-Length: 5\r\nContent-Length: 0\r\n\r\nhello" + HIDDEN,
    "list-of-lengths": HEAD + b"Content-Length: 5, 5\r\n\r\nhello" + HIDDEN,
    "signed-length": HEAD + b"Content-Length: +5\r\n\r\nhello" + HIDDEN,
    "two-encodings": HEAD
    + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"
    + CHUNKED
    + HIDDEN,
    "hidden-encoding": HEAD + b"Transfer-Encoding : chunked\r\n\r\n" + CHUNKED + HIDDEN,
    "folded": HEAD + b"X-A: b\r\n Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n" + HIDDEN,
    "lf-alone": HEAD.replace(b"\r\n", b"\n") + b"Content-Length: 0\n\n" + HIDDEN,
    "lf-in-chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\n\n" + HIDDEN,
    "chunk-extension": HEAD + b"Transfer-Encoding: chunked\r\n\r\n0;a\nb\r\n\r\n" + HIDDEN,
    "chunk-size-0x": HEAD + b"Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n" + HIDDEN,
    "in-http10": HEAD.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKED + HIDDEN,
    "two-hosts": b"GET /livez HTTP/1.1\r\nHost: localhost\r\nHost: a\r\n\r\n" + HIDDEN,
}

NOISE = random.Random(7)
GARBAGE = {
    "h2c-settings": b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\n"
    b"Upgrade: h2c\r\nHTTP2-Settings: AAAA\r\n\r\n",
    "h2c-no-base64": b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\n"
    b"Upgrade: h2c\r\nHTTP2-Settings: \xff\xfe!\r\n\r\n",
    "h2c-without": b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    "preface-and-noise": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + NOISE.randbytes(400),
    "preface-cut": b"PRI * HTTP/2.0\r\n\r\nS",
    "preface-bad-settings": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x05\x04\x00\x00\x00\x00\x00abcde",
    "noise": NOISE.randbytes(2000),
    "letters": b"A" * 100_000,
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + NOISE.randbytes(508),
    "tls-cut": b"\x16\x03\x01",
    "nothing": b"",
    "bad-handshake": b"GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 99\r\nSec-WebSocket-Key: x\r\n\r\n",
    "frames-of-noise": b"GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    + NOISE.randbytes(900),
    "target": b"GET http://[::1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "path": b"GET /%00%ff%2e%2e/\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "headers": b"GET / HTTP/1.1\r\nHost: localhost\r\n"
    + b"".join(b"X-%d: y\r\n" % n for n in range(5000))
    + b"\r\n",
}


@pytest.fixture(scope="module", params=WAYS)
def way(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """Run the service in one of the documented ways."""
    folder = tmp_path_factory.mktemp(request.param)
    environ = dict(WAYS[request.param])
    if request.param.endswith("-tls"):
        pair = self_made.ensure(folder, ["localhost"], now=dt.datetime.now(dt.UTC))
        environ |= {"TLS_CERTIFICATE": str(pair[0]), "TLS_KEY": str(pair[1])}
    with service("serve", folder, environ=environ) as s:
        yield s


def connect(s: RunningService, *, protocol: str = "http/1.1", is_plain: bool = False) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", s.port), timeout=PATIENCE)
    if is_plain or s.url.startswith("http:"):
        return sock
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols([protocol])
    return context.wrap_socket(sock, server_hostname="localhost")


def received(sock: socket.socket) -> bytes:
    """Return all that comes until the service ends the connection."""
    whole = b""
    with suppress(ConnectionResetError):
        while data := sock.recv(65536):
            whole += data
    return whole


def say(s: RunningService, sent: bytes, **how: str | bool) -> None:
    """Send bytes, see what comes until the service ends the connection, and leave."""
    with connect(s, **how) as sock, suppress(OSError):  # type: ignore[arg-type]  # a test's own words
        sock.sendall(sent)
        if isinstance(sock, ssl.SSLSocket):
            sock.settimeout(0.3)  # half an end is no end in TLS
        else:
            sock.shutdown(socket.SHUT_WR)
        received(sock)


def is_alive(s: RunningService) -> bool:
    with connect(s) as sock:
        sock.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return received(sock).startswith(b"HTTP/1.1 200") and s.process.poll() is None


@pytest.fixture(scope="module")
def answers(way: RunningService) -> Mapping[str, bytes]:
    """Send all of them at once and wait until the service ends each: it lets clients read its last words."""

    def answer(kind: str) -> bytes:
        with connect(way) as sock:
            sock.sendall(SMUGGLING[kind])
            return received(sock)

    with ThreadPoolExecutor(len(SMUGGLING)) as pool:
        return dict(zip(SMUGGLING, pool.map(answer, SMUGGLING), strict=True))


@pytest.mark.parametrize("kind", SMUGGLING)
def test_no_request_hides_in_another(way: RunningService, answers: Mapping[str, bytes], kind: str) -> None:
    """It is refused, one answer alone is sent, and the connection ends."""
    answer = answers[kind]
    statuses = [line for line in answer.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
    assert len(statuses) == 1, answer
    assert statuses[0].split()[1] in {b"400", b"501"}, answer
    assert b'"status":"healthy"' not in answer
    assert is_alive(way)


@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage_ends_its_own_connection_at_most(way: RunningService, kind: str) -> None:
    """Within TLS, beside it, and after HTTP/2 was agreed on."""
    say(way, GARBAGE[kind])
    if way.url.startswith("https:"):
        say(way, GARBAGE[kind], is_plain=True)
        with suppress(ssl.SSLError):
            say(way, GARBAGE[kind], protocol="h2")
    assert is_alive(way)


def test_requests_cut_anywhere_are_served(way: RunningService) -> None:
    """Those that are as they should be, one after the other on one connection, a byte at a time."""
    body = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
    last = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with connect(way) as sock:
        for byte in body + last:
            sock.sendall(bytes([byte]))
        assert received(sock).count(b"HTTP/1.1 200") == 2


@pytest.mark.parametrize("way", ["hypercorn-http2", "hypercorn-http2-tls"], indirect=True)
def test_http2_is_spoken_where_it_is_asked_for(way: RunningService) -> None:
    """Pages and the API, over one connection; by its preface without TLS, by ALPN with it."""
    with httpx2.Client(http1=way.url.startswith("https:"), http2=True, verify=False, timeout=120) as client:
        for path in ("/livez", "/translation"):
            answer = client.get(way.url + path)
            assert (answer.status_code, answer.http_version) == (200, "HTTP/2")
