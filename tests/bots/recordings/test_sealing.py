"""Encrypted files: what was written is read from any place, and nothing else is."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.bots.recordings.files import RecordingFile, SealedOutput, create, digest
from orch.bots.recordings.sealing import (
    CHUNK,
    HEADER,
    TAG,
    DamagedError,
    Flag,
    LockedError,
    Sealer,
    offset_of,
)

KEY = bytes(range(32))
SALT = bytes(16)


def written(path: Path, *parts: bytes, patch: bytes = b"", key: bytes | None = KEY) -> bytes:
    """Write a file; return its content."""
    output = create(path, key)
    for part in parts:
        output.write(part)
    if patch:
        output.patch(2, patch)
    output.close()
    content = bytearray(b"".join(parts))
    content[2 : 2 + len(patch)] = patch
    return bytes(content)


def noise(size: int) -> bytes:
    return bytes(os.urandom(size))


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 5])
@pytest.mark.parametrize("key", [KEY, None], ids=["sealed", "plain"])
def test_what_was_written_is_read(tmp_path: Path, size: int, key: bytes | None) -> None:
    """Whole, by ranges across chunks, and with its head written again; nobody else can read the file."""
    content = written(tmp_path / "a", noise(size), patch=b"HEAD" if size > 9 else b"", key=key)
    path = tmp_path / "a"
    assert path.stat().st_mode & 0o777 == 0o600
    if key is not None and size > 64:
        assert content[32:64] not in path.read_bytes()
    with RecordingFile(path, key) as file:
        assert (file.size, file.is_cut, file.is_encrypted) == (size, False, key is not None)
        assert b"".join(file.pieces()) == content
        for begin, end in ((0, 5), (CHUNK - 3, CHUNK + 3), (size - 2, size + 9), (size, size + 1)):
            assert b"".join(file.pieces(max(0, begin), end)) == content[max(0, begin) : end]
    assert digest(path)[0] == path.stat().st_size


@given(st.lists(st.binary(max_size=40), max_size=12), st.integers(0, 400), st.integers(0, 400))
def test_any_parts_and_ranges(parts: list[bytes], begin: int, length: int) -> None:
    """Whatever sizes they are written in."""
    path = Path(f"/dev/shm/orch-test-{os.getpid()}")  # noqa: S108 - removed below
    try:
        content = written(path, *parts)
        with RecordingFile(path, KEY) as file:
            assert file.read(begin, length) == content[begin : begin + length]
    finally:
        path.unlink()


def test_more_than_a_thousand_chunks(tmp_path: Path) -> None:
    """Three hours of one voice without compression are 5,274; here 1,200."""
    part = noise(CHUNK)
    output = create(tmp_path / "a", KEY)
    for _ in range(1_200):
        output.write(part)
    output.close()
    with RecordingFile(tmp_path / "a", KEY) as file:
        assert file.size == 1_200 * CHUNK
        assert file.read(1_100 * CHUNK + 7, 20) == part[7:27]


def test_without_the_key_it_is_locked_and_says_so(tmp_path: Path) -> None:
    """Another key is told from a changed file."""
    written(tmp_path / "a", b"x" * 100)
    with pytest.raises(LockedError, match="no key"):
        RecordingFile(tmp_path / "a", None)
    with pytest.raises(LockedError, match="another key"):
        RecordingFile(tmp_path / "a", bytes(32))


def read_whole(path: Path) -> tuple[bytes, bool]:
    with RecordingFile(path, KEY) as file:
        return b"".join(file.pieces()), file.is_cut


@pytest.mark.parametrize("place", [0, 9, 30, HEADER - 1, HEADER, HEADER + CHUNK + TAG + 3])
def test_a_changed_byte_is_never_read(tmp_path: Path, place: int) -> None:
    """In the header, the first chunk or a later one."""
    written(tmp_path / "a", noise(2 * CHUNK + 10))
    data = bytearray((tmp_path / "a").read_bytes())
    data[place] ^= 1
    (tmp_path / "a").write_bytes(data)
    if place == 0:  # then it is none of ours, and read as it is
        assert read_whole(tmp_path / "a")[0] == bytes(data)
        return
    with pytest.raises((DamagedError, LockedError)):
        read_whole(tmp_path / "a")


def test_chunks_cannot_be_exchanged_repeated_or_left_out(tmp_path: Path) -> None:
    """Nor come from another file with the same key."""
    written(tmp_path / "a", noise(3 * CHUNK + 10))
    written(tmp_path / "b", noise(3 * CHUNK + 10))
    data, other = (tmp_path / "a").read_bytes(), (tmp_path / "b").read_bytes()
    at = [offset_of(number, CHUNK) for number in range(4)]
    first, second, third, last = data[at[0] : at[1]], data[at[1] : at[2]], data[at[2] : at[3]], data[at[3] :]
    for chunks in (
        [first, third, second, last],
        [first, second, second, last],
        [first, third, last],
        [first, other[at[1] : at[2]], third, last],
        [first, second, last, third],
    ):
        (tmp_path / "a").write_bytes(b"".join([data[:HEADER], *chunks]))
        assert is_noticed(tmp_path / "a")


def is_noticed(path: Path) -> bool:
    try:
        return read_whole(path)[1]
    except DamagedError:
        return True


@pytest.mark.parametrize("lost", [1, 26, 27, CHUNK, 2 * CHUNK + 50])
def test_a_cut_file_is_read_up_to_there_and_is_known_to_be_cut(tmp_path: Path, lost: int) -> None:
    """As one whose process was killed; only whole chunks count."""
    content = written(tmp_path / "a", noise(3 * CHUNK + 10))
    data = (tmp_path / "a").read_bytes()
    (tmp_path / "a").write_bytes(data[:-lost])
    found, is_cut = read_whole(tmp_path / "a")
    assert is_cut
    assert content.startswith(found)
    assert len(content) - len(found) <= lost + CHUNK


def test_a_file_that_was_not_finished_is_cut_though_its_last_chunk_is_there(tmp_path: Path) -> None:
    """Its process was killed before the head was written again."""
    sealer = Sealer(KEY, SALT)
    data = sealer.header + sealer.seal(0, b"a" * CHUNK, Flag.NONE) + sealer.seal(1, b"b", Flag.LAST)
    (tmp_path / "a").write_bytes(data)
    assert read_whole(tmp_path / "a") == (b"a" * CHUNK + b"b", True)


def test_no_nonce_is_used_for_two_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first chunk, which is written twice, has another one the second time."""
    used: list[tuple[int, Flag]] = []
    seal = Sealer.seal

    def watched(sealer: Sealer, number: int, data: bytes, flags: Flag) -> bytes:
        used.append((number, flags))
        return seal(sealer, number, data, flags)

    monkeypatch.setattr(Sealer, "seal", watched)
    written(tmp_path / "a", b"x" * (2 * CHUNK + 3), patch=b"HEAD")
    written(tmp_path / "b", b"x" * 3, patch=b"HEAD")
    assert used[:4] == [(0, Flag.NONE), (1, Flag.NONE), (2, Flag.LAST), (0, Flag.BEGIN)]
    assert used[4:] == [(0, Flag.LAST | Flag.BEGIN)]


