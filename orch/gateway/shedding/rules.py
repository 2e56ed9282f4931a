"""Reads the settings of places and queues. Pure."""

from math import inf

from orch.gateway.shedding.instance_places import InstancePlaces
from orch.gateway.shedding.priorities import Priority
from orch.gateway.shedding.waiting_order import QueueRule
from orch.settings import Gateway, Instance, Service
from orch.settings.shedding import DECLARED, FOUND


def rules_of(gateway: Gateway) -> dict[Priority, QueueRule]:
    """Return the rule of each class's queue."""
    shedding = gateway.shedding
    return {
        Priority.LIVE: QueueRule(shedding.live.waiting, shedding.live.deadline),
        Priority.INTERACTIVE: QueueRule(shedding.interactive.waiting, shedding.interactive.deadline),
        Priority.BATCH: QueueRule(shedding.batch.waiting, shedding.batch.deadline),
    }


def places_of(
    places: InstancePlaces, name: str, service: Service, instance: Instance, *, workers: int
) -> None:
    """Give an instance of the service called ``name`` as many places as the settings say.

    A declared limit is divided by the number of worker processes, each of which has one place at least: they
    know nothing of each other's requests.
    """
    kind = (name, service.dialect)
    declared = instance.max_concurrency or service.max_concurrency
    if not declared and service.concurrency == "auto":
        declared = DECLARED.get(kind, 0)
    if declared:
        places.declare(max(1, declared // workers))
    elif service.concurrency == "found" or (service.concurrency == "auto" and kind in FOUND):
        places.find()
    else:
        places.declare(inf)
