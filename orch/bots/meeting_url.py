"""Decides which URL is that of a meeting, of which adapter, and in which form it is stored. Pure.

Google Meet's code is ten letters, written ``abc-defg-hij``. People paste it with and without a scheme, with
``?authuser=1&hs=122`` behind it, from an e-mail in which a link leads over ``www.google.com/url?q=`` or over
Outlook's ``safelinks``, or as ``g.co/meet/``: all of these are one meeting, and :attr:`MeetingUrl.url` is the
same for all of them, so that the same meeting is recognised. Other adapters have the origins of the settings.
"""

import html
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit, urlunsplit

MEET: Final = "meet"
"""The name of the adapter for Google Meet."""

LONGEST: Final = 2048
LONGEST_TEXT: Final = 65_536
"""Characters of a text in which a meeting is looked for; an invitation has a few thousand."""

EXPECTED: Final = "expected a Google Meet URL such as https://meet.google.com/abc-defg-hij"

NOT_SUPPORTED: Final[Mapping[str, str]] = {
    "zoom.us": "Zoom",
    "zoom.com": "Zoom",
    "zoomgov.com": "Zoom",
    "teams.microsoft.com": "Microsoft Teams",
    "teams.live.com": "Microsoft Teams",
    "teams.cloud.microsoft": "Microsoft Teams",
    "webex.com": "Webex",
    "gotomeeting.com": "GoTo Meeting",
    "meet.goto.com": "GoTo Meeting",
    "meet.jit.si": "Jitsi Meet",
    "8x8.vc": "Jitsi Meet",
    "whereby.com": "Whereby",
    "app.slack.com": "Slack",
    "discord.com": "Discord",
    "discord.gg": "Discord",
    "chime.aws": "Amazon Chime",
}
"""Hosts of services that people try, with those below them."""

_MEET_HOST: Final = "meet.google.com"
_CODE: Final = re.compile(r"([a-z]{3})-?([a-z]{4})-?([a-z]{3})")
_NICKNAME: Final = re.compile(r"[A-Za-z0-9_-]{1,60}")
_MEET_PAGES: Final[Mapping[str, str]] = {
    "": "got the start page of Google Meet",
    "landing": "got the start page of Google Meet",
    "new": "got the page that starts a new meeting; start it, and use the URL that it has then",
    "about": "got a page about Google Meet",
    "tel": "got the page with a meeting's telephone numbers",
}
_WRAPPERS: Final[Mapping[str, str]] = {
    "www.google.com/url": "q",
    "google.com/url": "q",
    "safelinks.protection.outlook.com/": "url",
    "urldefense.com/v2/url": "u",
}
"""Pages that only lead on, and the field of their query with the URL."""

_MOST_WRAPPED: Final = 3
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_UNSAFE: Final = re.compile(r"[\x00-\x20\x7f\\]")
_CANDIDATE: Final = re.compile(
    r"https?://[^\s<>\"'\\]{1,2040}|(?<![\w./@-])(?:meet\.google\.com|g\.co/meet)/[^\s<>\"'\\]{1,200}",
    re.IGNORECASE,
)
_AFTER: Final = ".,;:!?)]}>*_|"


class MeetingUrlError(ValueError):
    """Not the URL of a meeting that a bot can join; the message says what was expected and what was given."""


@dataclass(frozen=True, slots=True)
class MeetingUrl:
    """A meeting: the adapter that joins it, and its URL in the one form that it has."""

    adapter: str
    url: str


def read_meeting_url(text: str, origins: Mapping[str, str] | None = None) -> MeetingUrl:
    """Return the meeting of a URL. MeetingUrlError: it is none that can be joined.

    ``origins``: further origins, as ``http://127.0.0.1:4000``, each with its adapter; every page there except
    the start page is a meeting.
    """
    url = text.strip().removeprefix("<").removesuffix(">")
    if not url:
        raise MeetingUrlError(f"{EXPECTED}, got nothing")
    if len(url) > LONGEST:
        raise MeetingUrlError(f"{EXPECTED}, got {len(url)} characters")
    if _UNSAFE.search(url):
        raise MeetingUrlError(f"{EXPECTED}, got a text with spaces, backslashes or control characters")
    parts = _unwrapped(_parts(url))
    origin = f"{parts.scheme}://{parts.netloc.lower()}"
    known = {key.lower().rstrip("/"): adapter for key, adapter in (origins or {}).items()}
    if origin in known:
        if not parts.path.strip("/"):
            raise MeetingUrlError(f"expected the URL of a meeting below {origin}, got its start page")
        return MeetingUrl(known[origin], urlunsplit((*parts[:1], parts.netloc.lower(), *parts[2:4], "")))
    return MeetingUrl(MEET, _meet_url(parts))


