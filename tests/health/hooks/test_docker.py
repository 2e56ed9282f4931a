"""Docker's API as a restart hook, over a real Unix socket."""

from pathlib import Path

import pytest
import trio

from orch.health.hooks.docker import DockerHook
from orch.health.hooks.hook import HookCall, Outcome
from orch.telemetry.work import IDLE
from tests.fakes.docker import FakeDocker

pytestmark = pytest.mark.real_time


def call(begun: list[int] | None = None) -> HookCall:
    return HookCall(
        service="audio-service",
        attempt=1,
        reason="connection refused",
        fence=7,
        work=IDLE,
        on_line=lambda _stream, _text: None,
        on_begun=lambda: begun.append(1) if begun is not None else None,
    )


async def restarted(docker: FakeDocker, folder: Path, container: str = "asr") -> Outcome:
    async with docker.serving(folder) as place:
        return await DockerHook(container, place, 15)(call())


async def test_a_container_is_restarted_with_its_time_to_stop(tmp_path: Path) -> None:
    """The request is that of the documented operation."""
    docker, begun = FakeDocker(asr=(204, "")), list[int]()
    async with docker.serving(tmp_path) as place:
        assert await DockerHook("asr", place, 15)(call(begun)) == Outcome()
    assert docker.restarts == [("asr", {"t": ["15"]})]
    assert begun == [1]


@pytest.mark.parametrize(
    ("reply", "fault"),
    [
        ((304, ""), ""),
        ((404, '{"message":"No such container: asr"}'), "has no container asr: No such container: asr"),
        (
            (409, '{"message":"container is marked for removal"}'),
            "cannot restart asr in its present state: container is marked for removal",
        ),
        ((500, '{"message":"driver failed"}'), "responded 500: driver failed"),
        ((500, "x" * 100_000), "responded 500"),
        ((500, '{"message": 5}'), "responded 500"),
        ((500, '["message"]'), "responded 500"),
        ((403, '{"message":"authorization denied"}'), "responded 403: authorization denied"),
        ((301, ""), "responded 301"),
        (b"", "could not be called: closed the connection without a response"),
        (b"nonsense\r\n\r\n", "could not be called: closed the connection without a response"),
        (
            b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 50\r\n\r\n{",
            "could not be called: closed the connection without a response",
        ),
    ],
)
async def test_each_reply_of_the_daemon_has_its_meaning(
    reply: tuple[int, str] | bytes, fault: str, tmp_path: Path
) -> None:
    """Only what leaves the container running anew is a success."""
    assert await restarted(FakeDocker(asr=reply), tmp_path) == Outcome(fault)


async def test_a_container_that_does_not_exist_is_named(tmp_path: Path) -> None:
    """With the daemon's own message."""
    outcome = await restarted(FakeDocker(), tmp_path, "gone")
    assert outcome.fault == "has no container gone: No such container: gone"


async def test_a_missing_socket_and_a_dead_daemon_are_reasons(tmp_path: Path) -> None:
    """Docker that does not run is a failed attempt, and no shortage of ours."""
    place = tmp_path / "docker.sock"
    outcome = await DockerHook("asr", str(place), 10)(call())
    assert outcome == Outcome("could not be called: connection refused")
    dead = trio.socket.socket(trio.socket.AF_UNIX)
    await dead.bind(str(place))
    dead.close()
    outcome = await DockerHook("asr", str(place), 10)(call())
    assert outcome == Outcome("could not be called: connection refused")


async def test_a_daemon_that_hangs_is_left_when_the_caller_gives_up(tmp_path: Path) -> None:
    """The connection is closed, so nothing is left behind."""
    docker = FakeDocker(asr=None)
    async with docker.serving(tmp_path) as place:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(DockerHook("asr", place, 10), call())
            await docker.asked.wait()
            nursery.cancel_scope.cancel()
        await docker.dropped.wait()
