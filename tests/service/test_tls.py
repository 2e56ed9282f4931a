"""The service speaks TLS with a certificate of its owner's, and with the next one when it is renewed."""

import datetime as dt
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx2
import pytest
from cryptography.hazmat.primitives import serialization

from orch.tls import self_signed as self_made
from tests.fakes.client import connected
from tests.fakes.http3 import http3
from tests.fakes.patience import PATIENCE
from tests.fakes.redis import redis_server
from tests.fakes.running import run
from tests.fakes.service import RunningService, service
from tests.fakes.waiting import wait_until

ROOT = Path(__file__).parents[2]
SERVERS = ["orch", "hypercorn"]


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """Return a certificate for localhost, and its key."""
    folder = tmp_path / "tls"
    return self_made.ensure(folder, ["localhost", "127.0.0.1"], now=dt.datetime.now(dt.UTC))


def write_pair(pair: tuple[Path, Path]) -> None:
    certificate, key = self_made.make(["localhost", "127.0.0.1"], now=dt.datetime.now(dt.UTC))
    pair[1].write_bytes(key)
    pair[0].write_bytes(certificate)


def served(port: int) -> bytes:
    """Return the certificate that a client is shown now."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", port), timeout=180) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secure,
    ):
        shown = secure.getpeercert(binary_form=True)
        assert shown is not None
        return shown


def wait_until_served(port: int, pair: tuple[Path, Path]) -> None:
    """Wait for the pair in the files, which were written one after the other."""
    wait_until(lambda: served(port) == in_file(pair[0]), "the pair in the files is served")


def in_file(path: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert(path.read_text())


@pytest.fixture(params=SERVERS)
def secure(
    request: pytest.FixtureRequest, tmp_path: Path, pair: tuple[Path, Path]
) -> Iterator[RunningService]:
    """Run the service with the pair, under each server."""
    environ = {
        "TLS_CERTIFICATE": str(pair[0]),
        "TLS_KEY": str(pair[1]),
        "ORCH_FRONTEND__SERVER": request.param,
    }
    with service("serve", tmp_path, environ=environ) as s:
        yield s


def test_pages_api_and_socket_are_served_over_tls(secure: RunningService, pair: tuple[Path, Path]) -> None:
    """With the named certificate, which a client that trusts it accepts."""
    assert secure.url.startswith("https://127.0.0.1:")
    trusting = ssl.create_default_context(cafile=str(pair[0]))
    with httpx2.Client(verify=trusting, base_url=secure.url, timeout=180) as client:
        assert client.get("/livez").status_code == 200
        assert "text/html" in client.get("/translation").headers["content-type"]

    async def main() -> None:
        async with connected(secure.url, ssl_context=trusting) as client:
            assert (await client.ask("pong", type="ping", id=7))["id"] == 7

    run(main, virtual=False)


def test_a_renewed_pair_is_taken_up_and_a_broken_one_is_not(
    secure: RunningService, pair: tuple[Path, Path]
) -> None:
    """New connections get the new certificate; an invalid pair is reported and changes nothing."""
    first = in_file(pair[0])
    assert served(secure.port) == first
    pair[0].write_text("not a certificate")
    line = secure.wait_for_line("certificate not replaced")
    assert str(pair[0]) in line["expected"]
    assert served(secure.port) == first
    write_pair(pair)
    secure.wait_for_line("certificate replaced")
    wait_until_served(secure.port, pair)
    assert served(secure.port) != first


def test_a_signal_has_the_pair_read_again(secure: RunningService, pair: tuple[Path, Path]) -> None:
    """For programs that renew certificates."""
    write_pair(pair)
    secure.process.send_signal(signal.SIGHUP)
    secure.wait_for_line("certificate replaced")
    assert served(secure.port) == in_file(pair[0])


@pytest.mark.parametrize(
    ("sent", "status", "words"),
    [
        (
            b"GET /translation?a=1 HTTP/1.1\r\nHost: meet.example:3000\r\n\r\n",
            b"307",
            b"https://meet.example:3000/translation?a=1",
        ),
        (b"POST /api/x HTTP/1.1\r\nHost: meet.example\r\nContent-Length: 0\r\n\r\n", b"400", b"https://"),
        (b"GET / HTTP/1.1\r\nHost: evil example\r\n\r\n", b"400", b"https://"),
        (
            b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
            b"400",
            b"wss://",
        ),
    ],
)
def test_a_request_without_tls_is_redirected_or_explained(
    secure: RunningService, sent: bytes, status: bytes, words: bytes
) -> None:
    """Pages are redirected to https; other requests get an explanation."""
    with socket.create_connection(("127.0.0.1", secure.port), timeout=180) as client:
        client.sendall(sent)
        received = b"".join(iter(lambda: client.recv(65536), b""))
    assert received.startswith(b"HTTP/1.1 " + status)
    assert words in received
    assert secure.process.poll() is None


def test_what_is_neither_ends_its_own_connection(secure: RunningService, pair: tuple[Path, Path]) -> None:
    """Random bytes, half a handshake, a handshake for another protocol."""
    for sent in (
        b"\x00" * 100,
        b"\x16\x03\x01\x02\x00\x01" + bytes(600),
        b"\x16\x03\x01",
        b"\x80\x2e\x01\x00",
    ):
        with closing(socket.create_connection(("127.0.0.1", secure.port), timeout=180)) as client:
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)
            try:
                while client.recv(65536):
                    pass
            except ConnectionResetError:
                pass
    assert served(secure.port) == in_file(pair[0])


def refused(tmp_path: Path, *arguments: str) -> str:
    ended = subprocess.run(
        [sys.executable, "-m", "orch", "serve", "--port", "0", *arguments],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ended.returncode == 2, ended.stderr
    assert "Traceback" not in ended.stderr
    return ended.stderr


def test_a_pair_that_cannot_be_used_is_a_fault_with_its_path(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    """Missing, of another certificate, no PEM, without its other half, with a password."""
    certificate, key = map(str, pair)
    other = self_made.ensure(tmp_path / "other", ["localhost"], now=dt.datetime.now(dt.UTC))
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    assert "/nowhere.pem" in refused(tmp_path, "--tls-cert", "/nowhere.pem", "--tls-key", key)
    said = refused(tmp_path, "--tls-cert", certificate, "--tls-key", str(other[1]))
    assert f"orchestration.frontend.tls_key: expected the key of the certificate in {certificate}" in said
    assert f"{empty} is none" in refused(tmp_path, "--tls-cert", str(empty), "--tls-key", key)
    assert f"{empty} is none" in refused(tmp_path, "--tls-cert", certificate, "--tls-key", str(empty))
    assert "orchestration.frontend.tls_key: expected" in refused(tmp_path, "--tls-cert", certificate)
    assert "orchestration.frontend.tls_certificate: expected" in refused(tmp_path, "--tls-key", key)
    locked = tmp_path / "locked.key"
    subprocess.run(
        ["openssl", "pkey", "-in", key, "-aes256", "-passout", "pass:x", "-out", str(locked)],
        check=True,
    )
    assert "without a password" in refused(tmp_path, "--tls-cert", certificate, "--tls-key", str(locked))


def test_several_workers_speak_tls_and_take_up_a_renewed_pair(
    tmp_path: Path, pair: tuple[Path, Path]
) -> None:
    """Each of them."""
    with redis_server(tmp_path / "redis") as redis:
        settings = f"""\
