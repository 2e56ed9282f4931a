"""Who is an operator is decided from the connection, never from what the client says about itself."""

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
def test_loopback_is_this_machine_alone(name: str, expected: bool) -> None:  # noqa: FBT001 - a table's column
    """One predicate for settings, sockets and Host: what only begins like loopback is somewhere else."""
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
    """IPv6 brackets, capitals and garbage included."""
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
def test_the_machine_itself_is_an_operator_where_no_token_is_set(local: dict[str, Any]) -> None:
    """The first start works without reading about tokens, over IPv4, IPv6 and Unix sockets."""
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
def test_nobody_else_is_whatever_host_they_name(beyond: dict[str, Any]) -> None:
    """A proxy's client, another machine's, one of a service that listens beyond loopback."""
    actor = asks(**beyond)
    assert (actor.is_operator, actor.via) == (False, "none")


@pytest.mark.parametrize("authorization", [None, "Bearer wrong", "Basic s3cret-token", TOKEN, "Bearer "])
def test_a_token_that_is_set_is_always_asked_for(authorization: str | None) -> None:
    """On loopback too; being local stays known, for what needs no operator."""
    actor = asks(TOKEN, headers={} if authorization is None else {"authorization": authorization})
    assert (actor.is_operator, actor.is_local, actor.via) == (False, True, "none")


@pytest.mark.parametrize("beyond", [{}, {"client": ("192.0.2.9", 5)}, {"trusts_local": False}, *FORWARDED])
def test_the_token_opens_from_everywhere(beyond: dict[str, Any]) -> None:
    """As a bearer token, whatever the scheme's capitals."""
    headers = {**beyond.get("headers", {}), "authorization": f"bearer {TOKEN}"}
    actor = asks(TOKEN, **(beyond | {"headers": headers}))
    assert (actor.is_operator, actor.via) == (True, "token")


@pytest.mark.parametrize(
    ("given", "is_right"), [("schlüssel", True), ("schlussel", False), ("\xff\xfe", False)]
)
def test_a_token_of_any_letters_is_compared_as_it_was_sent(given: str, is_right: bool) -> None:  # noqa: FBT001 - a column
    """Headers are bytes; what is no text opens nothing and breaks nothing."""
    sent = f"Bearer {given}".encode("utf-8" if is_right else "latin-1")
    access = access_over(FakeSettings(orchestration={"control_token": "schlüssel"}))

    async def main() -> Actor:
        asked = scope()
        asked["headers"].append((b"authorization", sent))
        return access.actor(asked, trusts_local=True)

    assert run(main).is_operator is is_right


def test_two_tokens_are_none() -> None:
    """What is said twice cannot be believed."""
    pairs = [("host", "localhost"), ("authorization", f"Bearer {TOKEN}"), ("authorization", "Bearer x")]
    assert not asks(TOKEN, headers=pairs).is_operator


def test_an_empty_token_opens_nothing() -> None:
    """An empty setting is no password that anyone can send."""
    assert not asks(
        "", client=("192.0.2.9", 5), server=("0.0.0.0", 1), headers={"authorization": "Bearer "}
    ).is_operator


@pytest.mark.parametrize("host", ["a..b", ".a", "a" * 64, "x@y", "a:port", "[::"])
def test_a_host_that_nobody_can_have_is_answered_nowhere(host: str) -> None:
    """With a token too, where any name will do: what routes requests by their host cannot read it."""
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
def test_what_programs_and_browsers_say_themselves_is_no_sign_of_a_proxy(usual: str) -> None:
    """A local page or script keeps its rights whatever it sends."""
    assert asks(headers={usual: "x"}).via == "local"


@pytest.mark.parametrize(
    "host", ["rebound.example:3000", "192.0.2.7", "localhost.example", "", "localhost@x"]
)
def test_while_being_local_is_enough_only_loopback_names_are_answered(host: str) -> None:
    """A page whose own name was pointed at 127.0.0.1 has an origin that equals its host."""
    with pytest.raises(ProblemError) as caught:
        asks(headers={"host": host})
    assert (caught.value.code, caught.value.status) == ("misdirected_request", 421)


def test_two_hosts_are_none() -> None:
    """Nor is one without any."""
    for pairs in ([("host", "localhost"), ("host", "localhost")], [("accept", "*/*")]):
        with pytest.raises(ProblemError):
            asks(headers=pairs)


def test_elsewhere_any_host_is_answered_unless_the_settings_say_which() -> None:
    """Names below a listed one too, and loopback's always; still, no name makes anyone an operator."""
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


def test_a_listed_name_is_compared_as_an_address_where_it_is_one() -> None:
    """However it is spelled."""
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
def test_a_trusted_proxy_says_whom_it_asks_for_and_nobody_else_does(
    client: Any, forwarded: str | None, address: str
) -> None:
    """The last entry that is no proxy's counts: what stands before it is the client's own claim."""
    headers = {} if forwarded is None else {"x-forwarded-for": forwarded}
    assert client_address(scope(client=client, headers=headers), LOOPBACK) == address


def test_tls_is_the_connections_or_a_trusted_proxys() -> None:
    """Otherwise a client could have a cookie sent to it that its browser then never sends back."""
    told = {"x-forwarded-proto": "https"}
    assert is_secure(scope(scheme="https"), LOOPBACK)
    assert is_secure(scope(headers=told), LOOPBACK)
    assert not is_secure(scope(headers=told, client=("192.0.2.9", 5)), LOOPBACK)
    assert not is_secure(scope(), LOOPBACK)


def test_the_decision_is_pure() -> None:
    """The same facts give the same actor; a request without Host is local to nobody."""
    assert not is_local(scope(headers=[]))
    assert is_served_host(scope(), allowed=(), token="", trusts_local=True)
    assert identify(is_local=True, address="a", token="", has_token=False).via == "local"
    assert identify(is_local=True, address="a", token=TOKEN, has_token=False, sign_in="s") == Actor(
        is_operator=True, is_local=True, via="cookie", address="a", sign_in="s"
    )
