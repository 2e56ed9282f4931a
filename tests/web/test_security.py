import pytest

from orch.problems import ProblemError
from orch.web.security import CONTENT_SECURITY_POLICY, check_origin, check_token, host_name, is_loopback

TOKEN = "s3cret-token"  # noqa: S105 - a test's own


def test_nothing_inline_and_nothing_from_elsewhere_is_allowed() -> None:
    """The policy has no hole that a later page could come to lean on."""
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert "*" not in CONTENT_SECURITY_POLICY
    assert "default-src 'self'" in CONTENT_SECURITY_POLICY
    assert "frame-ancestors 'none'" in CONTENT_SECURITY_POLICY


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("x.localhost", True),
        ("0.0.0.0", False),
        ("192.0.2.1", False),
        ("localhost.example.com", False),
        ("127.0.0.1.example.com", False),
        ("", False),
    ],
)
def test_loopback_is_this_machine_alone(name: str, expected: bool) -> None:  # noqa: FBT001 - a table's column
    """Names that only begin like loopback are somewhere else."""
    assert is_loopback(name) is expected


@pytest.mark.parametrize(
    ("host", "name"),
    [("localhost:3000", "localhost"), ("[::1]:3000", "::1"), ("EXAMPLE.com", "example.com"), ("[::1", "")],
)
def test_a_host_header_is_read_without_its_port(host: str, name: str) -> None:
    """IPv6 brackets, capitals and garbage included."""
    assert host_name(host) == name


@pytest.mark.parametrize("origin", [None, "http://localhost:3000", "https://LOCALHOST:3000"])
def test_a_program_or_our_own_page_may_ask_for_a_change(origin: str | None) -> None:
    """A program sends no origin; a page of ours has the host it was loaded from."""
    check_origin(host="localhost:3000", origin=origin, fetch_site=None)


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "http://localhost:3001",
        "http://localhost:3000.evil.example",
        "http://[",
    ],
)
def test_another_sites_page_may_not(origin: str) -> None:
    """Another port is another site, a sandboxed frame ("null") is none of ours."""
    with pytest.raises(ProblemError) as caught:
        check_origin(host="localhost:3000", origin=origin, fetch_site=None)
    assert caught.value.code == "wrong_origin"


@pytest.mark.parametrize("fetch_site", ["cross-site", "same-site"])
def test_a_browser_that_hides_the_origin_still_says_that_it_is_foreign(fetch_site: str) -> None:
    """Sec-Fetch-Site cannot be set by a page."""
    with pytest.raises(ProblemError):
        check_origin(host="localhost:3000", origin=None, fetch_site=fetch_site)


def test_on_loopback_asked_by_a_loopback_name_no_token_is_needed() -> None:
    """The first start works without reading about tokens."""
    check_token(bound="127.0.0.1", host="localhost:3000", authorization=None, token="")


@pytest.mark.parametrize(
    ("bound", "host"),
    [("0.0.0.0", "localhost:3000"), ("::", "localhost:3000"), ("127.0.0.1", "rebound.example:3000")],
)
@pytest.mark.parametrize(
    "authorization", [None, "Bearer wrong", "Basic s3cret-token", "s3cret-token", "Bearer "]
)
def test_beyond_loopback_the_token_is_needed(bound: str, host: str, authorization: str | None) -> None:
    """So also where a foreign name was pointed at 127.0.0.1: its page's origin equals its host."""
    with pytest.raises(ProblemError) as caught:
        check_token(bound=bound, host=host, authorization=authorization, token=TOKEN)
    assert caught.value.code == "token_required"
    assert caught.value.headers["WWW-Authenticate"] == "Bearer"
    assert TOKEN not in caught.value.detail


def test_the_token_opens() -> None:
    """As a bearer token, whatever the scheme's capitals."""
    check_token(bound="0.0.0.0", host="x.example", authorization=f"bearer {TOKEN}", token=TOKEN)


def test_without_a_token_nobody_gets_in_from_beyond() -> None:
    """An empty setting is no password that anyone can send."""
    with pytest.raises(ProblemError, match="control_token"):
        check_token(bound="0.0.0.0", host="x.example", authorization="Bearer ", token="")
