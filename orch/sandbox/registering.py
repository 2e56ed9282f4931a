"""Registers a sandbox back end at an orchestration service, and renews its lease until it stops."""

import argparse
import os
import re
import socket
from collections.abc import Mapping
from typing import Final

import httpx2
import structlog
import trio
from msgspec import Struct

from orch.backoff import Backoff

SECONDS: Final = 15
"""Seconds of the lease: how long after a crash the instance is no longer listed."""
PATIENCE: Final = 5.0
"""Seconds for one request."""
TOKEN: Final = "REGISTRY_TOKEN"  # noqa: S105 - the variable's name

log = structlog.get_logger("registering")


class Registration(Struct, frozen=True):
    """Where and as what a back end registers. ``name``, ``url``: "" for those of where it listens."""

    service: str
    at: str
    name: str = ""
    url: str = ""
    token: str = ""

    def target(self, url: str) -> str:
        """Return the address of the registration of the instance at ``url``."""
        place = url.partition("://")[2]
        name = self.name or f"{socket.gethostname()}-{place.rpartition(':')[2]}"
        return f"{self.at.rstrip('/')}/api/registry/{self.service}/{re.sub('[^A-Za-z0-9._-]', '-', name)}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--register",
        metavar="URL",
        default="",
        help="register at the orchestration service there (http://localhost:3000), which needs "
        f"services.NAME.discovery.registry, and its registry_token in {TOKEN} unless it is on this machine",
    )
    parser.add_argument("--register-name", default="", help="name of the instance (default: HOST-PORT)")
    parser.add_argument(
        "--register-url", default="", help="where it is reached (default: the address it listens at)"
    )


def registration(
    options: argparse.Namespace, service: str, environ: Mapping[str, str] = os.environ
) -> Registration | None:
    """Return what the options of :func:`add_arguments` say; None: it registers nowhere."""
    if not options.register:
        return None
    return Registration(
        service=service,
        at=options.register,
        name=options.register_name,
        url=options.register_url,
        token=environ.get(TOKEN, ""),
    )


async def keep_registered(how: Registration, listens_at: str, stopping: trio.Event) -> None:
    """Register, renew the lease until ``stopping``, then leave, so that no new request comes."""
    url = how.url or listens_at
    target = how.target(url)
    headers = {"X-Registry-Token": how.token} if how.token else {}
    backoff = Backoff(first=1.0, longest=SECONDS)
    last: str | None = None
    async with httpx2.AsyncClient(timeout=PATIENCE, trust_env=False, headers=headers) as client:
        while not stopping.is_set():
            problem = await _put(client, target, url)
            if problem and problem != last:
                log.warning("not registered", at=target, reason=problem)
            elif not problem and last != problem:
                log.info("registered", at=target, url=url)
            last = problem
            pause = SECONDS / 3
            if problem:
                backoff.failed(trio.current_time())
                pause = backoff.until - trio.current_time()
            else:
                backoff.succeeded()
            with trio.move_on_after(pause):
                await stopping.wait()
        try:
            await client.delete(target)
        except httpx2.HTTPError as error:
            log.warning("not removed; its lease ends by itself", at=target, reason=str(error))
        else:
            log.info("left", at=target)


async def _put(client: httpx2.AsyncClient, target: str, url: str) -> str:
    """Register once; return why not, or ""."""
    try:
        response = await client.put(target, json={"url": url, "seconds": SECONDS})
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        return f"{type(error).__name__}: {error}"
    if response.is_success:
        return ""
    try:
        return str(response.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {response.status_code}"
