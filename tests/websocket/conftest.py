"""The hub's tests run on a server with the link to the socket; some of them also with ASGI alone."""

import pytest

from tests.fakes.asgi import FakeSocket

#: What a connection's life depends on, and what goes wrong in it, is held for both kinds of server, but
#: for what takes long.
ON_BOTH = ("test_hub_connections", "test_hub_faults")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Choose the kinds of server for each module that connects fake clients to a hub."""
    name = metafunc.module.__name__.rpartition(".")[2]
    if name.startswith("test_hub_") and not name.startswith("test_hub_over_"):
        is_slow = metafunc.definition.get_closest_marker("slow") is not None
        kinds = ["asgi", "link"] if name in ON_BOTH and not is_slow else ["link"]
        metafunc.fixturenames.append("server")
        metafunc.parametrize("server", kinds, indirect=True)


@pytest.fixture
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have every client of the test connected to this kind of server."""
    kind = str(request.param)
    monkeypatch.setattr(FakeSocket, "is_linked", kind == "link")
    return kind
