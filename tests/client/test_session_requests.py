"""The Python client's requests over HTTP, to a whole service and to what is none."""

from contextlib import suppress
from pathlib import Path

import httpx2
import pytest
import trio

import orch.client
from orch.client import BadMessageError, ConnectionLostError, RefusedError
from orch.client.session_requests import SessionRequests
from orch.protocol.messages import Transcript
from orch.protocol.session_keys import Right
from tests.fakes.patience import PATIENCE
from tests.fakes.running import run
from tests.fakes.whole import whole


def said(text: str) -> Transcript:
    return Transcript(
        timestamp=0,
        session_id="s",
        segment_id="a-0",
        revision=1,
        final=True,
        text=text,
        language="fr",
        confidence=None,
        start=1.0,
        end=2.0,
        stream_started=1_700_000_000_000,
        speaker="Ann",
    )


def test_a_code_leads_to_a_session_its_title_and_its_words(tmp_path: Path) -> None:
    """With the key that the code gave; refusals have the service's codes."""

    async def use() -> None:
        async with (
            whole(tmp_path) as service,
            httpx2.AsyncClient(base_url=service.url, timeout=PATIENCE) as http,
            orch.client.connect(service.url) as client,
        ):
            await http.post("/api/sessions/create", json={"session_id": "s", "config": {"title": "Budget"}})
            await service.parts.hub.publish("s", said("Le déjeuner est à midi."))
            code = (await http.post("/api/sessions/s/codes", json={"right": "speak"})).json()["shown"]
            opened = await client.enter_code(f" {code.lower()} ")
            assert (opened.session_id, opened.right) == ("s", Right.SPEAK)
            details = await client.session("s", key=opened.key)
            assert (details.title, details.offset, details.participant_count) == ("Budget", 1, 0)
            assert details.expires > details.last_active >= details.created
            found = await client.search("s", "DEJEUNER", key=opened.key)
            assert [(line.speaker, line.text) for line in found.lines] == [("Ann", "Le déjeuner est à midi.")]
            assert (await client.search("s", "dîner")).count == 0
            await http.delete("/api/sessions/s/codes/speak")
            with pytest.raises(RefusedError) as refused:
                await client.enter_code(code)
            assert refused.value.code == "unknown_code"
            with pytest.raises(RefusedError) as refused:
                await client.session("s", key="w" * 22)
            assert refused.value.code == "unknown_session"
            with pytest.raises(RefusedError) as refused:
                await client.search("s", "")
            assert refused.value.code == "invalid_request"

    run(use, virtual=False)


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", BadMessageError),
        (b"HTTP/1.1 502 Bad\r\nContent-Length: 4\r\n\r\n<h1>", BadMessageError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n" + b"x" * 2_000_000, BadMessageError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{", ConnectionLostError),
        (b"", ConnectionLostError),
    ],
    ids=["another object", "a proxy's page", "endless", "cut off", "closed"],
)
def test_what_is_not_the_service_is_no_session(response: bytes, error: type[Exception]) -> None:
    """Nothing of it is taken for an answer, and no more of it is read than a session can have."""

    async def answer(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        with suppress(trio.BrokenResourceError):
            await stream.send_all(response)
        await stream.aclose()

    async def use() -> None:
        async with trio.open_nursery() as nursery:
            listeners = await nursery.start(trio.serve_tcp, answer, 0)
            port = listeners[0].socket.getsockname()[1]
            with trio.fail_after(PATIENCE), pytest.raises(error):
                await SessionRequests(f"ws://127.0.0.1:{port}/ws").session("s", None)
            nursery.cancel_scope.cancel()

    run(use, virtual=False)


def test_a_service_that_cannot_be_reached_is_a_lost_connection() -> None:
    async def use() -> None:
        with pytest.raises(ConnectionLostError):
            await SessionRequests("http://127.0.0.1:9").enter_code("x")

    run(use, virtual=False)
