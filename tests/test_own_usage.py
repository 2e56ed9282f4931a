"""The memory that this process may use, in the groups that container engines and systemd make."""

from pathlib import Path
from typing import Final, NamedTuple

import pytest

from orch import own_usage
from orch.overload import Use

MIB: Final = 2**20
NO_LIMIT: Final = "9223372036854771712"


class Tree(NamedTuple):
    """The process's own path, the files by path below ``/sys/fs/cgroup``, and what should be found."""

    own: str
    files: dict[str, str]
    use: Use | None


def v2(folder: str, most: int | str, used: int, *, high: int | str = "max", cache: int = 0) -> dict[str, str]:
    """Return a group of version 2 with the memory controller."""
    place = f"{folder}/" if folder else ""
    return {
        f"{place}memory.max": f"{most}",
        f"{place}memory.high": f"{high}",
        f"{place}memory.current": f"{used}",
        f"{place}memory.swap.max": "max",
        f"{place}memory.swap.current": f"{99 * MIB}",
        f"{place}memory.stat": f"anon 7\nfile {cache}\ninactive_anon 3\ninactive_file {cache}\nactive_file 5",
    }


def v1(folder: str, most: int | str, used: int, *, cache: int = 0) -> dict[str, str]:
    """Return a group of version 1. ``cache``: with the groups below it, as its own may be 0."""
    place = f"memory/{folder}/" if folder else "memory/"
    return {
        f"{place}memory.limit_in_bytes": f"{most}",
        f"{place}memory.usage_in_bytes": f"{used}",
        f"{place}memory.soft_limit_in_bytes": NO_LIMIT,
        f"{place}memory.stat": f"inactive_file 20480\ntotal_inactive_anon 1\ntotal_inactive_file {cache}",
    }


POD: Final = "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice"

TREES: Final[dict[str, Tree]] = {
    # A container sees its own group as the root.
    "Docker, own namespace": Tree("0::/", v2("", 512 * MIB, 100 * MIB), Use(100 * MIB, 512 * MIB)),
    "Docker without a limit": Tree("0::/", v2("", "max", 100 * MIB), None),
    # --cgroupns=host: the path is the host's, and is not there.
    "Docker, the host's namespace": Tree(
        "0::/system.slice/docker-4f1c.scope", v2("", 512 * MIB, 100 * MIB), Use(100 * MIB, 512 * MIB)
    ),
    "a process moved out of its namespace": Tree(
        "0::/../other", v2("", 512 * MIB, 100 * MIB), Use(100 * MIB, 512 * MIB)
    ),
    # On the node's own file system: the pod has a limit, the container has none or a higher one.
    "Kubernetes, the pod's limit": Tree(
        f"0::/{POD}/cri-containerd-9.scope",
        v2(f"{POD}/cri-containerd-9.scope", "max", 300 * MIB)
        | v2(POD, 400 * MIB, 350 * MIB)
        | v2("kubepods.slice/kubepods-burstable.slice", "max", 900 * MIB)
        | v2("kubepods.slice", 8000 * MIB, 900 * MIB),
        Use(350 * MIB, 400 * MIB),
    ),
    # Kubernetes' MemoryQoS throttles from memory.high on.
    "Kubernetes, throttled": Tree(
        "0::/", v2("", 500 * MIB, 440 * MIB, high=450 * MIB), Use(440 * MIB, 450 * MIB)
    ),
    "high without max": Tree("0::/", v2("", "max", 440 * MIB, high=450 * MIB), Use(440 * MIB, 450 * MIB)),
    "full of page cache": Tree(
        "0::/", v2("", 500 * MIB, 499 * MIB, cache=300 * MIB), Use(199 * MIB, 500 * MIB)
    ),
    "a slice of systemd": Tree(
        "0::/system.slice/orch.service",
        v2("system.slice/orch.service", 200 * MIB, 50 * MIB) | v2("system.slice", "max", 900 * MIB),
        Use(50 * MIB, 200 * MIB),
    ),
    # The root group of a machine has neither a limit nor a figure.
    "the root of a machine": Tree(
        "0::/", {"memory.stat": "anon 1", "cgroup.controllers": "cpu memory"}, None
    ),
    "version 1, Docker": Tree(
        "9:memory:/docker/4f1c\n3:cpu,cpuacct:/docker/4f1c\n1:name=systemd:/docker/4f1c",
        v1("", 512 * MIB, 100 * MIB),
        Use(100 * MIB, 512 * MIB),
    ),
    "version 1, a limit above": Tree(
        "4:memory:/a/b",
        v1("a/b", NO_LIMIT, 80 * MIB)
        | v1("a", 100 * MIB, 90 * MIB, cache=9 * MIB)
        | v1("", NO_LIMIT, 900 * MIB),
        Use(81 * MIB, 100 * MIB),
    ),
    "version 1 without a limit": Tree("4:memory:/a", v1("a", NO_LIMIT, MIB) | v1("", NO_LIMIT, MIB), None),
    # systemd's hybrid: version 2 is there, without memory.
    "hybrid": Tree(
        "4:memory:/a\n0::/user.slice",
        v1("a", 100 * MIB, 50 * MIB) | {"unified/cgroup.controllers": "hugetlb"},
        Use(50 * MIB, 100 * MIB),
    ),
    "figures that are none": Tree(
        "0::/", {"memory.max": "many", "memory.high": "", "memory.current": "-1"}, None
    ),
    "a limit alone": Tree("0::/", {"memory.max": "100", "memory.high": "max"}, None),
}


@pytest.mark.parametrize("name", TREES)
def test_the_limit_that_holds_is_found(tmp_path: Path, name: str) -> None:
    """In what Docker, Kubernetes and systemd make of versions 1 and 2."""
    tree = TREES[name]
    groups, own = tmp_path / "cgroup", tmp_path / "own"
    own.write_text(f"{tree.own}\n")
    for path, text in tree.files.items():
        (groups / path).parent.mkdir(parents=True, exist_ok=True)
        (groups / path).write_text(f"{text}\n")
    assert own_usage.memory(groups, own) == tree.use


def test_files_that_cannot_be_read_are_no_limit(tmp_path: Path) -> None:
    """A folder in the place of a file, and bytes that are no text."""
    groups, own = tmp_path / "cgroup", tmp_path / "own"
    own.write_bytes(b"0::/\xff\n4:memory\n\n")
    (groups / "memory.max").mkdir(parents=True)
    (groups / "memory.current").write_bytes(b"\xff")
    assert own_usage.memory(groups, own) is None


def test_the_groups_of_this_machine_can_be_read() -> None:
    """Whatever they are: a limit is more than what is used of it, or nearly."""
    use = own_usage.memory()
    assert use is None or 0 <= use.used <= 1.01 * use.limit
