"""Requests that repeat: the short way decides as the usual one does, and each caller has its own rights."""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import trio
import trio.testing

from orch.access.wrong_tokens import FREE_TRIES
from orch.application import Application
from orch.front.server import Server
from orch.gateway.hedging.first_bytes import FirstBytes
from orch.gateway.http1 import KnownHeads, ResponseParser
from orch.gateway.repeated_request import RepeatedRequest
from orch.gateway.service import GatewayService
from orch.overload import Step
from orch.telemetry.events import EventLog
from orch.telemetry.topics import Topics
from orch.telemetry.traces import OFF, Tracer
from tests.fakes.access import access_over
from tests.fakes.gateway import FakeHealth, FakeMetrics, Serve, answering, ok, read_request
from tests.fakes.patience import PATIENCE
from tests.fakes.settings import FakeSettings
from tests.fakes.spans import Recorded, sent_parents
from tests.fakes.wires import Wire
from tests.gateway.test_loopback import back_end

pytestmark = pytest.mark.real_time

GET = b"GET /api/audio/x HTTP/1.1\r\nHost: localhost\r\n\r\n"
OUTSIDE = GET.replace(b"localhost", b"service.example")
SERVED = {"allowed_hosts": ["service.example"]}
PUBLIC = {"public": True, "public_routes": [{"path": "/api/audio/x", "methods": ["GET"]}]}
TOKEN = "a-token-of-thirty-two-characters"  # noqa: S105 - of a test


