"""The gateway's statistics, routes and instances."""

from typing import Annotated, Final
from urllib.parse import quote

from msgspec import Meta, Struct
from quart import Blueprint, Response, request
from quart_schema import document_querystring, document_request, document_response

from orch.access.actors import actor_of
from orch.gateway.controls.commands import Action, Command, Weight
from orch.gateway.controls.shared import SharedControls, WorkerControlled
from orch.gateway.explanation import Explanation
from orch.gateway.service import GatewayService
from orch.gateway.statistics import GatewayStatistics
from orch.problems import ProblemError
from orch.web.audit import log_change
from orch.web.json_api import json_response, read_json

_SAFE: Final = "/!$&'()*+,-.:;=@_~%"


class Asked(Struct, kw_only=True):
    """The request that is explained. ``without``: the URL of an instance that is taken as absent."""

    path: str
    method: str = "GET"
    without: str = ""


class Wanted(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An operator's command.

    ``instance``: its URL as ``GET /api/gateway/status`` shows it; "" with ``trip`` and ``reset``: the breaker
    of the whole service. ``weight``: of ``weigh``; null: the settings'. ``worker``: by its name in
    ``/api/workers``; "": all of them.
    """

    action: Action
    service: Annotated[str, Meta(min_length=1, max_length=128)]
    instance: Annotated[str, Meta(max_length=2_000)] = ""
    weight: Weight | None = None
    worker: Annotated[str, Meta(max_length=100)] = ""


class Controlled(Struct, frozen=True, kw_only=True):
    """The effect on each worker."""

    action: Action
    service: str
    instance: str
    workers: tuple[WorkerControlled, ...]


def blueprint(gateway: GatewayService, controls: SharedControls) -> Blueprint:
    """Return the routes."""
    api = Blueprint("gateway", __name__, url_prefix="/api/gateway")

    @api.get("/status")
    @document_response(GatewayStatistics)
    async def status() -> Response:
        """Return requests, latencies, routes and the breaker of every instance."""
        return json_response(gateway.statistics())

    @api.get("/explain")
    @document_querystring(Asked)
    @document_response(Explanation)
    async def explain() -> Response:
        """Return what would become of a request: its route, the instances, and why.

        Nothing is sent. ``without`` may be given several times.
        """
        path, method = request.args.get("path", ""), request.args.get("method", "GET").upper()
        if not path.startswith("/"):
            raise ProblemError("invalid_request", "`path` is the path of a request, such as /api/translate.")
        without = request.args.getlist("without")
        known = {instance.url for instance in gateway.statistics().instances}
        for url in without:
            if url not in known:
                raise ProblemError(
                    "invalid_request",
                    f"`without`: {url} is none of the instances: {', '.join(sorted(known))}.",
                )
        return json_response(gateway.explain(quote(path, safe=_SAFE), method, without=without))

    @api.post("/control")
    @document_request(Wanted)
    @document_response(Controlled)
    async def control() -> Response:
        """Drain, eject or return an instance, trip or reset a breaker, or change a weight; on all workers.

        ``drain``: no new requests until ``return``, those in flight go on. ``eject``: none for a while, as if
        it had failed. ``trip``: a breaker opens for its cooldown. What lasts (``drain``, ``weigh``) outlives
        reloads and restarts; with ``worker`` it ends with that worker.
        """
        wanted = await read_json(Wanted)
        command = Command(
            action=wanted.action, service=wanted.service, instance=wanted.instance, weight=wanted.weight
        )
        workers = await controls.carry_out(command, worker=wanted.worker, by=actor_of(request.scope).address)
        log_change(
            "gateway controlled",
            action=wanted.action,
            service=wanted.service,
            instance=wanted.instance,
            weight=wanted.weight,
            worker=wanted.worker,
        )
        return json_response(
            Controlled(
                action=wanted.action, service=wanted.service, instance=wanted.instance, workers=workers
            )
        )

    return api
