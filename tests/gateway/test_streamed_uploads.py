"""Uploads that are passed on while they arrive, on routes that say so."""

import json
from typing import Any

import pytest
import trio

from tests.fakes.gateway import Browser, GatewayRig, answering, gateway_rig, ok, read_request
from tests.gateway.test_loopback import hosted, reset

A, B = "http://a:1", "http://b:1"
CHUNKED = [(b"host", b"front"), (b"transfer-encoding", b"chunked")]


def streamed(**more: Any) -> dict[str, Any]:
    route = {"prefix": "/api/audio/", "service": "audio-service", "path": "/api/", "uploads": "streamed"}
    return {"routes": [{**route, **more}]}


class Speaker(Browser):
    """A client whose pieces come when the test says so."""

    def __init__(self, headers: list[tuple[bytes, bytes]]) -> None:
        super().__init__("POST", "/api/audio/x", headers=headers)
        self.says, self.hears = trio.open_memory_channel[bytes](0)
        self._has_ended = False

    async def receive(self) -> dict[str, Any]:
        self.asked += 1
        if self._has_ended:
            await self._gone.wait()
            return {"type": "http.disconnect"}
        try:
            return {"type": "http.request", "body": await self.hears.receive(), "more_body": True}
        except trio.EndOfChannel:
            self._has_ended = True
            return {"type": "http.request", "body": b"", "more_body": False}


async def through(rig: GatewayRig, browser: Browser) -> Browser:
    await rig.gateway.proxy(browser.scope, browser.receive, browser.send)
    return browser


def errors(rig: GatewayRig) -> list[int]:
    found = rig.gateway.statistics().instances
    return [one.errors for one in found if one.service == "audio-service"]


@pytest.mark.parametrize(
    ("headers", "framing", "wire"),
    [
        (CHUNKED, b"transfer-encoding: chunked", [b"3\r\none\r\n", b"3\r\ntwo\r\n", b"0\r\n\r\n"]),
        ([(b"host", b"front"), (b"content-length", b"6")], b"content-length: 6", [b"one", b"two"]),
    ],
    ids=["in chunks", "with a length"],
)
async def test_each_piece_is_passed_on_at_once_in_the_client_s_framing(
    headers: list[tuple[bytes, bytes]], framing: bytes, wire: list[bytes]
) -> None:
    """The back end has the first piece before the client sends the second one."""
    arrived: list[bytes] = []

    async def serve(stream: trio.abc.Stream) -> None:
        while data := await stream.receive_some(65_536):
            arrived.append(bytes(data))
            if b"".join(arrived).endswith(wire[-1]):
                await stream.send_all(ok(b"done"))

    async with gateway_rig(**streamed()) as rig, trio.open_nursery() as nursery:
        rig.network.servers["a:1"] = serve
        speaker = Speaker(headers)
        nursery.start_soon(through, rig, speaker)
        await speaker.says.send(b"one")
        await trio.sleep(1)
        head, *pieces = arrived
        assert framing in head
        assert (b"content-length" in head) != (b"transfer-encoding" in head)
        assert pieces == wire[:1]
        await speaker.says.send(b"two")
        await speaker.says.aclose()
        await trio.sleep(1)
        assert arrived[1:] == wire
        assert (speaker.status, speaker.body) == (200, b"done")
        assert errors(rig) == [0]


async def test_a_slow_upload_is_nobody_s_failure_and_takes_nothing_of_the_total() -> None:
    """It arrives over 40 s; the back end then has its 10 s, and its time to the first byte is its own."""

    async def serve(stream: trio.abc.Stream) -> None:
        await read_request(stream)
        await trio.sleep(9)
        await stream.send_all(ok(b"done"))

    async with gateway_rig(**streamed(timeouts={"total": 10, "idle": 5, "per_try": 10})) as rig:
        rig.network.servers["a:1"] = serve
        async with trio.open_nursery() as nursery:
            speaker = Speaker(CHUNKED)
            nursery.start_soon(through, rig, speaker)
            for _ in range(10):
                await trio.sleep(4)
                await speaker.says.send(bytes(100_000))
            await speaker.says.aclose()
        assert (speaker.status, speaker.body) == (200, b"done")
        assert errors(rig) == [0]
        [instance] = [one for one in rig.gateway.statistics().instances if one.url == A]
        assert instance.first_byte_ms == pytest.approx(9000)


async def test_the_total_after_a_streamed_upload_is_the_instance_s_failure() -> None:
    """It begins with the last byte."""

    async def silent(stream: trio.abc.Stream) -> None:
        await read_request(stream)
        await trio.sleep_forever()

    async with gateway_rig(**streamed(timeouts={"total": 10})) as rig:
        rig.network.servers["a:1"] = silent
        async with trio.open_nursery() as nursery:
            speaker = Speaker(CHUNKED)
            nursery.start_soon(through, rig, speaker)
            await trio.sleep(20)
            await speaker.says.aclose()
        assert trio.current_time() == pytest.approx(30)
        assert json.loads(speaker.body)["timeout"] == "total"
        assert errors(rig) == [1]


