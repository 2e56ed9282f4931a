"""Back ends on loopback that can be broken in each way that an alert is for."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Engine:
    """An audio- or translation-service at one ``url``. Its attributes may be changed at any time.

    ``status``: of responses to requests, ``health_status``: of those to checks; ``delay``, ``health_delay``:
    seconds before them. ``every``: only every so many requests get ``status``. 0: the connection is closed.
    ``text``: what is recognised, and how surely (``confidence``).
    """

    def __init__(self) -> None:
        self.status = 200
        self.every = 1
        self.delay = 0.0
        self.health_status = 200
        self.health_delay = 0.0
        self.text = "words"
        self.confidence = 0.9
        self.requests = 0
        self._server: ThreadingHTTPServer | None = None
        self._port = 0
        self.start()

    @property
    def url(self) -> str:
        """Where it listens, also while it is stopped."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Listen, at the same address as before, unless it does."""
        if self._server is not None:
            return
        engine = self

        class Answers(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                time.sleep(engine.health_delay)
                self._answer(engine.health_status, {"status": "healthy", "engine": "fake", "models": []})

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("content-length", 0)))
                engine.requests += 1
                status = engine.status if engine.requests % engine.every == 0 else 200
                time.sleep(engine.delay)
                if not status:
                    self.close_connection = True
                    return
                self._answer(status, engine.response(self.path))

            def _answer(self, status: int, document: dict[str, Any]) -> None:
                body = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                """Log nothing."""

            def handle(self) -> None:
                try:
                    super().handle()
                except OSError:
                    return  # who asked has gone

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256

        self._server = Server(("127.0.0.1", self._port), Answers)
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def response(self, path: str) -> dict[str, Any]:
        """Return what a transcription or translation responds."""
        if path.endswith("translate"):
            return {"translated_text": "palabras", "source_language": "en", "confidence": 0.9}
        return {"text": self.text, "language": "en", "confidence": self.confidence}

    def stop(self) -> None:
        """Refuse connections from now on; the open ones are closed with their next request."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
