import time
from urllib.parse import quote, unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orch.gateway.routes import RouteTable, UnroutableError, read_path
from orch.settings import Gateway, Route
from tests.fakes.gateway import UNHURRIED

DEFAULT_ROUTES = Gateway().routes
TABLE = RouteTable(DEFAULT_ROUTES)


@pytest.mark.parametrize(
    ("path", "service", "target"),
    [
        ("/api/audio/transcribe", "audio-service", "/api/transcribe"),
        ("/api/audio/", "audio-service", "/api/"),
        ("/api/audio/a/b/", "audio-service", "/api/a/b/"),
        ("/api/whisper/models", "audio-service", "/api/models"),
        ("/api/translate", "translation-service", "/api/translate"),
        ("/api/translate/", "translation-service", "/api/translate/"),
        ("/api/translate/batch", "translation-service", "/api/translate/batch"),
        ("/api/translation/languages", "translation-service", "/api/languages"),
        ("/api/audio/transcribe?x=/../../", "audio-service", "/api/transcribe"),
        ("/api/%61udio/health", "audio-service", "/api/health"),
        ("/api//audio///health", "audio-service", "/api/health"),
        ("/api/audio/./health", "audio-service", "/api/health"),
        ("/api/audio/x/../health", "audio-service", "/api/health"),
        ("/api/audio/x/%2e%2E/health", "audio-service", "/api/health"),
        ("/api/audio/a%2Fb", "audio-service", "/api/a%2Fb"),
        ("/api/audio/100%25", "audio-service", "/api/100%25"),
        ("/api/audio/100%2541", "audio-service", "/api/100%2541"),
        ("/api/audio//evil.example/x", "audio-service", "/api/evil.example/x"),
        ("/api/audio/gr%C3%BC%C3%9Fe", "audio-service", "/api/gr%C3%BC%C3%9Fe"),
    ],
)
def test_a_path_leads_to_its_service(path: str, service: str, target: str) -> None:
    """The seed's routes, and what they become at the back end; encoding is left as the client wrote it."""
    match = TABLE.match(path)
    assert match is not None
    assert (match.service, match.path) == (service, target)


@pytest.mark.parametrize(
    "path",
    [
        "/api/translations",
        "/api/translate2/x",
        "/api/audio",
        "/api/audiox/y",
        "/",
        "/api/services/status",
        "/api/audio/../services/restart",
        "/api/audio/%2e%2e/services/restart",
        "/api/audio%2Fhealth",
        "/API/audio/health",
    ],
)
def test_a_path_outside_the_prefixes_has_no_route(path: str) -> None:
    """Prefixes end at segment borders, and dot segments cannot carry a path back into one."""
    assert TABLE.match(path) is None


@pytest.mark.parametrize(
    "path",
    [
        "/..",
        "/api/../../x",
        "/api/audio/..%2f..%2fetc",
        "/api/audio/..%5c..%5cetc",
        "/api/audio/..\\x",
        "/api/audio/..;/x",
        "/api/audio/.%2e;a=b/x",
        "/api/audio/x%00",
        "/api/audio/x%0d%0aHost:y",
        "/api/audio/%zz",
        "/api/audio/%252e%252e/b",
        "/api/audio/%252E./b",
        "/api/audio/%25252e%25252e/b",
        "/api/audio/a%252fb",
        "/api/audio/a%255cb",
        "/api/audio/a%2500",
        "/api/audio/a%250ab",
        "/api/audio/%c0%ae%c0%ae/b",
        "/api/audio/%e0%80%ae/b",
        "/api/audio/%f0%80%80%ae/b",
        "/api/audio/%25c0%25ae/b",
        "/api/audio/%ff",
        "/api/audio/%ed%a0%80",
        "/api/audio/%2",
        "/api/audio/ä",
        "/api/audio/a b",
        "/api/audio/x#y",
        "api/audio/x",
        "http://x/api/audio/x",
        "",
        "*",
    ],
)
def test_paths_that_back_ends_could_read_differently_are_refused(path: str) -> None:
    """Traversal, control characters and broken encoding never reach a back end."""
    with pytest.raises(UnroutableError):
        TABLE.match(path)


HOSTILE = st.lists(
    st.sampled_from(
        [
            "..",
            ".",
            "%2e%2e",
            ".%2E",
            "%2f",
            "%5c",
            "",
            "a",
            "api",
            "audio",
            "translate",
            ";",
            "%00",
            "%25",
            "%252e%252e",
            "%252f",
            "%25252E.",
            "\\",
        ]
    ),
    max_size=8,
).map(lambda pieces: "/api/audio/" + "/".join(pieces))