@pytest.mark.parametrize("how", ["stalls", "leaves", "sends too much"])
async def test_a_client_that_fails_within_its_upload_fails_alone(how: str) -> None:
    """The back end sees no end of the body, only that of the connection, and it is not counted against it."""
    seen: list[bytes] = []

    async def serve(stream: trio.abc.Stream) -> None:
        while data := await stream.receive_some(65_536):
            seen.append(bytes(data))
        seen.append(b"(closed)")

    class Leaves(Speaker):
        async def receive(self) -> dict[str, Any]:
            if self.asked:
                return {"type": "http.disconnect"}
            return await super().receive()

    async with gateway_rig(max_body_bytes=1000, **streamed(timeouts={"idle": 4})) as rig:
        rig.network.servers["a:1"] = serve
        async with trio.open_nursery() as nursery:
            speaker = (Leaves if how == "leaves" else Speaker)(CHUNKED)
            nursery.start_soon(through, rig, speaker)
            await speaker.says.send(b"some")
            await trio.sleep(1)
            if how == "sends too much":
                await speaker.says.send(bytes(1001))
                await speaker.says.aclose()
            await trio.sleep(10)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        assert seen[1:] == [b"4\r\nsome\r\n", b"(closed)"]
        assert errors(rig) == [0]
        if how == "leaves":
            assert not speaker.sent
        else:
            expected = {"stalls": (408, "request_timeout"), "sends too much": (413, "body_too_large")}[how]
            assert (speaker.status, json.loads(speaker.body)["code"]) == expected
        assert (rig.network.open, rig.gateway.statistics().places) == (0, 0)


async def test_a_disconnect_after_the_upload_ends_the_request_at_the_back_end() -> None:
    """The watch for it begins with the last byte of the body."""
    closed = trio.Event()

    async def serve(stream: trio.abc.Stream) -> None:
        await read_request(stream)
        assert await stream.receive_some(1) == b""
        closed.set()

    async with gateway_rig(**streamed()) as rig, trio.open_nursery() as nursery:
        rig.network.servers["a:1"] = serve
        speaker = Speaker(CHUNKED)
        nursery.start_soon(through, rig, speaker)
        await speaker.says.aclose()
        await trio.sleep(1)
        assert not closed.is_set()
        speaker.leave()
        await closed.wait()
        assert trio.current_time() == pytest.approx(1)


async def test_what_was_read_is_not_sent_to_another_instance() -> None:
    """It is gone. A connection that was refused has cost nothing of it."""

    async def dies(stream: trio.abc.Stream) -> None:
        await stream.receive_some(65_536)
        await stream.receive_some(65_536)

    async with gateway_rig(A, B, **streamed(repeatable="always")) as rig:
        rig.network.servers["b:1"] = answering(ok(b"done"))
        for _ in range(2):
            browser = await through(rig, Browser("POST", "/api/audio/x", b"one", b"two", headers=CHUNKED))
            assert (browser.status, browser.body) == (200, b"done")
        rig.network.servers["a:1"] = rig.network.servers["b:1"] = dies
        browser = await through(rig, Browser("POST", "/api/audio/x", b"one", b"two", headers=CHUNKED))
        assert browser.status == 502
        assert browser.headers[b"x-gateway-attempts"] == b"1"


async def test_a_response_before_the_end_of_the_upload_is_passed_on() -> None:
    """The instance has seen enough; its connection is not used again."""

    async def refuses(stream: trio.abc.Stream) -> None:
        await stream.receive_some(65_536)
        await stream.send_all(ok(b"no", status=b"415 Not audio"))
        await trio.sleep_forever()

    async with gateway_rig(**streamed()) as rig, trio.open_nursery() as nursery:
        rig.network.servers["a:1"] = refuses
        speaker = Speaker(CHUNKED)
        nursery.start_soon(through, rig, speaker)
        await speaker.says.send(b"one")
        await trio.sleep(1)
        assert (speaker.status, speaker.body, speaker.is_complete) == (415, b"no", True)
        assert rig.network.open == 0


