"""Settings with the instances that were found. Pure."""

from collections.abc import Mapping, Sequence

import msgspec

from orch.settings import Instance, Service, Settings


def merged(
    settings: Settings,
    found: Mapping[str, Sequence[Instance]],
    registered: Mapping[str, Sequence[Instance]] | None = None,
) -> Settings:
    """Return the settings with the instances of each service that were found; the same object without any.

    What DNS has ``found`` takes the place of ``url``; so does what has ``registered`` itself, or it comes
    beside it, as the settings say. Other instances of the settings stay; one that is in both has the weight
    of the settings.
    """
    changed: dict[str, Service] = {}
    for name, service in settings.services.items():
        own = (registered or {}).get(name, ())
        by_dns = found.get(name, ())
        if own and service.discovery.registry == "add" and not by_dns:
            by_dns = (Instance(url=service.url, weight=service.weight),)
        if by_dns or own:
            changed[name] = _with(service, by_dns, own)
    if not changed:
        return settings
    return msgspec.structs.replace(settings, services={**settings.services, **changed})


def _with(service: Service, found: Sequence[Instance], registered: Sequence[Instance]) -> Service:
    fixed = {each.url: each for each in service.instances}
    places: dict[str, Instance] = {}
    for each in (*found, *service.instances, *registered):
        places.setdefault(each.url, fixed.get(each.url, each))
    first, *others = places.values()
    return msgspec.structs.replace(service, url=first.url, weight=first.weight, instances=tuple(others))
