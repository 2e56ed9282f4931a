"""Whose certificates are trusted, for checks and requests alike, on real loopback sockets."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import trio

from orch.gateway.connection import Request, UpstreamError
from orch.gateway.request_body import RequestBody
from orch.gateway.transport import Address, Connector
from orch.gateway.upstream import Upstream
from orch.health.probes import open_client, probe
from orch.health.verdict import Finding, Observation
from orch.settings import Service, Settings
from orch.settings.bots import Bots, BotWebhooks
from orch.settings.structs import Orchestration
from orch.tls.trust import TrustStore, find_faults
from tests.fakes.gateway import answering, ok
from tests.fakes.running import run
from tests.gateway.test_loopback import CERTIFICATE, back_end, server_tls

pytestmark = pytest.mark.real_time


async def both(url: str, ca_file: str, trust: TrustStore) -> tuple[Observation, str]:
    """Return what a check and a request find."""
    service = Service(url=url, ca_file=ca_file)
    async with open_client(trust=trust) as client:
        observation = await probe(client, "audio-service", service, url, patience=5, limit=5)
    upstream = Upstream(url, connect=Connector(trust=trust))
    upstream.address = Address.of(url, ca_file=ca_file)
    try:
        async with upstream.exchange(Request("GET", "/", (), RequestBody())) as answer:
            return observation, str(answer.status)
    except UpstreamError as error:
        return observation, str(error)


def ask(ca_file: str = "", host: str = "localhost") -> tuple[Observation, str]:
    async def main() -> tuple[Observation, str]:
        async with back_end(answering(ok(b"{}"), ok(b"{}")), tls=server_tls()) as port:
            return await both(f"https://{host}:{port}", ca_file, TrustStore())

    return run(main, virtual=False, limit=30)


def test_a_service_may_name_its_own_authority() -> None:
    """A private authority is the usual case inside a company."""
    seen, status = ask(str(CERTIFICATE))
    assert (seen.finding, seen.reasons, status) == (Finding.GOOD, (), "200")


def test_an_unknown_certificate_is_refused_with_what_to_do() -> None:
    seen, said = ask()
    assert seen.finding is Finding.MISSED
    for words in (seen.reasons[0], said):
        assert "certificate is not trusted" in words
        assert "ca_file" in words
        assert "_ssl.c" not in words


def test_a_certificate_for_another_name_is_called_that() -> None:
    seen, said = ask(str(CERTIFICATE), host="[::ffff:127.0.0.1]")
    for words in (seen.reasons[0], said):
        assert words == "its certificate is for another host name than its url"


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_the_variables_of_openssl_hold_for_checks_and_requests(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # OpenSSL finds a certificate in a folder by the hash of its subject.
    for name in ("ce275665.0", "localhost.pem"):
        shutil.copy(CERTIFICATE, tmp_path / name)
    monkeypatch.setenv(variable, str(CERTIFICATE if variable == "SSL_CERT_FILE" else tmp_path))
    seen, status = ask()
    assert (seen.finding, status) == (Finding.GOOD, "200")


async def test_a_renewed_file_is_read_again_and_a_lost_one_still_holds(tmp_path: Path) -> None:
    """Authorities are replaced while the service runs, by programs that write anew or rename."""
    trust, file = TrustStore(), tmp_path / "ca.pem"
    shutil.copy(CERTIFICATE, file)
    first = await trust.context(str(file))
    assert await trust.context(str(file)) is first
    file.write_bytes(CERTIFICATE.read_bytes() + b"\n")
    second = await trust.context(str(file))
    assert second is not first
    file.unlink()
    assert await trust.context(str(file)) is second


async def test_a_plain_server_behind_https_is_called_that() -> None:
    async def plain(stream: Any) -> None:
        await stream.receive_some(65_536)
        await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with back_end(plain) as port:
        seen, said = await both(f"https://localhost:{port}", "", TrustStore())
        assert "does not speak TLS" in seen.reasons[0]
        assert "does not speak TLS" in said


async def test_a_handshake_that_never_ends_leaves_no_socket() -> None:
    """A port that takes connections and stays silent; a socket left to the collector would be a warning."""

    async def silent(stream: Any) -> None:
        await stream.receive_some(65_536)
        await trio.sleep_forever()

    async with back_end(silent) as port, open_client() as client:
        service = Service(url=f"https://localhost:{port}")
        seen = await probe(client, "audio-service", service, service.url, patience=2, limit=5)
        assert seen == Observation(Finding.MISSED, ("no secure connection in time",))


def files(folder: Path) -> Iterator[tuple[str, str]]:
    yield str(folder / "none.pem"), "cannot be read (No such file or directory)"
    yield str(folder), "cannot be read"
    (folder / "text.pem").write_text("hello")
    yield str(folder / "text.pem"), "contains no PEM certificate"
    (folder / "empty.pem").touch()
    yield str(folder / "empty.pem"), "contains no PEM certificate"
    (folder / "binary.pem").write_bytes(bytes(range(256)) * 10)
    yield str(folder / "binary.pem"), "contains no PEM certificate"
    yield "a\x00b", "is no path"


@pytest.mark.slow
def test_a_file_that_cannot_be_used_is_a_fault_of_the_settings(tmp_path: Path) -> None:
    for path, words in files(tmp_path):
        (fault,) = find_faults(Settings(services={"a": Service(url="https://a", ca_file=path)}), {})
        assert fault.path == "services.a.ca_file"
        assert words in fault.expected
    assert find_faults(Settings(services={"a": Service(url="https://a", ca_file=str(CERTIFICATE))}), {}) == []
    bots = Orchestration(bots=Bots(webhooks=BotWebhooks(ca_file="/nowhere.pem")))
    (fault,) = find_faults(Settings(orchestration=bots), {})
    assert fault.path == "orchestration.bots.webhooks.ca_file"


@pytest.mark.parametrize(
    ("environ", "paths"),
    [
        ({"SSL_CERT_FILE": "/nope"}, ["SSL_CERT_FILE"]),
        ({"SSL_CERT_DIR": "/nope:/neither"}, ["SSL_CERT_DIR"]),
        ({"SSL_CERT_FILE": str(CERTIFICATE), "SSL_CERT_DIR": f"/nope:{CERTIFICATE.parent}"}, []),
        ({}, []),
    ],
)
def test_a_variable_that_names_nothing_is_a_fault(environ: Mapping[str, str], paths: list[str]) -> None:
    """OpenSSL passes over it in silence, and then no certificate is trusted."""
    services: Any = {"a": Service(url="https://a")}
    assert [fault.path for fault in find_faults(Settings(services=services), environ)] == paths


@pytest.mark.slow
async def test_the_loop_is_not_held_up_by_reading_certificates() -> None:
    """It is done in a thread: a context takes some ten milliseconds."""
    ran = False

    async def other() -> None:
        nonlocal ran
        ran = True

    async with trio.open_nursery() as nursery:
        nursery.start_soon(other)
        await TrustStore().context()
        assert ran
