import errno
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
import trio
import trio.testing

from orch.sandbox.models import disk
from orch.sandbox.models.disk import PartFile
from orch.sandbox.models.download import ModelDownload, reason_of
from orch.sandbox.models.locations import Locations
from orch.sandbox.models.plan import PART
from orch.sandbox.models.progress import Progress
from tests.fakes.model_hub import (
    CONTENTS,
    Fault,
    ModelHub,
    Reply,
    breaks_off,
    drip,
    hang_up,
    model_of,
    silence,
)
from tests.fakes.patience import PATIENCE

pytestmark = pytest.mark.real_time

MODEL = model_of()
BIN = CONTENTS["model.bin"]


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no request go through a proxy of the machine that tests."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


class Observed:
    """A download, with each of its states; the pauses between its attempts are noted and left out."""

    def __init__(self, hub: str, folder: Path, *, patience: float = 30.0) -> None:
        self.pauses: list[float] = []
        self.states: list[Progress] = []
        self.before_pause: Callable[[], None] = lambda: None
        places = Locations(hub=hub, offline="", own=folder / "own", hub_cache=folder / "hub")
        self.download = ModelDownload(MODEL, places, patience=patience, sleep=self._sleep)
        self.download.on_change = self._note
        self.on_state: Callable[[], None] = lambda: None
        self.places = places

    @property
    def folder(self) -> Path:
        return self.download.folder

    @property
    def problems(self) -> list[str]:
        return [state.problem for state in self.states if state.problem]

    def _note(self) -> None:
        self.states.append(self.download.progress)
        self.on_state()

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.before_pause()
        await trio.lowlevel.checkpoint()


@asynccontextmanager
async def hub() -> AsyncIterator[ModelHub]:
    made = ModelHub()
    async with made.serve():
        yield made


def is_whole(folder: Path) -> bool:
    return all((folder / name).read_bytes() == data for name, data in CONTENTS.items())


async def test_a_model_is_downloaded_and_its_progress_is_shown(tmp_path: Path) -> None:
    async with hub() as server:
        seen = Observed(server.url, tmp_path)
        assert await seen.download.run() == seen.folder
    assert is_whole(seen.folder)
    assert [name for name, _ in server.requests] == ["config.json", "model.bin"]
    amounts = [state.received for state in seen.states]
    assert amounts == sorted(amounts)
    assert amounts[-1] == MODEL.size == seen.states[-1].size
    assert (seen.states[0].state, seen.states[-1].state) == ("downloading", "complete")
    assert not list(seen.folder.glob(f"*{PART}"))


async def test_a_model_that_is_there_is_not_requested(tmp_path: Path) -> None:
    """In the demo's own folder, or as a snapshot in the cache of the hub's library, whose files are links."""
    async with hub() as server:
        seen = Observed(server.url, tmp_path)
        snapshot = seen.places.snapshots(MODEL) / "another-revision"
        snapshot.mkdir(parents=True)
        for name, data in CONTENTS.items():
            (tmp_path / name).write_bytes(data)
            (snapshot / name).symlink_to(tmp_path / name)
        assert await seen.download.run() == snapshot
        (tmp_path / "model.bin").write_bytes(BIN[::-1])  # the right size, other contents
        assert disk.find(MODEL, seen.places) is None
        assert server.requests == []
        assert await seen.download.run() == seen.folder
        assert len(server.requests) == 2
        assert await seen.download.run() == seen.folder
        assert len(server.requests) == 2


@pytest.mark.parametrize("size", [100_000, len(BIN)])
async def test_a_download_is_continued_where_it_ended(tmp_path: Path, size: int) -> None:
    """Also where only the last step was missing: then the hash is checked, and nothing is requested."""
    async with hub() as server:
        seen = Observed(server.url, tmp_path)
        seen.folder.mkdir(parents=True)
        (seen.folder / f"model.bin{PART}").write_bytes(BIN[:size])
        await seen.download.run()
    assert is_whole(seen.folder)
    ranges = [headers.get("range") for name, headers in server.requests if name == "model.bin"]
    assert ranges == (["bytes=100000-"] if size == 100_000 else [])


@pytest.mark.parametrize("old", [b"x" * 100_000, b"x" * (len(BIN) + 1), b"x" * len(BIN)])
async def test_a_part_of_another_file_is_thrown_away(tmp_path: Path, old: bytes) -> None:
    async with hub() as server:
        seen = Observed(server.url, tmp_path)
        seen.folder.mkdir(parents=True)
        (seen.folder / f"model.bin{PART}").write_bytes(old)
        await seen.download.run()
    assert is_whole(seen.folder)
    assert seen.pauses == ([] if len(old) > len(BIN) else [1.0])


