"""Restarts a container over Docker's API on its Unix socket.

``POST /containers/NAME/restart?t=SECONDS`` stops a container and starts it again, and starts one that has
stopped (Docker Engine API, ContainerRestart: 204, 404 without such a container, 500; the daemon also responds
409 while the container is being removed, and 304 to a start or stop that changes nothing). The path
has no version, so that the daemon uses its own. The service's user needs access to the socket, which amounts
to being root on that machine.
"""

import http
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

import httpx2

from orch.health.hooks.hook import HookCall, Outcome
from orch.health.hooks.http_call import post

_DONE: Final = frozenset({http.HTTPStatus.NO_CONTENT, http.HTTPStatus.OK, http.HTTPStatus.NOT_MODIFIED})


def open_socket(path: str) -> httpx2.AsyncClient:
    """Return a client for Docker's socket. The caller of a request owns its time-out."""
    return httpx2.AsyncClient(
        transport=httpx2.AsyncHTTPTransport(uds=path, trust_env=False),
        base_url="http://docker",
        timeout=None,
        trust_env=False,
        follow_redirects=False,
    )


@dataclass(frozen=True, slots=True)
class DockerHook:
    """Restarts ``container``; Docker kills it if it has not stopped after ``stop_seconds``."""

    container: str
    socket_path: str
    stop_seconds: int
    open_client: Callable[[str], httpx2.AsyncClient] = open_socket
    subject: Final = "Docker"

    async def __call__(self, call: HookCall) -> Outcome:
        """Restart the container; cancelled, Docker may still complete the restart."""
        call.on_begun()
        async with self.open_client(self.socket_path) as client:
            path = f"/containers/{quote(self.container, safe='')}/restart"
            reply = await post(client, path, params={"t": str(self.stop_seconds)})
        if isinstance(reply, Outcome):
            return reply
        if reply.status in _DONE:
            return Outcome()
        why = f": {reply.message}" if reply.message else ""
        match reply.status:
            case http.HTTPStatus.NOT_FOUND:
                return Outcome(f"has no container {self.container}{why}")
            case http.HTTPStatus.CONFLICT:
                return Outcome(f"cannot restart {self.container} in its present state{why}")
            case _:
                return Outcome(f"responded {reply.status}{why}")
