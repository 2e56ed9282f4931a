"""A program that starts, replies and ends as Chromium does, for tests of what surrounds a browser.

It starts a process of its group, and one in a session of its own that nobody waits for, as a crash handler
is. Each has the profile on its command line. Options: ``--mute`` never replies, ``--stubborn`` ignores
SIGTERM and the end of its pipe, ``--fail=TEXT`` writes TEXT and exits with 3.
"""

import json
import os
import signal
import sys
from pathlib import Path


def program(folder: Path) -> str:
    """Return the path of the program, as an executable in ``folder``."""
    path = folder / "fake-chromium"
    source = Path(__file__).read_text(encoding="utf-8")
    path.write_text(f"#!{sys.executable} -IS\n{source}", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def main(options: list[str]) -> None:
    """Behave as Chromium."""
    for option in options:
        if option.startswith("--fail="):
            sys.stderr.write(option.removeprefix("--fail=") + "\n")
            sys.exit(3)
    is_stubborn = "--stubborn" in options
    if is_stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    start_others()
    reply_to_commands(is_mute="--mute" in options)
    while is_stubborn:
        signal.pause()


def start_others() -> None:
    """Start the two other processes."""
    if os.fork() == 0:
        signal.pause()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            signal.pause()
        os._exit(0)
    os.wait()


def reply_to_commands(*, is_mute: bool) -> None:
    """Reply to all commands alike, until the pipe ends."""
    stored = b""
    while part := os.read(3, 65536):
        *commands, stored = (stored + part).split(b"\0")
        for command in map(json.loads, commands):
            if command["method"] == "Browser.crash":
                os.kill(os.getpid(), signal.SIGSEGV)
            if not is_mute:
                reply = {"id": command["id"], "result": {"product": "HeadlessChrome/1.2"}}
                os.write(4, json.dumps(reply).encode() + b"\0")


if __name__ == "__main__":
    main(sys.argv[1:])