def test_a_full_disk_cuts_the_file_and_nothing_more_is_encrypted(tmp_path: Path) -> None:
    """A chunk is not encrypted twice with the same nonce; what was written before can be read."""
    output = create(tmp_path / "a", KEY)
    assert isinstance(output, SealedOutput)
    content = noise(CHUNK)
    output.write(content)
    file: Any = output._file
    kept, left = file._file.write, [100]

    class Full:
        def __getattr__(self, name: str) -> Any:
            return getattr(raw, name)

        def write(self, data: Any) -> int:
            if not left:
                raise OSError(errno.ENOSPC, "full")
            return int(kept(bytes(data)[: left.pop()]))

    raw = file._file
    file._file = Full()
    with pytest.raises(OSError, match="full"):
        output.write(noise(CHUNK))
    left.append(10**9)
    with pytest.raises(OSError, match="earlier"):
        output.write(b"more")
    output.close()
    assert read_whole(tmp_path / "a") == (content, True)


def test_a_file_is_never_overwritten(tmp_path: Path) -> None:
    """Nor is a link followed."""
    (tmp_path / "a").write_bytes(b"old")
    (tmp_path / "b").symlink_to(tmp_path / "elsewhere")
    for name in ("a", "b"):
        with pytest.raises(FileExistsError):
            create(tmp_path / name, KEY)
    assert not (tmp_path / "elsewhere").exists()