@pytest.mark.parametrize(
    ("first", "body", "status"),
    [
        (b"HTTP/1.1 100 Continue\r\n\r\n", b"4\r\nsome\r\n0\r\n\r\n", 200),
        (b"", b"4\r\nsome\r\n0\r\n\r\n", 200),
        (ok(b"no", status=b"417 No"), b"", 417),
    ],
    ids=["asks for it", "does not know of it", "refuses"],
)
async def test_the_instance_decides_whether_the_body_is_sent(first: bytes, body: bytes, status: int) -> None:
    """``Expect: 100-continue`` is passed on; before, nothing of the body is read from the client."""
    got = b""

    async def serve(stream: trio.abc.Stream) -> None:
        nonlocal got
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += await stream.receive_some(65_536)
        assert head.count(b"expect: 100-continue\r\n") == 1
        await trio.sleep(0.5)
        assert browser.asked == 0
        if first:
            await stream.send_all(first)
        while status == 200 and not got.endswith(b"0\r\n\r\n"):
            got += await stream.receive_some(65_536)
        if status == 200:
            await stream.send_all(ok(b"done"))

    async with gateway_rig(**streamed()) as rig:
        rig.network.servers["a:1"] = serve
        headers = [*CHUNKED, (b"expect", b"100-continue")]
        browser = Browser("POST", "/api/audio/x", b"some", headers=headers)
        await through(rig, browser)
        assert (browser.status, got) == (status, body)


@pytest.mark.real_time
async def test_with_the_real_server_a_slow_instance_slows_the_client() -> None:
    """An upload without an end fills what lies between them, and no more."""
    is_full = trio.Event()

    async def reads_nothing(stream: Any) -> None:
        await stream.receive_some(1000)
        await is_full.wait()

    async with hosted(reads_nothing, max_body_bytes=2**30, **streamed()) as (gateway, host, port):
        async with await trio.open_tcp_stream(host, port) as client:
            await client.send_all(
                b"POST /api/audio/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            )
            sent = 0
            with trio.move_on_after(30) as patience:
                while not is_full.is_set():
                    with trio.move_on_after(0.5) as wait:
                        await client.send_all(b"10000\r\n" + bytes(0x10000) + b"\r\n")
                    sent += 0x10000
                    if wait.cancelled_caught:
                        is_full.set()
                    assert sent < 64 * 2**20, "the gateway takes what nobody reads"
            assert not patience.cancelled_caught
        assert gateway.statistics().spooled_bytes == 0


@pytest.mark.real_time
async def test_with_the_real_server_100_continue_comes_from_the_instance_and_the_connection_goes_on() -> None:
    """The client is asked for its body when the instance asks; its next request comes the same way."""
    asked, go = trio.Event(), trio.Event()

    async def serve(stream: Any) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += await stream.receive_some(65_536)
        asked.set()
        await go.wait()
        await stream.send_all(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = b""
        while not body.endswith(b"0\r\n\r\n"):
            body += await stream.receive_some(65_536)
        await stream.send_all(ok(body))

    async with hosted(serve, **streamed()) as (gateway, host, port):
        async with await trio.open_tcp_stream(host, port) as client:
            for _ in range(2):
                await client.send_all(
                    b"POST /api/audio/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
                    b"Expect: 100-continue\r\n\r\n"
                )
                await asked.wait()
                if not go.is_set():
                    with trio.move_on_after(0.05) as waiting:
                        await client.receive_some(1)
                    assert waiting.cancelled_caught, "it was asked for the body before the instance asked"
                    go.set()
                received = b""
                while not received.endswith(b"\r\n\r\n"):
                    received += await client.receive_some(65_536)
                assert received == b"HTTP/1.1 100 Continue\r\n\r\n"
                await client.send_all(b"3\r\nabc\r\n0\r\n\r\n")
                received = b""
                while not received.endswith(b"3\r\nabc\r\n0\r\n\r\n"):
                    received += await client.receive_some(65_536)
                assert received.startswith(b"HTTP/1.1 200 OK\r\n")
        assert gateway.statistics().errors == 0


@pytest.mark.real_time
@pytest.mark.parametrize("how", ["closes", "resets"])
async def test_with_the_real_server_a_client_that_leaves_within_its_upload_ends_it_at_the_instance(
    how: str,
) -> None:
    """Without the last chunk, so that nobody takes it for whole."""
    began, ended = trio.Event(), trio.Event()
    seen = b""

    async def serve(stream: Any) -> None:
        nonlocal seen
        while data := await stream.receive_some(65_536):
            seen += data
            if b"abc" in seen:
                began.set()
        ended.set()

    async with hosted(serve, **streamed()) as (gateway, host, port):
        client = await trio.open_tcp_stream(host, port)
        await client.send_all(
            b"POST /api/audio/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
        )
        await began.wait()
        if how == "resets":
            reset(client)
        else:
            await client.aclose()
        await ended.wait()
        assert seen.endswith(b"3\r\nabc\r\n")
        [instance] = [one for one in gateway.statistics().instances if one.service == "audio-service"]
        assert (instance.errors, instance.in_flight) == (0, 0)
