"""Comments that are not sent to browsers, and all that is."""

import pytest
from pygments.lexers.javascript import JavascriptLexer  # type: ignore[import-untyped]
from pygments.token import Comment, Whitespace  # type: ignore[import-untyped]

from orch.package_files import resource
from orch.web.assets import Assets
from orch.web.script_comments import without_comments


@pytest.mark.parametrize(
    ("source", "sent"),
    [
        ("/** What it is. */\nconst a = 1;", "\nconst a = 1;"),
        ("/**\n * What\n * it is.\n */\nconst a = 1;", "\n\n\n\nconst a = 1;"),
        ("  // a note\n  a();\n", "\n  a();\n"),
        ("a(); // a note", "a(); // a note"),
        ("/* one */ a();", "/* one */ a();"),
        ("/* one\n   two */ a();", "/* one\n   two */ a();"),
        ("/*/ a();\n*/\nb();", "\n\nb();"),
        ("/*! Licence. */\na();", "/*! Licence. */\na();"),
        ("const a = `\n// text\n/* text */\n`;\n// a note\n", "const a = `\n// text\n/* text */\n`;\n\n"),
        ("const a = `\\`\n// text\n`;", "const a = `\\`\n// text\n`;"),
        ("// `\na();\n// a note", "\na();\n"),
        ('a("`");\n// a note', 'a("`");\n// a note'),
        ("/* never closed\na();", "/* never closed\na();"),
        ("", ""),
    ],
)
def test_comments_with_lines_of_their_own_are_removed_and_their_lines_stay(source: str, sent: str) -> None:
    """In doubt, as within a template string, nothing is removed."""
    assert without_comments(source, has_line_comments=True) == sent


def test_styles_have_no_line_comments() -> None:
    source = "/* one */\n//a { color: red }\n"
    assert without_comments(source, has_line_comments=False) == "\n//a { color: red }\n"


def test_the_code_of_all_our_scripts_is_sent_as_it_is() -> None:
    """Read by another's lexer: the same code, on the same lines."""
    lexer = JavascriptLexer()
    folder = resource("static")
    own = [asset for asset in Assets.load(folder) if asset.path.startswith("js/")]
    assert len(own) > 100
    for asset in own:
        source, sent = (folder / asset.path).read_text(encoding="utf-8"), asset.body.decode()
        assert sent.count("\n") == source.count("\n")

        def code(text: str) -> str:
            tokens = lexer.get_tokens(text)
            return "".join(
                "".join(value.split())
                for kind, value in tokens
                if kind not in Comment and kind not in Whitespace
            )

        assert code(sent) == code(source), asset.path


def test_vendored_files_are_sent_with_their_licences() -> None:
    folder = resource("static")
    vendored = [asset for asset in Assets.load(folder) if asset.path.startswith("vendor/")]
    assert vendored
    assert all(asset.body == (folder / asset.path).read_bytes() for asset in vendored)
