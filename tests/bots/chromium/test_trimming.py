"""What remains of a page's HTML in evidence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.bots.chromium.trimming import CUT, LARGEST, LONGEST_TEXT, LONGEST_VALUE, trimmed


@pytest.mark.parametrize(
    ("html", "left"),
    [
        ('<button aria-label="Join now" class="x">Join</button>',) * 2,
        ("<p>a</p><script>secret()</script><p>b</p>", "<p>a</p><p>b</p>"),
        ("<style>p{}</style><p>b</p>", "<p>b</p>"),
        ("<svg><g><svg></svg></g><text>x</text></svg><p>b</p>", "<p>b</p>"),
        ("<p>a<!-- note --></p>", "<p>a</p>"),
        ("<noscript>no</noscript><i>y</i>", "<i>y</i>"),
        ('<img src="data:image/png;base64,AAAA" alt="me">', '<img src="data:…" alt="me">'),
        ('<video src=" BLOB:https://x/1"></video>', '<video src="BLOB:…"></video>'),
        ('<a href="https://m/a?token=t#k">x</a>', '<a href="https://m/a?…">x</a>'),
        ('<a href="javascript:go(1)">x</a>', '<a href="javascript:…">x</a>'),
        ('<input type="password" value="pw" disabled>', '<input type="password" disabled>'),
        ('<p onclick="a()" style="b" nonce="c">x</p>', "<p>x</p>"),
        ("<p>a\n\n   b</p>   <p>c</p>", "<p>a b</p><p>c</p>"),
        ("<p>1 &lt; 2 &amp; 3</p>",) * 2,
        ('<p title="&quot;x&quot;">y</p>',) * 2,
        ("<br/><g-x/>", "<br><g-x></g-x>"),
        ("<script>never closed", ""),
        ("plain", "plain"),
        ("", ""),
    ],
)
def test_what_explains_a_page_is_kept(html: str, left: str) -> None:
    """Elements, texts and labels; no code, pictures, tokens or typed text."""
    assert trimmed(html) == left


def test_long_texts_and_attributes_are_shortened() -> None:
    """One of them does not fill the room of the others."""
    found = trimmed(f'<p title="{"t" * 9999}">{"x" * 9999}</p>')
    assert found == f'<p title="{"t" * LONGEST_VALUE}…">{"x" * LONGEST_TEXT}…</p>'


@pytest.mark.parametrize("text", ["x", "é", "字", "😀"])
def test_the_limit_is_in_bytes_and_said(text: str) -> None:
    """No character is cut in two, and a reader sees that there was more."""
    found = trimmed(f"<p>{text * 300}</p>" * 2000)
    assert found.endswith(CUT)
    assert LARGEST - 2000 < len(found.encode()) <= LARGEST


@given(st.text(alphabet="<>/ap!-&;\"'= ?\ud800字]", max_size=80), st.integers(50, 200))
def test_any_text_is_trimmed_within_the_limit(html: str, largest: int) -> None:
    """Broken HTML too; the result is UTF-8."""
    assert len(trimmed(html, largest=largest).encode()) <= largest
