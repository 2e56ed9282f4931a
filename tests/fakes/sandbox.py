"""The sandbox back ends as processes of their own, and what they are asked."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import trio

from orch.sandbox.engines.recorded_speech import BYTES_PER_SECOND
from tests.fakes.patience import PATIENCE
from tests.fakes.sounds import SPEECH, clip


def pcm(name: str) -> bytes:
    """Return a clip's samples as an engine is given them."""
    return clip(name).astype("<i2").tobytes()


def beginning(name: str, seconds: int = 2) -> bytes:
    """Return the samples of a clip's first seconds: enough for words, and heard in a part of the time."""
    return pcm(name)[: seconds * BYTES_PER_SECOND]


def recording(name: str) -> bytes:
    """Return a clip's file."""
    return (SPEECH / f"{name}.wav").read_bytes()


_ALONE = """
import sys, pocketsphinx

decoder = pocketsphinx.Decoder(loglevel="FATAL")
decoder.start_utt()
decoder.process_raw(sys.stdin.buffer.read(), full_utt=True)
decoder.end_utt()
print(decoder.hyp().hypstr)
"""


def alone(sound: bytes) -> str:
    """Return what the engine hears with nothing of ours around it, in a process of its own."""
    return (
        subprocess.run([sys.executable, "-c", _ALONE], input=sound, stdout=subprocess.PIPE, check=True)
        .stdout.decode()
        .strip()
    )


@dataclass
class Running:
    """A back end that listens: its process, where it is, and a client for it."""

    process: trio.Process
    url: str
    client: httpx2.AsyncClient

    async def health(self, *, until: str) -> dict[str, Any]:
        """Return its health once its status is ``until``."""
        while True:
            answer: dict[str, Any] = (await self.client.get("/api/health")).json()
            if answer["status"] == until:
                return answer
            await trio.lowlevel.checkpoint()


@asynccontextmanager
async def running(
    module: str, *arguments: str, env: Mapping[str, str] | None = None
) -> AsyncIterator[Running]:
    """Start a back end on a free port, held by its input; it has ended when this is left."""
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", module, "--port", "0", "--exit-with-stdin", *arguments],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **(env or {})},
    )
    assert process.stderr is not None
    try:
        async with trio.open_nursery() as nursery:
            url: str = await nursery.start(_read_log, process.stderr)
            async with httpx2.AsyncClient(base_url=url, timeout=PATIENCE) as client:
                yield Running(process, url, client)
            nursery.cancel_scope.cancel()
    finally:
        process.kill()
        await process.wait()


async def _read_log(
    stream: trio.abc.ReceiveStream, *, task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED
) -> None:
    """Read the log to its end, so that the pipe never fills; it is started by the line that says where."""
    log = b""
    is_started = False
    async for part in stream:
        log += part
        for line in log.split(b"\n")[:-1]:
            event = json.loads(line) if line.startswith(b"{") else {}
            if event.get("event") == "listening" and not is_started:
                is_started = True
                task_status.started(event["addresses"][0])
    if not is_started:
        raise AssertionError(log.decode())
