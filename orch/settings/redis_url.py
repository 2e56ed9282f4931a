"""Parses ``session_management.redis_url``: server, user and TLS options. Pure.

    redis://[user[:password]@]host[:port][/database]
    rediss://…                       the same over TLS
    unix://[user[:password]@]/path[?db=database]

Over TLS the server must present a certificate for its name that the system trusts. Query options:
``ssl_ca_certs=FILE`` trusts other authorities, ``ssl_certfile=FILE&ssl_keyfile=FILE`` is a client
certificate, ``ssl_check_hostname=false`` accepts a certificate for another name, ``ssl_cert_reqs=none``
accepts any.
"""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from msgspec import Struct

from orch.masking import DOTS, mask_url

USUAL_PORT: Final = 6379

_EXPECTED: Final = "expected redis://host:port/database, rediss:// for TLS, or unix:///path"
_SCHEMES: Final = ("redis", "rediss", "unix")
_TLS_FILES: Final = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_TLS_CHOICES: Final[Mapping[str, Mapping[str, bool]]] = {
    "ssl_check_hostname": {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False},
    "ssl_cert_reqs": {"required": True, "none": False},
}


class Tls(Struct, frozen=True, kw_only=True):
    """How the server's certificate is verified, and the client certificate. Files by their paths."""

    trusts: str | None = None
    certificate: str | None = None
    key: str | None = None
    checks_name: bool = True
    checks_certificate: bool = True


class Address(Struct, frozen=True, kw_only=True):
    """A server's address. ``shown``: without secrets; ``path``: of a Unix socket, else there is a host."""

    shown: str
    host: str = ""
    port: int = USUAL_PORT
    path: str | None = None
    database: int = 0
    username: str | None = None
    password: str | None = None
    tls: Tls | None = None


def read_address(url: str) -> Address:
    """Return the parts of a URL. Raises ValueError with what was expected, without the password."""
    try:
        parts = urlsplit(url)
        port = parts.port or USUAL_PORT
    except ValueError:
        raise ValueError(_EXPECTED) from None
    options = dict(parse_qsl(parts.query))
    is_unix, is_tls = parts.scheme == "unix", parts.scheme == "rediss"
    if parts.scheme not in _SCHEMES or not (parts.path if is_unix else parts.hostname):
        raise ValueError(_EXPECTED)
    allowed = {"db", *_TLS_FILES, *_TLS_CHOICES} if is_tls else {"db"}
    if unknown := sorted(options.keys() - allowed):
        raise ValueError(f"{unknown[0]} is not an option of a Redis URL")
    return Address(
        shown=shown(url),
        host="" if is_unix else parts.hostname or "",
        port=port,
        path=unquote(parts.path) if is_unix else None,
        database=_database(options.get("db") or ("" if is_unix else parts.path.strip("/"))),
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        tls=_tls(options) if is_tls else None,
    )


def shown(url: str) -> str:
    """Return an address without its credentials."""
    return mask_url(url).replace(f"{DOTS}@", "")


def _database(text: str) -> int:
    if not re.fullmatch(r"[0-9]{0,6}", text):
        # Not quoted: it may be an unencoded password, or one whose host was forgotten.
        raise ValueError("expected the number of a database after the host")
    return int(text or "0")


def _tls(options: Mapping[str, str]) -> Tls:
    chosen: dict[str, bool] = {}
    for name, words in _TLS_CHOICES.items():
        if name not in options:
            continue
        if options[name].lower() not in words:
            raise ValueError(f"expected {name} to be one of {', '.join(words)}")
        chosen[name] = words[options[name].lower()]
    if ("ssl_certfile" in options) != ("ssl_keyfile" in options):
        raise ValueError("expected ssl_certfile and ssl_keyfile together")
    checks = chosen.get("ssl_cert_reqs", True)
    return Tls(
        trusts=options.get("ssl_ca_certs"),
        certificate=options.get("ssl_certfile"),
        key=options.get("ssl_keyfile"),
        checks_name=checks and chosen.get("ssl_check_hostname", True),
        checks_certificate=checks,
    )