async def test_a_hub_that_cannot_continue_begins_again(tmp_path: Path) -> None:
    async with hub() as server:
        server.knows_ranges = False
        server.faults.append(Reply(body=CONTENTS["config.json"]))
        server.faults.append(breaks_off(500_000))
        seen = Observed(server.url, tmp_path)
        await seen.download.run()
    assert is_whole(seen.folder)
    assert len(seen.pauses) == 1


async def test_a_hub_that_breaks_off_is_asked_for_the_rest(tmp_path: Path) -> None:
    """Each time something arrived, so that the pauses stay short."""
    async with hub() as server:
        server.faults.append(Reply(body=CONTENTS["config.json"]))
        server.faults.append(breaks_off(300_000))
        rest = BIN[300_000:]
        extent = f"bytes 300000-{len(BIN) - 1}/{len(BIN)}"
        server.faults.append(Reply(status=206, headers={"Content-Range": extent}, body=rest, cut=200_000))
        seen = Observed(server.url, tmp_path)
        await seen.download.run()
    assert is_whole(seen.folder)
    assert seen.pauses == [1.0, 1.0]
    assert [headers.get("range") for _, headers in server.requests][2:] == [
        "bytes=300000-",
        f"bytes={len(BIN) - 200_000}-",
    ]


PAGE = Reply(headers={"Content-Type": "text/html; charset=utf-8"}, body=b"<html>Sign in to Hotel WiFi</html>")
OTHER = Reply(body=b"y" * len(CONTENTS["config.json"]))


@pytest.mark.parametrize(
    ("fault", "words", "pause"),
    [
        (PAGE, "sign-in page", 300.0),
        (OTHER, "SHA-256", 300.0),
        (Reply(body=b"y"), "another config.json: 1 bytes", 300.0),
        (Reply(body=b"y" * 1000, has_length=False), "sent more than", 300.0),
        (Reply(body=CONTENTS["config.json"][:1], has_length=False), "broke off after 1 of", 1.0),
        (Reply(body=CONTENTS["config.json"], cut=3), "broke off", 1.0),
        (Reply(status=404), "responds 404", 300.0),
        (Reply(status=401), "responds 401", 300.0),
        (Reply(status=407), "proxy requires", 300.0),
        (Reply(status=500), "responds 500", 1.0),
        (Reply(status=503, headers={"Retry-After": "7"}), "responds 503", 7.0),
        (Reply(status=429, headers={"Retry-After": "86400"}), "responds 429", 300.0),
        (Reply(status=302, headers={"Location": "/storage/config.json"}), "in a circle", 300.0),
        (Reply(status=302, headers={"Location": "ftp://hub/file"}), "no usable address", 300.0),
        (Reply(status=302, headers={"Location": f"http://{'a' * 300}/"}), "no usable address", 300.0),
        (Reply(status=206, headers={"Content-Range": f"bytes 0-1/{'9' * 5000}"}), "another part", 1.0),
        (Reply(status=206, headers={"Content-Range": "bytes 5-9/15"}, body=b"yyyyy"), "another part", 1.0),
        (hang_up, "broke off", 1.0),
        (silence, "too slowly", 1.0),
        (drip, "too slowly", 1.0),
    ],
)
async def test_each_fault_is_named_and_the_download_goes_on_after_it(
    tmp_path: Path, fault: Fault, words: str, pause: float
) -> None:
    async with hub() as server:
        server.always = fault
        seen = Observed(server.url, tmp_path, patience=0.2 if fault is silence or fault is drip else 30.0)

        def end() -> None:
            server.always = None

        seen.before_pause = end
        with trio.fail_after(PATIENCE):
            await seen.download.run()
    assert is_whole(seen.folder)
    assert seen.pauses == [pause]
    [problem] = seen.problems
    assert words in problem
    assert "127.0.0.1" in problem or "proxy" in problem
    waiting = next(state for state in seen.states if state.state == "waiting")
    assert waiting.next_in == pause


