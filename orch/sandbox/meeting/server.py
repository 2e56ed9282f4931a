"""The pages and the HTTP API of a server of meetings."""

import re
from functools import cache
from html import escape
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct, structs
from quart import Response, request
from quart_trio import QuartTrio

from orch.problems import ProblemError
from orch.sandbox.meeting.class_names import named_classes
from orch.sandbox.meeting.guest import Guest
from orch.sandbox.meeting.meetings import Meetings
from orch.sandbox.meeting.room import Room
from orch.sandbox.meeting.script import Language, ScriptError
from orch.sandbox.meeting.sockets import ACCOUNT, MeetingEndpoint, account
from orch.sandbox.meeting.truth import as_json
from orch.sandbox.serving import create_app
from orch.web.json_api import json_response, read_json

LARGEST_SCRIPT: Final = 4 * 2**20
"""Bytes of a script; an utterance of a long one has about 60."""

PAGES: Final = Path(__file__).parent / "pages"
TEXTS: Final = Path(__file__).parent / "texts"

LANGUAGES: Final = {
    "en": "English",
    "de": "Deutsch",
    "es": "Español",
    "fr": "Français",
    "pt": "Português",
    "zh": "中文",
    "ja": "日本語",
    "ar": "العربية",
}

_LOOPBACK: Final = "http://localhost:* http://127.0.0.1:*"
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self' blob:; "
    f"connect-src 'self'; frame-src 'self' {_LOOPBACK}; base-uri 'none'; form-action 'self'; "
    f"frame-ancestors 'self' {_LOOPBACK}"
)
"""As strict as a meeting's: no inline scripts or styles, no other network."""

_SCRIPT: Final = re.compile(r"[a-z_]+\.js\Z")
_ACCOUNT: Final = re.compile(r"[^\x00-\x1f;,\"\\]{1,80}\Z")


class GuestChosen(Struct, frozen=True):
    """Which guest is meant; null for all."""

    guest: str | None = None


class NetworkSet(Struct, frozen=True):
    """The guests' network. ``is_final``: it will not return."""

    is_up: bool
    is_final: bool = False


class SaidNow(Struct, frozen=True):
    """What a participant says now: a clip, or a text that is only captioned."""

    who: str
    clip: str = ""
    text: str = ""


class ChatNow(Struct, frozen=True):
    """A chat message of a participant."""

    who: str
    text: str


class RecordingAnswer(Struct, frozen=True):
    """The host's answer to a guest who wants to record."""

    is_allowed: bool
    guest: str | None = None


def serve_meetings(meetings: Meetings) -> MeetingEndpoint:
    """Return the application over ``meetings``, with its WebSockets."""
    return MeetingEndpoint(create(meetings), meetings)


