"""Settings for display: URLs without passwords. Pure."""

from orch.masking import mask_url
from orch.settings.structs import Settings


def shown_instances(settings: Settings) -> dict[str, set[str]]:
    """Return the URLs of each service's instances, as pages and metrics show them."""
    return {
        name: {mask_url(each.url) for each in service.all_instances()}
        for name, service in settings.services.items()
    }


def shown_routes(settings: Settings) -> tuple[tuple[str, str], ...]:
    """Return the service and prefix of each of the gateway's routes, as metrics show them."""
    return tuple((route.service, route.prefix) for route in settings.orchestration.gateway.routes)