async def test_pauses_become_longer_while_nothing_arrives(tmp_path: Path) -> None:
    """Nothing listens there: no network, or a firewall."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
    await listener.aclose()
    seen = Observed(url, tmp_path)
    with trio.CancelScope() as scope:

        def stop() -> None:
            if len(seen.pauses) == 7:
                scope.cancel()

        seen.before_pause = stop
        await seen.download.run()
    assert seen.pauses == [1.0, 2.0, 5.0, 15.0, 60.0, 300.0, 300.0]
    assert all("127.0.0.1 cannot be reached" in problem for problem in seen.problems)


async def test_a_machine_without_a_network_is_named_as_such(tmp_path: Path) -> None:
    """The problem stays on the page during the next attempts, which change nothing."""
    seen = Observed("https://hub.invalid", tmp_path)
    with trio.CancelScope() as scope:

        def stop() -> None:
            if len(seen.pauses) == 2:
                scope.cancel()

        seen.before_pause = stop
        await seen.download.run()
    assert set(seen.problems) == {
        "hub.invalid cannot be reached: its address cannot be found; this machine may have no network."
    }
    assert [state.state for state in seen.states] == ["downloading", "waiting", "waiting"]


def test_a_certificate_of_a_proxy_is_named_as_such() -> None:
    untrusted = ssl.SSLCertVerificationError(1, "certificate verify failed")
    untrusted.verify_message = "self-signed certificate in certificate chain"
    error = httpx2.ConnectError("failed")
    error.__cause__ = untrusted
    assert "self-signed certificate" in reason_of(error)
    assert "SSL_CERT_FILE" in reason_of(error)


async def test_a_hub_that_always_breaks_off_at_the_same_byte_is_asked_less_often(tmp_path: Path) -> None:
    async with hub() as server:
        server.knows_ranges = False
        server.faults.append(Reply(body=CONTENTS["config.json"]))
        server.always = breaks_off(400_000)
        seen = Observed(server.url, tmp_path)
        with trio.CancelScope() as scope:

            def stop() -> None:
                if len(seen.pauses) == 4:
                    scope.cancel()

            seen.before_pause = stop
            await seen.download.run()
    assert seen.pauses == [1.0, 2.0, 5.0, 15.0]


async def test_a_cancelled_download_keeps_what_it_has(tmp_path: Path) -> None:
    async with hub() as server:

        async def slow(stream: trio.SocketStream, contents: bytes) -> None:
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(contents)}\r\n\r\n".encode()
            await stream.send_all(head + contents[:200_000])
            sent.set()
            await trio.sleep_forever()

        sent = trio.Event()

        server.faults.append(Reply(body=CONTENTS["config.json"]))
        server.faults.append(slow)
        seen = Observed(server.url, tmp_path)
        part = seen.folder / f"model.bin{PART}"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(seen.download.run)
            await sent.wait()
            await trio.testing.wait_all_tasks_blocked(0.05)
            nursery.cancel_scope.cancel()
        assert BIN.startswith(part.read_bytes())
        begun = part.stat().st_size
        assert begun > 0
        again = Observed(server.url, tmp_path)
        await again.download.run()
    assert is_whole(seen.folder)
    assert server.requests[-1][1]["range"] == f"bytes={begun}-"


async def test_two_processes_download_one_model_once(tmp_path: Path) -> None:
    """Two downloads have two open files of the lock, as two processes have."""
    async with hub() as server:
        held, go = trio.Event(), trio.Event()

        async def hold() -> None:
            held.set()
            await go.wait()

        server.hold = hold
        first, second = Observed(server.url, tmp_path), Observed(server.url, tmp_path)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(first.download.run)
            await held.wait()
            is_seen = trio.Event()
            second.on_state = is_seen.set
            nursery.start_soon(second.download.run)
            await is_seen.wait()
            assert [state.state for state in second.states] == ["other_process"]
            go.set()
    assert [name for name, _ in server.requests] == ["config.json", "model.bin"]
    assert second.states[-1].state == "complete"
    assert is_whole(second.folder)


async def test_a_disk_that_becomes_full_is_not_left_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has come of the file is removed: sessions are stored on this disk as well."""
    async with hub() as server:
        seen = Observed(server.url, tmp_path)

        def write(part: PartFile, data: bytes) -> None:
            if part.path.name.startswith("config"):
                unlimited(part, data)
            else:
                unlimited(part, data[:50_000])
                part.fail(OSError(errno.ENOSPC, "No space left on device"))

        unlimited = PartFile.write
        monkeypatch.setattr(PartFile, "write", write)

        def clear() -> None:
            assert sorted(disk.sizes(seen.folder)) == ["config.json", "download.lock"]
            monkeypatch.undo()

        seen.before_pause = clear
        await seen.download.run()
    assert is_whole(seen.folder)
    assert seen.pauses == [60.0]
    [problem] = seen.problems
    assert "The disk is full" in problem
    assert str(seen.folder) in problem


async def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    async with hub() as server:
        seen = Observed(server.url, tmp_path)
        (tmp_path / "own").write_text("a file where the folder belongs")

        def clear() -> None:
            (tmp_path / "own").unlink()

        seen.before_pause = clear
        await seen.download.run()
    [problem] = seen.problems
    assert str(seen.folder) in problem
    assert "cannot be written" in problem


async def test_a_proxy_of_the_environment_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with hub() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        seen = Observed("http://hub.example", tmp_path)
        await seen.download.run()
    assert is_whole(seen.folder)
    assert seen.pauses == []
    assert {headers["host"] for _, headers in proxy.requests} == {"hub.example"}


async def test_proxy_settings_that_are_unusable_are_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with hub() as server:
        monkeypatch.setenv("ALL_PROXY", "gopher://proxy:70")
        monkeypatch.delenv("NO_PROXY", raising=False)
        seen = Observed(server.url, tmp_path)
        seen.before_pause = lambda: monkeypatch.delenv("ALL_PROXY")
        await seen.download.run()
    [problem] = seen.problems
    assert "proxy" in problem
