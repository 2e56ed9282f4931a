import re
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orch.bots.webcam import fonts as fonts_module
from orch.bots.webcam.fonts import Fonts, family_of
from orch.bots.webcam.typesetting import Paragraph, Style, Typesetter, drawable
from orch.bots.webcam.wording import cleaned
from orch.speech.rows import clusters

FOLDER = Path(fonts_module.__file__).parent / "fonts"

# A sentence in each script of a language that the service translates.
SENTENCES = {
    "Latin": "Zażółć gęślą jaźń, Tiếng Việt ệ, ﬁ ŉ",
    "Greek": "Καλημέρα σας",
    "Cyrillic": "Съешь ещё этих булок, ґанок",
    "Arabic": "صباح الخير، یہ اردو ہے ۱۲۳ ښه",
    "Hebrew": "שָׁלוֹם עולם",
    "Devanagari": "क्षत्रिय नमस्ते श्री",
    "Bengali": "বাংলা ভাষা, অসমীয়া ৰ",
    "Gurmukhi": "ਪੰਜਾਬੀ",
    "Gujarati": "ગુજરાતી",
    "Oriya": "ଓଡ଼ିଆ",
    "Tamil": "தமிழ்",
    "Telugu": "తెలుగు",
    "Kannada": "ಕನ್ನಡ",
    "Malayalam": "മലയാളം",
    "Sinhala": "සිංහල ශ්‍රී",
    "Thai": "สวัสดีครับ กั้น",
    "Lao": "ພາສາລາວ",
    "Myanmar": "မြန်မာဘာသာ",
    "Khmer": "ភាសាខ្មែរ",
    "Ethiopic": "አማርኛ",
    "Armenian": "Հայերեն",
    "Georgian": "ქართული",
    "Simplified": "你好\uff0c我们开始吧。“季度数据”",
    "Traditional": "您好\uff0c讓我們開始會議嗎\uff1f",
    "Japanese": "はい、聞こえています。「四半期」ヴォ剝",
    "Korean": "안녕하세요, 漢字",
    "Emoji": "🙂 👍🏽 👨‍👩‍👧‍👦 🇩🇪 1️⃣ ❤️",
    "Symbols": "♪ ✓ → € ₹ ₪ ° ½ ≠ … \u2013 “” № ™",
}


@pytest.fixture(scope="module")
def typesetter(fonts: Fonts) -> Typesetter:
    return Typesetter(fonts)


def row_texts(paragraph: Paragraph) -> list[str]:
    starts = [row.start for row in paragraph.rows] + [len(paragraph.text)]
    return [paragraph.text[start:stop].strip() for start, stop in pairwise(starts)]


@pytest.mark.parametrize("script", SENTENCES)
def test_the_package_s_fonts_draw_each_script(script: str, fonts: Fonts, typesetter: Typesetter) -> None:
    """Every glyph exists: number 0 is the one of what a font has not."""
    text = cleaned(SENTENCES[script])
    assert drawable(text, family_of(text, ""), fonts) == text
    paragraph = typesetter.paragraph(text, Style(30), 2000)
    glyphs = [
        glyph for row in paragraph.rows for _, run in row.runs for glyph, *_ in fonts._shaped(run).glyphs
    ]
    assert glyphs
    assert 0 not in glyphs


@pytest.mark.parametrize(
    ("text", "fewer"),
    [("क्ष", 1), ("श्री", 2), ("👨‍👩‍👧‍👦", 1), ("🇩🇪", 1), ("👍🏽", 1)],
)
def test_letters_that_join_are_drawn_as_one(
    text: str, fewer: int, fonts: Fonts, typesetter: Typesetter
) -> None:
    """An Indic conjunct, a family, a flag: shaped, not letter by letter."""
    row = typesetter.paragraph(text, Style(30), 2000).rows[0]
    drawn = [
        glyph for _, run in row.runs for glyph, *_ in fonts._shaped(run).glyphs if fonts.width(run) and glyph
    ]
    assert len(set(drawn)) <= fewer


def test_arabic_letters_have_the_forms_of_their_places(fonts: Fonts, typesetter: Typesetter) -> None:
    """Three times the same letter, joined: beginning, middle and end are three glyphs."""
    run = typesetter.paragraph("ععع", Style(30), 2000).rows[0].runs[0][1]
    assert run.is_right_to_left
    assert len({glyph for glyph, *_ in fonts._shaped(run).glyphs}) == 3


def test_chinese_characters_have_the_forms_of_their_language(typesetter: Typesetter) -> None:
    def face(text: str, language: str) -> str:
        return typesetter.paragraph(text, Style(30, language), 2000).rows[0].runs[0][1].face.name

    assert face("直", "zh-CN") == "NotoSansSC"
    assert face("直", "ja") == "NotoSansJP"
    assert face("直る", "") == "NotoSansJP"
    assert face("直", "") == "NotoSansSC"


