"""The hub's tests run on two kinds of server: with the link to the socket, and with ASGI alone."""

import pytest

from tests.fakes.asgi import FakeSocket


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what connects fake clients to a hub both ways."""
    name = metafunc.module.__name__.rpartition(".")[2]
    if name.startswith("test_hub_") and not name.startswith("test_hub_over_"):
        metafunc.fixturenames.append("server")
        metafunc.parametrize("server", ["asgi", "link"], indirect=True)


@pytest.fixture
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have every client of the test connected to this kind of server."""
    kind = str(request.param)
    monkeypatch.setattr(FakeSocket, "is_linked", kind == "link")
    return kind