class Asked(list[bool]):
    """Counts the requests that the short way was offered, and whether it began them."""

    @property
    def short(self) -> int:
        """How many took it."""
        return sum(self)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Watch the short way."""
    seen, begin = Asked(), RepeatedRequest.begin

    def watched(self: RepeatedRequest, body: bytes, values: tuple[bytes, ...]) -> Any:
        begun = begin(self, body, values)
        seen.append(begun is not None)
        return begun

    monkeypatch.setattr(RepeatedRequest, "begin", watched)
    return seen


@dataclass
class Rig:
    """A server with the real application in front of one back end."""

    gateway: GatewayService
    settings: FakeSettings
    overload: Any
    health: FakeHealth
    metrics: FakeMetrics
    server: Server
    stopping: trio.Event
    streams: list[trio.SocketStream]

    async def connect(self) -> Wire:
        """Open a connection of a client."""
        host, _, number = self.server.bound[0].removeprefix("http://").rpartition(":")
        stream = await trio.open_tcp_stream(host, int(number))
        self.streams.append(stream)
        return Wire(stream)


@asynccontextmanager
async def rig(serve: Serve, *, tracer: Tracer = OFF, **orchestration: Any) -> AsyncIterator[Rig]:
    """Run it for the block; at its end everything must be free again."""
    async with back_end(serve) as port, trio.open_nursery() as nursery:
        settings = FakeSettings(
            orchestration=orchestration, services={"audio-service": {"url": f"http://127.0.0.1:{port}"}}
        )
        health, metrics = FakeHealth(), FakeMetrics()
        gateway = GatewayService(
            settings=settings,
            health=health,
            events=EventLog(wall=lambda: 0.0),
            topics=Topics(),
            metrics=metrics,
            tracer=tracer,
        )
        overload = SimpleNamespace(step=Step.CALM, refuse=lambda: None)
        hub: Any = None
        pages: Any = SimpleNamespace(is_control_path=lambda _path: False, throttled=0)
        application = Application(
            access=access_over(settings),
            gateway=gateway,
            hub=hub,
            pages=pages,
            overload=overload,  # type: ignore[arg-type] # what is asked of it
            trusts_local=True,
        )
        stopping = trio.Event()
        server = Server(
            application,
            host="127.0.0.1",
            port=0,
            stopping=stopping,
            drain=trio.lowlevel.checkpoint,
            grace=lambda: 5.0,
        )
        await nursery.start(gateway.run)
        await nursery.start(server.run)
        made = Rig(gateway, settings, overload, health, metrics, server, stopping, [])
        try:
            yield made
        finally:
            for stream in made.streams:
                stream.socket.close()
        while gateway.statistics().in_flight:
            await trio.lowlevel.checkpoint()
        figures = gateway.statistics()
        assert figures.places == 0
        assert [lane.busy for each in figures.instances for lane in each.lanes] == [0, 0]
        assert [each.in_flight for each in figures.instances] == [0]
        nursery.cancel_scope.cancel()


async def ask(client: Wire, request: bytes = GET) -> tuple[int, dict[str, str], bytes]:
    """Send a request; return status, headers and body of the response."""
    await client.send(request)
    head = (await client.until(b"\r\n\r\n")).decode("latin-1")
    line, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
    headers = dict(each.split(": ", 1) for each in lines)
    assert len(headers) == len(lines), "no header twice"
    return int(line.split(" ")[1]), headers, await client.exactly(int(headers.get("content-length", 0)))


async def test_the_short_way_sends_what_the_usual_one_sends(asked: Asked) -> None:
    """To the back end and to the client: all but ids, times and the trace are the same."""
    seen: list[bytes] = []
    answer = ok(b"{}", b"Content-Type: application/json", b"Set-Cookie: a=b", b"Date: now", b"X-Own: 1")
    request = GET[:-2] + b"Accept: */*\r\nX-Thing: a\r\nCookie: k=v\r\nConnection: x-thing\r\n\r\n"
    async with rig(answering(answer, seen=seen)) as made:
        client = await made.connect()
        answers = [await ask(client, request) for _ in range(5)]
        assert asked == [True] * 3, "the first opens a connection, the second leaves the way"
        figures = made.gateway.statistics()
        assert (figures.requests, figures.clients.requests, figures.errors) == (5, 5, 0)
        assert [each.requests for each in figures.routes if each.requests] == [5]
        assert figures.instances[0].requests == 5
        assert made.metrics.requests == [("audio-service", 200)] * 5

    def shape(headers: dict[str, str]) -> dict[str, str]:
        changing = ("x-request-id", "x-gateway-time", "date")
        return {name: "" if name in changing else value for name, value in headers.items()}

    assert {status for status, _, _ in answers} == {200}
    assert {body for _, _, body in answers} == {b"{}"}
    assert all(shape(headers) == shape(answers[0][1]) for _, headers, _ in answers)
    assert "set-cookie" not in answers[-1][1]
    assert len({headers["x-request-id"] for _, headers, _ in answers}) == 5

    def lines(sent: bytes) -> list[bytes]:
        return sorted(
            re.sub(rb"(?<=^x-request-id: |.^traceparent: ).*", b"", line)
            for line in sent.split(b"\r\n")
            if not line.startswith((b"x-request-id:", b"traceparent:"))
        )

    assert all(lines(each) == lines(seen[0]) for each in seen)
    for each, (_, headers, _) in zip(seen, answers, strict=True):
        assert each.count(b"\r\nx-request-id: " + headers["x-request-id"].encode() + b"\r\n") == 1
        assert re.search(rb"\r\ntraceparent: 00-[0-9a-f]{32}-[0-9a-f]{16}-00\r\n", each)
        assert b"x-thing" not in each.lower()
        assert b"cookie" not in each.lower()
    assert len({each.partition(b"traceparent: ")[2][:55] for each in seen}) == 5


PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def traced(identity: str, parent: str, state: str = "a=b") -> bytes:
    """Return a request with its own id and trace."""
    words = f"X-Request-Id: {identity}\r\ntraceparent: {parent}\r\ntracestate: {state}\r\n"
    return GET[:-2] + words.encode() + b"\r\n"


async def test_each_request_has_its_own_id_and_trace(asked: Asked) -> None:
    """Heads that differ in nothing else take the short way, and what is invalid is replaced on it, too."""
    seen: list[bytes] = []
    sent = [(f"id-{number}", PARENT.replace("b7", f"{number:02x}"), f"a={number}") for number in range(4)]
    sent += [("not an id", PARENT, "a=4"), ("id-5", "00-0-0-0", "a=5"), ("id-6", PARENT, "no state")]
    async with rig(answering(ok(), seen=seen)) as made:
        client = await made.connect()
        answers = [await ask(client, traced(*each)) for each in sent]
        assert asked == [True] * 5
        assert made.gateway.statistics().requests == 7

    def words(request: bytes) -> dict[str, str]:
        return dict(line.split(": ", 1) for line in request.decode().split("\r\n")[1:-2])

    for (identity, parent, state), request, (status, headers, _) in zip(sent, seen, answers, strict=True):
        assert status == 200
        at_back_end = words(request)
        assert at_back_end["x-request-id"] == headers["x-request-id"]
        assert (headers["x-request-id"] == identity) == (" " not in identity)
        assert re.fullmatch(r"[A-Za-z0-9-]+", headers["x-request-id"])
        is_valid = parent.startswith("00-0a")
        assert (at_back_end["traceparent"] == parent) == is_valid
        assert at_back_end.get("tracestate") == (state if is_valid and "=" in state else None)
        for name in ("x-request-id", "traceparent", "tracestate"):
            assert request.lower().count(b"\r\n%b:" % name.encode()) <= 1


async def test_a_late_response_keeps_the_id_and_trace_of_its_request(asked: Asked) -> None:
    """The long way continues the request that was sent."""
    go, seen = trio.Event(), list[bytes]()

    async def serve(stream: Any) -> None:
        while request := await read_request(stream):
            seen.append(request)
            if len(seen) == 4:
                await go.wait()
            await stream.send_all(ok())

    async with rig(serve) as made, trio.open_nursery() as nursery:
        client = await made.connect()
        for number in range(3):
            assert (await ask(client, traced(f"id-{number}", PARENT)))[0] == 200
        nursery.start_soon(_set_when_waiting, made, go)
        status, headers, _ = await ask(client, traced("id-3", PARENT))
    assert (status, headers["x-request-id"], len(seen)) == (200, "id-3", 4)
    assert b"\r\nx-request-id: id-3\r\n" in seen[3]
    assert PARENT.encode() in seen[3]
    assert asked.short


async def test_bodies_of_the_same_length_are_not_mixed_up(asked: Asked) -> None:
    """The head is the same, the body is not; it arrives with the head or later."""

    async def mirror(stream: Any) -> None:
        while request := await read_request(stream):
            await stream.send_all(ok(request.partition(b"\r\n\r\n")[2]))

    head = b"POST /api/audio/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\n"
    async with rig(mirror) as made:
        client = await made.connect()
        for number in range(6):
            assert (await ask(client, head + b"%03d" % number))[2] == b"%03d" % number
        before = asked.short
        assert before
        await client.send(head + b"a")
        await trio.testing.wait_all_tasks_blocked()
        assert (await ask(client, b"bc"))[2] == b"abc"
        assert asked.short == before, "what is not complete is stored first"
        assert (await ask(client, head + b"xyz"))[2] == b"xyz"
    assert made.gateway.statistics().spooled_bytes == 0


@pytest.mark.parametrize(
    "other",
    [
        GET.replace(b"localhost", b"evil.example"),
        GET[:-2] + b"Origin: http://evil.example\r\n\r\n",
        GET[:-2] + b"X-Forwarded-For: 10.0.0.9\r\n\r\n",
        GET[:-2] + b"Via: 1.1 someone\r\n\r\n",
    ],
    ids=["another host", "another site's page", "through a proxy", "through another proxy"],
)
async def test_another_request_on_the_same_connection_has_its_own_rights(asked: Asked, other: bytes) -> None:
    """Only this machine may call back ends; what looks otherwise is refused."""
    async with rig(answering(ok()), control_token="") as made:
        client = await made.connect()
        for _ in range(4):
            assert (await ask(client))[0] == 200
        taken = asked.short
        assert taken
        for _ in range(4):
            status, _, _ = await ask(client, other)
            assert status in (401, 403, 421), status
        assert asked.short == taken
        assert (await ask(client))[0] == 200


async def test_another_connection_begins_without_rights(asked: Asked) -> None:
    """A way belongs to one connection: it is not even asked for another's first requests."""
    async with rig(answering(ok())) as made:
        first = await made.connect()
        for _ in range(4):
            await ask(first)
        count = len(asked)
        second = await made.connect()
        assert (await ask(second))[0] == 200
        assert len(asked) == count


