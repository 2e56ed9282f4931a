"""Explains what the gateway would do with a request, without sending it.

The same facts decide as for a real request: the route table, health, breakers, rests, places and the
balancer. Left out of it: the limits of requests in progress, and whose request it is.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from math import ceil, inf, isinf
from typing import Final, Literal, NamedTuple

from msgspec import Struct

from orch.gateway.backends import Backend
from orch.gateway.balancer import Candidate, Fastest, RoundRobin
from orch.gateway.breaker import State
from orch.gateway.flows import Flow
from orch.gateway.hedging.rivals import rivals
from orch.gateway.hedging.route_hedges import RouteHedges, is_hedgeable
from orch.gateway.instance import Instance
from orch.gateway.outlier_events import CAUSES
from orch.gateway.request_body import RequestBody
from orch.gateway.resting import awake as shortest
from orch.gateway.retries import is_repeatable
from orch.gateway.routes import Match, Step
from orch.gateway.shedding.gate import Ask
from orch.gateway.shedding.priorities import Priority, priority_of
from orch.gateway.statistics import GatewayDiscovery
from orch.gateway.timeouts import Limits, Timeout
from orch.settings import RateLimit, Repeatable, Uploads


class ExplainedTimeouts(Struct, frozen=True, kw_only=True):
    """The time-outs of the route, in seconds; None: there is none.

    ``per_audio_second``: added to the total for each second of a WAV file in the request.
    """

    connect: float | None
    first_byte: float | None
    idle: float | None
    total: float | None
    per_try: float | None
    per_try_idle: float | None
    per_audio_second: float

    @classmethod
    def of(cls, limits: Limits) -> "ExplainedTimeouts":
        """Return the time-outs for JSON, which has no infinity."""
        seconds = {kind.value: getattr(limits, kind) for kind in Timeout}
        return cls(
            per_audio_second=limits.per_audio_second,
            **{name: None if isinf(value) else value for name, value in seconds.items()},
        )


class ExplainedHedging(Struct, frozen=True, kw_only=True):
    """Whether a request that is slow would be sent to another instance as well, at most ``extra`` times.

    ``after_ms``: after so long, None while that is not known. ``reason``: why none would be sent now, "" if
    one would. ``instances``: those that could get it, before one of them has the first request.
    """

    extra: int
    after_ms: float | None
    reason: str
    instances: tuple[str, ...]


class ExplainedRoute(Struct, frozen=True, kw_only=True):
    """The route that matches. ``target``: the back end's path; ``is_repeatable``: whether this method is.

    ``priority``: the class of this method's requests where instances have a limit.
    """

    prefix: str
    service: str
    target: str
    repeatable: Repeatable
    is_repeatable: bool
    priority: Literal["live", "interactive", "batch", "control"]
    timeouts: ExplainedTimeouts
    uploads: Uploads
    hedging: ExplainedHedging | None = None


class ExplainedInstance(Struct, frozen=True, kw_only=True):
    """An instance: whether it is a candidate, and why not. ``share``: its part of the weights, 0..1.

    ``first_byte_ms``: its usual time to the first byte, None before the first response. ``places_taken`` of
    ``places_limit`` (None: not limited) requests with a class are in progress.
    """

    url: str
    is_candidate: bool
    reason: str
    weight: int
    weight_now: float
    share: float | None
    in_flight: int
    first_byte_ms: float | None
    places_taken: int
    places_limit: int | None


class ExplainedWait(Struct, frozen=True, kw_only=True):
    """What would become of the request at the gate: whether it would wait, behind how many, and how long.

    ``deadline``: seconds after which it would get 503 ``shed``.
    """

    would_wait: bool
    ahead: int
    deadline: float


class ExplainedSockets(Struct, frozen=True, kw_only=True):
    """What a WebSocket would meet: ``open`` of ``limit`` on this worker, and the settings in force."""

    open: int
    limit: int
    limit_per_address: int
    max_message_bytes: int
    heartbeat_interval: float
    heartbeat_timeout: float


class ExplainedLimit(Struct, frozen=True, kw_only=True):
    """A rate limit that the request falls under: ``requests`` in ``window`` seconds for each ``per``."""

    name: str
    requests: int
    window: int
    per: Literal["address", "key", "route"]


class ExplainedFallback(Struct, frozen=True, kw_only=True):
    """A fallback of the route: another ``service`` at ``target``, a cached or a static response.

    ``when``: the failures that it is for, with ``statuses`` of responses. ``restriction``: what else decides
    for a request of this method, "" if nothing does.
    """

    use: Literal["service", "cached", "static"]
    when: tuple[str, ...]
    statuses: tuple[int, ...]
    service: str | None
    target: str | None
    response: str | None
    restriction: str


class Explanation(Struct, frozen=True, kw_only=True):
    """What would become of a request. ``problem``: why it would reach no instance, "" if it would.

    ``next``: the instance of the next request, None where that depends on chance or on the client, or if it
    would wait. ``wait``: None where requests of its class need no place. ``websockets``: of handshakes alone.
    ``discovery``: how the instances were found, besides those of the settings. ``fallbacks``: what is tried,
    in this order, when the request fails.
    """

    method: str
    path: str
    route: ExplainedRoute | None
    balancer: str | None
    instances: tuple[ExplainedInstance, ...]
    next: str | None
    problem: str
    wait: ExplainedWait | None = None
    discovery: tuple[GatewayDiscovery, ...] = ()
    rate_limits: tuple[ExplainedLimit, ...] = ()
    fallbacks: tuple[ExplainedFallback, ...] = ()
    websockets: ExplainedSockets | None = None


_TWO: Final = 2


class _Seen(NamedTuple):
    instance: Instance
    candidate: Candidate
    obstacle: str


NOT_ROUTED: Final = "No back end is routed at this path."


COLD: Final = "its warm-up request has not been answered yet"


def without_a_route(method: str, path: str, problem: str = NOT_ROUTED) -> Explanation:
    """Return the explanation of a request that matches no route, or cannot be forwarded."""
    return Explanation(
        method=method, path=path, route=None, balancer=None, instances=(), next=None, problem=problem
    )


def explain(
    method: str,
    path: str,
    match: Match,
    backend: Backend | None,
    *,
    now: float,
    is_usable: Callable[[str, str], bool],
    without: Collection[str],
    discovery: Iterable[GatewayDiscovery] = (),
    limits: Iterable[RateLimit] = (),
    hedge: RouteHedges | None = None,
    sockets: ExplainedSockets | None = None,
) -> Explanation:
    """Return the explanation of a request that matches a route; ``without``: instances taken as absent.

    ``sockets``: it is the handshake of a WebSocket, which is a GET to the back end.
    """
    sent = method if sockets is None else "GET"
    ask = Ask(priority_of(match.priority, sent), "")
    route = ExplainedRoute(
        prefix=match.prefix,
        service=match.service,
        target=match.path,
        repeatable=match.repeatable,
        is_repeatable=is_repeatable(sent, match.repeatable),
        priority=ask.priority.value,
        timeouts=ExplainedTimeouts.of(match.limits),
        uploads=match.uploads,
        hedging=None
        if backend is None or sockets is not None
        else _hedging(method, match, backend, hedge, ask, without, is_usable, now),
    )
    seen = [] if backend is None else list(_seen(backend, now, is_usable, without))
    service_wait = None if backend is None else _service_wait(backend, now)
    candidates = [] if service_wait else [each for each in seen if not each.obstacle]
    if backend is not None and not candidates and not service_wait:
        left = [each for each in backend.last_resorts(now, Flow.REQUESTS) if each.shown not in without]
        candidates = [each for each in seen if each.instance in left]
    rests = [each.instance.lanes[Flow.REQUESTS].rests.until_for_all(now) for each in candidates]
    awake = [candidates[index] for index in shortest(rests, now)]
    wait = None if backend is None else _wait(backend, awake, ask, now)
    with_room = [
        each
        for each in awake
        if wait is None or backend is None or backend.gate.has_room(each.instance.places, ask, now)
    ]
    total = sum(each.candidate.weight for each in awake)
    return Explanation(
        method=method,
        path=path,
        route=route,
        balancer=None if backend is None else backend.kind,
        instances=tuple(
            ExplainedInstance(
                url=each.instance.shown,
                is_candidate=each in awake,
                reason=_reason(each, now, is_awake=each in awake, service_wait=service_wait or ""),
                weight=each.instance.weight,
                weight_now=each.candidate.weight,
                share=each.candidate.weight / total if each in awake else None,
                in_flight=each.candidate.active,
                first_byte_ms=None if each.candidate.first_byte is None else each.candidate.first_byte * 1000,
                places_taken=each.instance.places.taken,
                places_limit=None if each.instance.places.limit == inf else int(each.instance.places.limit),
            )
            for each in seen
        ),
        next=None
        if backend is None or not awake or (wait and wait.would_wait)
        else _next(backend, with_room),
        problem="" if awake else f"No instance of {match.service} gets requests now: {_instead(match)}.",
        wait=wait,
        discovery=tuple(discovery),
        rate_limits=tuple(
            ExplainedLimit(name=one.name, requests=one.requests, window=one.window, per=one.per)
            for one in limits
        ),
        fallbacks=tuple(_fallback(step, method, match) for step in match.fallbacks)
        if sockets is None
        else (),
        websockets=sockets,
    )


def _instead(match: Match) -> str:
    return (
        "the fallbacks are tried, and without one the response is 503"
        if match.fallbacks
        else ("the response is 503")
    )


def _fallback(step: Step, method: str, match: Match) -> ExplainedFallback:
    rule = step.rule
    restriction = ""
    if rule.use == "service" and not is_repeatable(method, match.repeatable):
        restriction = "only if no instance has worked on the request, as it is not repeatable"
    if rule.use == "cached" and (method if method != "HEAD" else "GET") not in rule.methods:
        restriction = f"never: responses to {' and '.join(rule.methods)} are stored"
    elif rule.use == "cached":
        restriction = f"only if there is a stored response of the last {rule.max_age:g} s"
    return ExplainedFallback(
        use=rule.use,
        when=rule.when,
        statuses=rule.statuses if "status" in rule.when else (),
        service=None if step.match is None else step.match.service,
        target=None if step.match is None else step.match.path,
        response=rule.response if rule.use == "static" else None,
        restriction=restriction,
    )


def _hedging(
    method: str,
    match: Match,
    backend: Backend,
    hedge: RouteHedges | None,
    ask: Ask,
    without: Collection[str],
    is_usable: Callable[[str, str], bool],
    now: float,
) -> ExplainedHedging | None:
    """Return what would become of a slow request; None if the route has no extra requests."""
    policy = match.hedging
    if policy is None:
        return None
    hedge = hedge or RouteHedges(match.prefix, match.service, policy)
    delay = hedge.delay(now)
    needs_place = backend.gate.is_limited and ask.priority is not Priority.CONTROL
    found = rivals(
        backend, Flow.REQUESTS, is_usable, tried=(), caller="", ask=ask if needs_place else None, now=now
    )
    names = tuple(each.shown for each in found if each.shown not in without)
    reason = ""
    if not is_hedgeable(method, match.repeatable, RequestBody()):
        reason = f"{method} may not be sent twice: the route is not repeatable: always"
    elif delay is None:
        reason = f"{hedge.first_bytes.count(now)} times to the first byte of {policy.min_samples} are known"
    elif not hedge.has_budget:
        reason = "the route's budget is used up"
    elif not backend.budgets[Flow.REQUESTS].left(now):
        reason = "the retry budget of the service is used up"
    elif len(names) < _TWO:
        reason = "no second instance is free and works as well as it should"
    return ExplainedHedging(
        extra=policy.extra,
        after_ms=None if delay is None else delay * 1000,
        reason=reason,
        instances=names,
    )


def _wait(backend: Backend, awake: Sequence[_Seen], ask: Ask, now: float) -> ExplainedWait | None:
    """Return whether a request would wait for a place; None if it needs none."""
    gate = backend.gate
    if not gate.is_limited or ask.priority is Priority.CONTROL:
        return None
    has_room = any(gate.has_room(each.instance.places, ask, now) for each in awake)
    return ExplainedWait(
        would_wait=bool(awake) and (gate.is_behind(ask) or not has_room),
        ahead=gate.ahead(ask),
        deadline=gate.patience(ask, now),
    )


def _seen(
    backend: Backend, now: float, is_usable: Callable[[str, str], bool], without: Collection[str]
) -> Iterable[_Seen]:
    seen = list(_seen_alone(backend, now, is_usable, without))
    if backend.warms_up and any(not each.obstacle and each.instance.warmth.is_warm for each in seen):
        for each in seen:
            is_cold = not each.obstacle and not each.instance.warmth.is_warm
            yield each._replace(obstacle=COLD) if is_cold else each
    else:
        yield from seen


def _seen_alone(
    backend: Backend, now: float, is_usable: Callable[[str, str], bool], without: Collection[str]
) -> Iterable[_Seen]:
    for instance in backend.instances.values():
        yield _Seen(
            instance,
            instance.candidate(now, backend.slow_start, Flow.REQUESTS),
            "taken as absent"
            if instance.shown in without
            else _obstacle(instance, now, is_alive=is_usable(backend.name, instance.url)),
        )


def _obstacle(instance: Instance, now: float, *, is_alive: bool) -> str:
    """Return why an instance gets no requests of clients; "" if it does."""
    if not is_alive and not instance.is_drained:
        return "its health checks fail, or it is busy while another instance is not"
    if instance.is_drained:
        return "an operator has drained it"
    lane = instance.lanes[Flow.REQUESTS]
    if lane.is_ejected(now) and lane.record.cause is not None:
        return f"it is ejected for {ceil(lane.record.until - now)} s: {CAUSES[lane.record.cause]}"
    breaker = lane.breaker
    if breaker.is_admitting(now):
        return ""
    wait = breaker.retry_in(now)
    if breaker.state is State.OPEN and wait is not None:
        return f"its breaker is open for {ceil(wait)} s"
    return "its breaker is half-open, and enough requests are trying it"


def _service_wait(backend: Backend, now: float) -> str:
    """Return why no instance of a service gets requests; "" if that depends on the instance."""
    outliers = backend.outliers[Flow.REQUESTS]
    if not outliers.has_breaker or outliers.breaker.is_admitting(now):
        return ""
    wait = outliers.breaker.retry_in(now)
    if wait is not None:
        return f"the breaker of the whole service is open for {ceil(wait)} s"
    return "the breaker of the whole service is half-open, and enough requests are trying it"


def _reason(seen: _Seen, now: float, *, is_awake: bool, service_wait: str) -> str:
    if is_awake:
        return f"{seen.obstacle}; but no better instance is left" if seen.obstacle else ""
    return seen.obstacle or service_wait or _resting(seen.instance, now)


def _rest(instance: Instance, now: float) -> float:
    return instance.lanes[Flow.REQUESTS].rests.until_for_all(now) - now


def _resting(instance: Instance, now: float) -> str:
    return f"it has asked for a rest, {ceil(_rest(instance, now))} s of which are left"


def _next(backend: Backend, awake: Sequence[_Seen]) -> str | None:
    """Return the next instance, without changing whose turn it is."""
    if len(awake) == 1:
        return awake[0].instance.shown
    balancer = backend.balancer(Flow.REQUESTS)
    if not isinstance(balancer, RoundRobin | Fastest):
        return None
    url = balancer.copy().choose([each.candidate for each in awake])
    return backend.instances[url].shown
