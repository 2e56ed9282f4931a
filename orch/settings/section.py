"""The kinds of values in the settings file, and the base of its sections. Pure."""

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Final

from msgspec import Meta, Struct
from msgspec.structs import fields

Port = Annotated[int, Meta(ge=0, le=65535)]
Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
Count = Annotated[int, Meta(ge=1)]
CountOrNone = Annotated[int, Meta(ge=0)]
Path = Annotated[str, Meta(pattern="^/")]
PathOrNone = Annotated[str, Meta(pattern="^(/|$)")]

#: The key of a setting's kind in its type's metadata, for :mod:`orch.settings.restrictions`. Secrets,
#: URLs, commands and files are masked wherever they are shown, and cannot be changed at run time.
KIND: Final = "kind"
Secret = Annotated[str, Meta(extra={KIND: "secret"})]
Url = Annotated[str, Meta(extra={KIND: "url"})]
FilePath = Annotated[str, Meta(extra={KIND: "file"})]
FilePaths = Annotated[tuple[str, ...], Meta(extra={KIND: "file"})]
Command = Annotated[tuple[str, ...], Meta(extra={KIND: "command"})]
HeaderName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9-]*$", max_length=64)]
HostName = Annotated[str, Meta(pattern=r"^(?:\*\.)?[A-Za-z0-9_.:\[\]-]+$")]


class Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A mapping in the file; an unknown key is a fault."""


@cache
def types_of(kind: type[Struct]) -> Mapping[str, Any]:
    """Return the types of a struct's fields by name. To evaluate annotations takes a quarter millisecond."""
    return {field.name: field.type for field in fields(kind)}
