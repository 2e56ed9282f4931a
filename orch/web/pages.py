"""The table of pages; the side bar is generated from it."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from msgspec import Struct
from quart import Blueprint, Response, render_template
from quart_schema import hide

from orch.web import bot_speech
from orch.web.security import embeddable_policy


class Page(Struct, frozen=True, kw_only=True):
    """One page. ``count``: the live number beside its name. ``bottom``: it is in a phone's bottom bar.

    ``under``: the page that is current in the navigation, if it is another.
    """

    name: str
    path: str
    title: str
    description: str
    count: str | None = None
    bottom: bool = False
    under: str = ""

    @property
    def template(self) -> str:
        """The template's path."""
        return f"pages/{self.name}.html"

    @property
    def script(self) -> str:
        """The path of the page's module."""
        return f"js/pages/{self.name}.js"


class Group(Struct, frozen=True, kw_only=True):
    """Some pages under one heading of the side bar."""

    title: str | None
    pages: tuple[Page, ...]
    foot: bool = False


NAVIGATION: Final = (
    Group(
        title=None,
        pages=(
            Page(
                name="overview",
                path="/",
                title="Overview",
                description="The current state of the service, its back ends and its connections.",
                bottom=True,
            ),
            Page(
                name="translation",
                path="/translation",
                title="Translation",
                description="Speech in, captions out, in the languages each reader wants.",
                count="sessions",
                bottom=True,
            ),
            Page(
                name="bots",
                path="/bots",
                title="Bots",
                description="The bots in meetings: where each one is, and what became of the others.",
                count="bots",
            ),
        ),
    ),
    Group(
        title="Service",
        pages=(
            Page(
                name="connections",
                path="/connections",
                title="Connections",
                description="The connected clients, their sessions, and how far behind they are.",
                count="connections",
                bottom=True,
            ),
            Page(
                name="gateway",
                path="/gateway",
                title="Gateway",
                description="Routes, instances, breakers, and the response times of the back ends.",
                bottom=True,
            ),
            Page(
                name="incidents",
                path="/incidents",
                title="Incidents",
                description="What failed and when, the uptime of the back ends, and announcements to guests.",
            ),
            Page(
                name="analytics",
                path="/analytics",
                title="Analytics",
                description="What the service measured: charts, forecasts, what is unusual, and why.",
            ),
            Page(
                name="tree",
                path="/tree",
                title="Tree",
                description="The branches of the service, what they wait for, and why they restarted.",
            ),
        ),
    ),
    Group(
        title="Audio",
        pages=(
            Page(
                name="audio-processing-controls",
                path="/audio-processing-controls.html",
                title="Audio controls",
                description="The stages of the audio pipeline, their live levels and their parameters.",
            ),
            Page(
                name="audio-diagnostic",
                path="/audio-diagnostic.html",
                title="Audio diagnostic",
                description="Measures a microphone or a file before and after the audio pipeline.",
            ),
            Page(
                name="test-audio",
                path="/test-audio.html",
                title="Audio tests",
                description="Recordings and files through two settings of the audio pipeline, side by side.",
            ),
        ),
    ),
    Group(
        title=None,
        foot=True,
        pages=(
            Page(
                name="settings",
                path="/settings",
                title="Settings",
                description="Every value, its source, and the changes that wait for a restart.",
            ),
        ),
    ),
)

PAGES: Final = tuple(page for group in NAVIGATION for page in group.pages)


#: Shows the captions of one session alone, for projectors, OBS and other sites. It is in no navigation.
CAPTIONS: Final = Page(
    name="captions",
    path="/captions/<name>",
    title="Captions",
    description="The captions of one session, for a projector or a stream.",
)


#: Lists the sessions whose keys this browser has. It is in no navigation: guests have none.
SESSIONS: Final = Page(
    name="sessions",
    path="/sessions",
    title="Your sessions",
    description="The sessions that this browser was in: search in them and save them.",
)


#: One bot. It is reached from the list of bots.
BOT: Final = Page(
    name="bot",
    path="/bots/<bot_id>",
    title="Bot",
    description="A bot in its meeting: live captions, its camera, who spoke when, and how it ended.",
    under="bots",
)


def blueprint(
    public_url: Callable[[], str],
    frame_ancestors: Callable[[], Iterable[str]],
) -> Blueprint:
    """Return the routes of all pages.

    ``public_url``: the service's address for others, if known. ``frame_ancestors``: the origins whose sites
    may embed the captions.
    """
    pages = Blueprint("pages", __name__)
    for page in PAGES:
        pages.add_url_rule(page.path, page.name, hide(_view(page, public_url)), methods=["GET"])
    pages.add_url_rule(SESSIONS.path, SESSIONS.name, hide(_view(SESSIONS, public_url)), methods=["GET"])
    pages.add_url_rule(BOT.path, BOT.name, hide(_bot), methods=["GET"])
    captions = hide(_captions(frame_ancestors))
    pages.add_url_rule(CAPTIONS.path, CAPTIONS.name, captions, methods=["GET"])
    return pages


def _view(page: Page, public_url: Callable[[], str]) -> Callable[[], Awaitable[str]]:
    async def view() -> str:
        return await render_template(page.template, page=page, public_url=public_url())

    return view


async def _bot(bot_id: str) -> str:
    speech = {"bytes": bot_speech.LARGEST, "seconds": bot_speech.LONGEST}
    return await render_template(BOT.template, page=BOT, bot_id=bot_id, speech=speech)


def _captions(frame_ancestors: Callable[[], Iterable[str]]) -> Callable[[str], Awaitable[Response]]:
    async def view(name: str) -> Response:
        response = Response(await render_template(CAPTIONS.template, page=CAPTIONS, session_name=name))
        response.headers["Content-Security-Policy"] = embeddable_policy(frame_ancestors())
        return response

    return view
