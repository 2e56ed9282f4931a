"""The modules of ``orch/``, each read and parsed once for all tests of a process."""

import ast
from collections import defaultdict
from functools import cache, cached_property
from pathlib import Path
from typing import TypeVar, cast

NodeT = TypeVar("NodeT", bound=ast.AST)

ORCH = Path(__file__).parents[2] / "orch"

#: The path of every module.
PATHS = sorted(ORCH.rglob("*.py"))


class Source:
    """What a module says.

    text: as it stands in the file.
    """

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def tree(self) -> ast.Module:
        """The module, parsed."""
        return ast.parse(self.text)

    @cached_property
    def _nodes(self) -> dict[type[ast.AST], list[ast.AST]]:
        found = defaultdict(list)
        for node in ast.walk(self.tree):
            found[type(node)].append(node)
        return found

    def nodes(self, kind: type[NodeT]) -> list[NodeT]:
        """Return the nodes of exactly one class, however deep, from the outermost to the innermost."""
        return cast("list[NodeT]", self._nodes.get(kind, []))


@cache
def source(path: Path) -> Source:
    """Return a file's source; it does not change while tests run."""
    return Source(path.read_text(encoding="utf-8"))


def sources(without: str = "") -> dict[str, Source]:
    """Return the source of every module by its path in ``orch/``, except those in one folder of it."""
    found = {path.relative_to(ORCH).as_posix(): source(path) for path in PATHS}
    return {name: each for name, each in found.items() if not without or not name.startswith(f"{without}/")}
