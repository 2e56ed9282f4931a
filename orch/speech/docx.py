"""Writes a transcript as a Word document (Office Open XML, ISO/IEC 29500): a ZIP of five XML parts. Pure.

A heading with the title, else the session; its start and speakers; then one paragraph for each line, with its
time and speaker, and further texts of the line indented below it. Text in a right-to-left script is marked
as such, so that Word orders it and its punctuation correctly.
"""

import re
import unicodedata
import zipfile
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Final
from xml.sax.saxutils import escape

from orch.speech.cues import Pace
from orch.speech.lines import Line, SessionTranscript, flat

MEDIA_TYPE: Final = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"

_MAIN: Final = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_PACKAGE: Final = "http://schemas.openxmlformats.org/package/2006"
_OFFICE: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_XML: Final = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_WORD: Final = "application/vnd.openxmlformats-officedocument.wordprocessingml"

_CONTENT_TYPES: Final = (
    f'{_XML}<Types xmlns="{_PACKAGE}/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/>'
    f'<Override PartName="/word/document.xml" ContentType="{_WORD}.document.main+xml"/>'
    f'<Override PartName="/word/styles.xml" ContentType="{_WORD}.styles+xml"/>'
    "</Types>"
)
_RELATIONS: Final = (
    f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="word/document.xml"/>'
    "</Relationships>"
)
_DOCUMENT_RELATIONS: Final = (
    f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_OFFICE}/styles" Target="styles.xml"/>'
    "</Relationships>"
)
_STYLES: Final = (
    f'{_XML}<w:styles xmlns:w="{_MAIN}">'
    '<w:style w:type="paragraph" w:default="1" w:styleId="Normal"><w:name w:val="Normal"/>'
    '<w:pPr><w:spacing w:after="80"/></w:pPr><w:rPr><w:sz w:val="22"/></w:rPr></w:style>'
    '<w:style w:type="paragraph" w:styleId="Heading1"><w:name w:val="heading 1"/><w:basedOn w:val="Normal"/>'
    '<w:pPr><w:keepNext/><w:outlineLvl w:val="0"/></w:pPr><w:rPr><w:b/><w:sz w:val="32"/></w:rPr></w:style>'
    '<w:style w:type="paragraph" w:customStyle="1" w:styleId="Translation"><w:name w:val="Translation"/>'
    '<w:basedOn w:val="Normal"/><w:pPr><w:ind w:start="567"/></w:pPr></w:style>'
    "</w:styles>"
)

#: Characters that XML 1.0 does not allow: controls, surrogates and two non-characters.
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_docx(
    transcript: SessionTranscript,
    texts: Callable[[Line], tuple[str, ...]],
    head: Iterable[str],
    pace: Pace = iter,
) -> bytes:
    """Return the document. ``texts`` selects the texts of a line; ``head``: rows below the heading."""
    parts = [
        _XML,
        f'<w:document xmlns:w="{_MAIN}"><w:body>',
        _heading(flat(transcript.title) or transcript.session_id),
        *(_paragraph(_run(row), None, is_rtl=is_rtl(row)) for row in head),
    ]
    for line in pace(transcript.lines):
        first, *more = texts(line)
        speaker = flat(line.transcript.speaker or "")
        direction = is_rtl(first)
        name = _run(f"{speaker}: ", is_bold=True, is_rtl=direction and is_rtl(speaker)) if speaker else ""
        body = _run(f"{_clock(line.start)}  ", is_grey=True) + name + _run(first, is_rtl=direction)
        parts.append(_paragraph(body, None, is_rtl=direction))
        for text in more:
            direction = is_rtl(text)
            parts.append(_paragraph(_run(text, is_rtl=direction), "Translation", is_rtl=direction))
    parts.append("<w:sectPr/></w:body></w:document>")
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        # The content types come first; the time is fixed, so that equal transcripts are equal files.
        for name, content in (
            ("[Content_Types].xml", (_CONTENT_TYPES,)),
            ("_rels/.rels", (_RELATIONS,)),
            ("word/_rels/document.xml.rels", (_DOCUMENT_RELATIONS,)),
            ("word/styles.xml", (_STYLES,)),
            ("word/document.xml", parts),
        ):
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            with file.open(entry, "w") as part:
                # In pieces: one call for hours of text would keep the interpreter from the event loop.
                for piece in pace(content):
                    part.write(piece.encode())
    return packed.getvalue()


def is_rtl(text: str) -> bool:
    """Return whether a text is written from right to left: by its first letter with a direction."""
    for character in text:
        direction = unicodedata.bidirectional(character)
        if direction in ("R", "AL"):
            return True
        if direction == "L":
            return False
    return False


def _clock(milliseconds: int) -> str:
    minutes, seconds = divmod(milliseconds // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}"


def _heading(text: str) -> str:
    return _paragraph(_run(text, is_rtl=is_rtl(text)), "Heading1", is_rtl=is_rtl(text))


def _paragraph(runs: str, style: str | None, *, is_rtl: bool) -> str:
    properties = f'<w:pStyle w:val="{style}"/>' if style else ""
    if is_rtl:
        properties += "<w:bidi/>"
    return f"<w:p>{f'<w:pPr>{properties}</w:pPr>' if properties else ''}{runs}</w:p>"


def _run(text: str, *, is_bold: bool = False, is_grey: bool = False, is_rtl: bool = False) -> str:
    properties = (
        ("<w:b/>" if is_bold else "")
        + ('<w:color w:val="5D6875"/>' if is_grey else "")
        + ("<w:rtl/>" if is_rtl else "")
    )
    shown = escape(_NOT_XML.sub("\ufffd", text))
    return (
        f"<w:r>{f'<w:rPr>{properties}</w:rPr>' if properties else ''}"
        f'<w:t xml:space="preserve">{shown}</w:t></w:r>'
    )
