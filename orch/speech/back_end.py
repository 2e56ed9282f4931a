"""Sends requests to one back end, and keeps track of how it responds."""

from collections.abc import Awaitable, Callable, Collection
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
from orch.speech.requests import Fetch, RefusedError, Request, Response
from orch.speech.responses import SUCCESS, check, parameter_of
from orch.telemetry.traces.headers import NAME as TRACEPARENT

T = TypeVar("T")

# Statuses of a server that does not know a field, or not this value of it (OpenAI, vLLM, FastAPI's
# validation).
_NOT_KNOWN: Final = frozenset({400, 415, 422, 501})
_TOO_MANY: Final = 429
_UNAVAILABLE: Final = 503
# The account has no money or quota left (Deepgram, DeepL): no request succeeds until people have acted.
_EXHAUSTED: Final = frozenset({402, 456})
EXHAUSTED_PAUSE: Final = 60.0  # s
_NEWS: Final = 10.0  # s; a back end with so long a cool-down is behind, however healthy it is
# Codes with which fetch fails if the back end was sent a request and did not respond. Others are our own
# faults.
_UNANSWERED: Final = frozenset({"gateway_timeout", "bad_gateway"})

READ_AT_ONCE: Final = 32 * 2**10
"""Bytes of a response that are parsed on the event loop; a sentence with the times of its words has 5,000."""

log = structlog.get_logger("speech")


