import shutil
import tempfile
from pathlib import Path

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from orch.stores import statements
from orch.stores.database import close_database, migrations, open_database
from orch.stores.records import SessionRecord
from orch.websocket.history import Kept, Limits, is_whole, numbered, refusal, surplus

EPOCH = "e1"


@given(
    sizes=st.lists(st.integers(1, 50), max_size=30),
    ages=st.lists(st.integers(0, 100), min_size=30, max_size=30),
    messages=st.integers(1, 40),
    seconds=st.integers(0, 100),
    size=st.integers(1, 600),
)
def test_what_is_left_keeps_every_limit_and_no_less(
    sizes: list[int], ages: list[int], messages: int, seconds: int, size: int
) -> None:
    """After pruning nothing is over a limit, and the youngest that was dropped had to go."""
    limits = Limits(messages=messages, seconds=seconds, bytes=size)
    kept = [
        Kept(number, 100.0 - age, each) for number, (each, age) in enumerate(zip(sizes, ages, strict=False))
    ]
    gone = surplus(kept, count=len(kept), size=sum(sizes), limits=limits, now=100.0)
    left = kept[gone:]
    assert len(left) <= messages
    assert sum(message.size for message in left) <= size
    assert all(message.at >= 100.0 - seconds for message in left)
    if gone:
        spared = kept[gone - 1 :]
        assert (
            len(spared) > messages
            or sum(message.size for message in spared) > size
            or spared[0].at < 100.0 - seconds
        )


def test_an_empty_history_has_nothing_to_drop() -> None:
    """Limits of nothing are no fault."""
    assert surplus([], count=0, size=0, limits=Limits(1, 1.0, 1), now=0.0) == 0


def test_recovery_is_refused_with_the_reason() -> None:
    """Another epoch, no offset, one from the future: each has its own word. The present is no refusal."""
    assert refusal(epoch="e", last=5, asked_epoch="f", asked_offset=5) == "epoch_changed"
    assert refusal(epoch="e", last=5, asked_epoch=None, asked_offset=5) == "epoch_changed"
    assert refusal(epoch="e", last=5, asked_epoch="e", asked_offset=None) == "offset_unknown"
    assert refusal(epoch="e", last=5, asked_epoch="e", asked_offset=6) == "offset_unknown"
    assert refusal(epoch="e", last=5, asked_epoch="e", asked_offset=5) is None
    assert refusal(epoch="e", last=5, asked_epoch="e", asked_offset=0) is None


def test_a_part_is_not_the_whole() -> None:
    """Missing at the front, in the middle or at the end, doubled or out of order: not whole."""
    assert is_whole([], after=3, last=3)
    assert is_whole([4, 5, 6], after=3, last=6)
    for part in ([5, 6], [4, 6], [4, 5], [4, 5, 5], [4, 6, 5], [4, 5, 6, 7], []):
        assert not is_whole(part, after=3, last=6)


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.none(), min_size=1), st.integers(0, 2**53))
def test_a_numbered_message_is_the_message_with_its_offset(fields: dict[str, object], offset: int) -> None:
    """Adding the offset to the finished text changes nothing else."""
    fields.pop("offset", None)
    fields["type"] = "x"
    assert msgspec.json.decode(numbered(msgspec.json.encode(fields), offset)) == {**fields, "offset": offset}


class Recovery(RuleBasedStateMachine):
    """Publishing, pruning and restarts in any order, against a real file; a list is the truth."""

    @initialize(
        messages=st.integers(1, 8), seconds=st.integers(1, 20), size=st.sampled_from([60, 200, 10_000])
    )
    def begin(self, messages: int, seconds: int, size: int) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.limits = Limits(messages=messages, seconds=seconds, bytes=size)
        self.now = 1000.0
        self.truth: list[bytes] = []
        self.database = open_database(self.folder / "s.sqlite3", migrations())
        self.database.execute("PRAGMA synchronous = OFF")
        statements.create(self.database, SessionRecord("s", EPOCH, 0, 1, b"{}", 0.0, 0.0))

    @rule(count=st.integers(1, 5), size=st.integers(0, 40))
    def publish(self, count: int, size: int) -> None:
        for _ in range(count):
            body = b'{"n":"%s"}' % (b"x" * size)
            appended = statements.append(
                self.database, "s", body, at=self.now, limits=self.limits, origin=None
            )
            assert appended is not None
            assert appended.offset == len(self.truth) + 1
            self.truth.append(appended.frame)

    @rule(seconds=st.integers(-5, 15))
    def wait(self, seconds: int) -> None:
        """Time passes, or the clock is set back."""
        self.now += seconds

    @rule()
    def prune(self) -> None:
        statements.prune(self.database, self.now, self.limits)

    @rule()
    def restart(self) -> None:
        close_database(self.database)
        self.database = open_database(self.folder / "s.sqlite3", migrations())
        self.database.execute("PRAGMA synchronous = OFF")

    @precondition(lambda self: hasattr(self, "database"))
    @rule(behind=st.integers(-2, 12))
    def recover(self, behind: int) -> None:
        """Someone who has everything up to an offset gets exactly the rest, or an honest no."""
        session = statements.load(self.database, "s")
        assert session is not None
        last = session.offset
        assert last == len(self.truth)
        asked = max(0, last - behind)
        if refusal(epoch=session.epoch, last=last, asked_epoch=EPOCH, asked_offset=asked) is not None:
            assert asked > last
            return
        kept = statements.read(self.database, "s", asked, last)
        if is_whole([message.offset for message in kept], after=asked, last=last):
            assert [message.frame for message in kept] == self.truth[asked:]

    @invariant()
    def the_newest_are_kept_without_a_hole(self) -> None:
        if not hasattr(self, "database"):
            return
        session = statements.load(self.database, "s")
        assert session is not None
        kept = [message.offset for message in statements.read(self.database, "s", 0, 10**9)]
        assert kept == list(range(session.kept_first, session.offset + 1))

    def teardown(self) -> None:
        if hasattr(self, "database"):
            self.database.close()
            shutil.rmtree(self.folder)


Recovery.TestCase.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestRecovery = Recovery.TestCase
