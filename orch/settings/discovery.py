"""Where the instances of a service are found, besides those of the settings. Pure."""

from typing import Annotated, Literal

from msgspec import Meta

from orch.settings.section import KIND, Section

# They decide where the service sends its requests, and so are restricted as addresses are.
_Dns = Annotated[Literal["off", "addresses", "srv"], Meta(extra={KIND: "url"})]
_Name = Annotated[str, Meta(extra={KIND: "url"})]
_Registry = Annotated[Literal["off", "add", "replace"], Meta(extra={KIND: "url"})]
_Networks = Annotated[tuple[str, ...], Meta(extra={KIND: "url"})]


class Discovery(Section, frozen=True):
    """How the instances of a service are found.

    ``dns``: what is looked up in DNS, again whenever its TTL is over: the ``addresses`` (A and AAAA) of
    ``name``, or its ``srv`` records with their ports and weights. What is found takes the place of ``url``,
    which counts until the first answer, and gives scheme, path and, for addresses, the port. ``name``: "" for
    the host in ``url``. ``max_instances``: how many are used; of more, the first ones by name.
    ``registry``: whether instances may register themselves: ``add`` uses them beside ``url``, ``replace`` in
    its place while there are any. ``networks``: where they may be, besides the address that a registration
    comes from.
    """

    dns: _Dns = "off"
    name: _Name = ""
    registry: _Registry = "off"
    networks: _Networks = ()
    max_instances: Annotated[int, Meta(ge=1, le=256)] = 32
