"""Profile folders: created, copied, removed, reaped."""

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from orch.bots.chromium import profiles as module
from orch.bots.chromium.errors import BrowserNotStartedError
from orch.bots.chromium.guard import descendants
from orch.bots.chromium.profiles import LONGEST_HOME, Profiles
from orch.shortages import Shortage


def test_a_profile_ends_with_its_block(tmp_path: Path) -> None:
    """With its files and its lock; only its owner can look into it."""
    profiles = Profiles(tmp_path / "new" / "folder")
    with profiles.create() as one, profiles.create() as other:
        assert one.path != other.path
        assert one.path.stat().st_mode & 0o077 == 0
        (one.data / "Default").mkdir()
        (one.home / "file").write_text("x")
    assert list(profiles.folder.iterdir()) == []


def test_a_profile_in_use_is_not_reaped(tmp_path: Path) -> None:
    """Not by another service on the same folder either."""
    with Profiles(tmp_path).create() as profile:
        assert Profiles(tmp_path).reap() == ()
        assert profile.data.is_dir()


def test_the_profile_of_a_dead_owner_is_reaped(tmp_path: Path) -> None:
    """Its lock is free; others stay."""
    left, never_made = "0" * 16, "1" * 16
    (tmp_path / left / "data").mkdir(parents=True)
    (tmp_path / f"{left}.lock").touch()
    (tmp_path / f"{never_made}.lock").touch()
    (tmp_path / "no-profile").mkdir()
    (tmp_path / "no-profile.lock").touch()
    assert Profiles(tmp_path).reap() == (left, never_made)
    assert {each.name for each in tmp_path.iterdir()} == {"no-profile", "no-profile.lock"}


def test_a_folder_that_does_not_exist_has_nothing_to_reap(tmp_path: Path) -> None:
    """The first start."""
    assert Profiles(tmp_path / "none").reap() == ()


def test_a_long_path_has_a_short_link(tmp_path: Path) -> None:
    """Chromium aborts where the path of its socket is too long; the link ends with the profile."""
    with Profiles(tmp_path / ("long" * 20)).create() as profile:
        assert len(str(profile.home)) <= LONGEST_HOME
        assert profile.home.is_symlink()
        (profile.home / "file").touch()
        assert (profile.path / "home" / "file").is_file()
    assert not profile.home.is_symlink()
    assert list(profile.path.parent.iterdir()) == []


def test_a_path_that_cannot_be_short_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to do."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / ("long" * 20)))
    with pytest.raises(BrowserNotStartedError, match="TMPDIR"):
        Profiles(tmp_path / ("long" * 20)).create().__enter__()


def test_a_guard_that_has_removed_the_profile_is_no_error(tmp_path: Path) -> None:
    """What is gone needs no removal."""
    with Profiles(tmp_path).create() as profile:
        shutil.rmtree(profile.path)
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_is_being_reaped_is_replaced(tmp_path: Path) -> None:
    """A reaper that comes between creation and lock takes the file, not the profile."""
    path = tmp_path / "name"
    real, calls = fcntl.flock, 0

    def steal_first(number: int, operation: int) -> None:
        nonlocal calls
        calls += 1
        real(number, operation)
        if calls == 1:
            path.with_suffix(".lock").unlink()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fcntl, "flock", steal_first)
        number = module._locked(path)
    assert calls == 2
    assert path.with_suffix(".lock").stat().st_ino == os.fstat(number).st_ino
    os.close(number)


def test_a_signed_in_profile_is_copied_without_caches(tmp_path: Path) -> None:
    """Cookies come along; caches and the marks of the browser that uses it do not."""
    template = tmp_path / "signed-in"
    (template / "Default" / "Cache").mkdir(parents=True)
    (template / "Local State").write_text("{}")
    (template / "Default" / "Cookies").write_text("c")
    (template / "Default" / "Cache" / "big").write_text("b")
    (template / "SingletonLock").symlink_to("host-1")
    with Profiles(tmp_path / "p").create(template) as profile:
        found = {each.relative_to(profile.data).as_posix() for each in profile.data.rglob("*")}
        assert found == {"Local State", "Default", "Default/Cookies"}
        (profile.data / "Default" / "Cookies").write_text("changed")
    assert (template / "Default" / "Cookies").read_text() == "c"


def test_a_folder_that_is_no_profile_is_refused(tmp_path: Path) -> None:
    """With the setting's name and what to do; nothing is left."""
    with pytest.raises(BrowserNotStartedError, match=r"bots\.profile_dir.*Local State"):
        Profiles(tmp_path / "p").create(tmp_path).__enter__()
    assert list((tmp_path / "p").iterdir()) == []


def test_a_huge_profile_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each bot would copy it."""
    (tmp_path / "Local State").write_text("x" * 100)
    monkeypatch.setattr(module, "LARGEST_TEMPLATE", 99)
    with pytest.raises(BrowserNotStartedError, match="more than"):
        Profiles(tmp_path / "p").create(tmp_path).__enter__()


def test_a_full_disk_is_said_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chromium would be killed by SIGBUS later, without a word."""
    monkeypatch.setattr(module, "LEAST_FREE", 2**62)
    with pytest.raises(BrowserNotStartedError, match="MiB free") as caught:
        Profiles(tmp_path).create().__enter__()
    assert caught.value.shortage is Shortage.DISK
    assert list(tmp_path.iterdir()) == []


def test_descendants_are_found_at_any_depth() -> None:
    """This process is one of the first process's."""
    assert os.getpid() in descendants(os.getppid())
    assert descendants(2**30) == []
