"""The recovery policy that the settings of a service describe. Pure."""

from orch.health.recovery import RecoveryPolicy
from orch.settings import Service


def policy_of(service: Service) -> RecoveryPolicy:
    """Return the policy of ``services.X.recovery``."""
    recovery = service.recovery
    return RecoveryPolicy(
        first=recovery.first_pause,
        longest=recovery.longest_pause,
        attempts=recovery.attempts,
        window=recovery.window,
        again=recovery.again,
        command_limit=recovery.hook_timeout,
        work_limit=recovery.wait_for_work,
        verify_limit=recovery.verify_within,
    )
