"""Where webhooks may go: URLs and addresses that are refused, and the tricks to get past that."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.bots.webhooks.targets import (
    LONGEST_URL,
    MOST_ADDRESSES,
    Target,
    TargetError,
    TargetRules,
    allowed_addresses,
    read_target,
    refusal,
)

STRICT = TargetRules()
HTTP = TargetRules(http=True)
PUBLIC = ["93.184.216.34", "8.8.8.8", "2606:2800:220:1:248:1893:25c8:1946", "2a00:1450:4001:80b::200e"]


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://example.org", Target("https", "example.org", 443, "/")),
        ("https://example.org/a/b?c=d#e", Target("https", "example.org", 443, "/a/b?c=d")),
        ("https://example.org?c=d", Target("https", "example.org", 443, "/?c=d")),
        ("https://example.org#e", Target("https", "example.org", 443, "/")),
        (" HTTPS://EXAMPLE.org:8443/A \n", Target("https", "example.org", 8443, "/A")),
        ("https://example.org:/a", Target("https", "example.org", 443, "/a")),
        ("https://example.org./a", Target("https", "example.org", 443, "/a")),
        ("https://bücher.example/ü?ü", Target("https", "xn--bcher-kva.example", 443, "/%C3%BC?%C3%BC")),
        ("https://example.org/%2e%2E/%zz", Target("https", "example.org", 443, "/%2e%2E/%zz")),
        ("https://a_b.example.org/", Target("https", "a_b.example.org", 443, "/")),
        ("https://8.8.8.8/", Target("https", "8.8.8.8", 443, "/")),
        ("https://[2606:4700::1111]:8443/", Target("https", "2606:4700::1111", 8443, "/")),
        ("https://example.org/a@b:c", Target("https", "example.org", 443, "/a@b:c")),
    ],
)
def test_a_url_is_read_in_one_form(url: str, target: Target) -> None:
    """As browsers read it: case, default port, IDNA; what is in the path stays."""
    assert read_target(url, STRICT) == target
    assert read_target(target.url, STRICT) == target


def test_the_host_header_names_a_port_that_is_not_the_default() -> None:
    """And an IPv6 address has brackets."""
    assert read_target("https://example.org:443/", STRICT).authority == "example.org"
    assert read_target("https://[2606:4700::1111]:8443/", STRICT).authority == "[2606:4700::1111]:8443"
    assert read_target("http://example.org:8080/", HTTP).authority == "example.org:8080"


def test_a_path_is_not_shown() -> None:
    """Many receivers' URLs are their secret."""
    assert "secret" not in repr(read_target("https://example.org/secret?secret", STRICT))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("", "begins with https://"),
        ("example.org", "begins with https://"),
        ("//example.org/", "begins with https://"),
        ("https:/example.org/", "begins with https://"),
        ("https:example.org", "begins with https://"),
        ("ftp://example.org/", "begins with https://"),
        ("file:///etc/passwd", "begins with https://"),
        ("gopher://example.org:443/", "begins with https://"),
        ("http://example.org/", "can be read on its way"),
        ("https://", "a host name"),
        ("https:///a", "a host name"),
        ("https://user:password@example.org/", "without a user name"),
        ("https://example.org@127.0.0.1/", "without a user name"),
        ("https://127.0.0.1\\@example.org/", "backslash"),
        ("https://example.org\\.other.org/", "backslash"),
        ("https://example.org/a\r\nX-Header: y", "control character"),
        ("https://exa mple.org/", "space"),
        ("https://example.org/\x00", "control character"),
        ("https://-a.org/", "a host name"),
        ("https://a..org/", "a host name"),
        ("https://.org/", "a host name"),
        ("https://exa%6dple.org/", "a host name"),
        ("https://" + "a" * 64 + ".org/", "a host name"),
        ("https://" + "a." * 130 + "org/", "a host name"),
        ("https://☃-\u202e.org/", "a host name"),
        ("https://example.org:0/", "a port between"),
        ("https://example.org:65536/", "a port between"),
        ("https://example.org:99999999999/", "a port between"),
        ("https://example.org:44٣/", "a port between"),
        ("https://example.org:-1/", "a port between"),
        ("https://example.org:22/", "ports 443, 8443"),
        ("https://example.org:80/", "ports 443, 8443"),
        ("https://[::1/", "in brackets"),
        ("https://[::1]x/", "in brackets"),
        ("https://[example.org]/", "in brackets"),
        ("https://::1/", "a port between"),
        ("https://[fe80::1%25eth0]/", "of one network interface"),
        ("https://2130706433/", "got a number"),
        ("https://127.1/", "got a number"),
        ("https://0x7f.1/", "got a number"),
        ("https://0x7f000001/", "got a number"),
        ("https://0177.0.0.1/", "got a number"),
        ("https://127.0.0.1./", "got a number"),
        ("https://a.0x/", "got a number"),
        ("https://\uff11\uff12\uff17.\uff10.\uff10.\uff11/", "got a number"),
        ("https://127\u30020\u30020\u30021/", "got a number"),
        ("https://" + "a" * LONGEST_URL, "at most"),
    ],
)
def test_what_is_no_url_of_a_public_server_is_refused(url: str, expected: str) -> None:
    """Other schemes, user names that pose as hosts, addresses in odd forms, ports of other services."""
    with pytest.raises(TargetError, match=expected):
        read_target(url, STRICT)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "::ffff:0:7f00:1",
        "64:ff9b::7f00:1",
        "64:ff9b::808:808",
        "64:ff9b:1::1",
        "100::1",
        "fc00::1",
        "fd12:3456::1",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "ff02::1",
        "2001::1",
        "2001:2::1",
        "2001:10::1",
        "2001:20::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "3fff::1",
        "5f00::1",
        "4000::1",
        "e000::1",
    ],
)
def test_every_address_that_is_not_public_is_refused(address: str) -> None:
    """In a URL, and as what a name resolves to, unless the settings allow its network."""
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(TargetError, match="expected a public host"):
        read_target(f"https://{host}/", STRICT)
    with pytest.raises(TargetError, match=r"the name internal\.example leads to an? "):
        allowed_addresses("internal.example", [address], STRICT)
    allowing = TargetRules(networks=(ip_network(address),))
    assert read_target(f"https://{host}/", allowing).address == ip_address(address)
    assert allowed_addresses("internal.example", [address], allowing) == [address]


