"""The choice between the two servers."""

import pytest
import trio

from orch.front.hypercorn.server import HypercornServer
from orch.front.server import Server
from orch.front.servers import ServerOptions, create_server


async def app(_scope: object, _receive: object, _send: object) -> None:
    """Never be called."""
    raise AssertionError


def options() -> ServerOptions:
    return ServerOptions(
        host="127.0.0.1", port=0, stopping=trio.Event(), drain=trio.lowlevel.checkpoint, grace=lambda: 0.0
    )


async def test_each_name_has_its_server() -> None:
    """Both accept the same arguments."""
    assert isinstance(create_server("orch", app, **options()), Server)
    assert isinstance(create_server("hypercorn", app, http2=True, **options()), HypercornServer)


async def test_only_hypercorn_serves_http2_and_http3() -> None:
    """They are refused for our own server rather than ignored."""
    with pytest.raises(ValueError, match="hypercorn"):
        create_server("orch", app, http2=True, **options())
    with pytest.raises(ValueError, match="hypercorn"):
        create_server("orch", app, http3=lambda: (b"", b""), **options())
