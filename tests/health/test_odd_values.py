"""No value of the settings and no response of a back end ends the checks."""

import gc
import gzip
import ssl
import warnings

import httpx2
import pytest
import trio

from orch.health.probes import open_client, probe
from orch.health.verdict import Finding, Observation, State
from orch.settings import Service
from orch.tls.trust import TrustStore
from tests.fakes.health import Bench, Network, healthy, refused
from tests.health.test_probes import ask, raw, serving

SECRET = "sk-verysecret123"  # noqa: S105 - made up


def packed(body: bytes, *, head: bytes = b"") -> bytes:
    return b"HTTP/1.1 200 OK\r\n%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body)


@pytest.mark.real_time
@pytest.mark.parametrize(
    "answer",
    [
        packed(b"[" * 60_000),
        packed(b'{"a":' * 10_000),
        packed(b'{"status": ' + b"9" * 50_000 + b"}"),
        packed(b'{"status": NaN}'),
        packed(b'{"status": 1e9999, "engine": {"a": 1}, "detail": [1]}'),
        packed(b'{"status": "\\ud800", "engine": "\\udfff"}'),
        packed(b'{"engine": "%b"}' % (b"x" * 60_000)),
        packed(b"\xff\xfe\x00{"),
        packed(b"\xef\xbb\xbf{}"),
        packed(b"hello", head=b"Content-Encoding: gzip\r\n"),
        packed(b"hello", head=b"Content-Encoding: br, gzip, zstd, nonsense\r\n"),
        packed(b"hello", head=b"Content-Type: text/plain; charset=no-such-charset\r\n"),
        packed(gzip.compress(b" " * 50_000_000, mtime=0), head=b"Content-Encoding: gzip\r\n"),
        packed(gzip.compress(b'{"status": "ok"}', mtime=0)),
        packed(b"", head=b"X-A: \xff\xfe\r\n"),
    ],
)
async def test_an_odd_response_with_a_good_status_is_good(answer: bytes) -> None:
    """Any 200 is healthy unless its status word differs; unreadable documents have none."""
    async with serving(raw(answer)) as url:
        found = await ask(url, patience=60, limit=60)  # how long a busy machine takes says nothing
        assert found.finding is Finding.GOOD
        assert len(found.engine or "") <= 100


@pytest.mark.real_time
@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 999 What\r\n\r\n",
        b"HTTP/1.1 -5 What\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 40 + b"\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 50_000 + b"\r\n",
        b"\x00" * 5_000,
        b"HTTP/1.1 200 OK\r\nX-\xfc: \xff\r\nContent-Length: 0\r\n\r\n",
    ],
)
async def test_malformed_http_is_an_observation(answer: bytes) -> None:
    async with serving(raw(answer)) as url:
        found = await ask(url)
        assert found.finding in {Finding.GOOD, Finding.IMPAIRED, Finding.MISSED}


@pytest.mark.real_time
@pytest.mark.parametrize(
    "service",
    [
        Service(url="http://h", api_key=f"{SECRET}\n"),
        Service(url="http://h", api_key=f"{SECRET}-schlüssel"),
        Service(url="http://h", api_key=f"{SECRET}\ud800"),
        Service(url="http://h", headers={"ü": SECRET, "a b": SECRET, "x": f"{SECRET}\r\ny: z"}),
        Service(url="http://h", query={"ü": SECRET, "\ud800": SECRET}),
        Service(url="http://h", health_endpoint="/\x00ü x"),
        Service(url="http://h", ca_file="/no/such/file"),
        Service(url="http://h", ca_file="a\x00b"),
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_an_odd_value_is_an_observation_that_does_not_quote_it(service: Service, scheme: str) -> None:
    """The settings refuse these; a check that fails of one all the same must neither raise nor show it."""
    async with serving(raw(packed(b"{}"))) as url, open_client() as client:
        asked = url.replace("http://", f"{scheme}://u%0a:{SECRET}%00@")
        for each in (asked, url.replace("http", scheme)):
            found = await probe(client, "audio-service", service, each, patience=2, limit=5)
            assert found.finding in {Finding.GOOD, Finding.MISSED}
            assert SECRET not in repr(found)


@pytest.mark.real_time
@pytest.mark.parametrize(
    "url", ["http://übersetzer:1", "http://h..i", "http://" + "a" * 300, "http://[::1", "x", ""]
)
async def test_an_impossible_address_is_an_observation(url: str) -> None:
    found = await ask(url, patience=2)
    assert found.finding is Finding.MISSED


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError(SECRET),
        RecursionError(SECRET),
        UnicodeEncodeError("ascii", SECRET, 0, 1, SECRET),
        ExceptionGroup(SECRET, [KeyError(SECRET)]),
    ],
)
async def test_every_exception_is_an_observation(error: Exception) -> None:
    """No list of expected errors: what is raised next year by a new library is one too."""

    def answer(_request: httpx2.Request) -> httpx2.Response:
        raise error

    async with open_client(httpx2.MockTransport(answer)) as client:
        found = await probe(client, "a", Service(url="http://h"), "http://h", patience=5, limit=1)
    assert found == Observation(Finding.MISSED, (f"cannot be checked: {type(error).__name__}",))


