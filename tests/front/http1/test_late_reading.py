"""A process that has too much to do reads late; that is not the client's fault."""

import socket
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from orch.front.context import Timeouts
from orch.front.http1.connection import HttpConnection
from orch.front.http1.request_reader import RequestReader
from orch.front.link import Link


async def test_a_head_that_has_come_and_was_not_read_is_not_late() -> None:
    """The deadline is looked at again; once there is nothing to read, it counts."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(0.0)
        context: Any = SimpleNamespace(readiness=None, refused=Counter(), timeouts=Timeouts())
        reader = RequestReader(Link(ours, context), context)
        reader.deadline = 10.0
        theirs.send(b"GET / HTTP/1.1\r\n")
        for now in (10.0, 11.0, 100.0):
            assert reader.on_due(now) == now + 1.0
            assert not reader.is_expired
        ours.recv(100)
        assert reader.on_due(101.0) is None
        assert reader.is_expired
        assert context.refused == {"silent": 1}


async def test_a_client_that_has_gone_is_not_waited_for() -> None:
    """The end of the stream is nothing to read."""
    ours, theirs = socket.socketpair()
    with ours:
        ours.settimeout(0.0)
        context: Any = SimpleNamespace(readiness=None, refused=Counter(), timeouts=Timeouts())
        reader = RequestReader(Link(ours, context), context)
        reader.deadline = 10.0
        theirs.close()
        assert reader.on_due(10.0) is None
        assert reader.is_expired


@pytest.mark.parametrize("has_served", [False, True])
async def test_a_stop_resets_no_request_that_has_come_and_was_not_read(*, has_served: bool) -> None:
    """Be it the first of its connection or a later one; without one, the connection is ended."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(0.0)
        context: Any = SimpleNamespace(readiness=None, refused=Counter(), timeouts=Timeouts())
        connection = HttpConnection(Link(ours, context), context, {})
        reader = connection._reader
        reader.has_served = has_served
        theirs.send(b"GET / HTTP/1.1\r\n\r\n")
        connection.retire(even_fresh=not has_served)
        assert not reader.is_expired
        ours.recv(100)
        connection.retire(even_fresh=not has_served)
        assert reader.is_expired
