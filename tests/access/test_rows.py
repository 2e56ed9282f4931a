"""Each row of the table of actions, requested from the whole service by every kind of client."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from msgspec import Struct
from websockets.trio.client import ClientConnection

from orch.access.actions import MESSAGES, ROUTES, TOPICS, Action
from tests.fakes.running import run
from tests.fakes.websocket_client import connect
from tests.fakes.whole import Whole, whole

TOKEN: Final = "control-token-of-the-test"  # noqa: S105 - made up

#: What who may not use an entry is answered.
REFUSALS: Final = frozenset(
    {"token_required", "key_required", "read_only", "not_owner", "unknown_session", "not_in_session"}
)

PUBLIC: Final = frozenset({Action.USE_PUBLIC})
READER: Final = PUBLIC | {Action.READ_SESSION}
SPEAKER: Final = READER | {Action.SPEAK_IN_SESSION, Action.INVITE_TO_SESSION}
LOCAL: Final = frozenset({Action.CREATE_SESSION, Action.CALL_BACK_END, Action.PROCESS_AUDIO})
EVERYTHING: Final = frozenset(Action)

#: Through a proxy on this machine, as it says itself.
FORWARDED: Final = {"X-Forwarded-For": "192.0.2.7"}


class Someone(Struct, frozen=True):
    """Who asks: with which headers, which of the session's keys, and what they may use."""

    name: str
    headers: dict[str, str]
    key: str | None
    may: frozenset[Action]
    token: str = TOKEN
    """What the service has for a token while this one asks."""


EVERYONE: Final = (
    Someone("stranger", FORWARDED, None, PUBLIC),
    Someone("stranger with a wrong key", FORWARDED, "wrong", PUBLIC),
    Someone("guest with the read key", FORWARDED, "read", READER),
    Someone("guest with the speak key", FORWARDED, "speak", SPEAKER),
    Someone(
        "local, where a token is set",
        {},
        None,
        SPEAKER | LOCAL,
    ),
    Someone("local, with the read key", {}, "read", READER | LOCAL),
    Someone("operator", {**FORWARDED, "Authorization": f"Bearer {TOKEN}"}, None, EVERYTHING),
    Someone("operator by cookie", {**FORWARDED, "Cookie": "signed in"}, None, EVERYTHING),
    Someone("local, where no token is set", {}, None, EVERYTHING, token=""),
    Someone("stranger, where no token is set", FORWARDED, None, PUBLIC, token=""),
    Someone(
        "stranger with a made-up cookie",
        {**FORWARDED, "Cookie": "orch_sign_in=x.y"},
        None,
        PUBLIC,
    ),
)

BODIES: Final[dict[str, Any]] = {
    "/api/config": {"values": {}},
    "/api/config/import": {},
    "/api/services/restart": {"service": "none"},
    "/api/services/stop-recovery": {"service": "none"},
    "/api/gateway/control": {"action": "drain", "service": "none"},
    "/api/announcements": {"message": ""},
    "/api/sessions/create": {"config": 1},
    "/api/sessions/s": {"title": "Plans"},
}

PLACES: Final = {
    "<branch>": "none",
    "<connection_id>": "none",
    "<session_id>": "s",
    "<participant_id>": "none",
    "<service>": "none",
    "<bot_id>": "none",
    "<file_id>": "none",
    "<endpoint_id>": "none",
    "<delivery_id>": "none",
    "<int:number>": "999",
}


def requests() -> Iterator[tuple[str, str, Action]]:
    """Return a request for each route; what changes something is asked for what there is none of."""
    for (method, rule), action in sorted(ROUTES.items(), key=lambda row: row[0][1] == "/sign-out"):
        if "<path:address>" in rule or method == "DELETE" or rule.endswith(("/keys", "/end")):
            continue  # files are public; what ends a session or its keys has a test of its own
        path = rule
        for place, name in PLACES.items():
            path = path.replace(place, name)
        yield method, path, action