async def test_a_host_name_that_is_no_longer_served_is_refused_at_once(asked: Asked) -> None:
    """By the very next request on an open connection; and a token that is set then is needed."""
    outside: Any = {"control_token": TOKEN, "gateway": PUBLIC, "frontend": SERVED}
    async with rig(answering(ok()), **outside) as made:
        client = await made.connect()
        for _ in range(4):
            assert (await ask(client, OUTSIDE))[0] == 200
        taken = asked.short
        assert taken
        made.settings.change(orchestration={**outside, "frontend": {"allowed_hosts": ["other.example"]}})
        for _ in range(3):
            assert (await ask(client, OUTSIDE))[0] == 421
        made.settings.change(orchestration={**outside, "gateway": {}})
        for _ in range(3):
            assert (await ask(client, OUTSIDE))[0] == 401
        assert asked.short == taken
        made.settings.change(orchestration=outside)
        assert (await ask(client, OUTSIDE))[0] == 200


BEARER = b"Authorization: Bearer " + TOKEN.encode()


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"Cookie: orch_sign_in=x", 401),
        (BEARER + b"\r\nCookie: a=b", 200),
        (BEARER[:-1] + b"S", 401),
        (BEARER + b"\r\n" + BEARER, 401),
    ],
    ids=["sign-in", "token and cookie", "wrong", "twice"],
)
async def test_with_a_token_other_credentials_are_looked_at_in_each_request(
    asked: Asked, header: bytes, expected: int
) -> None:
    """A sign-in may end without any change of the settings, and wrong tokens are counted."""
    async with rig(answering(ok()), control_token=TOKEN, frontend=SERVED) as made:
        client = await made.connect()
        for _ in range(5):
            assert (await ask(client, OUTSIDE[:-2] + header + b"\r\n\r\n"))[0] == expected
        assert not asked


