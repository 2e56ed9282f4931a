"""Parses a back end's URL, for health checks and requests alike.

Pure. Pasted text is accepted if it has only one possible meaning: surrounding white space, a name with
letters outside ASCII (IDNA), a user and password (sent as Basic credentials), the ``/v1`` or the complete
endpoint from the documentation of an API. Invalid and ambiguous URLs are refused with an explanation. No
message quotes an address that may contain a password. ``unix:/path`` is a Unix socket.
"""

import base64
import ipaddress
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote, urlsplit

import idna

PORTS: Final = {"http": 80, "https": 443}
UNIX: Final = "unix:"
"""What the address of a Unix socket begins with: ``unix:/run/audio.sock``, ``unix:/run/audio.sock:/base``."""
LONGEST_SOCKET: Final = 107
"""Bytes of a Unix socket's path that Linux accepts (``sun_path`` has 108, of which the last is zero)."""

_AROUND: Final = " \t\r\n\v\f\u00a0\u200b\u200c\u200d\u2060\ufeff"
_HOST: Final = re.compile(r"[A-Za-z0-9._~-]+")
_ZONE: Final = re.compile(r"[A-Za-z0-9._~-]+")
_PATH: Final = "/%:@!$&'()*+,;=~-._"
_LONGEST_LABEL: Final = 63
_LONGEST_NAME: Final = 253
_DELETE: Final = 0x7F

# Endings of URLs in each API's documentation, which our request paths begin with.
_ENDINGS: Final = {
    "openai": ("/v1/audio/transcriptions", "/v1/chat/completions", "/v1"),
    "deepgram": ("/v1/listen", "/v1"),
    "deepl": ("/v2/translate", "/v2"),
    "libretranslate": ("/translate",),
    "livetranslate": (),
}


@dataclass(frozen=True, slots=True)
class BackEndAddress:
    """The parts of a back end's URL. ``base``: its path without a trailing slash; ``user`` may be empty.

    ``socket``: the path of a Unix socket that is connected to in place of ``host`` and ``port``, which then
    only name it in headers.

    Never show it unmasked: use :func:`orch.masking.mask_url`.
    """

    scheme: str
    host: str
    port: int
    base: str
    username: str = ""
    password: str = ""
    socket: str = ""

    @property
    def url(self) -> str:
        """The HTTP address without credentials, in ASCII; the port only if it is not the default."""
        return self._with("")

    @property
    def full(self) -> str:
        """The address with its credentials, as the settings have it."""
        if self.socket:
            return f"{UNIX}{self.socket}" + (f":{self.base}" if self.base else "")
        if not self.username and not self.password:
            return self.url
        return self._with(f"{quote(self.username, safe='')}:{quote(self.password, safe='')}@")

    @property
    def authority(self) -> str:
        """The ``Host`` header, without an IPv6 zone, which has a meaning only on this machine."""
        host = self.host.partition("%")[0]
        shown = f"[{host}]" if ":" in host else host
        if self.port != PORTS[self.scheme]:
            shown = f"{shown}:{self.port}"
        return shown

    @property
    def authorization(self) -> bytes | None:
        """The value of ``Authorization`` for the user (RFC 7617, UTF-8), None without a user."""
        if not self.username and not self.password:
            return None
        user = f"{self.username}:{self.password}".encode("utf-8", "replace")
        return b"Basic " + base64.b64encode(user)

    def _with(self, userinfo: str) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{userinfo}{host}{port}{self.base}"


def read_address(url: str, *, dialect: str = "livetranslate") -> BackEndAddress:
    """Return the parts of a URL. Raises ValueError with what was expected, without quoting the URL."""
    text = trimmed(url)
    if text.lower().startswith(UNIX):
        return _unix(text[len(UNIX) :], dialect)
    if any(character <= " " or ord(character) == _DELETE or character.isspace() for character in text):
        raise ValueError("expected http://host:port without blanks or control characters inside")
    try:
        parts = urlsplit(text)
        port, username, password = parts.port, parts.username, parts.password
        name = parts.hostname
    except ValueError as error:
        raise ValueError("expected http://host:port with a port from 1 to 65535") from error
    if parts.scheme not in PORTS or not name:
        raise ValueError("expected http://host:port")
    if port == 0:
        raise ValueError("expected http://host:port with a port from 1 to 65535")
    if parts.query or "?" in text:
        raise ValueError("expected a URL without ?…; put the query into «query»")
    if parts.fragment or "#" in text:
        raise ValueError("expected a URL without #…")
    if ":" in unquote(username or ""):
        raise ValueError("expected a user without a colon")
    is_bracketed = "[" in parts.netloc.rpartition("@")[2]
    return BackEndAddress(
        scheme=parts.scheme,
        host=_literal(name) if is_bracketed else _host(name),
        port=port or PORTS[parts.scheme],
        base=_base(parts.path, dialect),
        username=_credential(username),
        password=_credential(password),
    )