def create(meetings: Meetings) -> QuartTrio:
    """Return the application without its WebSockets."""
    app = create_app("meeting")
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_SCRIPT

    @app.after_request
    async def protect(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Cache-Control"] = "no-store"
        return response

    _add_pages(app, meetings)
    _add_host_routes(app, meetings)
    _add_meeting_routes(app, meetings)
    return app


def _add_pages(app: QuartTrio, meetings: Meetings) -> None:  # noqa: C901 - a list of routes
    @app.get("/")
    async def index() -> Response:
        items = "".join(
            f'<li><a href="/{code}">{escape(room.script.name)}</a></li>'
            for code, room in meetings.rooms.items()
        )
        return _html(f"<h1>Meetings</h1><ul>{items}</ul>", title="Meetings")

    @app.get("/favicon.ico")
    async def no_icon() -> Response:
        return Response(b"", status=204)

    @app.get("/<code>")
    async def guest_page(code: str) -> Response:
        is_known = code in meetings.rooms
        script = '<script type="module" src="/scripts/guest.js"></script>'
        style = f'<link rel="stylesheet" href="/{escape(code)}/style.css">' if is_known else ""
        title = meetings.rooms[code].script.name if is_known else "Meeting"
        return _html(script, title=title, head=style, status=200 if is_known else 404)

    @app.get("/<code>/config")
    async def config(code: str) -> Response:
        return json_response(_config(meetings, code))

    @app.get("/<code>/style.css")
    async def style(code: str) -> Response:
        script = meetings.find(code).script
        sheet, _ = named_classes(_text(f"{script.layout}.css"), script.class_names)
        return Response(sheet, content_type="text/css; charset=utf-8")

    @app.get("/<code>/far")
    async def far_page(code: str) -> Response:
        meetings.find(code)
        return _html('<script type="module" src="/scripts/far.js"></script>', title="Far ends")

    @app.get("/<code>/clips/<name>")
    async def clip(code: str, name: str) -> Response:
        try:
            found = meetings.find(code).clip(name)
        except KeyError:
            raise ProblemError("not_found", f"The meeting has no clip {name}.") from None
        recording = meetings.clips.recording(found)
        return Response(recording.data, content_type=recording.media_type)

    @app.get("/captcha")
    async def captcha() -> Response:
        return _html("", title="captcha")

    @app.get("/sign-in")
    async def sign_in() -> Response:
        form = (
            '<h1>Sign in</h1><form method="post"><label>Name <input name="name" required maxlength="80">'
            "</label> <button>Sign in</button></form>"
        )
        return _html(form, title="Sign in")

    @app.post("/sign-in")
    async def signed_in() -> Response:
        name = (await request.form).get("name", "").strip()
        if not _ACCOUNT.match(name):
            raise ProblemError("invalid_request", "A name has 1 to 80 characters.", path="$.name")
        code = request.args.get("meeting", "")
        target = f"/{code}" if code in meetings.rooms else "/"
        response = Response(b"", status=303, headers={"Location": target})
        response.set_cookie(ACCOUNT, name, max_age=30 * 86_400, httponly=True, samesite="Lax")
        return response

    @app.get("/scripts/<name>")
    async def script(name: str) -> Response:
        if not _SCRIPT.match(name) or not (PAGES / name).is_file():
            raise ProblemError("not_found", f"There is no script {name}.")
        return Response(_text(name), content_type="text/javascript; charset=utf-8")


def _add_meeting_routes(app: QuartTrio, meetings: Meetings) -> None:
    @app.post("/api/meetings")
    async def add() -> Response:
        data = await request.get_data(cache=False)
        text = data if isinstance(data, str) else data.decode("utf-8", "replace")
        try:
            room = meetings.add(text)
        except ScriptError as error:
            faults = [structs.asdict(each) for each in error.faults]
            raise ProblemError("invalid_request", str(error), faults=faults) from None
        code = room.script.code
        url = f"{request.scheme}://{request.host}/{code}"
        return json_response({"code": code, "url": url}, status=201)

    @app.get("/api/meetings")
    async def list_meetings() -> Response:
        return json_response([room.state() for room in meetings.rooms.values()])

    @app.get("/api/meetings/<code>")
    async def state(code: str) -> Response:
        return json_response(meetings.find(code).state())

    @app.delete("/api/meetings/<code>")
    async def remove(code: str) -> Response:
        meetings.remove(code)
        return Response(b"", status=204)

    @app.get("/api/meetings/<code>/truth")
    async def read_truth(code: str) -> Response:
        return Response(as_json(meetings.find(code).playback.truth()), content_type="application/json")

    @app.get("/api/meetings/<code>/schedule")
    async def read_schedule(code: str) -> Response:
        return json_response(meetings.find(code).playback.planned.happenings)

    @app.get("/api/meetings/<code>/records")
    async def records(code: str) -> Response:
        return json_response(list(meetings.find(code).playback.records))

    @app.get("/api/health")
    async def health() -> Response:
        return json_response({"status": "healthy", "service": "meeting", "meetings": len(meetings.rooms)})


def _add_host_routes(app: QuartTrio, meetings: Meetings) -> None:  # noqa: C901 - a list of routes
    @app.post("/api/meetings/<code>/<any(admit, deny, remove):action>")
    async def move(code: str, action: Literal["admit", "deny", "remove"]) -> Response:
        room = meetings.find(code)
        chosen = await read_json(GuestChosen, is_optional=True)
        for guest in _guests(room, chosen.guest):
            room.move(guest, action)
        return json_response(room.state())

    @app.post("/api/meetings/<code>/end")
    async def end(code: str) -> Response:
        room = meetings.find(code)
        room.end()
        return json_response(room.state())

    @app.post("/api/meetings/<code>/network")
    async def network(code: str) -> Response:
        room = meetings.find(code)
        wanted = await read_json(NetworkSet)
        room.set_network(is_up=wanted.is_up, is_final=wanted.is_final)
        return json_response(room.state())

    @app.post("/api/meetings/<code>/recording")
    async def recording(code: str) -> Response:
        room = meetings.find(code)
        answer = await read_json(RecordingAnswer)
        for guest in _guests(room, answer.guest):
            room.allow_recording(guest, is_allowed=answer.is_allowed)
        return json_response(room.state())

    @app.post("/api/meetings/<code>/say")
    async def say(code: str) -> Response:
        room = meetings.find(code)
        wanted = await read_json(SaidNow)
        if not wanted.clip and not wanted.text.strip():
            raise ProblemError("invalid_request", "Give a clip or a text.", path="$")
        try:
            begins = room.say(wanted.who, clip=wanted.clip, text=wanted.text)
        except ScriptError as error:
            raise ProblemError("invalid_request", str(error)) from None
        except KeyError:
            raise _unknown_participant(wanted.who) from None
        except RuntimeError as error:
            raise ProblemError("overloaded", f"{error}.") from None
        return json_response({"begins": begins})

    @app.post("/api/meetings/<code>/chat")
    async def chat(code: str) -> Response:
        room = meetings.find(code)
        wanted = await read_json(ChatNow)
        try:
            room.post_chat(wanted.who, wanted.text)
        except KeyError:
            raise _unknown_participant(wanted.who) from None
        return json_response(room.state())


def _guests(room: Room, key: str | None) -> list[Guest]:
    try:
        return room.guests_named(key)
    except KeyError:
        raise ProblemError("not_found", f"No guest has the key {key}.") from None


def _unknown_participant(who: str) -> ProblemError:
    return ProblemError("invalid_request", f"The script has no participant {who}.", path="$.who")


def _config(meetings: Meetings, code: str) -> dict[str, Any]:
    """Return what the guest page needs; of an unknown meeting only the texts that say so."""
    room = meetings.rooms.get(code)
    asked = request.args.get("hl", "").partition("-")[0].lower()
    default: str = room.script.language if room else "en"
    language = asked if asked in LANGUAGES else default
    layout = room.script.layout if room else "first"
    shown = {
        "layout": layout,
        "texts": texts(language)[layout],
        "names": {},
        "is_known": room is not None,
    }
    if room is None:
        return shown
    script = room.script
    _, names = named_classes(_text(f"{layout}.css"), script.class_names)
    entry = script.entry
    signed_in = account(list(request.scope["headers"]))
    return shown | {
        "code": code,
        "title": script.name,
        "names": names,
        "button": entry.button,
        "consents": entry.consents,
        "captcha": entry.captcha,
        "account": signed_in if entry.names_account else None,
        "is_refused": entry.login_wall and signed_in is None,
        "is_blocked": entry.blocked,
        "changed": script.changed,
        "audio_elements": script.channels.audio_elements,
        "languages": LANGUAGES,
        "speech_language": script.speech_language,
        "far": _far_url(code),
        "has_sound": script.channels.mode != "none",
    }


def _far_url(code: str) -> str:
    """Return the address of the far page: on the other name of this machine, so that it is another site.

    A browser then runs it in a process of its own, and scripts that are added to the guest's page are not
    added to it.
    """
    host, colon, port = request.host.partition(":")
    other = {"127.0.0.1": "localhost", "localhost": "127.0.0.1"}.get(host, host)
    return f"{request.scheme}://{other}{colon}{port}/{code}/far"


@cache
def texts(language: Language | str) -> dict[str, dict[str, str]]:
    """Return the interface texts of both layouts in a language of :data:`LANGUAGES`."""
    found: dict[str, dict[str, str]] = msgspec.json.decode((TEXTS / f"{language}.json").read_bytes())
    return found


@cache
def _text(name: str) -> str:
    return (PAGES / name).read_text(encoding="utf-8")


def _html(body: str, *, title: str, head: str = "", status: int = 200) -> Response:
    document = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title>{head}</head>\n<body>{body}</body></html>\n"
    )
    return Response(document, status=status, content_type="text/html; charset=utf-8")
