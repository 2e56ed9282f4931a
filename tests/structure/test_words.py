"""The words of code, pages and documents: no phrase or name that a reader has to decode.

The glossary is in ``docs/architecture.md``. The lists are short and literal: each entry was once all over
the project and has a plain replacement.
"""

import ast
import re
from pathlib import Path
from typing import Final

from tests.structure.sources import PATHS, source

ROOT: Final = Path(__file__).parents[2]

#: Phrases that are refused, and what to write instead. They match across line breaks and comment signs.
PHRASES: Final = {
    r"whoever": "the client (worker, caller) that …",
    r"as many as may be": "the limit is reached",
    r"what is (told|kept|heard|asked|there)": "the message, the stored data, the request, the existing …",
    r"(is|are|was|were) told": "receives, gets, is notified",
    r"(write|writes|written|wrote) (it )?down": "transcribe, record, store",
    r"who is (there|in it|well)": "the participants, a healthy client",
    r"come[s]? and go(es)?": "connect and disconnect, join and leave",
    r"of (its|their) own will": "at their own request",
    r"in doubt": "stale",
    r"has to be told": "must be notified",
    r"be had": "be available",
    r"is to be": "should be, must be",
    r"anew": "again",
    r"but for": "except",
}

#: Where a phrase is right, by file and the words around it.
ALLOWED: Final = (
    ("docs/clients.md", "was told"),
    (
        "orch/speech/translator.py",
        "written down by a machine",
    ),  # part of a prompt, which engines were tested with
)

#: Names that are refused as identifiers, and what they were used for.
NAMES: Final = {
    "elsewhere": "remote",
    "amiss": "failing",
    "hears": "receives",
    "meet_anew": "on_new_server",
    "beware": "warn",
    "lean_on": "require",
    "roll_call": "heartbeat",
}

#: A field of the API, whose name stays.
ALLOWED_NAMES: Final = {("orch/cluster/workers.py", "amiss"), ("orch/wiring/worker_surveys.py", "amiss")}

PATTERNS: Final = {
    re.compile(r"\b" + phrase.replace(" ", r"(?:\s|#:?|\*|//|--)+") + r"\b", re.IGNORECASE): instead
    for phrase, instead in PHRASES.items()
}

ANY_PHRASE: Final = re.compile("|".join(pattern.pattern for pattern in PATTERNS), re.IGNORECASE)


def texts() -> list[Path]:
    """Return the files whose words are checked."""
    folders = {
        "orch": (".py", ".lua"),
        "static/js": (".js",),
        "templates": (".html",),
        "docs": (".md",),
    }
    found = [
        path
        for folder, kinds in folders.items()
        for path in (ROOT / folder).rglob("*")
        if path.suffix in kinds
    ]
    return sorted([*found, ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "Makefile"])


def name_of(path: Path) -> str:
    """Return the path in the project."""
    return path.relative_to(ROOT).as_posix()


def test_no_text_has_a_phrase_that_readers_must_decode() -> None:
    """The message lists file, line, phrase and replacement."""
    found = []
    for path in texts():
        text, name = path.read_text(encoding="utf-8"), name_of(path)
        if not ANY_PHRASE.search(text):
            continue
        for pattern, instead in PATTERNS.items():
            for match in pattern.finditer(text):
                around = text[max(0, match.start() - 40) : match.end() + 40]
                if any(name == file and words in around for file, words in ALLOWED):
                    continue
                line = text.count("\n", 0, match.start()) + 1
                found.append(f"{name}:{line}: {' '.join(match.group().split())!r}: write {instead}")
    assert found == []


def test_no_identifier_has_two_meanings() -> None:
    """Functions, classes, arguments and attributes; with or without leading underscores."""
    names: dict[type[ast.AST], str] = {
        ast.FunctionDef: "name",
        ast.AsyncFunctionDef: "name",
        ast.ClassDef: "name",
        ast.arg: "arg",
        ast.Attribute: "attr",
        ast.Name: "id",
    }
    found = []
    for path in PATHS:
        for kind, field in names.items():
            for node in source(path).nodes(kind):
                word = getattr(node, field).strip("_").lower()
                if word in NAMES and (name_of(path), word) not in ALLOWED_NAMES:
                    found.append(f"{name_of(path)}:{getattr(node, 'lineno', 0)}: {word!r}: use {NAMES[word]}")
    assert found == []


def test_what_is_public_has_a_docstring() -> None:
    """Each public module, class and function; its first line begins like a sentence."""
    missing = []
    for path in PATHS:
        tree = source(path).tree
        owners: list[ast.Module | ast.ClassDef] = [tree, *source(path).nodes(ast.ClassDef)]
        missing += [] if begins_a_sentence(tree) else [name_of(path)]
        missing += [
            f"{name_of(path)}:{node.lineno}: {node.name}"
            for owner in owners
            if not getattr(owner, "name", "").startswith("_")
            for node in owner.body
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            and not (node.name.startswith("_") or is_setter(node) or begins_a_sentence(node))
        ]
    assert missing == []


def is_setter(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
    """Return whether it sets a property, whose getter has the docstring."""
    return any(isinstance(each, ast.Attribute) and each.attr == "setter" for each in node.decorator_list)


def begins_a_sentence(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Return whether there is a docstring that begins with a capital, a figure, or a literal."""
    text = ast.get_docstring(node) or ""
    return bool(re.match(r"[A-Z0-9`\[:]|[^\x00-\x7f]", text))
