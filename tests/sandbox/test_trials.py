"""The trials of translation directions, and the file that stores which were passed."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from orch.sandbox.engines.passed_trials import MOST, FileState, decode, encode, key, location
from orch.sandbox.engines.trials import Trials

pytestmark = pytest.mark.real_time


class Attempts:
    """Counts trials; they pass unless ``fails``."""

    def __init__(self) -> None:
        self.count = 0
        self.fails = False

    async def __call__(self) -> bool:
        await trio.lowlevel.checkpoint()
        self.count += 1
        return not self.fails


async def passes(path: Path, attempts: Attempts, *files: Path, name: str = "en-es") -> bool:
    """Start as a new process does: with the file alone."""
    trials = Trials(path)
    result = await trials.passes(name, files, attempts)
    await trials.store()
    return result


async def test_a_direction_that_passed_is_not_tried_at_the_next_start(tmp_path: Path) -> None:
    attempts, path = Attempts(), tmp_path / "cache" / "trials.json"
    for _ in range(3):
        assert await passes(path, attempts)
    assert attempts.count == 1
    assert list(path.parent.iterdir()) == [path]


async def test_a_direction_that_failed_is_tried_again(tmp_path: Path) -> None:
    attempts, path = Attempts(), tmp_path / "trials.json"
    attempts.fails = True
    assert not await passes(path, attempts)
    attempts.fails = False
    assert await passes(path, attempts)


def grow(file: Path) -> None:
    file.write_text(file.read_text() + "x")


def touch(file: Path) -> None:
    os.utime(file, ns=(1, 1))


@pytest.mark.parametrize("change", [grow, touch, Path.unlink])
async def test_a_changed_file_brings_a_new_trial(tmp_path: Path, change: Callable[[Path], None]) -> None:
    attempts, path, file = Attempts(), tmp_path / "trials.json", tmp_path / "en-es.bin"
    file.write_text("dictionary")
    assert await passes(path, attempts, file)
    change(file)
    assert await passes(path, attempts, file)
    assert attempts.count == 2


async def test_directions_are_not_confused(tmp_path: Path) -> None:
    attempts, path = Attempts(), tmp_path / "trials.json"
    assert await passes(path, attempts, name="en-es")
    assert await passes(path, attempts, name="es-en")
    assert await passes(path, attempts, name="en-es")
    assert attempts.count == 2


@pytest.mark.parametrize("contents", [b"", b"{", b"[]", b"\xff", b'{"version": 1, "passed": {"a": 5}}'])
async def test_a_damaged_file_is_replaced_and_named(
    tmp_path: Path, contents: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    attempts, path = Attempts(), tmp_path / "trials.json"
    path.write_bytes(contents)
    assert await passes(path, attempts)
    assert "stored trials not used" in "".join(capfd.readouterr())
    assert await passes(path, attempts)
    assert attempts.count == 1


async def test_without_a_disk_each_start_tries_again(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Here a file stands where the folder would be; the log names the path and the reason."""
    attempts = Attempts()
    (tmp_path / "cache").touch()
    path = tmp_path / "cache" / "trials.json"
    for _ in range(2):
        assert await passes(path, attempts)
    assert attempts.count == 2
    assert "trials not stored" in "".join(capfd.readouterr())


async def test_directions_that_are_tried_at_once_are_all_stored(tmp_path: Path) -> None:
    attempts, path = Attempts(), tmp_path / "trials.json"
    for _ in range(2):
        trials = Trials(path)
        async with trio.open_nursery() as nursery:
            for number in range(10):
                nursery.start_soon(trials.passes, str(number), (), attempts)
        await trials.store()
    assert attempts.count == 10


@given(st.dictionaries(st.text(), st.text(), max_size=20))
def test_entries_are_read_as_they_were_written(passed: dict[str, str]) -> None:
    assert decode(encode(passed)) == passed


def test_the_file_is_bounded_and_keeps_the_newest() -> None:
    passed = {str(number): "en-es" for number in range(MOST + 5)}
    assert list(decode(encode(passed))) == [str(number) for number in range(5, MOST + 5)]


def test_the_entries_of_another_version_are_not_used() -> None:
    assert decode(b'{"version": 0, "passed": {"a": "en-es"}}') == {}


def test_the_order_of_the_files_does_not_matter() -> None:
    one, other = FileState("/a", 1, 2), FileState("/b", None, None)
    assert key("x", [one, other]) == key("x", [other, one])
    assert key("x", [one]) != key("x", [other])


def test_the_file_is_in_the_cache_folder() -> None:
    home = Path("/home/someone")
    tail = "orchestration-service/translation-trials.json"
    assert location({}, home) == home / ".cache" / tail
    assert location({"XDG_CACHE_HOME": "/x"}, home) == Path("/x") / tail
