"""Masks secrets in URLs, commands and errors before they are shown. Pure.

The only place that decides how a URL is shown: all code that prints, logs or sends one calls it.
"""

import re
from collections.abc import Iterable
from typing import Any, Final

DOTS: Final = "••••"

#: Options of URLs that name a version, a number or a file, and hold no secret.
_HARMLESS: Final = frozenset(
    {
        "api-version",
        "db",
        "ssl_ca_certs",
        "ssl_certfile",
        "ssl_keyfile",
        "ssl_check_hostname",
        "ssl_cert_reqs",
    }
)
_URL: Final = re.compile(r"\b[A-Za-z][A-Za-z0-9+.-]*://[^\s\"'<>]+")
_SHORTEST_SECRET: Final = 4


def mask_url(url: str) -> str:
    """Return a URL with dots in place of its user information, its fragment and the values of its query.

    A password may contain unencoded delimiters; if it cannot be separated reliably, more is masked.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        return DOTS if "@" in url else url
    place, mark, options = _cut(rest)
    authority, slash, path = place.partition("/")
    if "@" in authority:
        place = f"{DOTS}@{authority.rpartition('@')[2]}{slash}{path}"
    elif "@" in place and (
        scheme.startswith(("redis", "postgres")) or (scheme != "unix" and not _has_plain_port(authority))
    ):
        place = f"{DOTS}@{place.rpartition('@')[2]}"
    if mark == "?":
        options, fragment, _ = options.partition("#")
        shown = "&".join(_option(each) for each in options.split("&") if each)
        return f"{scheme}://{place}?{shown}{fragment and '#' + DOTS}"
    return f"{scheme}://{place}{mark and '#' + DOTS}"


def _cut(rest: str) -> tuple[str, str, str]:
    """Return the part before the first ``?`` or ``#`` that is not part of the user information."""
    found = re.search(r"[?#]", rest)
    if found is None:
        return rest, "", ""
    before, after = rest[: found.start()], rest[found.end() :]
    if "@" not in before and re.match(r"[^/]*:", before) and "@" in after:
        host = after.rpartition("@")[2]
        return f"{DOTS}@{host}", "", ""
    return before, rest[found.start()], after


def _has_plain_port(authority: str) -> bool:
    name, colon, port = authority.rpartition(":")
    return (
        (bool(authority) and not colon) or port.isdigit() or name.startswith("[") or authority.endswith("]")
    )


def is_masked(option: str) -> bool:
    """Return whether a query option of a URL (``name=value``) is masked."""
    name, equals, value = option.partition("=")
    return name.lower() not in _HARMLESS and bool(value or not equals)


def _option(option: str) -> str:
    name, equals, _ = option.partition("=")
    if not is_masked(option):
        return option
    return f"{name}={DOTS}" if equals else DOTS


def mask_path(path: str) -> str:
    """Return a URL's path and query with secrets masked."""
    before, mark, options = path.partition("?")
    return f"{before}?{'&'.join(_option(each) for each in options.split('&') if each)}" if mark else path


def mask_file(path: str) -> str:
    """Return a file name; dots instead if it is the content of a file, such as a key given by mistake."""
    return DOTS if "-----" in path or "\n" in path else mask_urls(path)


def mask_text(value: str) -> str:
    """Return a plain value; one that looks like a URL is masked, since it may contain a password."""
    return mask_path(value) if value.startswith("/") else mask_urls(value)


def mask_urls(text: str) -> str:
    """Return a text with every URL in it masked."""
    return _URL.sub(lambda found: mask_url(found[0]), text) if "://" in text else text


def shown_command(words: Any) -> Any:
    """Return a command with its arguments masked."""
    if not words:
        return words
    if isinstance(words, str):
        return DOTS
    program = str(words[0]).split(maxsplit=1)
    first = program[0] if len(program) == 1 else f"{program[0]} {DOTS}"
    name, equals, _ = first.partition("=")
    first = f"{name}={DOTS}" if equals else mask_urls(first)
    return [first, DOTS] if len(words) > 1 else [first]


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """Return a text, such as a library's error, with secrets and credentials of URLs masked."""
    text = mask_urls(text)
    for secret in sorted({each for each in secrets if len(each) >= _SHORTEST_SECRET}, key=len, reverse=True):
        for form in (secret, repr(secret)[1:-1], ascii(secret)[1:-1], str(secret.encode())[2:-1]):
            text = text.replace(form, DOTS)
    return text
