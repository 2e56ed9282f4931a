"""Which paths are certainly none of the application's."""

from hypothesis import example, given
from hypothesis import strategies as st
from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.routing import Map, RequestRedirect, Rule

from orch.web.control_paths import ControlPaths

RULES = ("/", "/livez", "/api/a", "/api/a/<x>/b", "/api/b/", "/api/c<x>/d", "/s/<path:x>", "/<int:n>/z")
MAP = Map([Rule(rule, methods=["POST"], endpoint=rule) for rule in RULES])


def is_served(path: str) -> bool:
    """Return what werkzeug finds."""
    try:
        MAP.bind("localhost").match(path, method="GET")
    except NotFound:
        return False
    except (MethodNotAllowed, RequestRedirect):
        return True
    return True


@given(st.lists(st.sampled_from(["", "api", "a", "b", "c", "cx", "d", "s", "1", "z", "livez"]), max_size=6))
@example(["", "1", "z"])
def test_nothing_that_is_served_is_excluded(segments: list[str]) -> None:
    path = "/" + "/".join(segments)
    assert ControlPaths(RULES).may_have(path) or not is_served(path)


def test_paths_of_back_ends_are_excluded() -> None:
    paths = ControlPaths(["/", "/livez", "/api/a", "/api/a/<x>/b", "/api/b/", "/s/<path:x>"])
    for path in ("/api/audio/x", "/api", "/api/aa", "/x/y"):
        assert not paths.may_have(path), path
