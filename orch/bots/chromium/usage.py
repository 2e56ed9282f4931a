"""What a browser uses: memory and processor time of all its processes, from Linux's /proc."""

import os
import re
from pathlib import Path
from typing import Final

from msgspec import Struct

from orch.bots.chromium.guard import descendants

_PSS: Final = re.compile(r"^Pss:\s+(\d+) kB", re.MULTILINE)


class Usage(Struct, frozen=True, kw_only=True):
    """What the living processes of a browser use; all 0 where there is no /proc, or no browser any more.

    ``memory``: bytes, what processes share counted once (PSS). ``cpu``: seconds of processor time since their
    starts; it can fall when a process ends.
    """

    processes: int = 0
    memory: int = 0
    cpu: float = 0.0


def usage(process: int) -> Usage:
    """Return what the browser whose first process this is uses. It blocks for some milliseconds."""
    found = [_of_one(pid) for pid in (process, *descendants(process))]
    living = [each for each in found if each is not None]
    return Usage(
        processes=len(living),
        memory=sum(memory for memory, _ in living),
        cpu=sum(cpu for _, cpu in living),
    )


def _of_one(pid: int) -> tuple[int, float] | None:
    """Return the memory in bytes and the processor time of one process, None if it has ended."""
    folder = Path("/proc") / str(pid)
    try:
        fields = (folder / "stat").read_text(encoding="utf-8").rpartition(") ")[2].split()
        pss = _PSS.search((folder / "smaps_rollup").read_text(encoding="utf-8"))
    except OSError:
        return None
    ticks = int(fields[11]) + int(fields[12])
    return (int(pss[1]) * 1024 if pss else 0), ticks / os.sysconf("SC_CLK_TCK")
