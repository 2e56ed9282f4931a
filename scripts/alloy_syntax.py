"""The syntax of Alloy's configuration as far as ours uses it: tokens, blocks, attributes, references.

Alloy itself is not in Debian or on PyPI. This finds what is misspelled, unclosed or leads nowhere, and
nothing about what the values mean; ``deploy-monitoring.sh deploy`` has the real one validate the file before
anything is started.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*)|(?P<text>"(?:[^"\\\n]|\\.)*")|(?P<number>\d+(?:\.\d+)?)"""
    r"""|(?P<name>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)|(?P<sign>[{}\[\]=,])"""
)

#: The blocks that are used, with the attributes that each has (first those that it must have).
BLOCKS: dict[str, tuple[set[str], set[str]]] = {
    "logging": (set(), {"level", "format"}),
    "local.file_match": ({"path_targets"}, {"sync_period"}),
    "loki.source.file": ({"targets", "forward_to"}, {"tail_from_end"}),
    "loki.process": ({"forward_to"}, set()),
    "loki.write": (set(), {"external_labels"}),
    "endpoint": ({"url"}, {"max_backoff_period", "max_backoff_retries", "min_backoff_period", "batch_size"}),
    "stage.json": ({"expressions"}, {"source", "drop_malformed"}),
    "stage.timestamp": ({"source", "format"}, {"action_on_failure", "fallback_formats", "location"}),
    "stage.output": ({"source"}, set()),
    "stage.labels": ({"values"}, set()),
    "stage.label_drop": ({"values"}, set()),
    "stage.match": ({"selector"}, {"action", "drop_counter_reason", "pipeline_name"}),
    "stage.template": ({"source", "template"}, set()),
    "stage.structured_metadata": ({"values"}, set()),
}
WITH_LABEL = {"local.file_match", "loki.source.file", "loki.process", "loki.write"}
EXPORTS = {"local.file_match": "targets", "loki.process": "receiver", "loki.write": "receiver"}


class AlloySyntaxError(Exception):
    """What is wrong, and in which line."""


@dataclass
class Block:
    """A block: its name, label, line, attributes (their values as tokens), and the blocks in it."""

    name: str
    label: str
    line: int
    attributes: dict[str, list[str]] = field(default_factory=dict)
    blocks: list["Block"] = field(default_factory=list)

    def all(self) -> Iterator["Block"]:
        """Yield this block and those in it."""
        yield self
        for block in self.blocks:
            yield from block.all()


@dataclass
class Tokens:
    """The tokens of a text, with the line of each. The mutable state is the position."""

    text: str
    found: list[tuple[str, str, int]] = field(default_factory=list)
    at: int = 0

    def __post_init__(self) -> None:
        """Split the text."""
        position = 0
        while position < len(self.text):
            line = self.text.count("\n", 0, position) + 1
            match = TOKEN.match(self.text, position)
            if match is None:
                raise AlloySyntaxError(f"line {line}: {self.text[position : position + 20]!r}")
            if match.lastgroup != "space":
                self.found.append((str(match.lastgroup), match.group(), line))
            position = match.end()

    def peek(self) -> tuple[str, str, int]:
        """Return the next token: its kind, text and line."""
        return self.found[self.at] if self.at < len(self.found) else ("end", "end of the file", -1)

    def take(self, *expected: str) -> str:
        """Return the next token, which has one of these kinds or is one of these signs."""
        kind, text, line = self.peek()
        if kind not in expected and text not in expected:
            raise AlloySyntaxError(f"line {line}: expected {' or '.join(expected)}, found {text}")
        self.at += 1
        return text


def parse(text: str) -> list[Block]:
    """Return the blocks of a file. Raises :class:`AlloySyntaxError`."""
    tokens, blocks = Tokens(text), []
    while tokens.peek()[0] != "end":
        blocks.append(_block(tokens, tokens.take("name")))
    return blocks


def _block(tokens: Tokens, name: str) -> Block:
    line = tokens.peek()[2]
    label = tokens.take("text")[1:-1] if tokens.peek()[0] == "text" else ""
    block = Block(name, label, line)
    tokens.take("{")
    while tokens.peek()[1] != "}":
        inner = tokens.take("name")
        if tokens.peek()[1] == "=":
            tokens.take("=")
            block.attributes[inner] = list(_value(tokens))
        else:
            block.blocks.append(_block(tokens, inner))
    tokens.take("}")
    return block


def _value(tokens: Tokens) -> Iterator[str]:
    """Yield the tokens of a text, number, reference, list or object."""
    kind, text, _ = tokens.peek()
    if text not in ("{", "["):
        yield tokens.take("text", "number", "name")
        return
    yield tokens.take(text)
    end = "}" if text == "{" else "]"
    while tokens.peek()[1] != end:
        if kind == "sign" and text == "{":
            yield tokens.take("text", "name")
            yield tokens.take("=")
        yield from _value(tokens)
        if tokens.peek()[1] != end:
            yield tokens.take(",")
    yield tokens.take(end)


def faults(text: str) -> list[str]:
    """Return what is wrong with a file: its syntax, unknown or missing names, references to nothing."""
    try:
        top = parse(text)
    except AlloySyntaxError as error:
        return [str(error)]
    found = []
    exported = {f"{each.name}.{each.label}.{EXPORTS[each.name]}" for each in top if each.name in EXPORTS}
    for block in [inner for each in top for inner in each.all()]:
        if block.name not in BLOCKS:
            found.append(f"line {block.line}: no block is called {block.name}")
            continue
        (required, optional), given = BLOCKS[block.name], set(block.attributes)
        found += [f"line {block.line}: {block.name} has no {each}" for each in sorted(required - given)]
        unknown = sorted(given - required - optional)
        found += [f"line {block.line}: {block.name} knows no {each}" for each in unknown]
        if bool(block.label) != (block.name in WITH_LABEL):
            found.append(f"line {block.line}: {block.name} has a label, or needs one")
        for name in ("targets", "forward_to"):
            references = {each for each in block.attributes.get(name, ()) if "." in each}
            found += [f"line {block.line}: {each} leads nowhere" for each in sorted(references - exported)]
    return found
