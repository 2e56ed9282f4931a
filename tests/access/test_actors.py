"""The actor is identified from the connection, never from what the client claims."""

from typing import Any

import pytest

from orch.access.actors import Actor, client_address, identify, is_local, is_secure, is_served_host
from orch.access.addresses import Proxies, host_name, is_listed, is_loopback
from orch.problems import ProblemError
from tests.fakes.access import access_over
from tests.fakes.running import run
from tests.fakes.settings import FakeSettings

TOKEN = "s3cret-token"  # noqa: S105 - a test's own
LOOPBACK = Proxies(("127.0.0.0/8", "::1"))


def scope(
    *,
    client: Any = ("127.0.0.1", 50000),
    server: Any = ("127.0.0.1", 3000),
    headers: dict[str, str] | list[tuple[str, str]] | None = None,
    version: str = "1.1",
    scheme: str = "http",
) -> dict[str, Any]:
    usual = {"host": "localhost:3000"}
    given = headers if isinstance(headers, list) else list({**usual, **(headers or {})}.items())
    return {
        "type": "http",
        "scheme": scheme,
        "http_version": version,
        "client": client,
        "server": server,
        "headers": [(name.encode(), value.encode()) for name, value in given],
    }


def asks(token: str = "", *, trusts_local: bool = True, frontend: Any = None, **more: Any) -> Actor:
    orchestration = {"control_token": token, "frontend": frontend or {}}
    access = access_over(FakeSettings(orchestration=orchestration))

    async def main() -> Actor:
        return access.actor(scope(**more), trusts_local=trusts_local)

    return run(main)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("localhost", True),
        ("LOCALHOST", True),
        ("localhost.", True),
        ("x.localhost", True),
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("[::1]", True),
        ("0:0:0:0:0:0:0:1", True),
        ("::ffff:127.0.0.1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.0.2.1", False),
        ("localhost.example.com", False),
        ("127.0.0.1.example.com", False),
        ("notlocalhost", False),
        ("", False),
    ],
)
def test_only_loopback_names_and_addresses_are_loopback(name: str, expected: bool) -> None:  # noqa: FBT001 - a table's column
    """One predicate for settings, sockets and Host; a name that only starts like loopback is not."""
    assert is_loopback(name) is expected


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("localhost:3000", "localhost"),
        ("[::1]:3000", "::1"),
        ("EXAMPLE.com.", "example.com"),
        ("[::1", ""),
        ("a@localhost", ""),
        ("localhost/x", ""),
        ("localhost:port", ""),
        ("localhost..", ""),
        (".localhost", ""),
        ("a..localhost", ""),
        (f"{'a' * 64}.localhost", ""),
        (f"{'a.' * 130}localhost", ""),
        ("\xad.localhost", ""),
        ("[::1.2]", ""),
    ],
)
def test_a_host_header_is_read_without_its_port(host: str, name: str) -> None:
    """IPv6 brackets, capital letters and invalid values included."""
    assert host_name(host) == name


@pytest.mark.parametrize(
    "local",
    [
        {},
        {"headers": {"host": "127.0.0.1:3000"}},
        {"headers": {"host": "app.localhost:3000"}},
        {"client": ("::1", 5, 0, 0), "server": ("::1", 3000), "headers": {"host": "[::1]:3000"}},
        {"client": ("::1", 5), "server": ("::1", 3000), "headers": {"host": "localhost:3000"}},
        {"client": None, "server": ("/run/orch.sock", None), "headers": {"host": "localhost"}},
    ],
)
def test_local_requests_are_operators_without_a_token(local: dict[str, Any]) -> None:
    """The first start works without configuring a token, over IPv4, IPv6 and Unix sockets."""
    actor = asks(**local)
    assert (actor.is_operator, actor.is_local, actor.via) == (True, True, "local")


FORWARDED = [
    {"headers": {name: value}}
    for name, value in (
        ("forwarded", "for=192.0.2.9"),
        ("x-forwarded-for", "192.0.2.9"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "localhost:3000"),
        ("x-forwarded-whatever", "1"),
        ("x-real-ip", "127.0.0.1"),
        ("via", "1.1 proxy"),
        ("cf-connecting-ip", "192.0.2.9"),
        ("x_forwarded_for", "127.0.0.1"),
        ("x-original-forwarded-for", "192.0.2.9"),
        ("x-remote-addr", "192.0.2.9"),
        ("x-sucuri-clientip", "192.0.2.9"),
        ("wl-proxy-client-ip", "192.0.2.9"),
        ("proxy_client_ip", "192.0.2.9"),
        ("cloudfront-viewer-address", "192.0.2.9:5"),
        ("tailscale-user-login", "someone@example.com"),
        ("x-arr-log-id", "1"),
        ("x-amz-cf-id", "1"),
        ("x-url-scheme", "https"),
        ("x-auth-request-user", "someone"),
        ("x-varnish", "12"),
        ("max-forwards", "9"),
        ("proxy-connection", "close"),
    )
]


