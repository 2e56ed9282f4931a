"""The request that an instance gets before its first one of a client. Pure."""

from typing import Annotated

from msgspec import Meta

from orch.settings.section import NotNegative, PathOrNone, Positive, Section


class WarmUp(Section, frozen=True):
    """A request before an instance gets others, as an engine may load its model with the first one.

    ``path``: where, "" for none. ``body``: what is posted, as ``content_type``; "" for GET. ``every``:
    seconds without requests after which it is sent again; 0: never. ``timeout``: seconds for the response.
    """

    path: PathOrNone = ""
    body: str = ""
    content_type: Annotated[str, Meta(pattern="^[!-~][ -~]*$")] = "application/json"
    every: NotNegative = 0
    timeout: Positive = 60
