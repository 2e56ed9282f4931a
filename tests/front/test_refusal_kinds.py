"""The kinds by which refused connections are counted are a closed list, each at 0 from the start."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from orch.front.http1.refusals import REFUSALS
from orch.front.refusal_kinds import KINDS
from orch.front.statistics import FrontStatistics, readings
from orch.telemetry.names.front import FRONT_REFUSED

FRONT = Path(__file__).parents[2] / "orch" / "front"

#: What makes a refusal, and which of its arguments is the kind.
MAKES = {"ProtocolViolationError": 1, "BadHandshakeError": 1, "BadRequestError": 0}


def counted(source: str) -> Iterator[str]:
    """Return the kinds that a module's source counts or raises, where it spells them."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and (place := MAKES.get(ast.unparse(node.func))) is not None:
            kind = node.args[place]
            if isinstance(kind, ast.Constant):
                yield str(kind.value)
        if isinstance(node, ast.Subscript) and ast.unparse(node.value).endswith("refused"):
            yield from re.findall(r"'(\w+)'", ast.unparse(node.slice))


def test_every_kind_that_is_counted_is_in_the_list() -> None:
    """And every kind of the list is counted somewhere."""
    found = {kind for path in FRONT.rglob("*.py") for kind in counted(path.read_text(encoding="utf-8"))}
    assert len(found) > 40
    assert found <= set(KINDS)
    assert set(KINDS) - set(REFUSALS) - {"too_many_small_frames"} <= found
    assert len(KINDS) == len(set(KINDS))


def test_every_kind_is_at_0_before_it_occurs() -> None:
    """So that a rate shows its first increment."""
    statistics = FrontStatistics(bound=(), open=0, accepted=0, closed_by_force=0, refused={"no_pong": 2})
    values = {each.labels[0]: each.value for each in readings(statistics) if each.name is FRONT_REFUSED}
    assert values == {**dict.fromkeys(KINDS, 0), "no_pong": 2}
