import pytest

from orch.problems import ProblemError
from orch.settings.structs import Speech
from orch.web import tus
from orch.web.tus import Held

SPEECH = Speech()
PLENTY = 2**40
ONE = Held(session_id="s", address="192.0.2.1", length=100)


def code(error: pytest.ExceptionInfo[ProblemError]) -> str:
    return error.value.code


@pytest.mark.parametrize("version", [None, "", "0.2.2", "1.0.0 "])
def test_another_version_is_refused_with_ours(version: str | None) -> None:
    with pytest.raises(ProblemError) as raised:
        tus.check_version(version)
    assert (code(raised), raised.value.status) == ("unsupported_tus_version", 412)
    assert raised.value.headers["Tus-Version"] == "1.0.0"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "invalid_request"),
        ("", "invalid_request"),
        ("-1", "invalid_request"),
        ("1e3", "invalid_request"),
        ("٣", "invalid_request"),
        ("9" * 5000, "invalid_request"),
        ("0", "empty_audio"),
        ("1001", "recording_too_large"),
    ],
)
def test_a_length_is_a_number_within_the_limit(text: str | None, problem: str) -> None:
    with pytest.raises(ProblemError) as raised:
        tus.read_length(text, limit=1000)
    assert code(raised) == problem
    assert tus.read_length("1000", limit=1000) == 1000


def test_a_piece_has_its_type_and_place() -> None:
    assert tus.read_offset("7", tus.CONTENT_TYPE) == 7
    for text, kind, problem in (
        ("7", "audio/wav", "unsupported_media_type"),
        (None, tus.CONTENT_TYPE, "invalid_request"),
        ("7.0", tus.CONTENT_TYPE, "invalid_request"),
    ):
        with pytest.raises(ProblemError) as raised:
            tus.read_offset(text, kind)
        assert code(raised) == problem


def test_a_piece_continues_what_is_stored() -> None:
    """Otherwise the response has the right offset."""
    tus.check_offset(5, 5)
    tus.check_room(5, 95, 100)
    with pytest.raises(ProblemError) as raised:
        tus.check_offset(4, 5)
    assert (code(raised), raised.value.headers["Upload-Offset"]) == ("wrong_offset", "5")
    with pytest.raises(ProblemError) as raised:
        tus.check_room(5, 96, 100)
    assert code(raised) == "recording_too_large"


@pytest.mark.parametrize(
    ("held", "free", "problem", "words"),
    [
        (
            [Held(session_id=str(n), address=str(n), length=1) for n in range(16)],
            PLENTY,
            "too_many_uploads",
            "16",
        ),
        (
            [Held(session_id="s", address=str(n), length=1) for n in range(6)],
            PLENTY,
            "too_many_uploads",
            "session",
        ),
        (
            [Held(session_id=str(n), address=ONE.address, length=1) for n in range(6)],
            PLENTY,
            "too_many_uploads",
            "address",
        ),
        ([Held(session_id="a", address=ONE.address, length=2**31)], PLENTY, "too_many_uploads", "2048 MB"),
        ([Held(session_id="a", address="b", length=2**32)], PLENTY, "too_many_uploads", "4096 MB"),
        ([], tus.RESERVE, "own_shortage", "disk"),
    ],
)
def test_uploads_are_limited(held: list[Held], free: int, problem: str, words: str) -> None:
    """In number, by session and address, in size, and by the disk."""
    tus.check_limits(held[:-1], ONE, free=PLENTY, speech=SPEECH)
    with pytest.raises(ProblemError, match=words) as raised:
        tus.check_limits(held, ONE, free=free, speech=SPEECH)
    assert code(raised) == problem


def test_the_headers_say_how_far_it_is_and_until_when() -> None:
    assert tus.offset_headers(5, 100, written_at=0) == {
        "Tus-Resumable": "1.0.0",
        "Upload-Offset": "5",
        "Upload-Length": "100",
        "Cache-Control": "no-store",
        "Upload-Expires": "Fri, 02 Jan 1970 00:00:00 GMT",
    }
    assert not tus.is_expired(0, tus.LIFETIME)
    assert tus.is_expired(0, tus.LIFETIME + 1)