async def test_a_token_opens_the_short_way_until_its_address_has_to_wait(asked: Asked) -> None:
    """After wrong tokens from an address no right one is believed for a while, on either way."""
    right = OUTSIDE[:-2] + BEARER + b"\r\n\r\n"
    seen: list[bytes] = []
    async with rig(answering(ok(), seen=seen), control_token=TOKEN, frontend=SERVED) as made:
        client, guesser = await made.connect(), await made.connect()
        for _ in range(4):
            assert (await ask(client, right))[0] == 200
        assert asked == [True, True]
        for number in range(FREE_TRIES):
            wrong = right.replace(TOKEN.encode(), b"wrong-%d" % number)
            assert (await ask(guesser, wrong))[0] == 401
        assert (await ask(client, right))[0] == 401
        assert asked == [True, True, False]
        # Another token in the settings: the old one is worth nothing, at once.
        made.settings.change(orchestration={"control_token": TOKEN[::-1], "frontend": SERVED})
        assert (await ask(client, right))[0] == 401
    assert len(seen) == 4
    assert all(TOKEN.encode() not in each for each in seen), "it is not for back ends"


async def test_tokens_of_a_rate_limit_are_taken_on_the_short_way(asked: Asked) -> None:
    """The response says how many are left, and the one without a token is refused on the usual way."""
    limit: Any = {"name": "few", "requests": 5, "window": 3600, "per": "address"}
    async with rig(answering(ok()), gateway={"rate_limits": [limit]}) as made:
        client = await made.connect()
        answers = [await ask(client) for _ in range(6)]
        assert [status for status, _, _ in answers] == [200] * 5 + [429]
        assert asked == [True] * 3 + [False]
        left = [headers["ratelimit"].split(";")[1] for _, headers, _ in answers[:5]]
        assert left == ["r=4", "r=3", "r=2", "r=1", "r=0"]
        assert {headers["ratelimit-policy"] for _, headers, _ in answers[:5]} == {'"few";q=5;w=3600'}
        figures = made.gateway.statistics()
        assert [(each.allowed, each.refused) for each in figures.rate_limits] == [(5, 1)]
        assert figures.requests == 6


