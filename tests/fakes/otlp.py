"""A collector of traces on loopback that speaks OTLP over HTTP, decodes what it gets, and can misbehave."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.fakes.patience import PATIENCE

PROTOBUF: Final = "application/x-protobuf"


@dataclass
class Received:
    """A span as it was received. ``began``, ``ended``: nanoseconds since 1970."""

    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, Any]
    events: list[tuple[str, dict[str, Any]]]
    links: list[str]
    is_failed: bool
    reason: str
    began: int
    ended: int
    resource: dict[str, Any] = field(repr=False, default_factory=dict)

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        return (self.ended - self.began) / 1e9


class OtlpReceiver:
    """What a collector received, and how it responds.

    ``status``: of its responses; ``rejects``: spans of each batch that it rejects; ``is_stuck``: it takes
    requests and does not respond. The mutable state is these, and the spans.
    """

    def __init__(self) -> None:
        self.spans: list[Received] = []
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.status = 200
        self.rejects = 0
        self.is_stuck = False
        self._changed = threading.Condition()
        self.url = ""

    def named(self, name: str) -> list[Received]:
        """Return the spans with a name, in the order of their beginning."""
        return sorted((each for each in self.spans if each.name == name), key=lambda each: each.began)

    def wait_for(self, count: int, seconds: float = PATIENCE) -> list[Received]:
        """Return the spans once there are ``count`` of them; AssertionError after ``seconds``."""
        with self._changed:
            found = self._changed.wait_for(lambda: len(self.spans) >= count, seconds)
            assert found, f"{len(self.spans)} of {count} spans: {sorted(each.name for each in self.spans)}"
            return list(self.spans)

    def wait_for_named(self, name: str, seconds: float = PATIENCE) -> None:
        """Return once there is a span with a name; AssertionError after ``seconds``."""
        with self._changed:
            found = self._changed.wait_for(lambda: self.named(name), seconds)
            assert found, f"no {name} in {sorted(each.name for each in self.spans)}"

    def tree(self) -> list[str]:
        """Return the spans as lines, each below its parent and indented, in the order of their beginning."""
        known = {each.span_id for each in self.spans}

        def below(parent: str, depth: int) -> Iterator[str]:
            for each in sorted(self.spans, key=lambda span: span.began):
                if each.parent_id == parent or (not depth and each.parent_id not in known):
                    yield "  " * depth + each.name
                    yield from below(each.span_id, depth + 1)

        return list(below("", 0))

    def receive(self, path: str, headers: dict[str, str], body: bytes) -> None:
        """Decode a request."""
        request = ExportTraceServiceRequest.FromString(body)
        found = [
            _received(span, _values(resource.resource.attributes))
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]
        with self._changed:
            self.requests.append((path, headers))
            self.spans += found
            self._changed.notify_all()


def _received(span: Span, resource: dict[str, Any]) -> Received:
    return Received(
        name=span.name,
        kind=Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        attributes=_values(span.attributes),
        events=[(each.name, _values(each.attributes)) for each in span.events],
        links=[each.span_id.hex() for each in span.links],
        is_failed=span.status.code == Status.STATUS_CODE_ERROR,
        reason=span.status.message,
        began=span.start_time_unix_nano,
        ended=span.end_time_unix_nano,
        resource=resource,
    )


def _values(attributes: Any) -> dict[str, Any]:
    return {each.key: _value(each.value) for each in attributes}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(each) for each in value.array_value.values]
    return getattr(value, kind)


@contextmanager
def otlp_receiver() -> Iterator[OtlpReceiver]:
    """Run a collector on loopback during the block."""
    receiver = OtlpReceiver()
    released = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if receiver.is_stuck:
                released.wait(60)
                self.close_connection = True
                return
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            assert self.headers["content-type"] == PROTOBUF
            if receiver.status == 200:
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.receive(self.path, headers, body)
            response = ExportTraceServiceResponse()
            if receiver.rejects:
                response.partial_success.rejected_spans = receiver.rejects
                response.partial_success.error_message = "too old"
            data = response.SerializeToString()
            self.send_response(receiver.status)
            if receiver.status == 302:
                self.send_header("location", "/sign-in")
            self.send_header("content-type", PROTOBUF)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - its name there
            """Nothing: tests read what was received."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield receiver
    finally:
        released.set()
        server.shutdown()
        thread.join()
        server.server_close()