class BackEnd:
    """Sends requests through ``fetch``, honours Retry-After, and records outcomes.

    Optional fields that a server refuses are left out of later requests, until its settings change.

    The mutable state is the fields to leave out, the :class:`Cooldown`, whether that is for an account
    without quota, and the :class:`RequestOutcomes`; all of it is reset when the back end's settings change.
    """

    def __init__(
        self,
        name: str,
        *,
        fetch: Fetch,
        settings: SettingsSource,
        wall: Callable[[], float],
        fetch_later: Fetch | None = None,
    ) -> None:
        self.name: Final = name
        self.on_refusal: Callable[[str, str | None], None] = lambda _service, _refusal: None
        self._fetch = fetch
        self._fetch_later = fetch_later or fetch
        self._settings = settings
        self._wall = wall
        self._left_out: frozenset[str] = frozenset()
        self._cooldown = Cooldown()
        self._is_exhausted = False
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
            self._is_exhausted = False
            if self._outcomes.forget():
                self._report(None)
        return service

    def statistics(self) -> BackEndStatistics:
        """Return the outcomes so far."""
        return self._outcomes.statistics(self._wall())

    async def send(
        self,
        make: Callable[[frozenset[str]], Request],
        read: Callable[[Response], T],
        *,
        optional: Collection[str] = (),
        fetch: Fetch | None = None,
        is_recording: bool = False,
        trace: str = "",
    ) -> T:
        """Send a request and return what ``read`` makes of the response.

        ``is_recording``: it belongs to a recording, so that live speech goes first.
        ``make`` gets the optional fields to leave out. ``fetch``: sends it on behalf of a client, who chose
        what is sent; the outcome is not recorded then, since it shows nothing about the back end. ``trace``:
        the ``traceparent`` that is sent; "": the gateway begins a trace.

        ProblemError: the gateway's; what ``read`` raises, with secrets that the server quotes masked;
        ``rate_limited`` during a cool-down, without a request. A cancelled request leaves nothing behind.
        """
        service = self.service
        wait = self._cooldown.wait(trio.current_time())
        if wait > 0:
            raise self._not_yet(wait)
        cooldown = self._cooldown
        is_trial = cooldown.times > 0
        self.last_status = None
        response: Response | None = None
        try:
            own = self._fetch_later if is_recording else self._fetch
            response, left_out = await self._fetch_response(make, optional, fetch or own, trace)
            if len(response.body) > READ_AT_ONCE:
                result = await trio.to_thread.run_sync(self._read, read, response)
            else:
                result = self._read(read, response)
        except ProblemError as error:
            shown = _without_secrets(error, service)
            is_recorded = fetch is None and service == self._of
            self._note_failure(shown, response, cooldown, is_recorded=is_recorded)
            raise shown from error
        finally:
            if is_trial:
                cooldown.trial_failed()  # no effect after a response
        if service == self._of:
            self._left_out = left_out
            cooldown.responded(trio.current_time())
            if fetch is None and self._outcomes.succeeded(self._wall()):
                self._report(None)
        return result

    async def call(self, run: Callable[[], Awaitable[T]], *, counts_success: bool = True) -> T:
        """Run a call over a socket, and return its result.

        Cool-downs and outcomes as those of requests. ``counts_success``: False if a result does not show that
        the back end works. ``run`` raises ProblemError, or RefusedError with the back end's words; raised is
        a ProblemError, with secrets masked.
        """
        service = self.service
        wait = self._cooldown.wait(trio.current_time())
        if wait > 0:
            raise self._not_yet(wait)
        cooldown = self._cooldown
        is_trial = cooldown.times > 0
        response: Response | None = None
        try:
            result = await run()
        except (ProblemError, RefusedError) as error:
            response = error.response if isinstance(error, RefusedError) else None
            self.last_status = None if response is None else response.status
            problem = _without_secrets(_problem(self.name, error), service)
            if response is not None or problem.code != "own_shortage":
                self._note_failure(problem, response, cooldown, is_recorded=service == self._of, is_sent=True)
            raise problem from error
        finally:
            if is_trial:
                cooldown.trial_failed()
        if service == self._of and counts_success:
            cooldown.responded(trio.current_time())
            if self._outcomes.succeeded(self._wall()):
                self._report(None)
        return result

    async def _fetch_response(
        self,
        make: Callable[[frozenset[str]], Request],
        optional: Collection[str],
        fetch: Fetch,
        trace: str,
    ) -> tuple[Response, frozenset[str]]:
        """Send the request, again without refused fields; return the response and the fields left out."""
        left_out = self._left_out
        while True:
            request = make(left_out)
            headers = (*request.headers, (TRACEPARENT, trace.encode())) if trace else request.headers
            try:
                response = await fetch(
                    self.name, request.method, request.path, headers=headers, body=request.body
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
            self.last_status = response.status
            rest = [name for name in optional if name not in left_out]
            if response.status not in _NOT_KNOWN or not rest:
                # Only a success proves that it was these fields; otherwise the server refuses something else.
                is_success = response.status in SUCCESS
                return response, left_out if is_success else self._left_out
            described = parameter_of(response.body)
            left_out |= frozenset([name for name in rest if name in described] or rest)

    def _read(self, read: Callable[[Response], T], response: Response) -> T:
        try:
            return read(response)
        except ProblemError:
            raise
        except Exception as error:
            log.exception("response invalid", service=self.name, status=response.status)
            raise ProblemError(
                "bad_gateway", f"{self.name} sent an invalid response.", service=self.name
            ) from error

    def _note_failure(
        self,
        error: ProblemError,
        response: Response | None,
        cooldown: Cooldown,
        *,
        is_recorded: bool,
        is_sent: bool = False,
    ) -> None:
        """Note a failure. ``is_sent``: without a response it is the back end's all the same."""
        now = trio.current_time()
        pause = 0.0
        if response is None:
            if error.code not in _UNANSWERED and not is_sent:
                return
        else:
            seconds = retry_after(response.headers, at=self._wall())
            self._is_exhausted = response.status in _EXHAUSTED
            if self._is_exhausted:
                pause = cooldown.requested(EXHAUSTED_PAUSE, now)
            elif response.status == _TOO_MANY or (response.status == _UNAVAILABLE and seconds is not None):
                pause = cooldown.requested(seconds, now)
                error.headers["Retry-After"] = f"{pause:.0f}"
            else:
                cooldown.responded(now)
        status = None if response is None else response.status
        if is_recorded and self._outcomes.failed(error, status, is_certain=pause >= _NEWS):
            self._report(self._outcomes.refusal)

    def _not_yet(self, wait: float) -> ProblemError:
        if self._is_exhausted:
            return ProblemError(
                "refused",
                f"The account at {self.name} has no quota or credit left. The next attempt is in "
                f"{wait:.0f} s.",
                service=self.name,
            )
        return ProblemError(
            "rate_limited",
            f"{self.name} asked for a pause. Requests continue in {max(1, round(wait))} s.",
            headers={"Retry-After": f"{max(1, round(wait))}"},
            service=self.name,
        )

    def _report(self, refusal: str | None) -> None:
        if refusal is None:
            log.info("back end accepts requests again", service=self.name)
        else:
            log.warning("back end refuses requests", service=self.name, refusal=refusal)
        self.on_refusal(self.name, refusal)


def _problem(service: str, error: ProblemError | RefusedError) -> ProblemError:
    """Return the problem that a refusal describes."""
    if isinstance(error, ProblemError):
        return error
    try:
        check(service, error.path, error.response)
    except ProblemError as problem:
        return problem
    return ProblemError("bad_gateway", f"{service} refused without a reason.", service=service)


def _without_secrets(error: ProblemError, service: Service) -> ProblemError:
    detail = without_secrets(error.detail, secrets_of(service))
    if detail == error.detail:
        return error
    return ProblemError(error.code, detail, headers=error.headers, **error.extra)
