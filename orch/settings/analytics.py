"""The settings of analytics. Pure."""

from typing import Annotated

from msgspec import Meta

from orch.settings.section import Positive, Secret, Section, Url


class Wording(Section, frozen=True):
    """A server that puts insights into words, off by default: insights are made by rules and need none.

    ``url``: of any server with OpenAI's API, up to and including ``/v1``; "": none is used. It receives the
    titles, causes and evidence of shown insights, which name services, routes and figures, never what was
    said in a session. ``timeout``: seconds for a response.
    """

    url: Url = ""
    model: Annotated[str, Meta(max_length=200)] = ""
    api_key: Secret = ""
    timeout: Positive = 30


class Analytics(Section, frozen=True):
    """What the service makes of its own figures."""

    wording: Wording = Wording()