@pytest.mark.process
@pytest.mark.parametrize("someone", EVERYONE, ids=lambda someone: someone.name)
def test_each_route_is_open_to_those_who_may_do_its_action(tmp_path: Path, someone: Someone) -> None:
    """And to nobody else, whatever else is wrong with the request."""

    async def use(service: Whole, keys: dict[str, str]) -> None:
        headers = await headers_of(service, someone)
        if someone.key is not None:
            headers["X-Session-Key"] = keys.get(someone.key, "x" * 22)
        wrong = []
        async with httpx2.AsyncClient(base_url=service.url, headers=headers, timeout=120) as client:
            for method, path, action in requests():
                response = await client.request(method, path, json=BODIES.get(path))
                code = None
                if "problem+json" in response.headers.get("Content-Type", ""):
                    code = response.json()["code"]
                is_led_away = response.headers.get("Location", "").startswith("/sign-in?")
                is_refused = code in REFUSALS or response.status_code == 401 or is_led_away
                if is_refused is (action in someone.may):
                    wrong.append((method, path, response.status_code, code))
        assert wrong == []

    served(tmp_path, use, someone.token)


@pytest.mark.parametrize("someone", EVERYONE, ids=lambda someone: someone.name)
def test_only_operators_end_a_session(tmp_path: Path, someone: Someone) -> None:
    """No key of the session allows it."""

    async def use(service: Whole, keys: dict[str, str]) -> None:
        headers = {
            **await headers_of(service, someone),
            "X-Session-Key": keys.get(someone.key or "", "x" * 22),
        }
        async with httpx2.AsyncClient(base_url=service.url, headers=headers, timeout=120) as client:
            answer = await client.delete("/api/sessions/s")
            assert (answer.status_code == 204) is (Action.CHANGE_OPERATIONS in someone.may)
            assert answer.status_code in (204, 401)

    served(tmp_path, use, someone.token)


@pytest.mark.parametrize("someone", EVERYONE, ids=lambda someone: someone.name)
def test_each_message_is_open_to_those_who_may_do_its_action(tmp_path: Path, someone: Someone) -> None:
    """In a session that they joined with their key, if it lets them in."""
    own: dict[str, dict[str, Any]] = {
        "join_session": {"session_id": "s"},
        "recover_session": {"session_id": "s"},
        "leave_session": {"session_id": "s"},
        "broadcast": {"session_id": "s", "data": 1},
        "audio_start": {"session_id": "s", "sample_rate": 16_000},
        "cancel_recording": {"session_id": "s", "stream_id": "none"},
        "receive_audio": {"session_id": "s"},
        "name_speaker": {"session_id": "s", "speaker_label": "1-a", "name": "Ann"},
        "set_terms": {"session_id": "s", "terms": [{"text": "Norland"}]},
        "set_pipeline": {"session_id": "s", "pipeline": None},
        "correct_line": {"session_id": "s", "segment_id": "none-1", "offset": 1, "text": "x"},
        "delete_line": {"session_id": "s", "segment_id": "none-1", "offset": 1},
        "title_session": {"session_id": "s", "title": "Plans"},
        "set_session": {"session_id": "s"},
        "mute_participant": {"session_id": "s", "participant_id": "none"},
        "unmute": {"session_id": "s"},
        "remove_participant": {"session_id": "s", "participant_id": "none"},
        "rename_participant": {"session_id": "s", "participant_id": "none", "name": "Ann"},
        "new_keys": {"session_id": "s"},
        "end_session": {"session_id": "s"},
        "service_message": {"target_service": "none", "action": "x"},
        "subscribe": {"topic": "counts"},
        "unsubscribe": {"topic": "counts"},
    }

    async def use(service: Whole, keys: dict[str, str]) -> None:
        wrong = []
        headers = await headers_of(service, someone)
        for kind, action in MESSAGES.items():
            if kind == "leave_session":
                continue  # one who is in no session is told so, which is what a refusal is here
            async with connect(service.socket_url, additional_headers=headers) as socket:
                joining = {"type": "join_session", "session_id": "s"}
                if someone.key is not None:
                    joining["key"] = keys.get(someone.key, "x" * 22)
                joined = await ask(socket, joining)
                if kind == "join_session":
                    answer = joined
                elif kind == "binary":
                    await ask(socket, {"type": "audio_start", **own["audio_start"]})
                    await socket.send(b"\0\0")
                    # Audio is not answered; where it is taken, only the next message is.
                    answer = await ask(socket, {"type": "ping"}, is_numbered=False)
                    if answer.get("code") == "audio_not_started":
                        answer["code"] = "read_only"
                else:
                    answer = await ask(socket, {"type": kind, **own.get(kind, {})})
                if (answer.get("code") in REFUSALS) is (action in someone.may):
                    wrong.append((kind, answer))
        assert wrong == []

    served(tmp_path, use, someone.token)


