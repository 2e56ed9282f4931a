"""Requests other words for insights from a server with OpenAI's API, if one is configured.

Insights never wait for it: they are shown as the rules wrote them, and get their words when these arrive. A
server that fails is left alone for :data:`PAUSE` seconds.
"""

from collections.abc import Callable, Sequence
from typing import Final

import httpx2
import structlog
import trio
from msgspec.structs import replace

from orch.analytics.insights.insight import Insight
from orch.analytics.insights.wording import BODY, MOST, UnusableWordsError, body, words
from orch.health.probes import failure
from orch.masking import mask_url
from orch.settings.analytics import Wording

log = structlog.get_logger("analytics")

PAUSE: Final = 300.0
"""Seconds after a failure without another request."""

STORED: Final = 200
"""Texts that are stored; the oldest is dropped for another one."""


class Writer:
    """The words of insights. The mutable state: they, by identity and title, and the last failure."""

    def __init__(
        self,
        *,
        settings: Callable[[], Wording],
        client: httpx2.AsyncClient,
        clock: Callable[[], float] = trio.current_time,
    ) -> None:
        self._settings = settings
        self._client = client
        self._clock = clock
        self._words: dict[tuple[str, str], str] = {}
        self._resumes_at = float("-inf")
        self.problem = ""
        """Why there are no words, "" if there are, or none are wanted."""

    @property
    def is_on(self) -> bool:
        """Whether a server is configured."""
        return bool(self._settings().url)

    def with_words(self, insights: Sequence[Insight]) -> tuple[Insight, ...]:
        """Return insights with the words that are known for them as they are now."""
        return tuple(
            replace(each, words=self._words.get((each.identity, each.title), "")) for each in insights
        )

    async def write(self, insights: Sequence[Insight]) -> bool:
        """Request words for those of the first few that have none; return whether any were found.

        Nothing but Cancelled is raised.
        """
        wanted = [each for each in insights[:MOST] if (each.identity, each.title) not in self._words]
        settings = self._settings()
        if not wanted or not settings.url or self._clock() < self._resumes_at:
            return False
        try:
            with trio.fail_after(settings.timeout):
                found = words(await self._request(settings, wanted), wanted)
        except UnusableWordsError as error:
            return self._failed(settings, str(error))
        except trio.TooSlowError:
            return self._failed(settings, f"no response in {settings.timeout:g} s")
        except Exception as error:  # noqa: BLE001 - the boundary of a request to a server of anybody's
            return self._failed(settings, "; ".join(failure(error).reasons))
        for each in wanted:
            self._words[each.identity, each.title] = found.get(each.identity, "")
        while len(self._words) > STORED:
            del self._words[next(iter(self._words))]
        self.problem = ""
        return True

    async def _request(self, settings: Wording, insights: Sequence[Insight]) -> bytes:
        headers = {"content-type": "application/json"}
        if settings.api_key:
            headers["authorization"] = f"Bearer {settings.api_key.strip()}"
        received = bytearray()
        url = settings.url.rstrip("/") + "/chat/completions"
        async with self._client.stream(
            "POST", url, headers=headers, content=body(insights, settings.model)
        ) as response:
            if response.status_code != 200:  # noqa: PLR2004 - OK
                raise UnusableWordsError(f"status {response.status_code}")
            async for part in response.aiter_bytes():
                received += part
                if len(received) > BODY:
                    break
        return bytes(received)

    def _failed(self, settings: Wording, reason: str) -> bool:
        self._resumes_at = self._clock() + PAUSE
        self.problem = reason
        log.warning("insights have no words", url=mask_url(settings.url), reason=reason)
        return False
