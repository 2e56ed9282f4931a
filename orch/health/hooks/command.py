"""Restarts a back end with a command of the settings."""

from dataclasses import dataclass
from typing import Final

import structlog

from orch.health.hooks.hook import HookCall, Outcome
from orch.health.restarter import RunChild, not_started
from orch.masking import mask_url, shown_command
from orch.processes import ProcessSpec, exit_words
from orch.shortages import own_shortage

log = structlog.get_logger("health")


@dataclass(frozen=True, slots=True)
class CommandHook:
    """Runs ``services.X.restart_command``, or that of one instance.

    It finds the service's name in ``ORCH_SERVICE``, the instance's URL without credentials in
    ``ORCH_INSTANCE`` (if it is for one instance), and in ``ORCH_FENCE`` a number that grows from one worker's
    turn to the next (0: there is one worker).
    """

    argv: tuple[str, ...]
    run_child: RunChild
    instance: str = ""
    subject: Final = "The restart command"

    async def __call__(self, call: HookCall) -> Outcome:
        """Run the command to its end; cancelled, it is ended."""
        env = {"ORCH_SERVICE": call.service, "ORCH_FENCE": str(call.fence)}
        if self.instance:
            env["ORCH_INSTANCE"] = mask_url(self.instance)
        spec = ProcessSpec(argv=self.argv, env=env)
        log.info("restart command", service=call.service, argv=shown_command(self.argv))
        try:
            code = await self.run_child(
                spec, on_line=call.on_line, on_started=lambda _pid: call.on_begun(), is_command=True
            )
        except Exception as error:  # noqa: BLE001 - one command's boundary
            shortage = own_shortage(error, starting=True)
            return Outcome(not_started(error, shortage, self.argv[0]), shortage)
        return Outcome("" if code == 0 else exit_words(code))
