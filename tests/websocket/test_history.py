import shutil
import tempfile
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from random import Random

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from orch.stores.history import (
    Budget,
    Kept,
    Kind,
    Limits,
    Losses,
    Share,
    is_whole,
    numbered,
    pressed,
    share_of,
    spilled,
    too_old,
)
from orch.stores.records import SessionRecord
from orch.stores.sqlite import shares, statements
from orch.stores.sqlite.database import close_database, migrations, open_database
from orch.websocket.history.recovery import refusal

EPOCH = "e1"


@given(ages=st.lists(st.integers(0, 100), max_size=30), seconds=st.integers(0, 100))
def test_whatever_the_clock_did_nothing_too_old_is_left(ages: list[int], seconds: int) -> None:
    """All up to the last one that is too old go, and no more."""
    kept = [Kept(number, 100.0 - age, 1) for number, age in enumerate(ages)]
    gone = too_old(kept, seconds=seconds, now=100.0)
    assert all(message.at >= 100.0 - seconds for message in kept[gone:])
    assert not gone or kept[gone - 1].at < 100.0 - seconds


SIZES = st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 60)), max_size=40)


def spill(messages: Sequence[tuple[str, int]], budget: Budget) -> list[tuple[str, int]]:
    """Return what is left of one kind's messages, by the rule alone."""
    left = list(messages)
    while True:
        total = Budget(len(left), sum(size for _, size in left))
        what = pressed(total, budget)
        if what is None:
            return left
        holds = {
            sender: sum(size if what == "bytes" else 1 for name, size in left if name == sender)
            for sender, _ in left
        }
        fullest = max(holds, key=lambda sender: (holds[sender], sender))
        left.remove(next(each for each in left if each[0] == fullest))


@given(messages=SIZES, budget=st.builds(Budget, st.integers(0, 20), st.integers(0, 400)))
def test_the_oldest_of_the_fullest_share_go_until_the_budget_holds(
    messages: list[tuple[str, int]], budget: Budget
) -> None:
    """Many at once or one after the other: the same are left."""
    left = list(messages)
    for _ in range(len(messages) + 1):
        total = Budget(len(left), sum(size for _, size in left))
        what = pressed(total, budget)
        if what is None:
            break
        holds = sorted(
            (sum(size if what == "bytes" else 1 for name, size in left if name == sender), sender)
            for sender in {sender for sender, _ in left}
        )
        _, sender = holds[-1]
        sizes = [size for name, size in left if name == sender]
        gone = spilled(
            sizes,
            total=total,
            budget=budget,
            held=Budget(len(sizes), sum(sizes)),
            sender=sender,
            runner_up=holds[-2] if len(holds) > 1 else None,
        )
        assert gone > 0
        for _ in range(gone):
            left.remove(next(each for each in left if each[0] == sender))
    assert left == spill(messages, budget)


@given(
    modest=st.lists(st.integers(1, 20), max_size=10),
    flood=st.lists(st.integers(1, 60), max_size=60),
    order=st.randoms(use_true_random=False),
)
def test_who_sends_much_removes_nothing_of_those_who_hold_less_than_their_part(
    modest: list[int], flood: list[int], order: Random
) -> None:
    """Two participants with a third of the budget at most each, and one who floods it."""
    budget = Budget(messages=30, bytes=600)
    messages = [("a", size) for size in modest] + [("b", size) for size in modest]
    messages += [("flooder", size) for size in flood]
    order.shuffle(messages)
    left: list[tuple[str, int]] = []
    for message in messages:
        left = spill([*left, message], budget)
    for name in ("a", "b"):
        mine = [each for each in messages if each[0] == name]
        assert [each for each in left if each[0] == name] == mine


def test_every_small_history_keeps_to_the_rule() -> None:
    """All histories of up to five messages by two senders, in every budget."""
    choices = [("a", 1), ("a", 3), ("b", 1), ("b", 3)]
    for length in range(6):
        for messages in product(choices, repeat=length):
            for budget in (Budget(count, size) for count in range(4) for size in range(0, 9, 2)):
                left = spill(messages, budget)
                assert pressed(Budget(len(left), sum(size for _, size in left)), budget) is None
                rest = iter(messages)
                assert all(each in rest for each in left)  # in order, and nothing made up


