"""Sends requests to one back end, and keeps track of how it responds."""

from collections.abc import Callable, Collection
from typing import Final, TypeVar

import structlog
import trio

from orch.masking import without_secrets
from orch.problems import ProblemError
from orch.settings import Service
from orch.settings.restrictions import secrets_of
from orch.settings.source import SettingsSource
from orch.speech.cooldown import Cooldown, retry_after
from orch.speech.outcomes import BackEndStatistics, RequestOutcomes
from orch.speech.requests import Fetch, Request, Response
from orch.speech.responses import SUCCESS, parameter_of

T = TypeVar("T")

# With what a server says that it does not know a field, or not this value of it (OpenAI, vLLM, FastAPI's
# validation).
_NOT_KNOWN: Final = frozenset({400, 415, 422, 501})
_TOO_MANY: Final = 429
_UNAVAILABLE: Final = 503
_NEWS: Final = 10.0  # s; a back end with so long a cool-down is behind, however healthy it is
# What fetch raises where the back end was sent a request and did not respond. Other codes are about us.
_UNANSWERED: Final = frozenset({"gateway_timeout", "bad_gateway"})

READ_AT_ONCE: Final = 32 * 2**10
"""Bytes of an answer that are read on the event loop; a sentence with the times of its words has 5,000."""

log = structlog.get_logger("speech")


class BackEnd:
    """Sends requests through ``fetch``, honours Retry-After, and records outcomes.

    Optional fields that a server refuses are left out from then on: that is found out once for each address
    and model.

    The mutable state is the fields to leave out, the :class:`Cooldown` and the :class:`RequestOutcomes`;
    all of it is forgotten when the back end's settings change.
    """

    def __init__(
        self, name: str, *, fetch: Fetch, settings: SettingsSource, wall: Callable[[], float]
    ) -> None:
        self.name: Final = name
        self.on_refusal: Callable[[str, str | None], None] = lambda _service, _refusal: None
        self._fetch = fetch
        self._settings = settings
        self._wall = wall
        self._left_out: frozenset[str] = frozenset()
        self._cooldown = Cooldown()
        self._outcomes = RequestOutcomes(name)
        self._of: Service | None = None
        self.last_status: int | None = None
        """The HTTP status of the last response; None: the last request had none, or was not sent."""

    @property
    def service(self) -> Service:
        """Its current settings. ProblemError ``unknown_service``."""
        service = self._settings.current.services.get(self.name)
        if service is None:
            raise ProblemError("unknown_service", f"No {self.name} is configured.", service=self.name)
        if service != self._of:
            self._of = service
            self._left_out = frozenset()
            self._cooldown = Cooldown()
            if self._outcomes.forget():
                self._tell(None)
        return service

    def statistics(self) -> BackEndStatistics:
        """Return the outcomes so far."""
        return self._outcomes.statistics(self._wall())

    async def ask(
        self,
        make: Callable[[frozenset[str]], Request],
        read: Callable[[Response], T],
        *,
        optional: Collection[str] = (),
    ) -> T:
        """Send a request and return what ``read`` makes of the response.

        ``make`` gets the optional fields to leave out. ProblemError: the gateway's, what ``read`` raises
        (secrets that a server quotes are dots in it), ``rate_limited`` during a cool-down, without a
        request. A cancelled request leaves nothing behind.
        """
        service = self.service
        wait = self._cooldown.wait(trio.current_time())
        if wait > 0:
            raise self._not_yet(wait)
        cooldown = self._cooldown
        is_trial = cooldown.times > 0
        self.last_status = None
        answer: Response | None = None
        try:
            answer, left_out = await self._send(make, optional)
            if len(answer.body) > READ_AT_ONCE:
                result = await trio.to_thread.run_sync(self._read, read, answer)
            else:
                result = self._read(read, answer)
        except ProblemError as error:
            shown = _without_secrets(error, service)
            self._note_failure(shown, answer, cooldown, is_current=service == self._of)
            raise shown from error
        finally:
            if is_trial:
                cooldown.gave_up()  # of no effect where there is an answer
        if service == self._of:
            self._left_out = left_out
            cooldown.answered(trio.current_time())
            if self._outcomes.succeeded(self._wall()):
                self._tell(None)
        return result

    async def _send(
        self, make: Callable[[frozenset[str]], Request], optional: Collection[str]
    ) -> tuple[Response, frozenset[str]]:
        """Send the request, again without refused fields; return the response and the fields left out."""
        left_out = self._left_out
        while True:
            request = make(left_out)
            try:
                answer = await self._fetch(
                    self.name, request.method, request.path, headers=request.headers, body=request.body
                )
            except ProblemError:
                raise
            except Exception as error:
                log.exception("request failed", service=self.name)
                raise ProblemError(
                    "internal_error",
                    f"The request to {self.name} failed. The log has the reason.",
                    service=self.name,
                ) from error
            self.last_status = answer.status
            rest = [name for name in optional if name not in left_out]
            if answer.status not in _NOT_KNOWN or not rest:
                # Only a success shows that it was these: a server that refuses all the same means another.
                is_success = answer.status in SUCCESS
                return answer, left_out if is_success else self._left_out
            said = parameter_of(answer.body)
            left_out |= frozenset([name for name in rest if name in said] or rest)

    def _read(self, read: Callable[[Response], T], answer: Response) -> T:
        try:
            return read(answer)
        except ProblemError:
            raise
        except Exception as error:
            log.exception("answer cannot be read", service=self.name, status=answer.status)
            raise ProblemError(
                "bad_gateway", f"{self.name} sent an invalid response.", service=self.name
            ) from error

    def _note_failure(
        self, error: ProblemError, answer: Response | None, cooldown: Cooldown, *, is_current: bool
    ) -> None:
        now = trio.current_time()
        pause = 0.0
        if answer is None:
            if error.code not in _UNANSWERED:
                return
        else:
            seconds = retry_after(answer.headers, at=self._wall())
            if answer.status == _TOO_MANY or (answer.status == _UNAVAILABLE and seconds is not None):
                pause = cooldown.asked_for(seconds, now)
                error.headers["Retry-After"] = f"{pause:.0f}"
            else:
                cooldown.answered(now)
        status = None if answer is None else answer.status
        if is_current and self._outcomes.failed(error, status, is_certain=pause >= _NEWS):
            self._tell(self._outcomes.refusal)

    def _not_yet(self, wait: float) -> ProblemError:
        return ProblemError(
            "rate_limited",
            f"{self.name} asked for a pause. Requests continue in {max(1, round(wait))} s.",
            headers={"Retry-After": f"{max(1, round(wait))}"},
            service=self.name,
        )

    def _tell(self, refusal: str | None) -> None:
        if refusal is None:
            log.info("back end answers requests again", service=self.name)
        else:
            log.warning("back end refuses requests", service=self.name, refusal=refusal)
        self.on_refusal(self.name, refusal)


def _without_secrets(error: ProblemError, service: Service) -> ProblemError:
    detail = without_secrets(error.detail, secrets_of(service))
    if detail == error.detail:
        return error
    return ProblemError(error.code, detail, headers=error.headers, **error.extra)
