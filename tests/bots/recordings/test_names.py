"""Names of files: readable, and safe whatever a participant or a session is called."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.bots.recordings.names import file_name, folder_name, readable


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Zoë  O'Neill", "zoe-o-neill"),
        ("李娜", ""),
        ("../../etc/passwd", "etc-passwd"),
        ("", ""),
        ("A" * 99, "a" * 40),
    ],
)
def test_names_are_readable_where_they_can_be(name: str, said: str) -> None:
    assert readable(name) == said


@given(st.text(max_size=60), st.text(max_size=130))
def test_no_name_leaves_its_folder(name: str, session: str) -> None:
    """Nor is hidden, empty, or too long for a file system."""
    allowed = set(string.ascii_letters + string.digits + "-_.")
    for found in (file_name(3, "speaker", name, "flac"), folder_name(session)):
        assert set(found) <= allowed
        assert found[0] not in ".-"
        assert 0 < len(found) <= 100


def test_sessions_have_folders_of_their_own() -> None:
    """Also where their ids are no safe names."""
    assert folder_name("a1b2-c3") == "a1b2-c3"
    assert len({folder_name(each) for each in ("a/b", "a_b", "a", "..", "a/b ")}) == 5
    assert file_name(12, "mixed", "", "wav") == "012-mixed.wav"
