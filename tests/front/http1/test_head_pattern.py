"""Heads that differ from the one before in an id or a trace are read as any other parser would read them."""

from collections.abc import Iterable
from random import Random

import pytest

from orch.front.http1.head_pattern import HeadPattern, pattern_of
from orch.front.http1.request_parser import BadRequestError, Event, RequestHead, RequestParser
from orch.repeats import VARYING

PARENT = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
NAMES = [b"X-Request-Id", b"traceparent", b"TraceState", b"Accept", b"Content-Length", b"X-Request-Id "]
VALUES = [
    PARENT,
    b"a",
    b"",
    b"a b",
    b" a",
    b"a ",
    b"\ta\t",
    b"1",
    b"0",
    b"a\r\nContent-Length: 3",
    b"a\r\n folded",
    b"a\nTransfer-Encoding: chunked",
    b"a\rb",
    b"a\0",
    b"\x80",
    b"x" * 1023,
    b"x" * 1024,
    b"x" * 40_000,
    b"chunked",
]
LINES = [b"GET /a HTTP/1.1", b"GET http://b/a HTTP/1.1", b"GET /b HTTP/1.1", b"GET /a HTTP/1.0"]


def read(heads: Iterable[bytes]) -> tuple[list[Event], str]:
    """Read requests on one connection; return their events and how they ended."""
    parser, found = RequestParser(), []
    for head in heads:
        try:
            found += parser.feed(head)
            found += parser.next_request()
        except BadRequestError as error:
            return found, error.kind
        except RuntimeError:
            return found, "incomplete"
    return found, ""


def head(random: Random) -> bytes:
    """Return a head of few parts, so that many are alike."""
    fields = [(random.choice(NAMES), random.choice(VALUES)) for _ in range(random.choice((0, 1, 1, 2, 3)))]
    lines = [random.choice(LINES), b"Host: a", *(b"%b:%b%b" % (name, b" ", value) for name, value in fields)]
    return b"\r\n".join([*lines, b"", b""])


def test_a_connection_reads_what_new_ones_read() -> None:
    """Whatever was sent before: the memory of a parser changes nothing."""
    random = Random(1)
    for _ in range(600):
        first = head(random)
        second = first
        for _ in range(random.choice((0, 1, 1, 2))):
            second = second.replace(random.choice(VALUES), random.choice(VALUES), 1)
        if read([first])[1]:
            continue
        alone, ended = read([second])
        assert read([first, first, second]) == (read([first, first])[0] + alone, ended)
        assert read([first, second]) == (read([first])[0] + alone, ended)


def repeated(*blocks: bytes) -> list[tuple[bool, tuple[bytes, ...]]]:
    """Return which of these heads repeats the one before, and the values that differ."""
    parser, found = RequestParser(), []
    for block in blocks:
        for part in (block[:9], block[9:]):
            parser.feed(part)
        found.append((parser.is_repeated, parser.values if parser.is_repeated else ()))
        parser.next_request()
    return found


def with_words(identity: bytes, parent: bytes, more: bytes = b"") -> bytes:
    """Return a head with an id and a trace."""
    return b"GET /a HTTP/1.1\r\nX-Request-ID:%b\r\nHost: a\r\ntraceparent: %b\r\n%b\r\n" % (
        identity,
        parent,
        more,
    )


def test_an_id_and_a_trace_may_differ() -> None:
    """They are no part of what repeats; all other bytes are."""
    first, second = with_words(b" one", PARENT), with_words(b" two", PARENT[:-1] + b"0")
    assert repeated(first, second, second) == [
        (False, ()),
        (True, (b"two", PARENT[:-1] + b"0")),
        (True, (b"two", PARENT[:-1] + b"0")),
    ]
    assert pattern_of(first).names == (b"x-request-id", b"traceparent")


@pytest.mark.parametrize(
    "other",
    [
        with_words(b" one", PARENT).replace(b"Host: a", b"Host: b"),
        with_words(b" one", PARENT).replace(b"/a", b"/b"),
        with_words(b" one", PARENT, b"Authorization: Bearer t\r\n"),
        with_words(b" one", PARENT, b"tracestate: a=b\r\n"),
        with_words(b"one", PARENT),
        with_words(b" ", PARENT),
        with_words(b" one ", PARENT),
        with_words(b" \x80", PARENT),
        with_words(b" " + b"x" * 1024, PARENT),
    ],
    ids=["host", "path", "header", "name", "space", "empty", "more space", "not ASCII", "long"],
)
def test_what_else_differs_is_another_head(other: bytes) -> None:
    """It is read and decided from the beginning."""
    first = with_words(b" one", PARENT)
    assert repeated(first, first, other)[2] == (False, ())


def test_one_that_is_there_twice_may_not_differ() -> None:
    """Then only the same bytes repeat."""
    first = with_words(b" one", PARENT, b"X-Request-Id: two\r\n")
    assert pattern_of(first) == HeadPattern((first,), (), ())
    assert repeated(first, first) == [(False, ()), (True, ())]
    assert repeated(first, with_words(b" two", PARENT, b"X-Request-Id: two\r\n"))[1] == (False, ())


def test_the_head_has_the_values_that_were_sent() -> None:
    """In the place of those before, and the list of the one before is left as it is."""
    parser = RequestParser()
    heads = []
    for identity in (b" one", b" two"):
        event = parser.feed(with_words(identity, PARENT))[0]
        assert isinstance(event, RequestHead)
        heads.append(event)
        parser.next_request()
    assert [each.headers[0] for each in heads] == [(b"x-request-id", b"one"), (b"x-request-id", b"two")]
    assert heads[0].headers[1:] == heads[1].headers[1:]


def test_white_space_behind_a_value_stays_as_it_is() -> None:
    """Such a value may not differ, and the same bytes repeat."""
    first = with_words(b" one ", PARENT)
    assert repeated(first, first, with_words(b" two ", PARENT)) == [
        (False, ()),
        (True, (PARENT,)),
        (False, ()),
    ]


def test_only_what_decides_nothing_may_differ() -> None:
    """No header that frames, routes or identifies is among them."""
    assert {b"x-request-id", b"traceparent", b"tracestate"} == VARYING
