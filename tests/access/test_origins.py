"""Origins are compared by scheme, name and port, with the default port where none is given."""

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
def test_only_pages_of_the_same_host_may_make_changes_or_connect(
    *, headers: dict[str, str], allowed: bool
) -> None:
    """Another site's page in a user's browser cannot use the user's connection."""
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    assert is_accepted(pairs) is allowed


def test_two_origins_are_refused() -> None:
    """It is unclear which one counts."""
    pairs = [(b"host", b"a"), (b"origin", b"http://a"), (b"origin", b"http://b")]
    assert not is_accepted(pairs)


@pytest.mark.parametrize("site", [b"cross-site", b"same-site"])
def test_sec_fetch_site_shows_a_foreign_page_without_an_origin(site: bytes) -> None:
    """A page cannot set Sec-Fetch-Site; a program sends neither header and is allowed."""
    assert not is_accepted([(b"host", b"localhost:3000"), (b"sec-fetch-site", site)])
    assert is_accepted([(b"host", b"localhost:3000"), (b"sec-fetch-site", b"same-origin")])
    assert is_accepted([(b"host", b"localhost:3000")])
