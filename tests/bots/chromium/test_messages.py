"""The wire of the DevTools protocol: framed, encoded, decoded."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.bots.chromium.messages import Event, Framing, Reply, Unusable, decode, encode, unusable


def test_a_command_has_its_session_only_where_it_has_one() -> None:
    """The browser refuses an empty ``sessionId``."""
    assert json.loads(encode(7, "Page.enable", {}, "")) == {"id": 7, "method": "Page.enable", "params": {}}
    assert json.loads(encode(8, "X.y", {"a": 1}, "S"))["sessionId"] == "S"


def test_a_zero_byte_in_a_text_does_not_end_the_message() -> None:
    """It is escaped, since the pipe's end mark is a zero byte."""
    assert b"\0" not in encode(1, "X.y", {"text": "a\0b"}, "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"id":3,"result":{"a":[1]}}', Reply(3, {"a": [1]})),
        ('{"id":3,"result":{},"sessionId":"S"}', Reply(3, {})),
        ('{"id":3}', Reply(3, {})),
        ('{"id":3,"error":{"code":-32000,"message":"No"}}', Reply(3, None, -32000, "No")),
        ('{"id":3,"error":{"code":-1,"message":"No","data":"why"}}', Reply(3, None, -1, "No (why)")),
        ('{"method":"A.b","params":{"c":1},"sessionId":"S"}', Event("A.b", {"c": 1}, "S")),
        ('{"method":"A.b"}', Event("A.b", {})),
        ("{}", Unusable("it is neither a reply nor an event")),
    ],
)
def test_messages_are_told_apart(text: str, message: Reply | Event | Unusable) -> None:
    """As bytes and as text."""
    assert decode(text) == message
    assert decode(text.encode()) == message


@pytest.mark.parametrize(
    ("text", "number", "method"),
    [
        ('{"id":12,"result":{"value":"\\ud800"}}', 12, ""),
        ('{"method":"Runtime.consoleAPICalled","params":{"x":"\\ud800"}}', None, "Runtime.consoleAPICalled"),
        ('{"id":12,"result":[]}', 12, ""),
        ('{"method":"A.b","params":[]}', None, "A.b"),
        ("[" * 60_000, None, ""),
        ("nonsense", None, ""),
        ("[]", None, ""),
        ("", None, ""),
    ],
)
def test_what_cannot_be_read_shows_what_it_belongs_to(text: str, number: int | None, method: str) -> None:
    """A page that logs a lone surrogate costs that event, not the connection."""
    found = decode(text)
    assert isinstance(found, Unusable)
    assert (found.number, found.method) == (number, method)


@given(st.binary(max_size=200))
def test_any_bytes_are_some_message(data: bytes) -> None:
    """Nothing that a browser sends raises."""
    assert isinstance(decode(data), Reply | Event | Unusable)


@given(st.lists(st.binary(max_size=30).map(lambda data: data.replace(b"\0", b"")), max_size=8), st.data())
def test_how_bytes_are_cut_into_reads_changes_nothing(messages: list[bytes], data: st.DataObject) -> None:
    """Also in the middle of a message or right at its end; empty messages are none."""
    stream = b"".join(each + b"\0" for each in messages)
    framing, found = Framing(), list[bytes | Unusable]()
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += framing.feed(stream[:size])
        stream = stream[size:]
    assert found == [each for each in messages if each]
    assert not framing.is_within


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_a_message_over_the_limit_costs_itself_alone(size: int) -> None:
    """What follows is read; what the large one replies to is known from its first bytes."""
    large = b'{"id":5,"result":{"data":"' + b"x" * 5000 + b'"}}'
    stream = b"first\0" + large + b"\0last\0"
    framing, found, most = Framing(longest=1000), list[bytes | Unusable](), 0
    for start in range(0, len(stream), size):
        found += framing.feed(stream[start : start + size])
        most = max(most, len(framing._stored))
    assert found == [b"first", Unusable("it is larger than 1000 bytes", number=5), b"last"]
    assert most <= 1000


def test_the_longest_message_is_read() -> None:
    """The limit itself is allowed."""
    framing = Framing(longest=10)
    assert list(framing.feed(b"0123456789\0" + b"01234567890\0")) == [
        b"0123456789",
        Unusable("it is larger than 10 bytes"),
    ]


def test_a_large_event_names_its_method() -> None:
    """So that those who subscribed to it learn that it is missing."""
    assert unusable(b'{"method":"Page.frameAttached","params":{', "r").method == "Page.frameAttached"