@pytest.mark.parametrize("address", [*PUBLIC, "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0"])
def test_public_addresses_are_allowed(address: str) -> None:
    """Those next to the special ones too."""
    assert refusal(ip_address(address), STRICT) == ""


@given(st.ip_addresses(v=4))
def test_nothing_is_allowed_that_python_knows_to_be_special(address: object) -> None:
    """The other direction: our list has what the standard library's has."""
    found = ip_address(str(address))
    if (
        found.is_private
        or found.is_loopback
        or found.is_link_local
        or found.is_multicast
        or found.is_reserved
    ):
        # 192.0.0.9 and .10 are anycast addresses of routers; refused with their block.
        assert refusal(found, STRICT) != ""


@given(st.ip_addresses(v=6))
def test_no_ipv6_address_is_allowed_that_python_knows_to_be_special(address: object) -> None:
    """As above."""
    found = ip_address(str(address))
    if found.is_private or found.is_link_local or found.is_multicast or found.is_reserved:
        assert refusal(found, STRICT) != ""


def test_of_a_names_addresses_the_allowed_ones_are_used() -> None:
    """In the resolver's order, each once, and not all of many."""
    found = ["10.0.0.1", PUBLIC[2], PUBLIC[0], PUBLIC[2], "::1"]
    assert allowed_addresses("a.example", found, STRICT) == [PUBLIC[2], PUBLIC[0]]
    many = [f"8.8.8.{number}" for number in range(50)]
    assert allowed_addresses("a.example", many, STRICT) == many[:MOST_ADDRESSES]


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ([], "has no address"),
        (["nonsense"], "leads to no address"),
        (["fe80::1%eth0"], "of one network interface"),
        (["2606:4700::1111%eth0"], "of one network interface"),
        (["169.254.169.254", "10.0.0.1"], "a link-local address"),
    ],
)
def test_a_name_without_a_public_address_is_refused_with_the_reason(found: list[str], words: str) -> None:
    """The kind of address is named, the address itself is not: names of a network are its own matter."""
    with pytest.raises(TargetError, match=words) as caught:
        allowed_addresses("a.example", found, STRICT)
    assert "169.254" not in str(caught.value)


def test_ports_of_the_settings_are_the_only_ones() -> None:
    """Instead of the usual ones."""
    rules = TargetRules(ports=frozenset({9000}))
    assert read_target("https://example.org:9000/", rules).port == 9000
    with pytest.raises(TargetError, match="ports 9000, got 443"):
        read_target("https://example.org/", rules)


@given(st.text(max_size=40))
def test_no_text_breaks_the_reading(text: str) -> None:
    """It is a target or refused; a target's parts are printable ASCII, and are read to the same again."""
    for url in (text, f"https://{text}", f"https://example.org/{text}"):
        try:
            target = read_target(url, HTTP)
        except TargetError:
            continue
        assert target.url.isascii()
        assert target.url.isprintable()
        assert " " not in target.url
        assert read_target(target.url, HTTP) == target
