"""The nursery tree: how each branch is, and beginning one anew."""

from collections.abc import AsyncIterator

import msgspec
from msgspec import Struct
from quart import Blueprint, Response
from quart_schema import document_response, security_scheme

from orch.parts import Parts
from orch.problems import ProblemError
from orch.supervision import TreeStatistics
from orch.web.answers import answer
from orch.web.control import require_control


class BranchRestarting(Struct, frozen=True, kw_only=True):
    """The branch's attempt is being cancelled; a new one begins."""

    branch: str
    status: str = "restarting"


def blueprint(parts: Parts) -> Blueprint:
    """Return the routes."""
    api = Blueprint("tree", __name__, url_prefix="/api/tree")

    @api.get("")
    @document_response(TreeStatistics)
    async def tree() -> Response:
        """Return every branch with its state, tasks, queues and last error."""
        return answer(parts.tree.statistics())

    @api.post("/<branch>/restart")
    @document_response(BranchRestarting, 202)
    @security_scheme([{"control": []}])
    async def restart(branch: str) -> Response:
        """Cancel a branch's attempt so that a new one begins."""
        require_control(parts)
        if branch not in parts.tree.names():
            names = ", ".join(parts.tree.names())
            raise ProblemError("unknown_branch", f"The tree has no branch {branch[:100]}. It has {names}.")
        response = answer(BranchRestarting(branch=branch), status=202)
        if branch == "front":
            _restart_after(response, parts)
        elif not parts.tree.restart(branch):
            raise ProblemError("shutting_down", f"The branch {branch} has stopped and is not started again.")
        return response

    return api


def _restart_after(response: Response, parts: Parts) -> None:
    """Restart the front once the answer has been handed to it: that closes the connection it is sent on."""
    body = msgspec.json.encode(BranchRestarting(branch="front"))

    async def send_then_restart() -> AsyncIterator[bytes]:
        try:
            yield body
        finally:
            parts.tree.restart("front")

    response.headers["Content-Length"] = str(len(body))
    response.response = response.iterable_body_class(send_then_restart())
