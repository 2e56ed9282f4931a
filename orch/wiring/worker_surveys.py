"""This worker's replies to surveys, and its own surveys of other workers."""

from functools import partial
from typing import Final

import msgspec

from orch.cluster.workers import Counts, WorkerInfo
from orch.problems import ProblemError
from orch.supervision.branches import State
from orch.web.api import analytics, route_history
from orch.wiring.parts import Parts

ANNOUNCED_WITHIN: Final = 0.5
"""Seconds for which other workers are waited for; they read the alerts again later anyway."""


def connect(parts: Parts) -> None:
    """Register the replies, and let the health service ask other workers to restart their back ends."""
    survey = parts.survey
    survey.describe = lambda: describe(parts)
    survey.register("tree", lambda _: msgspec.json.encode(parts.tree.statistics()))
    survey.register(route_history.SUBJECT, partial(history_of_route, parts))
    survey.register(analytics.SUBJECT, parts.analytics.reply)
    survey.register_waiting(
        analytics.SERIES_SUBJECT,
        parts.analytics.reply_with_series,
        within=analytics.SERIES_WITHIN,
        at_a_time=8,
    )
    survey.register_waiting(
        analytics.FORECAST_SUBJECT,
        parts.analytics.reply_with_forecast,
        within=analytics.FORECAST_WITHIN,
        at_a_time=4,
    )
    survey.register("restart", partial(restart_branch, parts))
    survey.register("recover", partial(recover_service, parts))
    survey.register("stop_recovery", partial(stop_recovery, parts))
    survey.register("alerts", partial(read_alerts_again, parts))
    parts.alerts.announce = partial(announce_alerts, parts)
    survey.on_change = lambda: parts.topics.touch("workers")
    parts.health.restart_on_other_worker = partial(recover_on_other_worker, parts)
    parts.health.stop_on_other_workers = partial(stop_on_other_workers, parts)


async def announce_alerts(parts: Parts) -> None:
    """Have the other workers read the alerts again: one has changed."""
    if parts.survey.is_shared:
        await parts.survey.collect("alerts", within=ANNOUNCED_WITHIN)


def read_alerts_again(parts: Parts, _question: bytes) -> bytes:
    """Read the alerts again, because another worker has changed one."""
    parts.alerts.read_again()
    return b"null"


def describe(parts: Parts) -> WorkerInfo:
    """Return this worker's row in the list of workers."""
    failing = tuple(name for name, state in parts.tree.states().items() if state is not State.RUNNING)
    return WorkerInfo(
        connections=parts.hub.active,
        limit=parts.capacity().websockets,
        evicted=parts.hub.evicted,
        messages_out_per_second=parts.hub.messages_out_per_second,
        state="stopping" if parts.tree.stopping.is_set() else "running",
        amiss=failing,
        since=parts.tree.began,
        revision=parts.settings.revision,
    )


def counts(parts: Parts) -> Counts:
    """Return the connections, sessions and bots of all workers."""
    workers = parts.survey.statistics().workers
    return Counts(
        connections=sum(each.brief.connections for each in workers),
        sessions=parts.hub.sessions,
        bots=parts.bots.running,
    )


def history_of_route(parts: Parts, question: bytes) -> bytes:
    """Return the history of a route on this worker, or null."""
    return msgspec.json.encode(parts.dashboard.route_history(msgspec.json.decode(question, type=str)))


def restart_branch(parts: Parts, question: bytes) -> bytes:
    """Restart a branch of this worker's tree because an operator asked another worker for it."""
    branch = msgspec.json.decode(question, type=str)
    if branch not in parts.tree.names():
        return b'"unknown"'
    return b'"restarting"' if parts.tree.restart(branch) else b'"stopped"'


async def recover_on_other_worker(
    parts: Parts,
    service: str,
    reason: str,
    is_forced: bool,  # noqa: FBT001 - a part of the message
    instance: str,
) -> bool:
    """Ask the worker responsible for a back end to restart it; return whether there is one."""
    # Workers of earlier versions read two values; they do not wait for requests anyway.
    question: tuple[str | bool, ...] = (service, reason, is_forced, instance)
    if not instance:
        question = question[: 3 if is_forced else 2]
    asked = await parts.survey.collect("recover", msgspec.json.encode(question))
    return any(answer.data == b"true" for answer in asked.replies)


def recover_service(parts: Parts, question: bytes) -> bytes:
    """Restart a back end, if this worker is responsible for it, because another worker was asked to."""
    service, reason, *rest = msgspec.json.decode(question, type=list[str | bool])
    is_forced = bool(rest and rest[0])
    instance = str(rest[1]) if len(rest) > 1 else ""
    try:
        return msgspec.json.encode(
            parts.health.restart_here(
                str(service), reason=str(reason), is_forced=is_forced, instance=instance
            )
        )
    except ProblemError:
        return b"false"  # the service is unknown here, or the health branch does not run


async def stop_on_other_workers(parts: Parts, service: str, reason: str) -> bool:
    """Ask the other workers to stop the recovery of a back end; return whether one did."""
    asked = await parts.survey.collect("stop_recovery", msgspec.json.encode((service, reason)))
    return any(answer.data == b"true" for answer in asked.replies)


def stop_recovery(parts: Parts, question: bytes) -> bytes:
    """Stop the recovery of a back end in this worker, because another worker was asked to."""
    service, reason = msgspec.json.decode(question, type=tuple[str, str])
    try:
        return msgspec.json.encode(parts.health.stop_recovery_here(service, reason=reason))
    except ProblemError:
        return b"false"  # the service is unknown here
