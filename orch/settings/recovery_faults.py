"""Checks of ``services.X.recovery`` that involve several fields. Pure."""

from urllib.parse import urlsplit

from orch.settings.restrictions import given
from orch.settings.service_structs import Service
from orch.settings.structs import Fault


def find_recovery_faults(where: str, service: Service) -> list[Fault]:
    """Return the faults in the recovery of the service at the path ``where``; none quotes a secret."""
    recovery, at = service.recovery, f"{where}.recovery"
    faults: list[Fault] = []
    if recovery.hook == "command" and not service.restart_command:
        faults.append(Fault(f"{where}.restart_command", f"expected a command for {at}.hook: command"))
    if recovery.hook == "docker" and not recovery.container:
        faults.append(Fault(f"{at}.container", f"expected the name of a container for {at}.hook: docker"))
    if recovery.hook == "webhook" and not recovery.webhook_url:
        faults.append(Fault(f"{at}.webhook_url", f"expected a URL for {at}.hook: webhook"))
    for name in ("webhook_url", "escalation_url"):
        url = getattr(recovery, name)
        if url and not _is_http(url):
            got = given(f"services.x.recovery.{name}", url)
            faults.append(Fault(f"{at}.{name}", f"expected http://HOST/… or https://HOST/…, got {got}"))
    if recovery.longest_pause < recovery.first_pause:
        expected = f"expected at least first_pause ({recovery.first_pause:g}), got {recovery.longest_pause:g}"
        faults.append(Fault(f"{at}.longest_pause", expected))
    if any(not " " < each <= "~" for each in recovery.webhook_token):
        faults.append(Fault(f"{at}.webhook_token", "expected only ASCII without blanks, as headers require"))
    return faults


def _is_http(url: str) -> bool:
    if not url.isascii() or any(each <= " " for each in url):
        return False
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and port != 0
