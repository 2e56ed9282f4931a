"""Decides whether a browser's request comes from the service's own pages or another site's. Pure."""

from collections.abc import Iterable
from typing import Final

from orch.access.actors import Header
from orch.access.addresses import is_same_origin
from orch.problems import ProblemError

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})

_SHOWN: Final = 200


def foreign_page(headers: Iterable[Header]) -> ProblemError | None:
    """Return the problem (``wrong_origin``) if another site's page sent the request, else None.

    A browser names the page's origin in every change and every handshake, and no page can forge it; other
    clients (curl, a program) send none and cannot be tricked by a page. Names of headers in lower case.
    """
    origins, hosts, sites = [], [], []
    for name, value in headers:
        if name == b"origin":
            origins.append(value.decode("latin-1"))
        elif name == b"host":
            hosts.append(value.decode("latin-1"))
        elif name == b"sec-fetch-site":
            sites.append(value)
    if not origins:
        if b"cross-site" in sites or b"same-site" in sites:
            return ProblemError("wrong_origin", "The request was sent by a page of another site.")
        return None
    if len(origins) == 1 and len(hosts) == 1 and is_same_origin(hosts[0], origins[0]):
        return None
    host = hosts[0][:_SHOWN] if hosts else "this service"
    return ProblemError("wrong_origin", f"Pages of {origins[0][:_SHOWN]} may not make changes at {host}.")