@pytest.mark.parametrize(
    "beyond",
    [
        *FORWARDED,
        {"version": "1.0"},
        {"headers": {"connection": "Upgrade"}},
        {"client": ("192.0.2.9", 5)},
        {"client": ("192.0.2.9", 5), "headers": {"x-forwarded-for": "127.0.0.1"}},
        {"server": ("0.0.0.0", 3000)},
        {"server": ("::", 3000)},
        {"server": ("192.0.2.1", 3000)},
        {"server": None},
        {"client": None},
        {"trusts_local": False},
    ],
)
def test_requests_that_are_not_local_are_never_operators_without_a_token(beyond: dict[str, Any]) -> None:
    """A proxy's client, another machine's, and one of a service bound beyond loopback, with any Host."""
    actor = asks(**beyond)
    assert (actor.is_operator, actor.via) == (False, "none")


@pytest.mark.parametrize("authorization", [None, "Bearer wrong", "Basic s3cret-token", TOKEN, "Bearer "])
def test_a_configured_token_is_always_required(authorization: str | None) -> None:
    """On loopback too; the actor stays local, for what needs no operator."""
    actor = asks(TOKEN, headers={} if authorization is None else {"authorization": authorization})
    assert (actor.is_operator, actor.is_local, actor.via) == (False, True, "none")


@pytest.mark.parametrize("beyond", [{}, {"client": ("192.0.2.9", 5)}, {"trusts_local": False}, *FORWARDED])
def test_the_token_is_accepted_from_everywhere(beyond: dict[str, Any]) -> None:
    """As a bearer token; the scheme is case-insensitive."""
    headers = {**beyond.get("headers", {}), "authorization": f"bearer {TOKEN}"}
    actor = asks(TOKEN, **(beyond | {"headers": headers}))
    assert (actor.is_operator, actor.via) == (True, "token")


@pytest.mark.parametrize(
    ("given", "is_right"), [("schlüssel", True), ("schlussel", False), ("\xff\xfe", False)]
)
def test_tokens_are_compared_as_bytes(given: str, is_right: bool) -> None:  # noqa: FBT001 - a column
    """Bytes that are not text match nothing and raise nothing."""
    sent = f"Bearer {given}".encode("utf-8" if is_right else "latin-1")
    access = access_over(FakeSettings(orchestration={"control_token": "schlüssel"}))

    async def main() -> Actor:
        asked = scope()
        asked["headers"].append((b"authorization", sent))
        return access.actor(asked, trusts_local=True)

    assert run(main).is_operator is is_right


def test_two_authorization_headers_are_rejected() -> None:
    """It is unclear which one counts."""
    pairs = [("host", "localhost"), ("authorization", f"Bearer {TOKEN}"), ("authorization", "Bearer x")]
    assert not asks(TOKEN, headers=pairs).is_operator


def test_an_empty_token_is_never_accepted() -> None:
    """An empty setting means that no token is configured."""
    assert not asks(
        "", client=("192.0.2.9", 5), server=("0.0.0.0", 1), headers={"authorization": "Bearer "}
    ).is_operator


@pytest.mark.parametrize("host", ["a..b", ".a", "a" * 64, "x@y", "a:port", "[::"])
def test_an_invalid_host_is_always_refused(host: str) -> None:
    """Also with a token, where any valid name is accepted."""
    with pytest.raises(ProblemError) as caught:
        asks(TOKEN, server=("0.0.0.0", 3000), headers=[("host", host)])
    assert (caught.value.code, caught.value.status) == ("misdirected_request", 421)


@pytest.mark.parametrize(
    "usual",
    [
        "user-agent", "accept", "sec-fetch-site", "sec-ch-ua-platform", "x-client-data", "x-request-id",
        "traceparent", "x-requested-with", "sec-websocket-key", "x-session-key", "dnt", "priority",
    ],
)  # fmt: skip
def test_usual_headers_are_not_taken_for_a_proxys(usual: str) -> None:
    """A local page or script stays local whatever usual headers it sends."""
    assert asks(headers={usual: "x"}).via == "local"


@pytest.mark.parametrize(
    "host", ["rebound.example:3000", "192.0.2.7", "localhost.example", "", "localhost@x"]
)
def test_without_a_token_only_loopback_names_are_served(host: str) -> None:
    """DNS rebinding: another site's name that resolves to 127.0.0.1 has an origin equal to its host."""
    with pytest.raises(ProblemError) as caught:
        asks(headers={"host": host})
    assert (caught.value.code, caught.value.status) == ("misdirected_request", 421)


def test_two_hosts_or_none_are_not_local() -> None:
    """Nor is an empty one."""
    for pairs in ([("host", "localhost"), ("host", "localhost")], [("accept", "*/*")]):
        with pytest.raises(ProblemError):
            asks(headers=pairs)


