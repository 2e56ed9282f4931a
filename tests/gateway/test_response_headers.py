import pytest

from orch.gateway.headers import Header
from orch.gateway.response_headers import SECURITY, Place, for_client, moved
from orch.gateway.routes import Match, RouteTable
from orch.settings import Gateway, Route

TABLE = RouteTable(Gateway().routes)
AUDIO = Match("/api/audio/", "audio-service", "/api/x")


def place(url: str = "http://127.0.0.1:5001", table: RouteTable = TABLE, match: Match = AUDIO) -> Place:
    return Place(url, "/api/dir/x?q=1", lambda path: table.outside(match, path))


def test_headers_about_the_response_are_forwarded() -> None:
    """Type, length, age and fields of its own; hop-by-hop headers and those that pose as ours are removed."""
    answer: list[Header] = [
        (b"Content-Type", b"text/html"),
        (b"Content-Length", b"3"),
        (b"Cache-Control", b"no-cache"),
        (b"ETag", b'"1"'),
        (b"Retry-After", b"3"),
        (b"X-RateLimit-Remaining", b"7"),
        (b"WWW-Authenticate", b"Bearer"),
        (b"X-Gateway-Service", b"spoof"),
        (b"X-Request-Id", b"other"),
        (b"Date", b"then"),
        (b"Server", b"old"),
        (b"Keep-Alive", b"timeout=5"),
        (b"Transfer-Encoding", b"chunked"),
        (b"Connection", b"x-hop"),
        (b"X-Hop", b"1"),
    ]
    assert for_client(answer, [(b"x-gateway-service", b"audio-service")]) == [
        (b"content-type", b"text/html"),
        (b"content-length", b"3"),
        (b"cache-control", b"no-cache"),
        (b"etag", b'"1"'),
        (b"retry-after", b"3"),
        (b"x-ratelimit-remaining", b"7"),
        (b"www-authenticate", b"Bearer"),
        (b"x-gateway-service", b"audio-service"),
        *SECURITY,
    ]


@pytest.mark.parametrize(
    "header",
    [
        (b"Set-Cookie", b"session=1"),
        (b"Access-Control-Allow-Origin", b"*"),
        (b"Access-Control-Allow-Private-Network", b"true"),
        (b"Strict-Transport-Security", b"max-age=1"),
        (b"Clear-Site-Data", b'"*"'),
        (b"Content-Security-Policy", b"default-src *"),
        (b"Content-Security-Policy-Report-Only", b"default-src *"),
        (b"X-Content-Type-Options", b"off"),
        (b"X-Frame-Options", b"ALLOWALL"),
        (b"Permissions-Policy", b"microphone=()"),
        (b"Cross-Origin-Resource-Policy", b"cross-origin"),
        (b"Cross-Origin-Opener-Policy", b"unsafe-none"),
        (b"Service-Worker-Allowed", b"/"),
        (b"Alt-Svc", b'h3="evil.example:443"'),
        (b"Refresh", b"0; url=https://evil.example"),
        (b"Link", b"<https://evil.example/x.js>; rel=preload"),
        (b"SourceMap", b"/x"),
        (b"Report-To", b"{}"),
        (b"Reporting-Endpoints", b"a=/x"),
        (b"NEL", b"{}"),
        (b"Origin-Agent-Cluster", b"?1"),
        (b"Accept-CH", b"Sec-CH-UA"),
        (b"WWW-Authenticate", b'Basic realm="x"'),
        (b"X-Accel-Redirect", b"/secret"),
        (b"X-Sendfile", b"/etc/passwd"),
    ],
)
def test_headers_that_act_on_our_origin_are_removed(header: Header) -> None:
    """A browser reads the response at our own origin, where it must set and start nothing."""
    assert for_client([header], []) == list(SECURITY)


@pytest.mark.parametrize(
    ("reference", "outside"),
    [
        ("http://127.0.0.1:5001/api/transcribe/", "/api/audio/transcribe/"),
        ("HTTP://127.0.0.1:5001/api/a?x=1#y", "/api/audio/a?x=1#y"),
        ("https://127.0.0.1:5001/api/transcribe/", "/api/audio/transcribe/"),
        ("//127.0.0.1:5001/api/transcribe/", "/api/audio/transcribe/"),
        ("/api/transcribe/", "/api/audio/transcribe/"),
        ("/api", "/api/audio/"),
        ("../other", "/api/audio/other"),
        ("other", "other"),
        ("?page=2", "?page=2"),
        ("#part", "#part"),
        ("https://elsewhere.example/api/x", "https://elsewhere.example/api/x"),
        ("//elsewhere.example/x", "//elsewhere.example/x"),
        ("http://127.0.0.1:5002/api/x", "http://127.0.0.1:5002/api/x"),
        ("mailto:someone@example.org", "mailto:someone@example.org"),
        ("http://127.0.0.1:5001/internal", None),
        ("/docs", None),
        ("/apifoo", None),
        ("http://[", None),
    ],
)
def test_a_location_within_the_instance_is_mapped_to_the_route(reference: str, outside: str | None) -> None:
    """Absolute, relative to the scheme, to the host, to the directory; other hosts are left alone."""
    assert moved(reference, place()) == outside


@pytest.mark.parametrize(
    ("url", "reference", "outside"),
    [
        ("http://back/base/", "http://back/base/api/x", "/api/audio/x"),
        ("http://back/base", "/base/api/x", "/api/audio/x"),
        ("http://back/base", "/based/api/x", None),
        ("http://back:80", "http://BACK/api/x", "/api/audio/x"),
        ("http://back", "https://back/api/x", "/api/audio/x"),
        ("https://back:443", "https://back./api/x", "/api/audio/x"),
        ("http://[::1]:5001", "http://[::1]:5001/api/x", "/api/audio/x"),
    ],
)
def test_the_instance_is_known_however_it_is_written(url: str, reference: str, outside: str | None) -> None:
    """Base paths, default ports, case, and the scheme that a proxy in front of it or of us speaks."""
    assert moved(reference, place(url)) == outside


def test_of_several_routes_the_matched_one_is_used_for_the_way_back() -> None:
    """And where it does not, the one that names most of the path."""
    table = RouteTable(
        [
            Route(prefix="/x/", service="s", path="/api/"),
            Route(prefix="/y/", service="s", path="/api/"),
            Route(prefix="/z", service="s", path="/api/deep"),
            Route(prefix="/root/", service="s", path="/"),
            Route(prefix="/foreign/", service="t", path="/only/"),
        ]
    )
    assert table.outside(Match("/y/", "s", ""), "/api/a") == "/y/a"
    assert table.outside(Match("/z", "s", ""), "/api/deep/a") == "/z/a"
    assert table.outside(Match("/z", "s", ""), "/api/a") == "/x/a"
    assert table.outside(Match("/z", "s", ""), "/only/a") == "/root/only/a"
    assert table.outside(Match("/nowhere", "u", ""), "/only/a") is None


def test_only_location_headers_are_mapped() -> None:
    """Content-Location as well; other headers that hold an address are data."""
    answer = [
        (b"Location", b"http://127.0.0.1:5001/api/a"),
        (b"Content-Location", b"/api/b"),
        (b"Location", b"/unreached"),
        (b"X-Next", b"http://127.0.0.1:5001/api/a"),
    ]
    assert for_client(answer, [], place())[:3] == [
        (b"location", b"/api/audio/a"),
        (b"content-location", b"/api/audio/b"),
        (b"x-next", b"http://127.0.0.1:5001/api/a"),
    ]