orchestration:
  frontend: {{workers: 2, tls_certificate: "{pair[0]}", tls_key: "{pair[1]}"}}
session_management: {{persistence: redis, redis_url: "{redis.url}"}}
"""
        with service("serve", tmp_path, settings=settings) as s:
            assert s.url.startswith("https://")
            first = in_file(pair[0])
            assert {served(s.port) for _ in range(8)} == {first}
            write_pair(pair)
            wait_until(
                lambda: {served(s.port) for _ in range(8)} == {in_file(pair[0])},
                "every worker serves the new pair",
            )


def test_http3_is_spoken_with_the_pair_in_use(tmp_path: Path, pair: tuple[Path, Path]) -> None:
    """Pages and API at the same port over UDP; TCP responses announce it; a renewed pair is used next."""
    environ = {
        "TLS_CERTIFICATE": str(pair[0]),
        "TLS_KEY": str(pair[1]),
        "ORCH_FRONTEND__SERVER": "hypercorn",
        "ORCH_FRONTEND__HTTP3": "true",
    }

    async def ask(port: int) -> tuple[int, str, bytes]:
        async with http3(port) as client:
            page, alive = await client.get("/"), await client.get("/livez")
            shown = client.quic.tls._peer_certificate
            assert shown is not None
            return page.status, alive.body.decode(), shown.public_bytes(serialization.Encoding.DER)

    with service("serve", tmp_path, environ=environ) as s:
        told = httpx2.get(s.url + "/livez", verify=False, timeout=180).headers["alt-svc"]
        assert told == f'h3=":{s.port}"; ma=3600'
        status, alive, shown = run(ask, s.port, virtual=False)
        assert (status, "alive" in alive) == (200, True), alive
        assert shown == in_file(pair[0])
        write_pair(pair)
        wait_until_served(s.port, pair)
        assert run(ask, s.port, virtual=False)[2] == in_file(pair[0])
