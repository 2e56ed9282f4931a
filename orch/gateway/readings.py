"""What Prometheus reads of the gateway's statistics. Pure."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from orch.gateway.statistics import GatewayInstance, GatewaySockets, GatewayStatistics
from orch.telemetry.names import gateway as names
from orch.telemetry.names.metric import Reading

_BREAKER_VALUES: Final = {"closed": 0, "half_open": 1, "open": 2}


def readings_of(gateway: GatewayStatistics) -> Iterator[Reading]:
    """Yield the readings; the counters of requests are counted where requests end."""
    yield Reading(names.GATEWAY_PLACES, gateway.places)
    yield Reading(names.GATEWAY_PLACES_LIMIT, gateway.places_limit)
    yield Reading(names.GATEWAY_SPOOLED, gateway.spooled_bytes)
    yield Reading(names.GATEWAY_SPOOL_LIMIT, gateway.spool_limit)
    yield from _of_sockets(gateway.sockets)
    for instance in gateway.instances:
        yield from _of_instance(instance)
    for queue in gateway.queues:
        of_class = (queue.service, queue.priority)
        yield Reading(names.QUEUE_WAITING, queue.waiting, of_class)
        yield Reading(names.QUEUE_LIMIT, queue.waiting_limit, of_class)
        yield Reading(names.QUEUED, queue.queued, of_class)
        yield Reading(names.SHED, queue.shed_deadline, (*of_class, "deadline"))
        yield Reading(names.SHED, queue.shed_queue_full, (*of_class, "queue_full"))
    yield from _of_fallbacks(gateway)
    for route in gateway.hedging:
        of_route = (route.prefix,)
        yield Reading(names.HEDGES, route.sent, of_route)
        yield Reading(names.HEDGES_WON, route.won, of_route)
        for why, count in route.declined.items():
            yield Reading(names.HEDGES_DECLINED, count, (*of_route, why))
        if route.delay_ms is not None:
            yield Reading(names.HEDGE_DELAY, route.delay_ms / 1000, of_route)
    known = Counter(instance.service for instance in gateway.instances)
    for service in gateway.services:
        yield Reading(names.INSTANCES, known[service.service], (service.service,))
        for flow in service.flows:
            of_flow = (service.service, flow.flow)
            yield Reading(names.RETRY_BUDGET, flow.retries_left, of_flow)
            yield Reading(names.RETRY_BUDGET_EXHAUSTED, flow.retries_refused, of_flow)
            if flow.breaker is not None:
                yield Reading(names.SERVICE_BREAKER, _BREAKER_VALUES[flow.breaker], of_flow)


def _of_fallbacks(gateway: GatewayStatistics) -> Iterator[Reading]:
    for route in gateway.fallbacks:
        for kind in ("service", "cached", "static", "none"):
            yield Reading(names.FALLBACKS, getattr(route, kind), (route.route, kind))
        yield Reading(names.FALLBACKS_ACTIVE, float(route.active_for is not None), (route.route,))
    cache = gateway.fallback_cache
    if gateway.fallbacks and cache is not None:
        yield Reading(names.FALLBACK_RESPONSES, cache.responses)
        yield Reading(names.FALLBACK_BYTES, cache.bytes)
        yield Reading(names.FALLBACK_EVICTED, cache.evicted)


def _of_sockets(sockets: GatewaySockets) -> Iterator[Reading]:
    yield Reading(names.SOCKETS_OPEN, sockets.open)
    yield Reading(names.SOCKETS_OPENED, sockets.opened)
    yield Reading(names.SOCKETS_REFUSED, sockets.refused)
    yield Reading(names.SOCKETS_LIMIT, sockets.limit)
    for how in names.SOCKETS_ENDED.labels[0].values:
        yield Reading(names.SOCKETS_ENDED, sockets.endings.get(how, 0), (how,))
    yield Reading(names.SOCKETS_BYTES, sockets.bytes_from_clients, ("clients",))
    yield Reading(names.SOCKETS_BYTES, sockets.bytes_from_back_ends, ("back_ends",))


def _of_instance(instance: GatewayInstance) -> Iterator[Reading]:
    for lane in instance.lanes:
        labels = (instance.service, instance.url, lane.flow)
        yield Reading(names.LANE_CONNECTIONS, lane.connections, labels)
        yield Reading(names.LANE_BUSY, lane.busy, labels)
        yield Reading(names.LANE_WAITING, lane.waiting, labels)
        yield Reading(names.LANE_EJECTED, float(lane.ejected_for is not None), labels)
        yield Reading(names.LANE_EJECTIONS, lane.ejections_total, labels)
    of_instance = (instance.service, instance.url)
    yield Reading(names.INSTANCE_USABLE, float(instance.usable and not instance.is_drained), of_instance)
    yield Reading(names.INSTANCE_DRAINED, float(instance.is_drained), of_instance)
    yield Reading(names.IN_FLIGHT, instance.in_flight, of_instance)
    yield Reading(names.INSTANCE_SOCKETS, instance.sockets, of_instance)
    if instance.places_limit is not None:
        yield Reading(names.PLACES_LIMIT, instance.places_limit, of_instance)
        yield Reading(names.PLACES_TAKEN, instance.places_taken, of_instance)
