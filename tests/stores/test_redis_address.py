"""Addresses of Redis servers: their parts, and invalid ones."""

import pytest

from orch.masking import mask_url
from orch.settings.redis_url import Address, Tls, read_address, shown


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://r", Address(shown="redis://r", host="r")),
        ("redis://r:1/2", Address(shown="redis://r:1/2", host="r", port=1, database=2)),
        ("redis://r?db=3", Address(shown="redis://r?db=3", host="r", database=3)),
        (
            "redis://me:p%40ss@r",
            Address(shown="redis://r", host="r", username="me", password="p@ss"),
        ),
        ("redis://:secret@r", Address(shown="redis://r", host="r", password="secret")),
        ("unix:///run/r.sock?db=1", Address(shown="unix:///run/r.sock?db=1", path="/run/r.sock", database=1)),
        ("rediss://r", Address(shown="rediss://r", host="r", tls=Tls())),
        (
            "rediss://r?ssl_ca_certs=/ca&ssl_certfile=/c&ssl_keyfile=/k&ssl_check_hostname=false",
            Address(
                shown="rediss://r?ssl_ca_certs=/ca&ssl_certfile=/c&ssl_keyfile=/k&ssl_check_hostname=false",
                host="r",
                tls=Tls(trusts="/ca", certificate="/c", key="/k", checks_name=False),
            ),
        ),
        (
            "rediss://r?ssl_cert_reqs=none",
            Address(
                shown="rediss://r?ssl_cert_reqs=none",
                host="r",
                tls=Tls(checks_name=False, checks_certificate=False),
            ),
        ),
    ],
)
def test_an_address_has_host_user_and_database(url: str, address: Address) -> None:
    """Each part is read; TLS checks everything unless it is told otherwise."""
    assert read_address(url) == address


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://r", "expected redis://host:port/database"),
        ("redis://", "expected redis://host:port/database"),
        ("redis://:6379", "expected redis://host:port/database"),
        ("redis://r:port", "expected redis://host:port/database"),
        ("redis://[r", "expected redis://host:port/database"),
        ("unix://", "expected redis://host:port/database"),
        ("redis://r/zero", "expected the number of a database after the host"),
        ("redis://r?retries=3", "retries is not an option"),
        ("redis://r?ssl_ca_certs=/ca", "ssl_ca_certs is not an option"),
        ("rediss://r?ssl_certfile=/c", "ssl_certfile and ssl_keyfile together"),
        ("rediss://r?ssl_cert_reqs=maybe", "one of required, none"),
    ],
)
def test_an_invalid_address_is_refused(url: str, expected: str) -> None:
    """The settings refuse it with what was expected; nothing of it is passed over in silence."""
    with pytest.raises(ValueError, match=expected):
        read_address(url)


@pytest.mark.parametrize(
    ("url", "bare", "dots"),
    [
        ("redis://user:secret@host:1/2", "redis://host:1/2", "redis://••••@host:1/2"),
        ("redis://:se@cret@host", "redis://host", "redis://••••@host"),
        ("redis://host", "redis://host", "redis://host"),
        ("redis://user:secret@[host", "redis://[host", "redis://••••@[host"),
        ("redis://user:pa/ss@host:1/2", "redis://host:1/2", "redis://••••@host:1/2"),
        ("redis://user:1/secret@host", "redis://host", "redis://••••@host"),
        ("redis://user:pa?ss@host", "redis://host", "redis://••••@host"),
        ("redis://user:pa#ss@host", "redis://host", "redis://••••@host"),
    ],
)
def test_an_address_is_shown_without_its_password(url: str, bare: str, dots: str) -> None:
    """Pages and the log name the server, not what opens it."""
    assert (shown(url), mask_url(url)) == (bare, dots)
