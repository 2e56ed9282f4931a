"""Transcripts as Word documents."""

import zipfile
from io import BytesIO
from xml.etree import ElementTree as ET

import pytest

from orch.speech.docx import is_rtl
from orch.speech.exports import Choice, File, export
from tests.speech.test_exports import in_other_words, said

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"


def paragraphs(file: File) -> list[tuple[str, str | None, bool]]:
    """Return the text, the style and whether it is right-to-left, of each paragraph."""
    with zipfile.ZipFile(BytesIO(file.content)) as packed:
        assert packed.testzip() is None
        assert packed.namelist()[0] == "[Content_Types].xml"
        for name in packed.namelist():
            ET.fromstring(packed.read(name))  # noqa: S314 - written here
        body = ET.fromstring(packed.read("word/document.xml"))  # noqa: S314 - as above
    found: list[tuple[str, str | None, bool]] = []
    for paragraph in body.iter(f"{W}p"):
        style = paragraph.find(f"{W}pPr/{W}pStyle")
        text = "".join(each.text or "" for each in paragraph.iter(f"{W}t"))
        style_name = None if style is None else style.get(f"{W}val")
        found.append((text, style_name, paragraph.find(f"{W}pPr/{W}bidi") is not None))
    return found


def test_a_document_has_what_readers_of_the_text_have() -> None:
    """Session, start, speakers; each line with its time and speaker, its translation indented below."""
    file = export(
        [said("Good morning.", 0.5, 1.75, speaker="Ann"), in_other_words("صباح الخير.", "ar")],
        kind="docx",
        session_id="abc",
        choice=Choice(languages=("ar",)),
    )
    assert file.name == "translation-abc.docx"
    assert file.media_type.startswith("application/vnd.openxmlformats")
    assert paragraphs(file) == [
        ("abc", "Heading1", False),
        ("Started: 2023-11-14 22:13:20 UTC", None, False),
        ("Participants: Ann", None, False),
        ("00:00:00  Ann: Good morning.", None, False),
        ("صباح الخير.", "Translation", True),
    ]


@pytest.mark.parametrize("text", ["<w:p>&amp;</w:p>", "]]>", "a\x00b\x0cc", "\ufffe", "𝄞"])
def test_no_text_is_markup_and_none_breaks_the_document(text: str) -> None:
    """Characters that XML does not allow are replaced; the same messages are the same file."""
    message = said(text, 0, 1, speaker=f'"{text}"')
    file = export([message], kind="docx", session_id="abc")
    shown = paragraphs(file)[-1][0]
    assert shown.startswith("00:00:00  ")
    if text.isprintable():
        assert text in shown
    assert export([message], kind="docx", session_id="abc").content == file.content


def test_a_title_is_the_heading() -> None:
    """In its own direction; the session is named below it."""
    file = export(
        [said("Hi.", 0, 1)], kind="docx", session_id="abc", title="\u0645\u064a\u0632\u0627\u0646\u064a\u0629"
    )
    assert paragraphs(file)[:2] == [
        ("\u0645\u064a\u0632\u0627\u0646\u064a\u0629", "Heading1", True),
        ("Session: abc", None, False),
    ]


def test_a_session_without_captions_is_a_document_too() -> None:
    assert paragraphs(export([], kind="docx", session_id="abc")) == [("abc", "Heading1", False)]


def test_hours_of_text_are_packed() -> None:
    """The same markup stands around every line: packed, a document is smaller than its text."""
    lines = [
        said(f"Sentence number {n} of a long day.", 3 * n, 3 * n + 2, name=f"s-{n}") for n in range(2_000)
    ]
    document, text = (export(lines, kind=kind, session_id="abc") for kind in ("docx", "txt"))
    assert len(document.content) < len(text.content)
    assert len(paragraphs(document)) == 2_002


def test_the_direction_of_a_text_is_its_first_letters() -> None:
    assert [is_rtl(text) for text in ("שלום", "123 سلام", "Hello سلام", "123", "")] == [
        True,
        True,
        False,
        False,
        False,
    ]
