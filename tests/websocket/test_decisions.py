"""What a host decides: who is muted by which decisions, and how they are stored."""

import pytest

from orch.problems import ProblemError
from orch.websocket.moderation.decisions import (
    LISTED,
    OPEN,
    Decisions,
    decode,
    encode,
    muting,
    removing,
    speaking_by,
    unmuting,
)


def test_nothing_is_decided_at_first() -> None:
    """A session of a former version has nothing stored."""
    assert decode(b"") is OPEN
    assert not any(OPEN.is_muted("p", role) for role in ("owner", "participant", "observer"))
    OPEN.require_open("s")


def test_decisions_survive_the_store() -> None:
    """Also with fields that a later version has added; what cannot be read counts as locked."""
    decided = removing(muting(Decisions(revision=3, locked=True), ["a", "b"]), "c")
    assert decode(encode(decided)) == decided
    assert decode(b'{"locked":true,"later":1}') == Decisions(locked=True)
    for data in (b"?", b"[]", b'{"locked":1}', b"\xff"):
        assert decode(data).locked


def test_a_muted_participant_may_unmute_unless_only_the_host_lets_people_speak() -> None:
    """Owners are muted one by one at most, and may always unmute themselves."""
    muted = muting(OPEN, ["p", "o"])
    assert muted.is_muted("p", "participant")
    assert muted.is_muted("o", "owner")
    assert muted.may_unmute("participant")
    assert not unmuting(muted, "p").is_muted("p", "participant")
    quiet = speaking_by(muted, "host")
    assert quiet.is_muted("q", "participant")
    assert not quiet.may_unmute("participant")
    assert quiet.may_unmute("owner")
    assert not unmuting(quiet, "o").is_muted("o", "owner")


def test_the_host_lets_some_speak_while_others_are_muted() -> None:
    """Muting them again, or everyone, takes that back; so does the next time that only the host may speak."""
    quiet = unmuting(speaking_by(OPEN, "host"), "p")
    assert not quiet.is_muted("p", "participant")
    assert quiet.is_muted("q", "participant")
    assert muting(quiet, ["p"]).is_muted("p", "participant")
    assert speaking_by(speaking_by(quiet, "everyone"), "host").is_muted("p", "participant")
    assert speaking_by(quiet, "host") is quiet


def test_observers_are_never_shown_as_muted() -> None:
    """They never speak."""
    quiet = speaking_by(OPEN, "host")
    assert not quiet.shown_to("r", "observer").muted
    assert quiet.shown_to("p", "participant").muted


def test_nobody_joins_a_locked_session_or_one_that_ends() -> None:
    """Each with the reason."""
    for decided, code in (
        (Decisions(locked=True), "session_locked"),
        (Decisions(ending=True, locked=True), "session_ended"),
    ):
        with pytest.raises(ProblemError) as caught:
            decided.require_open("s")
        assert caught.value.code == code
    Decisions(locked=True).require_running("s")
    assert Decisions(ending=True).is_muted("o", "owner")


def test_a_removed_participant_may_not_return() -> None:
    """Nor anyone to a session that has ended."""
    decided = removing(muting(OPEN, ["p"]), "p")
    assert decided.refusal("p") == "removed"
    assert decided.is_muted("p", "participant")
    assert decided.muted == ()
    assert decided.refusal("q") is None
    assert Decisions(ended=True).refusal("q") == "ended"


def test_the_lists_are_bounded() -> None:
    """Of those removed the first are forgotten (their tokens are invalid anyway); muting more is refused."""
    decided = OPEN
    for number in range(LISTED + 5):
        decided = removing(decided, f"p{number}")
    assert len(decided.removed) == LISTED
    assert decided.refusal("p4") is None
    assert decided.refusal("p5") == "removed"
    full = muting(OPEN, [f"p{number}" for number in range(LISTED)])
    assert muting(full, ["p1"]) == full
    with pytest.raises(ProblemError, match="one by one"):
        muting(full, ["another"])
