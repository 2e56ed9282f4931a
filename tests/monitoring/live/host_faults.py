"""Faults of a machine: a small disk that an exporter sees, and a control group with little memory.

They need root, and a kernel that allows mounts in a namespace of one's own; :func:`can_break_hosts` says so.
"""

import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from tests.fakes.processes import children
from tests.fakes.tools import require
from tests.fakes.waiting import wait_until
from tests.monitoring.live.faults import Fault
from tests.monitoring.live.process_faults import can_mount
from tests.monitoring.live.watching import Server
from tests.monitoring.live.world import World

MIB: Final = 2**20
DISK_MIB: Final = 24
INODES: Final = 64
GROUP: Final = Path("/sys/fs/cgroup/memory/orch-alerts-seen")
MOUNTED: Final = """\
mount --make-rprivate / && mount -o loop "$1" "$2" && shift 2 && exec "$@"
"""
GREEDY: Final = "held = [bytearray(1 << 20) for _ in range(400)]"


class Host:
    """An exporter of a machine that has one more disk."""

    def __init__(self, world: World) -> None:
        self.world = world
        image, self._at = world.folder / "disk.img", world.folder / "disk"
        self._at.mkdir()
        with image.open("wb") as file:
            file.truncate(DISK_MIB * MIB)
        made = ["mkfs.ext4", "-q", "-F", "-m", "0", "-N", str(INODES), str(image)]
        subprocess.run(made, check=True, capture_output=True, timeout=60)
        self.exporter = Server(
            world.folder,
            "unshare",
            *("--mount", "--pid", "--fork", "--mount-proc", "--kill-child"),
            *("sh", "-c", MOUNTED, "sh", str(image), str(self._at)),
            *(require("prometheus-node-exporter"), "--web.listen-address=127.0.0.1:PORT"),
            ready="/metrics",
        ).start()
        world.more.callback(self._end)
        world.watch.scrape("node", self.exporter.url)

    def faults(self) -> tuple[Fault, ...]:
        """Return the faults in the order in which they can be injected."""
        found = [
            Fault("a disk fills", ("HostDiskFillsIn24h", "HostDiskAlmostFull"), self._fill, self._empty),
            Fault("a disk has no more room for files", ("HostInodesAlmostOut",), self._files, self._empty),
        ]
        if GROUP.parent.is_dir():
            found.append(Fault("the kernel ends a process", ("HostOomKill",), self._use_up, self._calm))
        return tuple(found)

    def _end(self) -> None:
        """End the exporter with the program that waits for it, which ignores SIGTERM; so ends the mount."""
        if self.exporter.process is not None:
            self.exporter.process.kill()
            self.exporter.process.wait(60)

    @property
    def _disk(self) -> Path:
        """The disk's folder, as this process can reach it."""
        assert self.exporter.process is not None
        (inside,) = children(self.exporter.process.pid)
        return Path(f"/proc/{inside}/root{self._at}")

    def _fill(self, world: World) -> None:
        disk = self._disk
        (disk / "first").write_bytes(bytes(int(DISK_MIB * 0.7) * MIB))

        def more() -> None:
            with (disk / "filler").open("ab") as file:
                file.write(bytes(MIB // 4))

        world.pump(more, 0.3)

    def _files(self, _: World) -> None:
        with suppress(OSError):
            for number in range(INODES):
                (self._disk / f"file-{number}").touch()

    def _empty(self, world: World) -> None:
        world.calm()
        for path in self._disk.iterdir():
            if path.is_file():
                path.unlink()

    def _use_up(self, world: World) -> None:
        GROUP.mkdir(exist_ok=True)
        (GROUP / "memory.limit_in_bytes").write_text(str(40 * MIB), encoding="ascii")
        join = f'echo $$ > "{GROUP}/cgroup.procs" && exec "$@"'

        def once() -> None:
            subprocess.run(["sh", "-c", join, "sh", sys.executable, "-c", GREEDY], check=False, timeout=60)
            time.sleep(2)

        world.pump(once, 0.1)

    def _calm(self, world: World) -> None:
        world.calm()
        wait_until(lambda: not (GROUP / "cgroup.procs").read_text(encoding="ascii"), "the group is empty")
        GROUP.rmdir()


def can_break_hosts() -> bool:
    """Whether this user may have mounts of its own, and can make disks."""
    return can_mount() and shutil.which("mkfs.ext4") is not None
