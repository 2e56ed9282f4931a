"""Instances that register themselves: with a lease, and with the registry's token or operator rights."""

from math import ceil

import msgspec
from msgspec import Struct
from quart import Blueprint, Response, request
from quart_schema import document_request, document_response

from orch.access.actions import Action
from orch.access.actors import actor_of
from orch.gateway.discovery.registration import RENEWALS, InstanceName, Registered, Wanted
from orch.gateway.discovery.registry import Registry
from orch.problems import ProblemError
from orch.web.http_door import is_allowed
from orch.web.json_api import json_response, read_json

TOKEN_HEADER = "X-Registry-Token"  # noqa: S105 - a name


class Lease(Struct, frozen=True, kw_only=True):
    """A registration, and the seconds after which it should be renewed by sending it again."""

    service: str
    instance: str
    url: str
    weight: int
    seconds: float
    renew_after: float


class RegisteredList(Struct, frozen=True, kw_only=True):
    """What is registered in the store now; times are seconds since the epoch."""

    instances: tuple[Registered, ...]


def blueprint(registry: Registry) -> Blueprint:
    """Return the routes."""
    api = Blueprint("registry", __name__, url_prefix="/api/registry")

    def registrant() -> tuple[str, bool]:
        """Return where the request comes from, and whether it has operator rights. Raises the problem."""
        actor = actor_of(request.scope)
        is_operator = is_allowed(request.scope, Action.CHANGE_OPERATIONS)
        if not is_operator:
            registry.require_token(request.headers.get(TOKEN_HEADER), actor.address)
        return actor.address, is_operator

    @api.get("")
    @document_response(RegisteredList)
    async def listed() -> Response:
        """Return the registered instances of all services."""
        return json_response(RegisteredList(instances=await registry.read()))

    @api.put("/<service>/<instance>")
    @document_request(Wanted)
    @document_response(Lease)
    async def put(service: str, instance: str) -> Response:
        """Register an instance, or renew its lease. 201 the first time.

        Requires `X-Registry-Token`, or operator rights. Its address has to be the sender's, or in one of the
        networks of the settings.
        """
        address, is_operator = registrant()
        wanted = await read_json(Wanted)
        made, is_new = await registry.put(service, _name(instance), wanted, address, is_operator=is_operator)
        lease = Lease(
            service=made.service,
            instance=made.instance,
            url=made.url,
            weight=made.weight,
            seconds=made.seconds,
            renew_after=float(ceil(made.seconds / RENEWALS)),
        )
        return json_response(lease, status=201 if is_new else 200)

    @api.delete("/<service>/<instance>")
    async def delete(service: str, instance: str) -> Response:
        """Remove an instance: it gets no new requests, and ends those that it has."""
        address, is_operator = registrant()
        await registry.delete(service, _name(instance), address, is_operator=is_operator)
        return Response(b"", status=204)

    return api


def _name(instance: str) -> str:
    try:
        return msgspec.convert(instance, InstanceName)
    except msgspec.ValidationError as error:
        raise ProblemError(
            "invalid_request",
            "The name of an instance has 1 to 64 letters, digits, dots, hyphens or underscores.",
        ) from error
