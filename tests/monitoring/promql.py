"""Static checks of PromQL: what parses and can still never be right.

They are those of Cloudflare's pint that need no server, and some for faults that hand-written series do not
show either: label sets that differ on the two sides of an operation, and label values that the program never
yields. Labels are inferred through functions, aggregations and operations.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import promql_parser as ast
from msgspec import Struct

from tests.monitoring.catalogue import Known, is_counter

#: A range holds four scrapes: two may fail, and Prometheus 3 counts one less than 2 at the edges.
SCRAPE: Final = 15.0
LEAST_RANGE: Final = 4 * SCRAPE

_OF_COUNTERS: Final = {"rate", "irate", "increase", "resets"}
_OF_GAUGES: Final = {"delta", "idelta", "deriv", "predict_linear", "changes"}
_COMPARISONS: Final = {"==", "!=", "<", "<=", ">", ">="}
_SETS: Final = {"and", "or", "unless"}


class Shape(Struct, frozen=True):
    """What an expression yields: series with these labels. ``pinned``: labels that its selector restricts.

    ``metric``: the only metric that it reads, if it is a selector under functions that keep its labels.
    """

    labels: frozenset[str] = frozenset()
    is_scalar: bool = False
    pinned: tuple[tuple[str, str], ...] = ()
    metric: str = ""


_SCALAR: Final = Shape(is_scalar=True)


class Reader:
    """Reads one expression. ``faults``: what is wrong with it; ``shape``: what it yields."""

    def __init__(
        self, expression: str, known: Mapping[str, Known], recorded: Callable[[str], str | None]
    ) -> None:
        self._known = known
        self._recorded = recorded
        self.faults: list[str] = []
        self.selected: list[str] = []
        self.tree: Any = ast.parse(expression)
        self.shape = self._read(self.tree, "")

    def _fault(self, text: str) -> None:
        if text not in self.faults:
            self.faults.append(text)

    def _read(self, node: Any, within: str) -> Shape:
        """Return what ``node`` yields. ``within``: the function that it is an argument of."""
        match node:
            case ast.NumberLiteral() | ast.StringLiteral():
                found = _SCALAR
            case ast.ParenExpr() | ast.UnaryExpr():
                found = self._read(node.expr, within)
            case ast.SubqueryExpr():
                found = self._read(node.expr, "")
            case ast.VectorSelector():
                found = self._selector(node, within)
            case ast.MatrixSelector():
                if within != "absent_over_time" and node.range.total_seconds() < LEAST_RANGE:
                    self._fault(f"the range {ast.display_duration(node.range)} holds less than four scrapes")
                found = self._selector(node.vector_selector, within)
            case ast.AggregateExpr():
                found = self._aggregation(node)
            case ast.Call():
                found = self._call(node)
            case _:
                found = self._operation(node)
        return found

    def _selector(self, node: Any, within: str) -> Shape:
        name = node.name
        if name is None:
            self._fault("a selector without a metric reads all of them")
            return Shape()
        self.selected.append(name)
        pinned = tuple(sorted((each.name, f"{each.op}{each.value}") for each in node.matchers.matchers))
        expression = self._recorded(name)
        if expression is not None:
            inner = Reader(expression, self._known, self._recorded)
            return Shape(labels=inner.shape.labels, pinned=pinned, metric=name)
        known = self._known.get(name)
        if known is None:
            self._fault(f"{name} does not exist")
            return Shape()
        for matcher in node.matchers.matchers:
            self._matcher(name, known, matcher)
        if is_counter(name):
            if within not in _OF_COUNTERS | {"absent", "absent_over_time"}:
                self._fault(f"{name} is a counter: without rate or increase it only grows")
        elif within in _OF_COUNTERS and known.kind != "unknown":
            self._fault(f"{within} of {name}, which is a {known.kind}")
        return Shape(labels=known.labels, pinned=pinned, metric=name)

    def _matcher(self, name: str, known: Known, matcher: Any) -> None:
        label = matcher.name
        if label in {"le", "quantile"}:
            self._fault(f"{label} of {name} is matched as text, which Prometheus 3 writes differently")
        elif label not in known.labels:
            self._fault(f"{name} has no label {label}")
        elif (allowed := known.values.get(label)) is not None:
            is_pattern = _is_regular_expression(matcher)
            for value in matcher.value.split("|") if is_pattern else [matcher.value]:
                pattern = value if is_pattern else re.escape(value)
                if not any(re.fullmatch(pattern, each) for each in allowed):
                    self._fault(f"{label} of {name} is never {value}")

    def _aggregation(self, node: Any) -> Shape:
        inner = self._read(node.expr, "")
        modifier = node.modifier
        if modifier is None:
            return Shape(labels=inner.labels if _keeps_series(node) else frozenset())
        labels = frozenset(modifier.labels)
        if missing := labels - inner.labels:
            self._fault(
                f"{sorted(missing)} of an aggregation are not among the labels {sorted(inner.labels)}"
            )
        return Shape(labels=labels & inner.labels if _is_by(modifier) else inner.labels - labels)

    def _call(self, node: Any) -> Shape:
        name = node.func.name
        if name in {"absent", "absent_over_time"}:
            inner = self._read(node.args[0], name)
            equal = frozenset(label for label, value in inner.pinned if value.startswith("MatchOp.Equal"))
            return Shape(labels=equal)
        if name in {"vector", "time", "scalar"}:
            return Shape() if name == "vector" else _SCALAR
        shapes = [self._read(each, name) for each in node.args]
        if name == "histogram_quantile":
            if "le" not in shapes[1].labels:
                self._fault("histogram_quantile needs the label le")
            return Shape(labels=shapes[1].labels - {"le"})
        return next((shape for shape in shapes if not shape.is_scalar), _SCALAR)

    def _operation(self, node: Any) -> Shape:
        operator = _operator(node.op)
        left, right = self._read(node.lhs, ""), self._read(node.rhs, "")
        if left.is_scalar or right.is_scalar:
            return right if left.is_scalar else left
        matching = None if node.modifier is None else node.modifier.matching
        if matching is None:
            if left.labels != right.labels:
                self._fault(
                    f"{operator} of series with {sorted(left.labels)} and with {sorted(right.labels)}"
                )
            elif operator not in _SETS and left.metric == right.metric != "" and left.pinned != right.pinned:
                self._fault(f"{operator} compares {left.metric} with itself: sum both sides")
            return left if operator in _SETS else Shape(labels=left.labels)
        named = frozenset(matching.labels)
        if _includes(matching):
            if missing := named - (left.labels & right.labels):
                self._fault(f"on {sorted(missing)}, which one side does not have")
        elif left.labels - named != right.labels - named:
            self._fault(f"{operator} ignoring {sorted(named)} still has different labels on both sides")
        if operator in _SETS or "ManyToOne" in str(node.modifier.card):
            return left
        return Shape(labels=named if _includes(matching) else left.labels - named)


def _operator(token: Any) -> str:
    return str(token)


def _is_regular_expression(matcher: Any) -> bool:
    return str(matcher.op) in {"MatchOp.Re", "MatchOp.NotRe"}


def _keeps_series(node: Any) -> bool:
    return str(node.op) in {"topk", "bottomk"}


def _is_by(modifier: Any) -> bool:
    return str(modifier.type).endswith("By")


def _includes(matching: Any) -> bool:
    return str(matching.type).endswith("Include")


def can_be_silent(node: Any) -> bool:
    """Return whether an alert's expression depends on a condition, and so does not always fire."""
    if isinstance(node, ast.ParenExpr):
        return can_be_silent(node.expr)
    if isinstance(node, ast.Call):
        return bool(node.func.name in {"absent", "absent_over_time"})
    if not isinstance(node, ast.BinaryExpr):
        return False
    operator = _operator(node.op)
    if operator in _COMPARISONS:
        return not (node.modifier is not None and node.modifier.return_bool)
    if operator in {"and", "unless"}:
        return can_be_silent(node.lhs) or (operator == "and" and can_be_silent(node.rhs))
    return operator == "or" and can_be_silent(node.lhs) and can_be_silent(node.rhs)


_LABEL: Final = re.compile(r"\$labels\.([a-zA-Z_][a-zA-Z0-9_]*)")
_EXTERNAL: Final = re.compile(r"\$externalLabels\.([a-zA-Z_][a-zA-Z0-9_]*)")


def labels_in(text: str) -> set[str]:
    """Return the labels that a text of an alert uses."""
    return set(_LABEL.findall(text))


def external_labels_in(text: str) -> set[str]:
    """Return the external labels that a text uses."""
    return set(_EXTERNAL.findall(text))


_QUERY: Final = re.compile(r'(?:query|printf) "((?:[^"\\]|\\.)*)"')


def queries_in(text: str) -> Iterator[str]:
    """Yield the queries of a text's templates, with ``x`` for what is put into them."""
    for query in _QUERY.findall(text):
        if not re.fullmatch(r"%[0-9.]*[a-z]", query):
            yield query.replace("%q", "'x'")