def test_messages_of_before_shares_tell_whose_they_are_by_how_they_begin() -> None:
    """What is said inside a message decides nothing."""
    said = b'{"type":"session_message","timestamp":1,"sender":"p1","data":{"sender":"x"},"offset":1}'
    assert share_of(said) == (Kind.BROADCAST, "p1")
    renamed = (
        b'{"type":"participant_renamed","timestamp":1,"session_id":"s","participant_id":"p2","name":"N"}'
    )
    assert share_of(renamed) == (Kind.NAME, "p2")
    text = (
        b'{"type":"transcript","text":"\\"sender\\":\\"x\\" {\\"type\\":\\"session_message\\"",'
        b'"participant_id":"p3"}'
    )
    assert share_of(text) == (Kind.CAPTION, "p3")
    assert share_of(b'{"type":"transcript","participant_id":null}') == (Kind.CAPTION, "")
    assert share_of(b'{"type":"translation","text":"x"}') == (Kind.CAPTION, "")
    assert share_of(b"{}") == (Kind.CAPTION, "")


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
        messages=st.integers(1, 8),
        seconds=st.integers(1, 20),
        size=st.sampled_from([60, 200, 10_000]),
        broadcasts=st.integers(1, 5),
    )
    def begin(self, messages: int, seconds: int, size: int, broadcasts: int) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.limits = Limits(
            messages=messages, seconds=seconds, bytes=size, broadcasts=Budget(broadcasts, size // 2)
        )
        self.kinds: list[Kind] = []
        self.now = 1000.0
        self.truth: list[bytes] = []
        self.database = open_database(self.folder / "s.sqlite3", migrations())
        self.database.execute("PRAGMA synchronous = OFF")
        statements.create(self.database, SessionRecord("s", EPOCH, 0, 1, b"{}", 0.0, 0.0))

    @rule(
        count=st.integers(1, 5),
        size=st.integers(0, 40),
        kind=st.sampled_from(Kind),
        sender=st.sampled_from(["", "a", "b"]),
    )
    def publish(self, count: int, size: int, kind: Kind, sender: str) -> None:
        for _ in range(count):
            self.kinds.append(kind)
            body = b'{"n":"%s"}' % (b"x" * size)
            appended = statements.append(
                self.database,
                "s",
                body,
                at=self.now,
                limits=self.limits,
                origin=None,
                share=Share(kind, sender),
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
        assert [message.frame for message in kept] == [self.truth[each.offset - 1] for each in kept]
        losses = shares.losses(self.database, "s") or Losses(last, last)
        there = {message.offset for message in kept}
        missing = {self.kinds[offset - 1] for offset in range(asked + 1, last + 1) if offset not in there}
        assert (losses.captions > asked) == (Kind.CAPTION in missing)
        if losses.others <= asked:
            assert Kind.BROADCAST not in missing

    @invariant()
    def the_sums_are_true_and_no_limit_is_exceeded(self) -> None:
        if not hasattr(self, "database"):
            return
        session = statements.load(self.database, "s")
        assert session is not None
        kept = statements.read(self.database, "s", 0, 10**9)
        offsets = [message.offset for message in kept]
        assert (offsets or [session.offset + 1])[0] == session.kept_first
        found: dict[Kind, Budget] = {}
        for message in kept:
            kind = self.kinds[message.offset - 1]
            count, size = found.get(kind, Budget(0, 0))
            found[kind] = Budget(count + 1, size + len(message.frame))
        sums = self.database.execute("SELECT kind, messages, bytes FROM budgets").fetchall()
        assert {Kind(kind): Budget(*sums) for kind, *sums in sums if sums[0]} == found
        assert all(pressed(total, self.limits.budget(kind)) is None for kind, total in found.items())
        held = self.database.execute("SELECT kind, sum(messages), sum(bytes) FROM shares GROUP BY kind")
        assert {Kind(kind): Budget(*sums) for kind, *sums in held} == found
        (size,) = self.database.execute("SELECT kept_bytes FROM sessions").fetchone()
        assert size == sum(len(message.frame) for message in kept)

    def teardown(self) -> None:
        if hasattr(self, "database"):
            self.database.close()
            shutil.rmtree(self.folder)


Recovery.TestCase.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestRecovery = Recovery.TestCase