def find_meeting(texts: Iterable[str], origins: Mapping[str, str] | None = None) -> MeetingUrl | None:
    """Return the first meeting in some texts, in their order; None if there is none.

    A text may be plain or HTML, as the descriptions of calendars are. Of each, the first
    :data:`LONGEST_TEXT` characters are read.
    """
    for text in texts:
        for candidate in _candidates(text[:LONGEST_TEXT]):
            try:
                return read_meeting_url(candidate, origins)
            except MeetingUrlError:
                continue
    return None


def _candidates(text: str) -> Iterator[str]:
    """Yield what looks like a URL, without the punctuation of the sentence around it."""
    for found in _CANDIDATE.finditer(text):
        yield html.unescape(found[0]).rstrip(_AFTER)


def _parts(url: str) -> SplitResult:
    if not _SCHEME.match(url) or re.match(r"[^/]*:[0-9]", url):
        url = "https://" + url.removeprefix("//")  # a host, perhaps with a port
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise MeetingUrlError(f"{EXPECTED}, got something that is no URL") from None
    if parts.scheme not in ("http", "https"):
        raise MeetingUrlError(f"{EXPECTED}, got a URL that begins with {parts.scheme}:")
    if parts.username is not None or parts.password is not None:
        raise MeetingUrlError(f"{EXPECTED}, got a URL with a user name")
    if not parts.hostname:
        raise MeetingUrlError(f"{EXPECTED}, got a URL without a host")
    if port == {"http": 80, "https": 443}[parts.scheme]:
        parts = parts._replace(netloc=parts.netloc.rpartition(":")[0])
    return parts


def _unwrapped(parts: SplitResult) -> SplitResult:
    """Return the URL that a page leads to which does nothing else."""
    for _ in range(_MOST_WRAPPED):
        host = (parts.hostname or "").rstrip(".")
        for page, name in _WRAPPERS.items():
            wrapper, slash, path = page.partition("/")
            if (host == wrapper or host.endswith("." + wrapper)) and parts.path == slash + path:
                inner = parse_qs(parts.query, max_num_fields=100).get(name, [""])[0]
                if inner and not _UNSAFE.search(inner):
                    parts = _parts(inner)
                    break
        else:
            return parts
    return parts


def _meet_url(parts: SplitResult) -> str:
    host = (parts.hostname or "").rstrip(".")
    steps = [step for step in unquote(parts.path).split("/") if step]
    if host == "g.co" and steps[:1] == ["meet"]:
        host, steps = _MEET_HOST, steps[1:]
    if host != _MEET_HOST:
        for other, name in NOT_SUPPORTED.items():
            if host == other or host.endswith("." + other):
                raise MeetingUrlError(f"{EXPECTED}, got one of {name}, which is not supported")
        raise MeetingUrlError(f"{EXPECTED}, got one of another host")
    if steps[:1] == ["_meet"]:
        steps = steps[1:]
    if len(steps) == 2 and steps[0] == "lookup" and _NICKNAME.fullmatch(steps[1]):  # noqa: PLR2004 - a pair
        return f"https://{_MEET_HOST}/lookup/{steps[1]}"
    first = steps[0].lower() if steps else ""
    if len(steps) == 1 and (code := _CODE.fullmatch(first)):
        return f"https://{_MEET_HOST}/{'-'.join(code.groups())}"
    raise MeetingUrlError(
        f"{EXPECTED}, {_MEET_PAGES.get(first, 'got one without the ten letters of a meeting')}"
    )