async def test_a_late_response_takes_one_token(asked: Asked) -> None:
    """What continues on the long way has taken its token, and says so."""
    go, count = trio.Event(), 0

    async def serve(stream: Any) -> None:
        nonlocal count
        while await read_request(stream):
            count += 1
            if count == 4:
                await go.wait()
            await stream.send_all(ok())

    limit: Any = {"name": "few", "requests": 9, "window": 3600, "per": "route"}
    async with rig(serve, gateway={"rate_limits": [limit]}) as made, trio.open_nursery() as nursery:
        client = await made.connect()
        for _ in range(3):
            await ask(client)
        nursery.start_soon(_set_when_waiting, made, go)
        status, headers, _ = await ask(client)
        assert (status, headers["ratelimit"].split(";")[1]) == (200, "r=5")
        assert [each.allowed for each in made.gateway.statistics().rate_limits] == [4]
    assert asked.short == 2


async def test_requests_with_hedging_are_counted_on_the_short_way(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each brings its share of the budget, and its time to the first byte."""
    times: list[float] = []
    monkeypatch.setattr(FirstBytes, "add", lambda _self, _now, seconds: times.append(seconds))
    route: Any = {"prefix": "/api/audio/", "service": "audio-service", "path": "/api/"}
    route["hedging"] = {"extra": 1, "percentile": 95, "budget": 0.5}
    async with rig(answering(ok()), gateway={"routes": [route]}) as made:
        client = await made.connect()
        for _ in range(6):
            assert (await ask(client))[0] == 200
        (hedging,) = made.gateway.statistics().hedging
        assert (len(times), hedging.budget_left, hedging.sent) == (6, 3, 0)
        assert all(0 <= each < 60 for each in times)
    assert asked == [True] * 4


async def test_a_route_that_leads_elsewhere_is_followed_at_once(asked: Asked) -> None:
    """Another instance in the settings: not one request more goes to the old one."""
    old: list[bytes] = []
    new: list[bytes] = []
    async with rig(answering(ok(), seen=old)) as made, back_end(answering(ok(b"new"), seen=new)) as port:
        client = await made.connect()
        for _ in range(4):
            await ask(client)
        count = len(old)
        made.settings.change(services={"audio-service": {"url": f"http://127.0.0.1:{port}"}})
        for _ in range(4):
            assert (await ask(client))[2] == b"new"
        assert len(old) == count
        assert b"host: 127.0.0.1:%d" % port in new[-1]
        assert asked.short


def _overloaded(made: Rig) -> None:
    made.overload.step = Step.NO_KEEP_ALIVE


def _down(made: Rig) -> None:
    made.health.down.update(each.url for each in made.gateway.statistics().instances)


def _limited(made: Rig) -> None:
    limit = {"name": "few", "requests": 1, "window": 60, "per": "address"}
    made.settings.change(orchestration={"gateway": {"rate_limits": [limit]}})


@pytest.mark.parametrize(
    ("change", "expected"),
    [(_overloaded, [200]), (_down, [503, 503]), (_limited, [200, 429, 429])],
    ids=["overload", "health", "rate limit"],
)
async def test_what_changes_between_two_requests_holds(
    asked: Asked, change: Callable[[Rig], None], expected: list[int]
) -> None:
    """As for any other request."""
    async with rig(answering(ok())) as made:
        client = await made.connect()
        for _ in range(4):
            await ask(client)
        assert asked.short
        change(made)
        answers = [await ask(client) for _ in expected]
        assert [status for status, _, _ in answers] == expected
        assert (answers[0][1].get("connection") == "close") == (change is _overloaded)


async def test_the_limit_of_an_address_holds(asked: Asked) -> None:
    """Requests in progress count, whichever way they take."""
    go = trio.Event()
    count = 0

    async def serve(stream: Any) -> None:
        nonlocal count
        while await read_request(stream):
            count += 1
            if count > 8:
                await go.wait()
            await stream.send_all(ok())

    async with rig(serve, gateway={"max_requests_per_address": 2}) as made:
        clients = [await made.connect() for _ in range(3)]
        for client in clients[:2]:
            for _ in range(4):
                assert (await ask(client))[0] == 200
        async with trio.open_nursery() as nursery:
            for client in clients[:2]:
                nursery.start_soon(ask, client)
            while made.gateway.statistics().places < 2:
                await trio.lowlevel.checkpoint()
            assert (await ask(clients[2]))[0] == 429
            go.set()
    assert asked.short


@pytest.mark.parametrize(
    "own",
    [
        {"uploads": "streamed"},
        {"fallbacks": [{"use": "cached"}]},
    ],
    ids=["streamed", "fallback"],
)
async def test_what_more_is_decided_for_is_served_as_before(asked: Asked, own: dict[str, Any]) -> None:
    """Routes with fallbacks and with streamed uploads."""
    route: Any = {"prefix": "/api/audio/", "service": "audio-service", "path": "/api/", **own}
    gateway: Any = {"routes": [route]}
    head = b"POST /api/audio/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n1"
    async with rig(answering(ok()), gateway=gateway) as made:
        client = await made.connect()
        for _ in range(5):
            assert (await ask(client, head))[0] == 200
        assert not asked


@pytest.mark.parametrize("status", [b"500 X", b"503 X", b"404 X", b"204 X", b"304 X"])
async def test_other_statuses_are_forwarded_and_counted(asked: Asked, status: bytes) -> None:
    """Those that show a failure on the long way, with its retries; those without a body without one."""
    has_body = status[:3] not in (b"204", b"304")
    other = ok(b"{}", status=status) if has_body else b"HTTP/1.1 " + status + b"\r\nX-A: b\r\n\r\n"
    async with rig(answering(*[ok()] * 5, *[other] * 3, ok()), gateway={"retries": 0}) as made:
        client = await made.connect()
        answers = [await ask(client) for _ in range(10)]
        assert [code for code, _, _ in answers] == [200] * 5 + [int(status[:3])] * 3 + [200] * 2
        assert [body for _, _, body in answers[5:8]] == [b"{}" if has_body else b""] * 3
        [instance] = made.gateway.statistics().instances
        assert (instance.requests, instance.errors) == (10, 3 if status.startswith(b"5") else 0)
    assert asked.short


async def test_late_and_divided_responses_are_continued(asked: Asked) -> None:
    """What does not come at once and whole is forwarded on the long way, and nothing of it is lost."""
    go = trio.Event()
    whole = ok(b"0123456789")
    count = 0

    async def serve(stream: Any) -> None:
        nonlocal count
        while await read_request(stream):
            count += 1
            if count == 5:
                await trio.sleep(0.05)
            await stream.send_all(whole[:-4])
            if count == 6:
                await go.wait()
            await stream.send_all(whole[-4:])

    async with rig(serve) as made, trio.open_nursery() as nursery:
        client = await made.connect()
        for _ in range(5):
            assert (await ask(client))[2] == b"0123456789"
        nursery.start_soon(_set_when_waiting, made, go)
        for _ in range(3):
            assert (await ask(client))[2] == b"0123456789"
        assert made.gateway.statistics().requests == 8


async def _set_when_waiting(made: Rig, go: trio.Event) -> None:
    while not made.gateway.statistics().in_flight:
        await trio.lowlevel.checkpoint()
    await trio.sleep(0.03)
    go.set()


async def test_a_connection_that_closes_under_a_repetition_is_replaced(asked: Asked) -> None:
    """A stale connection is no fault: the request is sent once more."""
    connections = 0

    async def serve(stream: Any) -> None:
        nonlocal connections
        connections += 1
        for _ in range(5):
            if not await read_request(stream):
                return
            await stream.send_all(ok())
        await read_request(stream)  # and no response to this one

    async with rig(serve) as made:
        client = await made.connect()
        for _ in range(12):
            assert (await ask(client))[0] == 200
        [instance] = made.gateway.statistics().instances
        assert instance.errors == 0
        assert connections >= 2
    assert asked.short


async def test_a_client_that_leaves_frees_everything(asked: Asked) -> None:
    """In the middle of a repetition whose response is late; the end of the rig looks at the counts."""
    count = 0
    cancelled = trio.Event()

    async def serve(stream: Any) -> None:
        nonlocal count
        while await read_request(stream):
            count += 1
            if count > 4:
                await stream.receive_some(1)
                cancelled.set()
                return
            await stream.send_all(ok())

    async with rig(serve) as made:
        client = await made.connect()
        for _ in range(4):
            await ask(client)
        await client.send(GET)
        while count < 5:
            await trio.lowlevel.checkpoint()
        client.reset()
        with trio.fail_after(PATIENCE):
            await cancelled.wait()
    assert asked.short


async def test_a_stop_ends_the_connection_after_the_response(asked: Asked) -> None:
    """The client is told so, and the response is complete."""
    count = 0
    go = trio.Event()

    async def serve(stream: Any) -> None:
        nonlocal count
        while await read_request(stream):
            count += 1
            if count == 5:
                await go.wait()
            await stream.send_all(ok())

    async with rig(serve) as made:
        client = await made.connect()
        for _ in range(4):
            await ask(client)
        await client.send(GET)
        while count < 5:
            await trio.lowlevel.checkpoint()
        made.stopping.set()
        await trio.testing.wait_all_tasks_blocked()
        go.set()
        head = await client.until(b"\r\n\r\n")
        assert b"\r\nconnection: close\r\n" in head
        assert await client.rest() == b"ok"
    assert asked.short


async def test_pipelined_repetitions_are_answered_in_order(asked: Asked) -> None:
    """Ten at once, with another one between them."""

    async def serve(stream: Any) -> None:
        buffer = b""
        while True:
            while b"\r\n\r\n" not in buffer:
                more = await stream.receive_some()
                if not more:
                    return
                buffer += more
            head, _, buffer = buffer.partition(b"\r\n\r\n")
            await stream.send_all(ok(head.split(b" ")[1]))

    other = GET.replace(b"/x", b"/y")
    async with rig(serve) as made:
        client = await made.connect()
        await client.send(GET * 6 + other + GET * 3)
        bodies = [(await client.answer())[1] for _ in range(10)]
        assert bodies == [b"/api/x"] * 6 + [b"/api/y"] + [b"/api/x"] * 3
    assert asked.short


# Heads of responses that are known.

RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"
NOT_KNOWN = {
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
    "until the end": b"HTTP/1.1 200 OK\r\n\r\nbody",
    "closing": b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody",
    "informational": b"HTTP/1.1 100 Continue\r\n\r\n" + RESPONSE,
    "with excess": RESPONSE + b"!",
    "two at once": RESPONSE + RESPONSE,
    "cut": RESPONSE[:-1],
}


@pytest.mark.parametrize("data", NOT_KNOWN.values(), ids=NOT_KNOWN)
def test_only_clean_responses_become_known(data: bytes) -> None:
    """What frames in another way, or leaves a connection unclean, is parsed each time."""
    known = KnownHeads()
    parser = ResponseParser("GET", known)
    parser.feed(data)
    assert known.get(data) is None
    assert known.get(RESPONSE) is None


def test_a_known_head_with_another_body_length_is_parsed() -> None:
    """One byte less is incomplete; one more is excess, which ends the connection."""
    known = KnownHeads()
    ResponseParser("GET", known).feed(RESPONSE)
    assert known.get(RESPONSE) is not None
    assert known.get(RESPONSE[:-1]) is None
    assert known.get(RESPONSE + b"!") is None
    parser = ResponseParser("GET", known)
    states = []
    for piece in (RESPONSE[:-1], b"y", b"!"):
        parser.feed(piece)
        states.append((parser.is_complete, parser.is_reusable))
    assert states == [(False, False), (True, True), (True, False)]
    again = ResponseParser("GET", known)
    again.feed(RESPONSE.replace(b"body", b"BODY"))
    assert (again.take_body(), again.is_reusable) == (b"BODY", True)
    again.feed(b"HTTP/1.1 200 OK\r\n")
    assert not again.is_reusable


def test_the_response_to_head_has_no_body_though_it_says_so() -> None:
    """It is neither known by others nor makes others known."""
    head = RESPONSE[:-4]
    known = KnownHeads()
    parser = ResponseParser("HEAD", known)
    parser.feed(head)
    assert parser.is_complete
    assert known.get(head) is None
    ResponseParser("GET", known).feed(RESPONSE)
    parser = ResponseParser("HEAD", known)
    parser.feed(RESPONSE)
    assert not parser.is_reusable


def test_the_memory_of_known_heads_is_bounded() -> None:
    """A back end that sends another head each time cannot fill it; a long one is not stored."""
    known = KnownHeads()
    for number in range(1000):
        ResponseParser("GET", known).feed(ok(b"", b"X-Number: %d" % number))
    assert len(known._heads) <= 64
    long = ok(b"", b"X: " + b"a" * 5000)
    ResponseParser("GET", known).feed(long)
    assert known.get(long) is None


async def test_a_request_that_repeats_has_its_own_spans(asked: Asked) -> None:
    """On the short way too, and where that goes on as the long one; with its caller's trace or without."""
    made = Recorded()
    seen: list[bytes] = []

    async def serve(stream: trio.abc.Stream) -> None:
        while request := await read_request(stream):
            seen.append(request)
            await trio.sleep(0.1 if len(seen) % 3 == 0 else 0)
            await stream.send_all(ok())

    async with rig(serve, tracer=made.tracer) as running:
        client = await running.connect()
        for number in range(9):
            assert (await ask(client, traced(f"id-{number}", PARENT)))[0] == 200
        for _ in range(9):
            assert (await ask(client))[0] == 200
    assert asked.short >= 12
    assert made.begun == len(made.spans) == 36
    assert [each["orch.request_id"] for each in made.of_kind("server")][:9] == [f"id-{n}" for n in range(9)]
    servers = [each for each in made.spans if each.kind == "server"]
    assert sum(str(each.parent) == PARENT for each in servers) == 9
    assert all(each.attributes["http.response.status_code"] == 200 for each in servers)
    assert {each.name for each in servers} == {"GET /api/audio/"}
    tries = [each for each in made.spans if each.kind == "client"]
    assert {each.parent for each in tries} == {each.context for each in servers}
    assert sorted(sent_parents(seen)) == sorted(each.traceparent.encode() for each in tries)
    assert running.metrics.traces == [each.trace_id for each in servers]


async def test_requests_that_repeat_and_are_not_recorded_stay_on_the_short_way(asked: Asked) -> None:
    """And the back end gets what it got without traces."""
    made = Recorded(ratio=0.0)
    seen: list[bytes] = []
    async with rig(answering(ok(), seen=seen), tracer=made.tracer) as running:
        client = await running.connect()
        for _ in range(6):
            assert (await ask(client))[0] == 200
    assert asked.short == 4
    assert made.spans == []
    assert all(each.endswith(b"-00") for each in sent_parents(seen))
