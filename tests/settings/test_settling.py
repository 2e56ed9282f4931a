"""When a changed settings file may be applied."""

import os
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest
import trio
import trio.testing

from orch.settings.settings_file import LARGEST, FollowedFile, look_at
from orch.settings.settling import SETTLE, Look, Missing, Seen, Settling, Step, consider, find_doubt

WAS = Look(device=1, inode=1, size=9, modified_ns=5, inode_changed_ns=5, digest=b"was")
HALF = Look(device=1, inode=1, size=4, modified_ns=6, inode_changed_ns=6, digest=b"half")
WHOLE = Look(device=1, inode=1, size=8, modified_ns=7, inode_changed_ns=7, digest=b"whole")
#: Another inode, as of an editor that moves the old file away and writes a new one.
WRITTEN = Look(device=1, inode=2, size=4, modified_ns=6, inode_changed_ns=6, digest=b"half")
RENAMED = Look(device=1, inode=3, size=8, modified_ns=6, inode_changed_ns=7, digest=b"whole")
GONE = Missing("No such file or directory")
ALL: tuple[Seen, ...] = (WAS, HALF, WHOLE, WRITTEN, RENAMED, GONE)


def test_what_is_read_was_the_same_for_the_settling_time_or_came_by_a_rename_or_was_known() -> None:
    """Over all sequences of five looks, half the settling time apart, with and without a request."""
    for looks, is_requested in product(product(ALL, repeat=5), (False, True)):
        state = Settling(settled=WAS)
        for number, seen in enumerate(looks):
            settled = state.settled
            state, step, pause = consider(state, seen, number * SETTLE / 2, is_requested=is_requested)
            history = looks[: number + 1]
            has_settled = len(history) >= 3 and set(history[-3:]) == {seen}
            renamed = isinstance(seen, Look) and isinstance(settled, Look) and seen.replaces(settled)
            if step is Step.READ:
                assert isinstance(seen, Look)
                assert has_settled or renamed or (is_requested and seen == settled)
            elif step is Step.GIVE_UP:
                assert seen == GONE
                assert has_settled or (is_requested and settled == GONE)
            elif step is Step.WAIT:
                assert seen != settled
                assert 0 < pause <= SETTLE
                assert not has_settled
            else:
                assert seen == settled
                assert not is_requested


def test_whatever_happened_before_the_last_content_is_read_once() -> None:
    """Once the file stays the same, it is read (or given up) exactly once, and then left alone."""
    for looks in product(ALL, repeat=4):
        state = Settling(settled=WAS)
        for number, seen in enumerate(looks):
            state, _, _ = consider(state, seen, number * SETTLE / 2)
        is_known = state.settled == looks[-1]
        now, steps = 3 * SETTLE / 2, []
        for _ in range(5):
            state, step, pause = consider(state, looks[-1], now)
            now += pause
            steps.append(step)
        ends = [step for step in steps if step in {Step.READ, Step.GIVE_UP}]
        assert len(ends) == (0 if is_known else 1), (looks, steps)
        assert steps[-1] is Step.NOTHING


@pytest.mark.parametrize(
    ("change", "is_another"),
    [
        ({}, False),
        ({"inode_changed_ns": 99}, False),  # other permissions
        ({"modified_ns": 6}, True),
        ({"size": 8}, True),
        ({"inode": 2}, True),
        ({"device": 2}, True),
        ({"digest": b"other"}, True),
    ],
)
def test_each_part_of_a_look_counts(change: dict[str, int], *, is_another: bool) -> None:
    """Size, time, inode and content; a program may leave any one of them as it was."""
    fields = {name: getattr(WAS, name) for name in WAS.__struct_fields__} | change
    _, step, _ = consider(Settling(settled=WAS), Look(**fields), 0)
    assert step is (Step.WAIT if is_another else Step.NOTHING)


def test_an_empty_file_is_never_taken_for_a_renamed_one() -> None:
    """A file that is created, given its permissions and then written is empty in between."""
    created = Look(device=1, inode=2, size=0, modified_ns=6, inode_changed_ns=7, digest=b"empty")
    assert consider(Settling(settled=WAS), created, 0)[1] is Step.WAIT


WHOLE_TEXT = "orchestration:\n  log_level: info\nservices:\n  a: {url: 'http://h:8000'}\n"


@pytest.mark.parametrize(
    ("before", "text", "words"),
    [
        (WHOLE_TEXT, "orchestration:\n  log_level: in", "«services»"),
        (WHOLE_TEXT, "# all gone", "«orchestration», «services»"),
        (WHOLE_TEXT, "orchestration:\n  log_level: info\nservices:\n  a: {url: 'http://h:80'}", "shorter"),
        ("a: 1\nb: 2", "a: 1", "«b»"),
        ("x-all: &x {}\na: 1\n", "a: 1", "«x-all»"),
        (WHOLE_TEXT, WHOLE_TEXT + "more: 1", None),  # longer: an editor that adds no line break
        (WHOLE_TEXT, "orchestration:\n  log_level: info\n", None),  # removed on purpose
        ("a: 1\nb: 2", "a: 1\r", None),
        ("a: 1\nb: 2", "a: 1\nb: 3", None),
        ("a: 12\nb: 2", "a: 1\nb: 2", None),  # neither had a line break
        ("", "a: 1", None),
        ("just text", "a: 1", None),
    ],
)
def test_a_text_is_in_doubt_that_ends_in_a_line_and_lacks_what_was_there(
    before: str, text: str, words: str | None
) -> None:
    """The reason names what is missing and what to do."""
    doubt = find_doubt(before, text)
    assert (doubt is None) if words is None else (words in (doubt or "") and "SIGHUP" in (doubt or ""))


