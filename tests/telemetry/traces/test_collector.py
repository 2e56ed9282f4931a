import sys
from collections.abc import Iterator

import pytest
import trio

from orch.telemetry.traces import Span, Tracer
from orch.telemetry.traces.collector import GRACE, LONGEST_VALUE, OtlpCollector
from tests.fakes.otlp import OtlpReceiver, otlp_receiver
from tests.fakes.ports import free_port

pytestmark = pytest.mark.real_time


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    with otlp_receiver() as made:
        yield made


def collector(url: str, *, timeout: float = 5.0, headers: dict[str, str] | None = None) -> OtlpCollector:
    return OtlpCollector(
        f"{url}/v1/traces", headers=headers or {}, timeout=timeout, resource={"service.name": "orchestration"}
    )


def spans(count: int = 1) -> list[Span]:
    ended: list[Span] = []
    tracer = Tracer(ended.append)
    for _ in range(count):
        span = tracer.start("work")
        assert span is not None
        span.end()
    return ended


@pytest.mark.process
async def test_the_package_is_imported_ahead_and_only_then() -> None:
    """A service without traces does without it; one with them has it before there is a span."""
    code = (
        "import sys, trio\n"
        "from orch.telemetry.traces.collector import OtlpCollector\n"
        "made = OtlpCollector('http://127.0.0.1:9', headers={}, timeout=1, resource={})\n"
        "names = ('opentelemetry', 'requests')\n"
        "before = [name in sys.modules for name in names]\n"
        "trio.run(made.prepare)\n"
        "print(before, [name in sys.modules for name in names])"
    )
    ended = await trio.run_process([sys.executable, "-c", code], capture_stdout=True)
    assert ended.stdout.split(b"\n")[0] == b"[False, False] [True, True]"


async def test_a_span_arrives_as_it_was_made(receiver: OtlpReceiver) -> None:
    """Decoded from the wire: ids, times, kinds, attributes, events, links, status, resource and headers."""
    ended: list[Span] = []
    tracer = Tracer(ended.append, wall=lambda: 1_700_000_000.0)
    above = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    span = tracer.start(
        "GET /api/audio",
        kind="server",
        parent=above,
        attributes={"http.request.method": "GET"},
        links=[above],
    )
    assert span is not None
    span.set("number", 7)
    span.set("share", 0.5)
    span.set("yes", value=True)
    span.set("list", ["a", "b"])
    span.event("retry", {"why": "timeout"})
    span.failed("it broke")
    span.end(span.began + 1.5)
    sent = await collector(receiver.url, headers={"X-Key": "k"}).send(ended)
    assert (sent.accepted, sent.reason) == (1, "")
    (found,) = receiver.spans
    assert (found.name, found.kind, found.trace_id, found.parent_id) == (
        "GET /api/audio",
        "server",
        "a" * 32,
        "b" * 16,
    )
    assert found.span_id == span.context.span_id
    assert found.attributes == {
        "http.request.method": "GET",
        "number": 7,
        "share": 0.5,
        "yes": True,
        "list": ["a", "b"],
    }
    assert (found.events, found.links) == ([("retry", {"why": "timeout"})], ["b" * 16])
    assert (found.is_failed, found.reason) == (True, "it broke")
    assert found.began == pytest.approx(1_700_000_000 * 10**9, abs=2 * 10**6)
    assert found.seconds == pytest.approx(1.5, abs=1e-6)
    assert found.resource["service.name"] == "orchestration"
    path, headers = receiver.requests[0]
    assert (path, headers["x-key"]) == ("/v1/traces", "k")


async def test_what_protobuf_cannot_have_does_not_lose_the_batch(receiver: OtlpReceiver) -> None:
    """Half a surrogate, an integer of 100 digits, ten megabytes: the rest arrives all the same."""
    ended = spans(2)
    odd: list[Span] = []
    span = Tracer(odd.append).start("o\ud800dd" * 1_000)
    assert span is not None
    span.set("half", "a\ud800b")
    span.set("digits", 10**100)
    span.set("least", -(2**63))
    span.set("nan", float("nan"))
    span.set("long", "x" * 10_000_000)
    span.set("many", ["y" * 10_000] * 10_000)
    span.set("nul\ud800", '\0\n"')
    span.end()
    sent = await collector(receiver.url).send([*ended, *odd])
    assert sent.accepted == 3
    found = receiver.spans[2]
    assert found.attributes["half"] == "a?b"
    assert found.attributes["digits"] == 1e100
    assert len(found.attributes["long"]) == LONGEST_VALUE
    assert len(found.attributes["many"]) == 128
    assert found.attributes["nul?"] == '\0\n"'


@pytest.mark.parametrize(("status", "rejected"), [(400, 2), (401, 2), (404, 2), (302, 0), (500, 0), (501, 0)])
async def test_a_status_other_than_success_is_none(
    receiver: OtlpReceiver, status: int, rejected: int
) -> None:
    """Also a redirection, as to a page for signing in, which the package takes for success."""
    receiver.status = status
    sent = await collector(receiver.url).send(spans(2))
    assert (sent.accepted, sent.rejected) == (0, rejected)
    assert sent.reason == f"it responded with {status}"


async def test_a_partial_success_counts_what_was_rejected(receiver: OtlpReceiver) -> None:
    """A collector says in its response how many spans it has not stored."""
    receiver.rejects = 2
    sent = await collector(receiver.url).send(spans(5))
    assert (sent.accepted, sent.rejected, sent.reason) == (3, 2, "it rejected spans: too old")


async def test_a_collector_that_is_not_there_fails_soon() -> None:
    """Its repetitions end with the time-out."""
    began = trio.current_time()
    sent = await collector(f"http://127.0.0.1:{free_port()}", timeout=0.5).send(spans())
    assert trio.current_time() - began < 0.5 + GRACE
    assert (sent.accepted, sent.reason) == (0, "no connection could be made, or it broke off")


async def test_a_collector_that_hangs_costs_the_time_out(receiver: OtlpReceiver) -> None:
    """And works again when it does."""
    receiver.is_stuck = True
    made = collector(receiver.url, timeout=0.3)
    with trio.fail_after(0.3 + GRACE + 5):
        sent = await made.send(spans())
    assert (sent.accepted, sent.rejected) == (0, 0)
    receiver.is_stuck = False
    assert (await collector(receiver.url).send(spans())).accepted == 1


async def test_a_response_that_never_ends_gives_the_thread_up() -> None:
    """The package waits as long as bytes arrive: a thread is given up, and the next batch has another one."""
    listener = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]
    port = listener.socket.getsockname()[1]

    async def drip(stream: trio.SocketStream) -> None:
        await stream.receive_some(65_536)
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while True:
            await stream.send_all(b"x")
            await trio.sleep(0.05)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, drip, [listener])
        made = collector(f"http://127.0.0.1:{port}", timeout=0.2)
        sent = await made.send(spans())  # while bytes still arrive
        assert sent.accepted == 0
        assert "did not respond within" in sent.reason
        nursery.cancel_scope.cancel()


async def test_a_cancelled_batch_leaves_nothing_behind(receiver: OtlpReceiver) -> None:
    """The thread ends by itself, and the next batch is sent by another exporter."""
    receiver.is_stuck = True
    made = collector(receiver.url, timeout=0.5)
    with trio.move_on_after(0.1) as scope:
        await made.send(spans())
    assert scope.cancelled_caught
    receiver.is_stuck = False
    assert (await made.send(spans())).accepted == 1
