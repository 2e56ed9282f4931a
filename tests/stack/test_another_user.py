"""The service as its container runs it: another user without rights, who can write to its state alone."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from tests.fakes.patience import PATIENCE
from tests.fakes.ports import free_port
from tests.fakes.service import RunningService
from tests.fakes.tools import require
from tests.fakes.waiting import wait_until

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]
USER = 10001

#: Every mount is read-only afterwards, except the state's and shared memory, as in a container with
#: `read_only: true`. The user may read everything: the checkout and its Python may be root's own.
CONTAINED = """
set -e
mount --make-rprivate /
mount --bind "$STATE" "$STATE"
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
cut -d ' ' -f 2 /proc/self/mounts | while read -r at; do
    case $at in "$STATE" | /dev/shm | /proc) ;; *) mount -o remount,bind,ro "$at" ;; esac
done
cd "$STATE"
exec setpriv --reuid "$USER_ID" --regid "$USER_ID" --clear-groups --no-new-privs \\
    --bounding-set=-all,+dac_read_search --inh-caps=-all,+dac_read_search \\
    --ambient-caps=-all,+dac_read_search "$@"
"""


class ContainedService(RunningService):
    """``orch serve`` as user 10001, which can write to its folder alone."""

    def command(self, arguments: list[str]) -> list[str]:
        return [require("unshare"), "--mount", "sh", "-c", CONTAINED, "sh", *super().command(arguments)]


@pytest.fixture
def contained(tmp_path: Path) -> Iterator[ContainedService]:
    require("setpriv")
    state = tmp_path / "state"
    for folder in (state, state / "var", state / "tmp"):
        folder.mkdir()
        os.chown(folder, USER, USER)
    environ = {
        "STATE": str(state),
        "USER_ID": str(USER),
        "HOME": str(state / "var"),
        "TMPDIR": str(state / "tmp"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "ORCH_CONTROL_TOKEN": "a token of twenty or more",
        "HOST": "0.0.0.0",
    }
    running = ContainedService(["serve", "--port", "0"], tmp_path, environ)
    try:
        yield running
    finally:
        assert running.stop() == 0


@contextmanager
def blackbox_exporter() -> Iterator[str]:
    """Run the blackbox exporter with the modules of the stack; yield the address of its probes."""
    port = free_port()
    process = subprocess.Popen(
        [
            require("prometheus-blackbox-exporter"),
            f"--config.file={ROOT / 'monitoring/blackbox/blackbox.yml'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"

    def responds() -> bool:
        try:
            return httpx2.get(f"{url}/-/healthy", timeout=PATIENCE).status_code == 200
        except httpx2.TransportError:
            return False

    try:
        wait_until(responds, "the blackbox exporter responds")
        yield f"{url}/probe"
    finally:
        process.terminate()
        process.wait()


def ready(*arguments: str, environ: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the health check of the container."""
    return subprocess.run(
        [sys.executable, "-m", "orch.ready", *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)} | dict(environ or {}),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="makes mounts of its own")
def test_it_serves_as_another_user_with_only_its_state_writable(contained: ContainedService) -> None:
    """A session is stored, an upload is spooled; the stack's probes and the image's own check are content."""
    process = Path("/proc") / str(contained.process.pid)
    lines = (process / "status").read_text().splitlines()
    status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    assert status["Uid"].split() == [str(USER)] * 4
    assert int(status["CapEff"], 16) == 1 << 2  # CAP_DAC_READ_SEARCH
    writable = {
        line.split()[4]
        for line in (process / "mountinfo").read_text().splitlines()
        if "rw" in line.split()[5].split(",")
    }
    assert {path.rpartition("/")[2] for path in writable} <= {"state", "shm", "proc", "pts"}

    assert contained.get("/readyz").status_code == 200
    created = contained.post("/api/sessions/create", json={}, headers=contained.headers)
    assert created.status_code in (200, 201), created.text
    body = b"\0" * 600_000  # more than stays in memory
    answer = contained.post("/api/audio/transcribe", content=body, headers=contained.headers)
    assert answer.status_code in (502, 503, 504), answer.text  # there is no back end: it was accepted whole

    with blackbox_exporter() as probe:
        asked = {"module": "http_2xx", "target": f"http://127.0.0.1:{contained.port}/readyz"}
        assert "\nprobe_success 1\n" in httpx2.get(probe, params=asked, timeout=PATIENCE).text

    checked = ready(environ={"PORT": str(contained.port)})
    assert (checked.returncode, checked.stdout[:4]) == (0, "200 ")
    database = process / "cwd" / "var" / "sessions.sqlite3"
    assert (database.stat().st_uid, stat.S_IMODE(database.stat().st_mode)) == (USER, 0o600)


def test_the_health_check_fails_without_a_service() -> None:
    """Whether the port is closed or something else listens there."""
    ended = ready("http://127.0.0.1:9")
    assert ended.returncode == 1
    assert "does not respond" in ended.stdout
