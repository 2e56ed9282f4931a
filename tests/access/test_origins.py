"""Origins are compared by what they mean: scheme, name and port, also where the port is not named."""

import pytest

from orch.access.origins import foreign_page


def is_accepted(headers: list[tuple[bytes, bytes]]) -> bool:
    problem = foreign_page(headers)
    assert problem is None or problem.code == "wrong_origin"
    return problem is None


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({"host": "example.com:3000"}, True),
        ({"host": "example.com:3000", "origin": "http://example.com:3000"}, True),
        ({"host": "EXAMPLE.com:3000", "origin": "http://example.COM:3000"}, True),
        ({"host": "example.com", "origin": "https://example.com"}, True),
        ({"host": "example.com", "origin": "https://example.com:443"}, True),
        ({"host": "example.com:80", "origin": "http://example.com"}, True),
        ({"host": "[::1]:3000", "origin": "http://[::1]:3000"}, True),
        ({"host": "[0:0:0:0:0:0:0:1]:3000", "origin": "http://[::1]:3000"}, True),
        ({"host": "example.com.:443", "origin": "https://example.com"}, True),
        ({"host": "example.com:443", "origin": "https://example.com"}, True),
        ({"host": "example.com:443", "origin": "http://example.com"}, False),
        ({"host": "example.com:80", "origin": "https://example.com"}, False),
        ({"host": "example.com:3000", "origin": "http://example.com"}, False),
        ({"host": "example.com:3000", "origin": "http://evil.com:3000"}, False),
        ({"host": "example.com", "origin": "http://example.com.evil.com"}, False),
        ({"host": "example.com", "origin": "http://user@example.com"}, False),
        ({"host": "example.com", "origin": "null"}, False),
        ({"host": "example.com", "origin": ""}, False),
        ({"host": "example.com", "origin": "file://example.com"}, False),
        ({"host": "example.com", "origin": "http://[example"}, False),
        ({"host": "", "origin": "http://"}, False),
        ({"origin": "http://example.com"}, False),
        ({"host": "example.com", "origin": "http://exämple.com"}, False),
    ],
)
def test_only_pages_of_this_very_host_may_change_or_connect(
    *, headers: dict[str, str], allowed: bool
) -> None:
    """Another site's page in a user's browser cannot use the user's connection."""
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    assert is_accepted(pairs) is allowed


def test_two_origins_are_none() -> None:
    """What is said twice cannot be believed."""
    pairs = [(b"host", b"a"), (b"origin", b"http://a"), (b"origin", b"http://b")]
    assert not is_accepted(pairs)


@pytest.mark.parametrize("site", [b"cross-site", b"same-site"])
def test_a_browser_that_hides_the_origin_still_says_that_it_is_foreign(site: bytes) -> None:
    """Sec-Fetch-Site cannot be set by a page; a program sends neither and is let through."""
    assert not is_accepted([(b"host", b"localhost:3000"), (b"sec-fetch-site", site)])
    assert is_accepted([(b"host", b"localhost:3000"), (b"sec-fetch-site", b"same-origin")])
    assert is_accepted([(b"host", b"localhost:3000")])