def _unix(place: str, dialect: str) -> BackEndAddress:
    """Return the address of a Unix socket: its path, and after a colon the path that precedes all others."""
    if place.startswith("//"):
        place = "/" + place.lstrip("/")
    path, _, base = place.partition(":")
    if not path.startswith("/") or path.endswith("/") or (base and not base.startswith("/")):
        raise ValueError("expected unix:/path/to/socket, or unix:/path/to/socket:/base")
    if any(character < " " or ord(character) == _DELETE for character in place) or "@" in place:
        raise ValueError("expected unix:/path/to/socket without control characters or @")
    if "?" in place or "#" in place:
        raise ValueError("expected unix:/path/to/socket without ? or #")
    if len(path.encode("utf-8", "surrogateescape")) > LONGEST_SOCKET:
        raise ValueError(f"expected the path of a socket of {LONGEST_SOCKET} bytes at most")
    return BackEndAddress("http", "localhost", PORTS["http"], _base(base, dialect), socket=path)


def trimmed(text: str) -> str:
    r"""Return a value without surrounding white space and byte order marks.

    >>> trimmed("\ufeff http://h:1\r\n")
    'http://h:1'
    """
    return text.strip(_AROUND)


def is_http_url(url: str, *, allows_password: bool = False) -> bool:
    """Whether a text is ``http://…`` or ``https://…`` of a host, without a query or a fragment."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    if not url.isprintable() or " " in url or parts.query or parts.fragment:
        return False
    has_password = parts.username is not None
    is_address = parts.scheme in PORTS and bool(parts.hostname) and port != 0
    return is_address and (allows_password or not has_password)


def unusable_in_header(value: str) -> bool:
    """Whether a value cannot be sent in a header: control characters, or characters outside ASCII."""
    return any(not " " <= character <= "~" for character in value)


def _literal(name: str) -> str:
    """Return an IPv6 address with its zone as the system writes it; URLs may have ``%25`` before the zone."""
    address, mark, zone = name.partition("%")
    try:
        ipaddress.IPv6Address(address)
    except ValueError as error:
        raise ValueError("expected http://host:port with an IPv6 address in brackets") from error
    if not mark:
        return address
    # RFC 6874 encodes the percent sign; pasted addresses often do not.
    zone = zone.removeprefix("25") or zone
    if not _ZONE.fullmatch(zone):
        raise ValueError("expected an IPv6 address whose zone is the name of a network interface")
    return f"{address}%{zone}"


def _host(name: str) -> str:
    if ":" in name or "%" in name:
        raise ValueError("expected http://host:port with an IPv6 address in brackets")
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True).decode("ascii")
        except (idna.IDNAError, UnicodeError) as error:
            raise ValueError("expected http://host:port with a valid host name") from error
    labels = name.removesuffix(".").split(".")
    if not _HOST.fullmatch(name) or not all(0 < len(label) <= _LONGEST_LABEL for label in labels):
        raise ValueError("expected http://host:port with a valid host name")
    if len(name) > _LONGEST_NAME:
        raise ValueError("expected http://host:port with a valid host name")
    return name


def _base(path: str, dialect: str) -> str:
    base = quote(path, safe=_PATH).rstrip("/")
    segments = unquote(base).split("/")
    if "//" in base or any(segment in {".", ".."} for segment in segments) or "\\" in unquote(base):
        raise ValueError("expected a path without empty segments, dots or backslashes")
    if re.search(r"%(?![0-9A-Fa-f]{2})", base):
        raise ValueError("expected a path in which % begins two hexadecimal digits")
    for ending in _ENDINGS.get(dialect, ()):
        if base.endswith(ending):
            return base.removesuffix(ending).rstrip("/")
    return base


def _credential(quoted: str | None) -> str:
    text = unquote(quoted or "")
    if any(character < " " or ord(character) == _DELETE for character in text):
        raise ValueError("expected a user and password without control characters")
    return text
