"""A back end as a program: answers over HTTP, does what it is told, and ends when its input ends.

    python tests/fakes/backend.py --port 5001 [--health FILE] [--hold FILE] [--crash] [--stubborn]
        [--grandchild]

``--health FILE``: the JSON body of the health answer is read from FILE at each request, so that a test can
change it; ``{"silent": true}`` in it leaves the request without an answer. ``--hold FILE``: a POST is
answered once FILE exists; until then a file "FILE PID THREAD" shows that it has come. ``--crash``: end at
once with code 3. ``--stubborn``: ignore SIGTERM. ``--grandchild``: start a process of its own and print its
id.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Answers(BaseHTTPRequestHandler):
    """Health and echo."""

    health: Path | None = None
    hold: Path | None = None
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        said = {"status": "healthy", "engine": "fake"}
        if self.health is not None:
            said = json.loads(self.health.read_text())
        if said.get("silent"):
            threading.Event().wait()
        self._answer(json.dumps({**said, "pid": os.getpid()}).encode())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.hold is not None:
            self.hold.with_name(f"{self.hold.name} {os.getpid()} {threading.get_ident()}").touch()
            while not self.hold.exists():
                time.sleep(0.02)
        self._answer(body)

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Say nothing: the output is what tests read."""


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--health", type=Path)
    parser.add_argument("--hold", type=Path)
    parser.add_argument("--crash", action="store_true")
    parser.add_argument("--stubborn", action="store_true")
    parser.add_argument("--grandchild", action="store_true")
    options = parser.parse_args()
    if options.crash:
        sys.stderr.write("cannot go on\n")
        return 3
    if options.stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if options.grandchild:
        sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        sys.stdout.write(f"grandchild {sleeper.pid}\n")
    Answers.health, Answers.hold = options.health, options.hold
    server = ThreadingHTTPServer(("127.0.0.1", options.port), Answers)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.read()  # the end of the input is the end of the parent
    return 0


if __name__ == "__main__":
    sys.exit(main())