@pytest.mark.parametrize("someone", EVERYONE, ids=lambda someone: someone.name)
def test_each_topic_is_open_to_those_who_may_do_its_action(tmp_path: Path, someone: Someone) -> None:
    """A key gives access to a session, not to topics."""

    async def use(service: Whole, _keys: dict[str, str]) -> None:
        headers = await headers_of(service, someone)
        async with connect(service.socket_url, additional_headers=headers) as socket:
            for topic, action in TOPICS.items():
                one = topic.replace("/ID", "/0123456789abcdef")  # of a family: any id that one can have
                answer = await ask(socket, {"type": "subscribe", "topic": one})
                assert (answer.get("code") in REFUSALS) is (action not in someone.may), (topic, answer)

    served(tmp_path, use, someone.token)


@pytest.mark.parametrize("path", ["/api/sessions/s/end", "/api/sessions/s/keys"])
def test_no_key_of_a_session_ends_it_or_its_keys(tmp_path: Path, path: str) -> None:
    """Only operators do over HTTP; its owner has the WebSocket."""

    async def use(service: Whole, keys: dict[str, str]) -> None:
        for key in keys.values():
            headers = {**FORWARDED, "X-Session-Key": key}
            async with httpx2.AsyncClient(base_url=service.url, headers=headers, timeout=120) as client:
                answer = await client.post(path)
                assert (answer.status_code, answer.json()["code"]) == (403, "not_owner")
        async with httpx2.AsyncClient(
            base_url=service.url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=120
        ) as client:
            assert (await client.post(path)).status_code in (200, 202)

    served(tmp_path, use, TOKEN)


async def ask(
    socket: ClientConnection, message: dict[str, Any], *, is_numbered: bool = True
) -> dict[str, Any]:
    """Send a message; return its answer, or with ``is_numbered`` False the first pong or error."""
    await socket.send(json.dumps({**message, "id": "asked"} if is_numbered else message))
    while True:
        answer: dict[str, Any] = json.loads(await socket.recv())
        if answer.get("id") == "asked" if is_numbered else answer["type"] in ("pong", "error"):
            return answer


async def headers_of(service: Whole, someone: Someone) -> dict[str, str]:
    """Return what someone sends with every request; who comes by cookie signs in first."""
    headers = dict(someone.headers)
    if headers.get("Cookie") == "signed in":
        async with httpx2.AsyncClient(base_url=service.url, headers=FORWARDED, timeout=120) as client:
            answer = await client.post("/sign-in", data={"token": TOKEN})
        headers["Cookie"] = answer.headers["Set-Cookie"].partition(";")[0]
    return headers


def served(folder: Path, use: Any, token: str) -> None:
    """Run ``use`` against a whole service with a session."""
    overlay: dict[str, Any] = {
        "orchestration.control_token": token,
        "services.audio-service.url": "http://127.0.0.1:9",
        "services.translation-service.url": "http://127.0.0.1:9",
    }

    async def main() -> None:
        async with whole(folder, **overlay) as service:
            async with httpx2.AsyncClient(base_url=service.url, timeout=120) as client:
                made = await client.post("/api/sessions/create", json={"session_id": "s"})
            await use(service, made.json()["keys"])

    run(main, virtual=False)