def test_every_cut_within_a_line_is_in_doubt_or_invalid() -> None:
    """A file cut anywhere but at the end of a line is never applied without a word."""
    for length in range(1, len(WHOLE_TEXT)):
        cut = WHOLE_TEXT[:length]
        assert cut.endswith("\n") or find_doubt(WHOLE_TEXT, cut) is not None


class Disk:
    """A file that a program writes, on the virtual clock: what a look sees at any time."""

    def __init__(self, *writes: tuple[float, Seen]) -> None:
        self._writes = writes

    def look(self, _path: Path) -> tuple[Seen, bytes]:
        """Return the latest write."""
        now = trio.current_time()
        seen = [each for at, each in self._writes if at <= now][-1]
        return seen, seen.digest if isinstance(seen, Look) else b""


async def follow(disk: Disk, seconds: float, request_at: float | None = None) -> list[tuple[float, object]]:
    """Follow the file for so long; return what was read, lost or reported, and when."""
    seen: list[tuple[float, object]] = []

    def note(what: Callable[..., object]) -> Callable[..., None]:
        return lambda *given: seen.append((trio.current_time() - began, what(*given)))

    began = trio.current_time()
    file = FollowedFile(
        Path("nowhere/settings.yaml"),
        read=note(lambda content, is_requested: (content, is_requested)),
        lost=note(lambda reason: reason),
        restless=note(lambda is_it: is_it),
        look=disk.look,
    )
    with trio.move_on_after(seconds):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(file.watch)
            nursery.start_soon(file.serve_requests)
            if request_at is not None:
                await trio.sleep(request_at)
                file.request()
    return seen


async def test_a_file_written_in_pieces_is_read_once_and_whole(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """The look comes while half of it is there."""
    disk = Disk((0, WAS), (4.9, HALF), (5.5, WHOLE))
    assert await follow(disk, 60) == [(7, (b"whole", False))]


async def test_a_renamed_file_is_read_at_the_first_look(autojump_clock: trio.testing.MockClock) -> None:
    """It does not wait."""
    assert await follow(Disk((0, WAS), (4.9, RENAMED)), 60) == [(5, (b"whole", False))]


async def test_a_request_reads_a_file_that_has_not_changed_at_once_and_another_when_it_has_settled(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """SIGHUP in the middle of a write waits for its end."""
    assert await follow(Disk((0, WAS)), 60, request_at=3) == [(3, (b"was", True))]
    [last] = await follow(Disk((0, WAS), (63, HALF), (63.5, WHOLE)), 5.5, request_at=3)
    assert last == (5, (b"whole", True))


async def test_a_file_that_never_rests_is_reported_once_and_when_it_does(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """An operator sees why a change is not applied."""
    looks = [WHOLE if number % 2 else HALF for number in range(60)]
    disk = Disk((0, WAS), *((5 + number, look) for number, look in enumerate(looks)))
    assert await follow(disk, 80) == [
        (15, True),
        (65, False),
        (65, (b"whole", False)),
    ]


def test_what_is_no_file_is_missing_with_the_reason(tmp_path: Path) -> None:
    """A folder, nothing, a link to nothing."""
    (tmp_path / "link").symlink_to("nothing")
    assert look_at(tmp_path)[0] == Missing("it is not a regular file")
    for name in ("nothing", "link"):
        assert look_at(tmp_path / name)[0] == GONE


def test_a_real_rename_is_told_from_a_write(tmp_path: Path) -> None:
    """As the file system reports them."""
    path = tmp_path / "settings.yaml"
    path.write_text("a: 1\n")
    before, content = look_at(path)
    assert content == b"a: 1\n"
    path.write_text("a: 2\n")
    written, _ = look_at(path)
    assert isinstance(before, Look)
    assert isinstance(written, Look)
    assert not written.replaces(before)
    fresh = tmp_path / "fresh"
    fresh.write_text("a: 3\n")
    os.utime(fresh, ns=(1, 1))  # written a while ago: clocks of files are coarse
    fresh.replace(path)
    renamed, _ = look_at(path)
    assert isinstance(renamed, Look)
    assert renamed.replaces(written)


def test_a_file_larger_than_the_limit_is_not_read_whole(tmp_path: Path) -> None:
    """A mistaken file takes no memory."""
    path = tmp_path / "settings.yaml"
    with path.open("wb") as file:
        file.truncate(100 * LARGEST)
    assert len(look_at(path)[1]) == LARGEST + 1
