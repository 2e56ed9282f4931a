"""One POST of a hook, with every failure in words."""

from dataclasses import dataclass
from typing import Any, Final

import httpx2
import structlog

from orch.health.hooks.hook import Outcome
from orch.health.probes import failure
from orch.masking import mask_url
from orch.untrusted_json import UnreadableError, read_document

log = structlog.get_logger("health")

LARGEST: Final = 65_536
"""Bytes of a response that are read."""

LONGEST_MESSAGE: Final = 300


@dataclass(frozen=True, slots=True)
class Reply:
    """A response: its status, and its ``message`` or ``detail``, or "" if it has none."""

    status: int
    message: str


async def post(client: httpx2.AsyncClient, url: str, **options: Any) -> Reply | Outcome:
    """Send a POST; return the response, or why there is none. The caller owns the time-out.

    Nothing but Cancelled is raised.
    """
    try:
        body = bytearray()
        async with client.stream("POST", url, **options) as response:
            async for part in response.aiter_bytes():
                body += part[: LARGEST - len(body)]  # read to its end, which a complete response needs
        return Reply(response.status_code, _message(bytes(body)))
    except httpx2.TimeoutException:
        return Outcome("had no secure connection in time")
    except Exception as error:
        seen = failure(error)
        if not isinstance(error, httpx2.HTTPError | httpx2.InvalidURL | OSError) and seen.shortage is None:
            log.exception("hook failed", url=mask_url(url))
        return Outcome(f"could not be called: {'; '.join(seen.reasons)}", seen.shortage)


def _message(body: bytes) -> str:
    try:
        document = read_document(body)
    except UnreadableError:
        return ""
    if not isinstance(document, dict):
        return ""
    found = next((document[key] for key in ("message", "detail") if isinstance(document.get(key), str)), "")
    return " ".join(found.split())[:LONGEST_MESSAGE]
