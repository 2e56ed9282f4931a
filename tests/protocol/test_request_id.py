"""A request's id is the client's own if that is one valid word, else a new one."""

import pytest

from orch.protocol.identifiers import new_request_id
from orch.protocol.request_id import instance, message_id, request_id


@pytest.mark.parametrize(
    ("given_ids", "kept"),
    [
        ([b"abc-123"], "abc-123"),
        ([b"a:b_c.d"], "a:b_c.d"),
        ([b"a" * 128], "a" * 128),
        ([b"a" * 129], "made"),
        ([b"a b"], "made"),
        ([b"a\nb"], "made"),
        ([b"abc\n"], "made"),
        (["ä".encode()], "made"),
        ([b""], "made"),
        ([b"a", b"b"], "made"),
        ([], "made"),
    ],
)
def test_one_valid_request_id_is_kept(given_ids: list[bytes], kept: str) -> None:
    """It is written to logs, so it must be one word of at most 128 characters."""
    assert request_id([(b"X-Request-Id", value) for value in given_ids], lambda: "made") == kept


def test_a_new_id_is_only_made_when_it_is_needed() -> None:
    """Random numbers cost a system call."""

    def fail() -> str:
        raise AssertionError

    assert request_id([(b"x-request-id", b"mine")], fail) == "mine"


def test_a_new_id_is_valid_and_unique() -> None:
    """The next service would keep it."""
    made = new_request_id()
    assert request_id([(b"x-request-id", made.encode())], lambda: "") == made
    assert made != new_request_id()


def test_a_message_is_named_after_its_connection_and_place() -> None:
    """So that a client's error leads to the line in the log."""
    assert message_id("c0ffee", 12) == "c0ffee-12"


def test_a_problem_names_its_request_by_a_urn() -> None:
    """RFC 9457 wants a URI reference."""
    assert instance("abc") == "urn:request:abc"