@UNHURRIED
@given(HOSTILE)
@example("/api/audio/%2e%2e/%2e%2e/%2e%2e")
def test_no_path_escapes_the_prefix_it_is_mapped_to(path: str) -> None:
    """Whatever is matched stays below the route's own path, however often a back end decodes it."""
    try:
        match = TABLE.match(path)
    except UnroutableError:
        return
    if match is None:
        return
    route = next(route for route in DEFAULT_ROUTES if route.prefix == match.prefix)
    assert match.path.startswith(route.path)
    assert "//" not in match.path
    seen = match.path
    for _ in range(4):
        seen = unquote(seen)
        for segment in seen.replace("\\", "/").split("/"):
            assert segment.partition(";")[0] not in {"..", "."}


@UNHURRIED
@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="/\\;\x7f", min_codepoint=32)))
def test_a_segment_is_forwarded_unchanged(text: str) -> None:
    """A name with any characters in it reaches the back end as that name."""
    if text in {"", ".", ".."} or any(0x7F <= ord(char) < 0xA0 for char in text) or "%" in text:
        return
    match = TABLE.match("/api/audio/" + quote(text, safe=""))
    assert match is not None
    assert unquote(match.path) == "/api/" + text


@UNHURRIED
@given(st.lists(st.sampled_from(["a", "b", "ab", "c"]), max_size=5), st.booleans())
def test_the_longest_prefix_wins(segments: list[str], is_directory: bool) -> None:  # noqa: FBT001 - drawn
    """Compared with the plain definition: of all prefixes that match the path, the longest."""
    prefixes = ["/a", "/a/", "/a/b", "/a/b/", "/ab/", "/b", "/b/a/b", "/"]
    table = RouteTable(Route(prefix=prefix, service=prefix, path="/") for prefix in prefixes)
    path = "/" + "/".join(segments) + ("/" if segments and is_directory else "")
    taking = [
        prefix
        for prefix in prefixes
        if path == prefix or path.startswith(prefix if prefix.endswith("/") else prefix + "/")
    ]
    match = table.match(path)
    assert (match.service if match else None) == max(taking, key=len, default=None)


def test_of_two_routes_with_one_prefix_the_first_holds() -> None:
    """A later route in the file does not replace an earlier one."""
    table = RouteTable(
        [Route(prefix="/a", service="x", path="/1"), Route(prefix="/a", service="y", path="/2")]
    )
    match = table.match("/a/b")
    assert match is not None
    assert (match.service, match.path) == ("x", "/1/b")


def test_a_base_without_a_slash_is_joined_with_one() -> None:
    """``/x/`` mapped to ``/y`` gives ``/y/z``, not ``/yz``."""
    table = RouteTable([Route(prefix="/x/", service="s", path="/y")])
    match = table.match("/x/z")
    assert match is not None
    assert match.path == "/y/z"


@pytest.mark.parametrize(
    ("path", "taken"),
    [
        ("/api/audio/grüße 100%?#", True),
        ("/api/audio/../x", False),
        ("/api/audio/..\\x", True),
        ("/other/..\\x", False),
        ("/", False),
    ],
)
def test_decoded_paths_are_matched(path: str, taken: bool) -> None:  # noqa: FBT001 - a column
    """What an ASGI server has decoded is compared as it stands; what cannot be passed on is refused there."""
    assert TABLE.takes(path) is taken


def test_the_raw_path_decides() -> None:
    """If the server provides it; a cached look-up returns the same."""
    for _ in range(2):
        assert not TABLE.takes("/api/audio/x", "/api/audio%2Fx")
        assert TABLE.takes("/api/audio/x", "/api/audio/x")
        assert TABLE.takes("/api/audio/%2e%2e", "/api/audio/%252e%252e")


def test_cached_matches_are_bounded() -> None:
    """Paths are the clients' to choose."""
    table = RouteTable(DEFAULT_ROUTES)
    for number in range(5000):
        table.match(f"/api/audio/{number}")
    table.match("/api/audio/" + "x" * 10_000)
    assert len(table._remembered) <= 1024
    assert all(len(path) <= 256 for path in table._remembered)


def test_dot_segments_at_the_end_leave_a_directory() -> None:
    """RFC 3986 §5.2.4: ``/a/b/..`` is ``/a/``."""
    assert read_path("/a/b/..") == (("a",), ("a",), True)
    assert read_path("/a/.") == (("a",), ("a",), True)


def test_a_route_is_found_in_under_a_millisecond() -> None:
    """The seed's floor (1 ms on average), with 1,000 routes instead of four; in this thread's own time."""
    table = RouteTable(
        [*DEFAULT_ROUTES, *(Route(prefix=f"/api/v{n}/", service="s", path="/") for n in range(1000))]
    )
    began = time.thread_time()
    for _ in range(1000):
        table.match("/api/whisper/health")
    assert (time.thread_time() - began) / 1000 < 0.001
