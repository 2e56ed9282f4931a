"""Links and file names in the documents resolve."""

import re
from pathlib import Path

import pytest

from tests.structure.test_imports import MODULES, place

ROOT = Path(__file__).parents[2]
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def heading_anchors(text: str) -> set[str]:
    """Return the anchors in a document, those of headings (lower case, hyphens for spaces) among them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    written = set(re.findall(r'<a id="([^"]+)">', text))
    return written | {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_link_to_a_file_leads_to_one(document: Path) -> None:
    """A link with an anchor leads to a heading of that file."""
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (document.parent / name) if name else document
        assert file.exists(), f"{document.name}: {target}"
        if anchor and file.suffix == ".md":
            assert anchor in heading_anchors(file.read_text(encoding="utf-8")), f"{document.name}: {target}"


def test_the_architecture_names_files_that_exist() -> None:
    """The paths of a chunk, a request and a setting name files by their path in an area or below it."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    paths = text[text.index("## The path of one audio chunk") : text.index("## Glossary")]
    named = re.findall(r"`([\w/]+\.py)`", paths)
    assert len(named) > 20
    for name in named:
        assert any(path.match(name) for path in MODULES.values()), name


def test_the_architecture_has_every_area_that_is_a_folder() -> None:
    """Every folder of orch/ is described, so that a newcomer can find it."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    areas = {place(name)[1].partition(".")[0] for name in MODULES if name}
    folders = {area for area in areas if (ROOT / "orch" / area).is_dir()}
    assert {area for area in folders if area not in text} == set()