class LateTrust(TrustStore):
    """Finds its certificates only when most of the check's time is over."""

    async def context(self, ca_file: str = "") -> ssl.SSLContext:
        late = trio.current_time() + 3
        context = await super().context(ca_file)
        await trio.sleep_until(late)
        return context


@pytest.mark.real_time
async def test_an_abandoned_handshake_leaves_no_socket_open() -> None:
    """What is left open would only be found by the collector of garbage, with a warning."""

    async def silent(stream: trio.SocketStream) -> None:
        while await stream.receive_some():
            pass

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()  # what earlier tests have left is not this one's
    async with serving(silent) as url, open_client(trust=LateTrust()) as client:
        asked = url.replace("http", "https")
        found = await probe(client, "a", Service(url=asked), asked, patience=5, limit=5)
        assert found == Observation(Finding.MISSED, ("no secure connection in time",))
    with warnings.catch_warnings(record=True) as unclosed:
        warnings.simplefilter("always")
        gc.collect()
    assert [str(each.message) for each in unclosed] == []


@pytest.mark.real_time
async def test_credentials_headers_and_query_go_with_a_check() -> None:
    """What a request carries, a check carries too, or one of them is refused where the other is not."""
    seen: list[bytes] = []
    service = Service(url="http://h", headers={"api-key": "k"}, query={"api-version": "1"})

    async with serving(raw(packed(b"{}"), seen)) as url, open_client() as client:
        asked = url.replace("http://", "http://user:p%40ss@") + "/base"
        found = await probe(client, "audio-service", service, asked, patience=60, limit=60)
        assert found.finding is Finding.GOOD
    head = seen[0].lower()
    assert head.startswith(b"get /base/api/health?api-version=1 http/1.1\r\n")
    assert b"\r\nauthorization: basic dxnlcjpwqhnz\r\n" in head
    assert b"\r\napi-key: k\r\n" in head


@pytest.mark.parametrize(
    ("dialect", "there", "seen"),
    [
        ("openai", "/v1/models", Finding.GOOD),
        ("openai", "/health", Finding.GOOD),
        ("openai", "/nowhere", Finding.IMPAIRED),
        ("libretranslate", "/languages", Finding.GOOD),
        ("livetranslate", "/health", Finding.IMPAIRED),
    ],
)
async def test_a_server_of_another_kind_is_checked_at_its_own_endpoint(
    dialect: str, there: str, seen: Finding
) -> None:
    """OpenAI has no /api/health; the page shows it healthy without any setting."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200 if request.url.path == there else 404)

    async with open_client(httpx2.MockTransport(answer)) as client:
        service = Service(url="http://h", dialect=dialect)  # type: ignore[arg-type]  # from a list
        found = await probe(client, "audio-service", service, "http://h", patience=5, limit=1)
    assert found.finding is seen
    assert found.reasons == (
        () if seen is Finding.GOOD else ("has no /api/health; set services.audio-service.health_endpoint",)
    )


async def test_a_wrong_key_shows_where_the_health_endpoint_asks_for_it() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(401 if request.url.path == "/v1/models" else 404)

    async with open_client(httpx2.MockTransport(answer)) as client:
        service = Service(url="http://h", dialect="openai")
        found = await probe(client, "audio-service", service, "http://h", patience=5, limit=1)
    assert found.reasons == ("requires a key at /v1/models; set services.audio-service.api_key",)


async def test_a_check_that_raises_is_counted_and_the_next_one_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Judging, history and metrics stand in the same loop; none of them may end it."""
    network = Network(one=healthy)
    bench = Bench(network=network, services={"audio-service": {"url": "http://one:5001"}})
    async with bench.running():
        await bench.health.wait_for("audio-service", State.HEALTHY)

        def broken(*_arguments: object) -> None:
            raise LookupError("odd")

        monkeypatch.setattr(bench.metrics, "health_check", broken)
        await trio.sleep(35)
        assert bench.health.boundary.failures == 3
        monkeypatch.undo()
        network.hosts["one"] = refused
        await bench.health.wait_for("audio-service", State.UNHEALTHY)
