"""The processor time of another process, which does not grow with what else the machine does."""

import os
from pathlib import Path


def processor_seconds(pid: int) -> float:
    """Return the seconds of processor time that a process has used so far, in user mode and in the kernel."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
