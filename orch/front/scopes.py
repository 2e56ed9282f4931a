"""ASGI connection scopes, which describe a request to the application. Pure.

https://asgi.readthedocs.io/en/latest/specs/www.html
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from orch.front.http1.request_head import RequestHead

_ASGI: Final = {"version": "3.0", "spec_version": "2.4"}


def http_scope(head: RequestHead, base: Mapping[str, Any]) -> dict[str, Any]:
    """Return the scope of a request. ``base``: scheme and both addresses.

    It is a copy, which the application may change: the same head may belong to another request.
    """
    return {
        "type": "http",
        "asgi": _ASGI.copy(),
        "http_version": head.version,
        "method": head.method.decode("ascii"),
        "path": head.path,
        "raw_path": head.raw_path,
        "query_string": head.query,
        "root_path": "",
        "headers": head.headers.copy(),
        "extensions": {"http.response.trailers": {}},
        **base,
    }


def websocket_scope(
    head: RequestHead, subprotocols: Sequence[str], link: object, tunnel: object, base: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the scope of a WebSocket; ``link``, ``tunnel``: the extensions ``orch.link``, ``…tunnel``."""
    return {
        "type": "websocket",
        "asgi": _ASGI.copy(),
        "http_version": head.version,
        "path": head.path,
        "raw_path": head.raw_path,
        "query_string": head.query,
        "root_path": "",
        "headers": head.headers.copy(),
        "subprotocols": list(subprotocols),
        "extensions": {"websocket.http.response": {}, "orch.link": link, "orch.tunnel": tunnel},
        **base,
    }