def test_what_no_font_has_is_named_or_boxed(fonts: Fonts) -> None:
    """A reader sees that there is something, and a script's name where it is a text in one."""
    assert drawable("Hello བོད་ཡིག world", "zh", fonts) == "Hello [Tibetan] world"
    assert drawable("བོ", "zh", fonts) == "□"
    assert drawable("a\U00020000b", "zh", fonts) == "a□b"
    assert drawable("a\u1abfb", "zh", fonts) in ("ab", "a\u1abfb")
    assert all(fonts.face_of(each, "zh") is not None for each in "□[]…")


def test_a_font_of_the_machine_adds_a_script(tmp_path: Path) -> None:
    """Its characters come after those of the package; a folder is searched by name."""
    (tmp_path / "fonts").mkdir()
    (tmp_path / "fonts" / "Other.ttf").write_bytes((FOLDER / "NotoSansThai.ttf").read_bytes())
    extended = Fonts([tmp_path / "fonts"])
    assert [face.name for face in extended._extra] == ["Other"]
    assert extended._extra[0].has("ก")
    chosen = extended.face_of("ก", "zh")
    assert chosen is not None
    assert chosen.name == "NotoSansThai"


def test_what_is_no_font_is_refused(tmp_path: Path) -> None:
    (tmp_path / "broken.ttf").write_bytes(b"not a font")
    with pytest.raises(ValueError, match="no font"):
        Fonts([tmp_path])
    with pytest.raises(OSError, match="missing"):
        Fonts([tmp_path / "missing.ttf"])
    for number in range(70):
        (tmp_path / f"{number}.otf").touch()
    with pytest.raises(ValueError, match="more than 64"):
        Fonts([tmp_path])


@pytest.mark.parametrize("script", SENTENCES)
@pytest.mark.parametrize("width", [60, 200])
def test_rows_are_no_wider_than_their_place_and_lose_nothing(
    script: str, width: int, typesetter: Typesetter
) -> None:
    text = cleaned(SENTENCES[script] * 3)
    paragraph = typesetter.paragraph(text, Style(24), width)
    assert "".join(row_texts(paragraph)).replace(" ", "") == paragraph.text.replace(" ", "")
    whole = clusters(paragraph.text)
    for row, shown in zip(paragraph.rows, row_texts(paragraph), strict=True):
        assert row.width <= width + 1 or len(clusters(shown)) <= 2, shown
    assert sum(len(clusters(row)) for row in row_texts(paragraph)) + paragraph.text.count(" ") >= len(whole)


def test_a_long_word_is_broken_between_letters_with_their_marks(typesetter: Typesetter) -> None:
    word = "e\u0323\u0301" * 40  # not composed to one
    rows = row_texts(typesetter.paragraph(word, Style(24), 200))
    assert len(rows) > 2
    assert all(row.startswith("e") for row in rows)


def test_rows_do_not_begin_with_closing_punctuation(typesetter: Typesetter) -> None:
    for width in range(70, 200, 7):
        rows = row_texts(
            typesetter.paragraph("始めましょう。はい、聞こえています。「四半期」", Style(24, "ja"), width)
        )
        assert not any(row[0] in "。、」ょっ" for row in rows)
        assert not any(row[-1] == "「" for row in rows)


def test_a_name_is_cut_with_an_ellipsis(typesetter: Typesetter) -> None:
    style = Style(24, is_bold=True)
    cut = typesetter.fitted("Priyanka Venkatanarasimharajuvaripeta", style, 200)
    assert re.fullmatch("Priyanka V.*…", cut.text)
    assert cut.rows[0].width <= 200
    assert typesetter.fitted("Anna", style, 200).text == "Anna"
    arabic = typesetter.fitted("محمد عبد الرحمن بن عبد الله", style, 120)
    assert re.fullmatch("محمد.*…", arabic.text)
    assert typesetter.fitted("Anna", style, 1).text == "…"
    family = "👨‍👩‍👧‍👦" * 20
    assert set(clusters(typesetter.fitted(family, style, 200).text)) == {"👨‍👩‍👧‍👦", "…"}


def test_of_a_text_that_is_too_long_the_end_is_shown(typesetter: Typesetter) -> None:
    text = " ".join(str(number) for number in range(400))
    paragraph = typesetter.last_rows(text, Style(24), 300, 3)
    assert len(paragraph.rows) == 3
    assert re.fullmatch("….* 399", paragraph.text)
    for long in ("x" * 900, "あ" * 900, "ม" * 900):
        assert len(typesetter.last_rows(long, Style(24), 100, 2).rows) <= 2


def test_mixed_directions_are_in_display_order(typesetter: Typesetter) -> None:
    row = typesetter.paragraph("שלום abc 12", Style(24), 2000).rows[0]
    assert [run.text.strip() for _, run in row.runs] == ["abc 12", "שלום"]
    assert [across for across, _ in row.runs] == sorted(across for across, _ in row.runs)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=30), st.integers(20, 400))
def test_any_text_can_be_set(text: str, width: int) -> None:
    """No text makes it fail, and none takes a row for nothing."""
    typesetter = Typesetter(ANY)
    paragraph = typesetter.paragraph(cleaned(text), Style(24), width)
    assert len(paragraph.rows) <= len(paragraph.text)
    for row in paragraph.rows:
        for _, run in row.runs:
            ANY.mask(run)


ANY = Fonts()
