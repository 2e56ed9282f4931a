"""The nursery tree: the state of each branch, and restarting one."""

from collections.abc import AsyncIterator
from typing import Annotated

import msgspec
from msgspec import Meta, Struct
from quart import Blueprint, Response
from quart_schema import document_querystring, document_response

from orch.cluster.survey import Survey
from orch.problems import ProblemError
from orch.supervision.branches import Tree, TreeStatistics
from orch.web.audit import log_change
from orch.web.json_api import json_response, read_query


class BranchRestarting(Struct, frozen=True, kw_only=True):
    """The branch's attempt is being cancelled; a new one begins."""

    branch: str
    status: str = "restarting"


class WorkerQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """The worker, by its name in ``/api/workers``; none: the one that handles the request."""

    worker: Annotated[str, Meta(max_length=100)] = ""


def _require_restarting(outcome: str, branch: str) -> None:
    if outcome == "unknown":
        raise ProblemError("unknown_branch", f"The tree has no branch called {branch[:100]}.")
    if outcome == "stopped":
        raise ProblemError("shutting_down", f"The branch {branch} has stopped and cannot be restarted.")


def blueprint(branches: Tree, survey: Survey) -> Blueprint:
    """Return the routes."""
    api = Blueprint("tree", __name__, url_prefix="/api/tree")

    @api.get("")
    @document_querystring(WorkerQuery)
    @document_response(TreeStatistics)
    async def tree() -> Response:
        """Return every branch with its state, tasks, queues and last error; of another worker by its name."""
        worker = read_query(WorkerQuery).worker
        if worker in ("", survey.me.name):
            return json_response(branches.statistics())
        return json_response(msgspec.Raw(await survey.request(worker, "tree")))

    @api.post("/<branch>/restart")
    @document_querystring(WorkerQuery)
    @document_response(BranchRestarting, 202)
    async def restart(branch: str) -> Response:
        """Cancel a branch's attempt so that a new one begins; on another worker by its name."""
        worker = read_query(WorkerQuery).worker
        if worker not in ("", survey.me.name):
            outcome = await survey.request(worker, "restart", msgspec.json.encode(branch))
            _require_restarting(msgspec.json.decode(outcome, type=str), branch)
            log_change("branch restarted", branch=branch, worker=worker)
            return json_response(BranchRestarting(branch=branch), status=202)
        if branch not in branches.names():
            names = ", ".join(branches.names())
            raise ProblemError("unknown_branch", f"The tree has no branch {branch[:100]}. It has {names}.")
        response = json_response(BranchRestarting(branch=branch), status=202)
        log_change("branch restarted", branch=branch)
        if branch == "front":
            _restart_after(response, branches)
        elif not branches.restart(branch):
            _require_restarting("stopped", branch)
        return response

    return api


def _restart_after(response: Response, branches: Tree) -> None:
    """Restart the front after the response was passed to it, since that closes the connection."""
    body = msgspec.json.encode(BranchRestarting(branch="front"))

    async def send_then_restart() -> AsyncIterator[bytes]:
        try:
            yield body
        finally:
            branches.restart("front")

    response.headers["Content-Length"] = str(len(body))
    response.response = response.iterable_body_class(send_then_restart())
