"""The greeting in a terminal: addresses that can be opened, locally and from other machines."""

import datetime as dt
from pathlib import Path

import pytest

from orch.greeting import Invitation, greeting, invitation, others_address, own_address
from orch.settings import decode
from orch.tls import self_signed as self_made

LAN = ("192.168.1.5", "10.0.0.7")


@pytest.mark.parametrize(
    ("bound", "own", "others"),
    [
        ("http://127.0.0.1:3000", "http://localhost:3000", None),
        ("http://[::1]:3000", "http://[::1]:3000", None),
        ("http://0.0.0.0:3000", "http://localhost:3000", "http://192.168.1.5:3000"),
        ("https://[::]:443", "https://localhost:443", "https://192.168.1.5:443"),
        ("https://10.9.8.7:3000", "https://10.9.8.7:3000", "https://10.9.8.7:3000"),
    ],
)
def test_printed_addresses_can_be_opened(bound: str, own: str, others: str | None) -> None:
    """None of them says 0.0.0.0."""
    assert own_address(bound) == own
    assert others_address(bound, LAN) == others
    said = greeting([bound], LAN)
    assert f"{own}/translation" in said
    assert "0.0.0.0" not in said
    assert (others is not None) == ("From other machines" in said)
    assert (others is not None and others.startswith("http:")) == ("microphones only over https" in said)


def test_a_machine_without_a_network_prints_no_address_for_others() -> None:
    assert others_address("http://0.0.0.0:3000", ()) is None
    assert "From other machines" not in greeting(["http://0.0.0.0:3000"], ())


HOST_LINK = "https://192.168.1.5:3000/sign-in?next=/translation#session=s&key=k"


def test_an_invitation_says_the_link_the_token_and_what_the_warning_means() -> None:
    """The QR code is drawn if possible, in fixed colours on a terminal."""
    link = "https://192.168.1.5:3000/translation#session=s&key=k"
    plain = invitation(
        Invitation(link=link, host_link=HOST_LINK, token="t0ken", fingerprint="AB:CD"),
        is_colored=False,
        can_draw=True,
    )
    assert link in plain
    assert f"  {HOST_LINK}\n" in plain
    assert "t0ken" in plain
    assert "AB:CD" in plain
    assert "warn once" in plain
    assert "█" in plain
    assert "\x1b" not in plain
    assert max(map(len, plain.split("\n"))) <= 110
    colored = invitation(Invitation(link=link, host_link=HOST_LINK), is_colored=True, can_draw=True)
    assert "\x1b[97;40m" in colored
    assert "warn once" not in colored
    assert "█" not in invitation(Invitation(link=link, host_link=HOST_LINK), is_colored=False, can_draw=False)


@pytest.mark.parametrize(
    "url",
    ["meet.example", "ftp://a", "https://a/b", "https://a/", "https://u:p@a", "https://a b", "https://a?x"],
)
def test_a_public_address_is_one_of_a_whole_host(url: str) -> None:
    """A path, a password, no scheme: faults."""
    faults = decode("{}", {"PUBLIC_URL": url}).faults
    assert [fault.path for fault in faults] == ["orchestration.frontend.public_url"]
    assert "u:p" not in str(faults)
    assert not decode("{}", {"PUBLIC_URL": "https://meet.example:8443"}).faults


def test_a_certificate_is_kept_while_it_serves(tmp_path: Path) -> None:
    """Replaced for another address, shortly before its expiry, and if either file is missing or invalid."""
    now = dt.datetime(2026, 11, 28, tzinfo=dt.UTC)
    certificate, key = self_made.ensure(tmp_path, ["localhost", "192.168.1.5"], now=now)
    first = certificate.read_bytes()

    def again(names: list[str], at: dt.datetime = now) -> bytes:
        self_made.ensure(tmp_path, names, now=at)
        return certificate.read_bytes()

    assert again(["192.168.1.5"]) == first
    assert again(["192.168.1.6"]) != first
    second = certificate.read_bytes()
    assert again(["192.168.1.6"], now + dt.timedelta(days=360)) != second
    third = certificate.read_bytes()
    key.write_text("spoiled")
    assert again(["192.168.1.6"], now + dt.timedelta(days=360)) != third
    assert key.stat().st_mode & 0o077 == 0
