import signal
import socket
import subprocess
import sys

import pytest
import trio

from tests.fakes.patience import PATIENCE
from tests.fakes.processes import children
from tests.fakes.sandbox import running

AUDIO = "orch.sandbox.audio_service"
TRANSLATION = "orch.sandbox.translation_service"

pytestmark = [pytest.mark.sandbox, pytest.mark.real_time]


@pytest.mark.parametrize("module", [AUDIO, TRANSLATION])
async def test_it_ends_when_its_input_does(module: str) -> None:
    """The parent holds the pipe; however it ends, even by kill -9, the child and its children end too."""
    async with running(module) as service:
        await service.health(until="healthy")
        started = children(service.process.pid)
        assert service.process.stdin is not None
        await service.process.stdin.aclose()
        with trio.fail_after(PATIENCE):
            assert await service.process.wait() == 0
        assert not [pid for pid in started if pid in children(1)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_well(number: signal.Signals) -> None:
    async with running(TRANSLATION) as service:
        service.process.send_signal(number)
        with trio.fail_after(PATIENCE):
            assert await service.process.wait() == 0


def test_an_address_in_use_is_said_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = subprocess.run(
            [sys.executable, "-m", TRANSLATION, "--port", str(port)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=PATIENCE,
        )
    assert ended.returncode == 1
    assert b"cannot serve" in ended.stderr
    assert b"Traceback" not in ended.stderr


async def test_without_the_switch_the_end_of_the_input_means_nothing() -> None:
    """Started in the background it has no input, and keeps running."""
    process = await trio.lowlevel.open_process(
        [sys.executable, "-m", TRANSLATION, "--port", "0"],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    log = b""
    while b"ready" not in log and b"no engine" not in log:
        part = await process.stderr.receive_some()
        assert part, log
        log += part
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0
