"""Settings with the instances that were found. Pure."""

from collections.abc import Mapping, Sequence

import msgspec

from orch.settings import Instance, Service, Settings


def merged(settings: Settings, found: Mapping[str, Sequence[Instance]]) -> Settings:
    """Return the settings with ``found`` instances, by service; the same object if there are none.

    What was found takes the place of ``url``. Other instances of the settings stay; one that is in both has
    the weight of the settings.
    """
    changed = {
        name: _with(service, found[name]) for name, service in settings.services.items() if found.get(name)
    }
    if not changed:
        return settings
    return msgspec.structs.replace(settings, services={**settings.services, **changed})


def _with(service: Service, found: Sequence[Instance]) -> Service:
    known = {each.url for each in service.instances}
    (first, *others) = [*(each for each in found if each.url not in known), *service.instances]
    return msgspec.structs.replace(service, url=first.url, weight=first.weight, instances=tuple(others))
