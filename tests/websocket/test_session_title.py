"""A session's title in its ``config``."""

import msgspec
import pytest

from orch.protocol.messages import SessionTitled, encode
from orch.stores.records import Appended, SessionRecord
from orch.websocket.sessions.session import Session, summary
from orch.websocket.sessions.session_title import clean_title, new_title, title_of, with_title


@pytest.mark.parametrize(
    ("config", "title"),
    [
        (b"{}", ""),
        (b'{"title":"Budget 2027"}', "Budget 2027"),
        (b'{"a":{"title":"inner"}}', ""),
        (b'{"title":7}', ""),
        (b'{"title":null}', ""),
        (b'{"title":["Budget"]}', ""),
        ('{"title":" Budget\\n\u202e2027 "}'.encode(), "Budget 2027"),
        (b'{"title":"\\u200b "}', ""),
        (b'{"title":"%s"}' % (b"x" * 16_000), "x" * 120),
        (b"[1]", ""),
    ],
)
def test_a_title_is_one_clean_row_whatever_the_config_has(config: bytes, title: str) -> None:
    """The creator of a session writes its config: not all of it is fit for a heading."""
    assert title_of(config) == title


def test_another_title_leaves_the_rest_of_the_config() -> None:
    """An empty one removes it."""
    titled = with_title(b'{"a":1,"title":"Old"}', "New")
    assert msgspec.json.decode(titled) == {"a": 1, "title": "New"}
    assert msgspec.json.decode(with_title(titled, "")) == {"a": 1}


def test_the_title_of_another_worker_applies_here() -> None:
    """Its message is all that arrives; other messages change nothing."""
    session = Session(SessionRecord("s", "e", 4, 1, b'{"a":1,"title":"Old"}', 1.0, 2.0))
    assert summary(session).title == "Old"
    message = SessionTitled(timestamp=0, session_id="s", title="Plans", offset=5)
    session.appended(Appended(session_id="s", offset=5, frame=encode(message), at=3.0, origin=None))
    assert (session.title, summary(session).title) == ("Plans", "Plans")
    assert msgspec.json.decode(session.config) == {"a": 1, "title": "Plans"}
    assert new_title(b'{"type":"session_message","data":{"type":"session_titled"}}') is None


def test_a_cleaned_title_is_clean() -> None:
    """Otherwise it would be published again and again."""
    for text in ("  a  b ", "e\u0301" * 200, "x" * 119 + " y", "\u202eabc", "👩\u200d💻" * 60):
        once = clean_title(text)
        assert clean_title(once) == once
        assert len(once) <= 120
