"""How a back end that is down is brought back: the section ``services.X.recovery``. Pure."""

from typing import Annotated, Literal

from msgspec import Meta

from orch.settings.section import Count, FilePath, NotNegative, Positive, Secret, Section, Url

ContainerName = Annotated[str, Meta(pattern=r"^([A-Za-z0-9][A-Za-z0-9_.-]*)?$", max_length=255)]


class Recovery(Section, frozen=True):
    """The ladder of a back end: reset its connections and breakers, run the restart hook, escalate.

    Durations in seconds. ``hook``: what restarts it; ``auto``: ``restart_command`` if there is one. A child
    process of the service is always restarted itself. ``container``: its name or id for ``docker``, which
    is reached at ``docker_socket`` and stops the container for ``stop_seconds`` before it kills it.
    ``webhook_url``: receives a POST for each restart; ``webhook_token`` is sent as bearer token.
    ``escalation_url``: receives one when the attempts are used up. ``hook_timeout``: for one run of the hook.
    ``wait_for_work``: how long requests in progress are waited for before the hook ends them; 0: not at all.
    ``verify_within``: time until the first response after a restart.
    ``attempts`` in ``window``, with pauses from ``first_pause``, doubled each time up to ``longest_pause``;
    then one attempt every ``again``.
    """

    hook: Literal["auto", "none", "command", "docker", "webhook"] = "auto"
    container: ContainerName = ""
    docker_socket: FilePath = "/var/run/docker.sock"
    stop_seconds: Annotated[int, Meta(ge=0, le=300)] = 10
    webhook_url: Url = ""
    webhook_token: Secret = ""
    escalation_url: Url = ""
    hook_timeout: Positive = 60
    wait_for_work: NotNegative = 30
    verify_within: Positive = 60
    attempts: Count = 5
    window: Positive = 300
    first_pause: Positive = 1
    longest_pause: Positive = 30
    again: Positive = 300