def test_with_a_token_any_host_is_served_unless_the_settings_list_some() -> None:
    """Names below a listed one and loopback names too; no name gives operator rights."""
    assert asks(TOKEN, headers={"host": "any.example"}).via == "none"
    beyond = asks(client=("192.0.2.9", 5), server=("0.0.0.0", 3000), headers={"host": "any.example"})
    assert beyond.via == "none"
    listed = {"allowed_hosts": ("orch.example", "*.team.example")}
    for host in ("orch.example", "ORCH.example:443", "a.team.example", "localhost:3000"):
        assert asks(TOKEN, frontend=listed, headers={"host": host}).via == "none"
        assert asks(frontend=listed, headers={"host": host}).is_operator is ("localhost" in host)
    for host in ("other.example", "team.example", "orch.example.evil.example"):
        for token in (TOKEN, ""):
            with pytest.raises(ProblemError):
                asks(token, frontend=listed, headers={"host": host})


def test_listed_addresses_are_compared_as_addresses() -> None:
    """However they are spelled."""
    assert is_listed("2001:db8::1", ["[2001:DB8:0::1]"])
    assert not is_listed("2001:db8::2", ["[2001:DB8:0::1]"])


@pytest.mark.parametrize(
    ("client", "forwarded", "address"),
    [
        (("192.0.2.9", 5), None, "192.0.2.9"),
        (("192.0.2.9", 5), "203.0.113.1", "192.0.2.9"),
        (("127.0.0.1", 5), "203.0.113.1", "203.0.113.1"),
        (("127.0.0.1", 5), "203.0.113.1, 198.51.100.2", "198.51.100.2"),
        (("127.0.0.1", 5), "203.0.113.1, 127.0.0.1", "203.0.113.1"),
        (("127.0.0.1", 5), "[2001:db8::1]:443", "2001:db8::1"),
        (("127.0.0.1", 5), "nonsense, 203.0.113.1:99", "203.0.113.1"),
        (("127.0.0.1", 5), "<script>", "127.0.0.1"),
        (("127.0.0.1", 5), None, "127.0.0.1"),
        (None, "203.0.113.1", "203.0.113.1"),
        (None, None, "local"),
    ],
)
def test_only_a_trusted_proxy_reports_the_clients_address(
    client: Any, forwarded: str | None, address: str
) -> None:
    """The last entry that is no proxy's counts: what stands before it is the client's own claim."""
    headers = {} if forwarded is None else {"x-forwarded-for": forwarded}
    assert client_address(scope(client=client, headers=headers), LOOPBACK) == address


@pytest.mark.parametrize(
    ("hops", "client", "forwarded", "address"),
    [
        (2, "127.0.0.1", "198.51.100.2, 192.0.2.99", "198.51.100.2"),
        (2, "127.0.0.1", "6.6.6.6, 198.51.100.2, 192.0.2.99", "198.51.100.2"),
        (2, "127.0.0.1", "127.0.0.1, 127.0.0.1, 198.51.100.2, 127.0.0.1", "198.51.100.2"),
        (1, "127.0.0.1", "6.6.6.6, 127.0.0.2", "127.0.0.2"),
        (3, "127.0.0.1", "198.51.100.2", "198.51.100.2"),
        (2, "127.0.0.1", "6.6.6.6, nonsense, 192.0.2.99", "192.0.2.99"),
        (2, "127.0.0.1", None, "127.0.0.1"),
        (2, "192.0.2.9", "6.6.6.6, 7.7.7.7", "192.0.2.9"),
    ],
)
def test_with_a_number_of_proxies_a_client_cannot_choose_its_address(
    hops: int, client: str, forwarded: str | None, address: str
) -> None:
    """Limits and logs count by it: entries are counted from the right, and only those of a trusted peer."""
    headers = {} if forwarded is None else {"x-forwarded-for": forwarded}
    trusted = Proxies(("127.0.0.0/8", "::1"), hops)
    assert client_address(scope(client=(client, 5), headers=headers), trusted) == address


def test_with_a_number_of_proxies_tls_is_what_the_outermost_one_saw() -> None:
    trusted = Proxies(("127.0.0.0/8",), 2)
    assert is_secure(scope(headers={"x-forwarded-proto": "http, https, http"}), trusted)
    assert not is_secure(scope(headers={"x-forwarded-proto": "https, http, http"}), trusted)
    assert not is_secure(
        scope(headers={"x-forwarded-proto": "https, https"}, client=("192.0.2.9", 5)), trusted
    )


def test_a_request_is_secure_over_tls_or_if_a_trusted_proxy_says_so() -> None:
    """Otherwise a client could be given a cookie that its browser never sends back."""
    told = {"x-forwarded-proto": "https"}
    assert is_secure(scope(scheme="https"), LOOPBACK)
    assert is_secure(scope(headers=told), LOOPBACK)
    assert not is_secure(scope(headers=told, client=("192.0.2.9", 5)), LOOPBACK)
    assert not is_secure(scope(), LOOPBACK)


def test_the_same_facts_give_the_same_actor() -> None:
    """A request without Host is never local."""
    assert not is_local(scope(headers=[]))
    assert is_served_host(scope(), allowed=(), token="", trusts_local=True)
    assert identify(is_local=True, address="a", token="", has_token=False).via == "local"
    assert identify(is_local=True, address="a", token=TOKEN, has_token=False, sign_in="s") == Actor(
        is_operator=True, is_local=True, via="cookie", address="a", sign_in="s"
    )
