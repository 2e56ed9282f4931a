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


def escalation_hook(service: Service) -> Hook | None:
    """Return what is called when the attempts are used up, or None."""
    recovery = service.recovery
    if not recovery.escalation_url:
        return None
    return Webhook(recovery.escalation_url, recovery.webhook_token, event="escalation")
