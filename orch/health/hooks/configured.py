"""Which hook the settings of a service name."""

from orch.health.hooks.command import CommandHook
from orch.health.hooks.docker import DockerHook
from orch.health.hooks.hook import Hook
from orch.health.hooks.webhook import Webhook
from orch.health.restarter import RunChild
from orch.settings import Service


def configured_hook(service: Service, run_child: RunChild) -> Hook | None:
    """Return the restart hook of a service that is not a child process, or None if it has none."""
    recovery = service.recovery
    match recovery.hook:
        case "docker":
            return DockerHook(recovery.container, recovery.docker_socket, recovery.stop_seconds)
        case "webhook":
            return Webhook(recovery.webhook_url, recovery.webhook_token)
        case "command" | "auto" if service.restart_command:
            return CommandHook(service.restart_command, run_child)
        case _:
            return None


def own_hook(service: Service, url: str, run_child: RunChild) -> Hook | None:
    """Return what restarts the instance at ``url`` alone, or None if it has no command of its own."""
    if service.recovery.hook == "none":
        return None
    for instance in service.instances:
        if instance.url == url and instance.restart_command:
            return CommandHook(instance.restart_command, run_child, instance=url)
    return None


def escalation_hook(service: Service) -> Hook | None:
    """Return what is called when the attempts are used up, or None."""
    recovery = service.recovery
    if not recovery.escalation_url:
        return None
    return Webhook(recovery.escalation_url, recovery.webhook_token, event="escalation")
