"""The pages of a meeting as files: complete texts, two layouts with nothing in common, renamed classes."""

import re
from pathlib import Path

import pytest

from orch.sandbox.meeting.class_names import class_name, named_classes
from orch.sandbox.meeting.server import LANGUAGES, PAGES, texts

LAYOUTS = ("first", "second")


def source(name: str) -> str:
    """Return a file of the pages."""
    return (PAGES / name).read_text(encoding="utf-8")


def used(layout: str) -> set[str]:
    """Return the classes that a layout's script gives to elements."""
    found = re.findall(r'classes: (?:[^",]*\? )?"([^"]*)"', source(f"{layout}.js"))
    return {name for classes in found for name in classes.split()}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_has_every_text(language: str, layout: str) -> None:
    theirs, english = texts(language)[layout], texts("en")[layout]
    assert set(theirs) == set(english)
    assert all(text.strip() for text in theirs.values())
    placeholders = {key for key, text in english.items() if "{name}" in text}
    assert {key for key, text in theirs.items() if "{name}" in text} == placeholders


@pytest.mark.parametrize("layout", LAYOUTS)
def test_texts_by_which_buttons_are_found_are_distinct(layout: str) -> None:
    """Two buttons with one label could not be told apart."""
    for language in LANGUAGES:
        words = texts(language)[layout]
        labels = [
            words[key] for key in ("join_now", "ask_to_join", "ask_to_join_anyway", "rejoin", "sign_in")
        ]
        assert len(set(labels)) == len(labels), language


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_text_that_a_layout_shows_exists(layout: str) -> None:
    keys = set(re.findall(r"texts\.([a-z_]+)", source(f"{layout}.js"))) - {"language", "direction"}
    assert keys
    assert keys <= set(texts("en")[layout])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_class_of_a_layout_is_renamed(layout: str) -> None:
    """One that the style sheet lacks would keep its plain name."""
    _, names = named_classes(source(f"{layout}.css"), 5)
    assert used(layout) - {"notranslate"} <= set(names)
    assert all(names[name] != name for name in names)


def test_the_layouts_share_no_class_no_label_no_role_and_no_mark() -> None:
    sheets = [set(named_classes(source(f"{layout}.css"), 0)[1]) for layout in LAYOUTS]
    assert sheets[0] & sheets[1] == set()
    first, second = (source(f"{layout}.js") for layout in LAYOUTS)
    assert re.findall(r"aria-|role[:=]", second) == []
    assert set(re.findall(r"data-[a-z-]+", first)) & set(re.findall(r"data-[a-z-]+", second)) == set()
    for language in LANGUAGES:
        one, other = (set(texts(language)[layout].values()) for layout in LAYOUTS)
        assert one & other <= {language, "ltr", "rtl"}, language


@pytest.mark.parametrize("seed", range(1, 40))
def test_a_seed_renames_every_class_to_another_name(seed: int) -> None:
    for layout in LAYOUTS:
        sheet, names = named_classes(source(f"{layout}.css"), seed)
        assert len(set(names.values())) == len(names)
        assert ".x-" not in sheet
        assert named_classes(source(f"{layout}.css"), seed) == (sheet, names)
        assert named_classes(source(f"{layout}.css"), seed + 1)[1] != names
    assert class_name("tile", 0) == "tile"


def test_pages_have_no_inline_code_and_no_markup_from_data() -> None:
    """The policy forbids the first; the second would let a name be markup."""
    for path in Path(PAGES).glob("*.js"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text), (
            path.name
        )
