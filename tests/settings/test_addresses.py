import pytest

from orch.gateway.transport import Address
from orch.settings.addresses import BackEndAddress, read_address


@pytest.mark.parametrize(
    ("url", "dialect", "expected"),
    [
        ("http://h:5001/ ", "livetranslate", BackEndAddress("http", "h", 5001, "")),
        ("http://h:5001\r", "livetranslate", BackEndAddress("http", "h", 5001, "")),
        ("\ufeff\u00a0https://h\n", "livetranslate", BackEndAddress("https", "h", 443, "")),
        ("http://user:p%40ss@h", "livetranslate", BackEndAddress("http", "h", 80, "", "user", "p@ss")),
        ("http://:secret@h", "livetranslate", BackEndAddress("http", "h", 80, "", "", "secret")),
        ("http://h/v1", "openai", BackEndAddress("http", "h", 80, "")),
        ("http://h/v1/", "openai", BackEndAddress("http", "h", 80, "")),
        ("https://h/openai/v1", "openai", BackEndAddress("https", "h", 443, "/openai")),
        ("https://h/v1/chat/completions", "openai", BackEndAddress("https", "h", 443, "")),
        ("https://h/v1/audio/transcriptions/", "openai", BackEndAddress("https", "h", 443, "")),
        ("http://h/v1", "livetranslate", BackEndAddress("http", "h", 80, "/v1")),
        ("http://h/v10", "openai", BackEndAddress("http", "h", 80, "/v10")),
        ("http://h/translate", "libretranslate", BackEndAddress("http", "h", 80, "")),
        ("http://übersetzer:8000", "openai", BackEndAddress("http", "xn--bersetzer-p9a", 8000, "")),
        ("http://[::1]:8000/a", "openai", BackEndAddress("http", "::1", 8000, "/a")),
        ("http://[fe80::1%25eth0]:9", "livetranslate", BackEndAddress("http", "fe80::1%eth0", 9, "")),
        ("http://[fe80::1%eth0]:9", "livetranslate", BackEndAddress("http", "fe80::1%eth0", 9, "")),
        ("http://[fe80::1%25251]", "livetranslate", BackEndAddress("http", "fe80::1%251", 80, "")),
        ("http://u%40corp:x@[::1]", "livetranslate", BackEndAddress("http", "::1", 80, "", "u@corp", "x")),
        ("HTTP://Host.Example.:80/", "livetranslate", BackEndAddress("http", "host.example.", 80, "")),
        ("HTTP://Audio_Service:5001", "livetranslate", BackEndAddress("http", "audio_service", 5001, "")),
        ("http://h/ä", "livetranslate", BackEndAddress("http", "h", 80, "/%C3%A4")),
        (" unix:/run/a.sock", "openai", BackEndAddress("http", "localhost", 80, "", socket="/run/a.sock")),
        ("unix:///a b:/v1", "openai", BackEndAddress("http", "localhost", 80, "", socket="/a b")),
        ("UNIX:/a:/b/", "livetranslate", BackEndAddress("http", "localhost", 80, "/b", socket="/a")),
    ],
)
def test_pasted_addresses_are_normalised(url: str, dialect: str, expected: BackEndAddress) -> None:
    """White space, credentials, international host names and the ending of an API's base URL are accepted."""
    assert read_address(url, dialect=dialect) == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        "h:5001",
        "http://[v1.x]:1",
        "http://[fe80::1%25eth0%25lo]:1",
        "http://[1.2.3.4]:1",
        "http://[:::1]",
        "ftp://h",
        "unix:",
        "unix:/",
        "unix:relative",
        "unix:/run/",
        "unix:/a:base",
        "unix:/a:/../b",
        "unix:/a?b",
        "unix:/a\x00",
        "unix:u@/a",
        "unix:/" + "a" * 107,
        "http://",
        "http:///path",
        "http://my host",
        "http://h\t:1",
        "http://h\x00",
        "http://h:0",
        "http://h:99999",
        "http://h:x",
        "http://h..i",
        "http://" + "a" * 64,
        "http://" + ".".join(["a" * 60] * 5),
        "http://[::1",
        "http://[zz]",
        "http://-ü-:1",
        "http://h/?key=1",
        "http://h/?",
        "http://h/#x",
        "http://h/a/../b",
        "http://h/a//b",
        "http://h/%zz",
        "http://h/a%2e%2e%5cb/..",
        "http://u\x07:p@h",
        "http://u:p%0d%0aX@h",
    ],
)
def test_an_invalid_address_is_refused_with_an_explanation(url: str) -> None:
    """The same for every reader, before any request is sent; the message does not quote the address."""
    with pytest.raises(ValueError, match="expected") as caught:
        read_address(url)
    assert "p%0d" not in str(caught.value)


def test_a_zone_is_dialled_and_not_sent() -> None:
    """It names an interface of this machine; by RFC 6874 it is not sent to others."""
    address = read_address("http://[fe80::1%25eth0]:9")
    assert (address.host, address.authority) == ("fe80::1%eth0", "[fe80::1]:9")
    assert Address.of("http://[fe80::1%25eth0]:9").authority == b"[fe80::1]:9"
    assert read_address("https://h").authority == "h"
