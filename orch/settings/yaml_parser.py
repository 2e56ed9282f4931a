"""A YAML parser with anchors and merge keys that rejects ambiguous documents. Pure."""

import re
from typing import Any, Final

import yaml

_TEXT: Final = "tag:yaml.org,2002:str"
_MERGE: Final = "tag:yaml.org,2002:merge"
_KINDS: Final = {
    "tag:yaml.org,2002:int": "a number",
    "tag:yaml.org,2002:float": "a number",
    "tag:yaml.org,2002:bool": "true or false",
    "tag:yaml.org,2002:null": "nothing",
    "tag:yaml.org,2002:timestamp": "a date",
    "tag:yaml.org,2002:seq": "a list",
    "tag:yaml.org,2002:map": "a section",
}
TRUTHS: Final = {"yes": True, "on": True, "no": False, "off": False}
"""Words of YAML 1.1 for truth values, in lower case."""

_DEEPEST: Final = 64
_UNUSABLE: Final = re.compile("[\0\ud800-\udfff]")
UNUSABLE_TEXT: Final = "text without NUL and lone surrogates"
"""Describes the expected text, for faults about :func:`is_unusable` text."""


def is_unusable(text: str) -> bool:
    """Whether a text has characters that file names, arguments, URLs or JSON cannot have."""
    return _UNUSABLE.search(text) is not None


class _Loader(yaml.SafeLoader):
    """YAML 1.1, but a duplicate key is a fault.

    Keys are compared as written in the file, before ``<<`` is applied: merged values are meant to be
    overridden.
    """

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self._depth += 1
        try:
            if self._depth > _DEEPEST:
                mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]  # the stubs lack it
                raise yaml.composer.ComposerError(None, None, f"more than {_DEEPEST} levels of nesting", mark)
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag not in {_TEXT, _MERGE}:
                shown = _KINDS.get(key.tag, "something else")
                raise yaml.composer.ComposerError(
                    None, None, f"a key must be a name, not {shown}", key.start_mark
                )
            if is_unusable(key.value):
                raise yaml.composer.ComposerError(None, None, UNUSABLE_TEXT, key.start_mark)
            if key.value in seen:
                raise yaml.composer.ComposerError(
                    None, None, f"the key {key.value} is given twice", key.start_mark
                )
            seen.add(key.value)
        return node


class _TextLoader(_Loader):
    """Only ``true`` and ``false`` are truth values, as in YAML 1.2."""


_BOOL: Final = "tag:yaml.org,2002:bool"
_TextLoader.yaml_implicit_resolvers = {
    first: [each for each in resolvers if each[0] != _BOOL]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_TextLoader.add_implicit_resolver(_BOOL, re.compile("(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))


class NotYamlError(ValueError):
    """Invalid YAML. ``line`` and ``column`` count from 1; None if the fault has no single position."""

    def __init__(self, reason: str, line: int | None = None, column: int | None = None) -> None:
        super().__init__(reason)
        self.line = line
        self.column = column


def read_yaml(text: str, *, words_are_text: bool = False) -> Any:
    """Parse the text. Raises only :class:`NotYamlError`, whatever the text.

    ``words_are_text``: those of :data:`TRUTHS` are, for who knows where a truth value is expected: ``off`` is
    also a choice of several settings, and ``no`` a language.
    """
    loader = _TextLoader if words_are_text else _Loader
    try:
        return yaml.load(text, Loader=loader)  # noqa: S506 - a SafeLoader, stricter about keys
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = str(error.problem or error.context)
        if mark is None:
            raise NotYamlError(reason) from error
        raise NotYamlError(reason, mark.line + 1, mark.column + 1) from error
    except Exception as error:
        # PyYAML's constructors raise whatever Python does with a date that is none, a number too long to
        # print, an empty number or a word that is no truth value: ValueError, KeyError, AttributeError, …
        raise NotYamlError(str(error) or type(error).__name__) from error
