"""What this process does without, and refuses, when it has little memory or few descriptors left."""

from pathlib import Path
from typing import Any

import pytest
import trio

from orch import own_usage
from orch.overload import Step, Thresholds, Use, in_words, step_of
from orch.overload_watch import OverloadWatch
from orch.settings import decode
from orch.shortages import Shortage
from orch.telemetry.events import EventLog
from orch.telemetry.shortages import ShortageLog
from tests.fakes.settings import FakeSettings

RULES = Thresholds(0.92, 0.95)
CALM, CLOSING, REFUSING = Step


@pytest.mark.parametrize(
    ("used", "before", "step"),
    [
        (919, CALM, CALM),
        (920, CALM, CLOSING),
        (949, CALM, CLOSING),
        (950, CALM, REFUSING),
        (935, REFUSING, REFUSING),
        (929, REFUSING, CLOSING),
        (901, CLOSING, CLOSING),
        (899, CLOSING, CALM),
        (899, REFUSING, CALM),
        (1200, CALM, REFUSING),
    ],
)
def test_the_steps_begin_at_their_shares_and_end_a_little_below(used: int, before: Step, step: Step) -> None:
    """92 % and 95 %; otherwise a step would begin and end with each request."""
    assert step_of(Use(used, 1000), RULES, before) is step


@pytest.mark.parametrize(
    ("used", "step"), [(3900, CALM), (3903, CALM), (3904, CLOSING), (3999, CLOSING), (4000, REFUSING)]
)
def test_as_many_clients_as_are_allowed_are_no_overload(used: int, step: Step) -> None:
    """While half of what is reserved for the service itself is free, however small the limit."""
    assert step_of(Use(used, 4096, spare=384), RULES, CALM) is step


def group(folder: Path, limit: str, used: int, cache: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 1\ninactive_file {cache}\nactive_file 7\n")


def test_the_fullest_group_up_to_the_root_counts(tmp_path: Path) -> None:
    """A limit holds for all groups below it; one without a limit does not count."""
    groups, own = tmp_path / "cgroup", tmp_path / "own"
    own.write_text("4:memory:/v1\n0::/a/b\n")
    group(groups / "a" / "b", "1000", 500)
    group(groups / "a", "2000", 1500)
    group(groups, "max", 10**9)
    assert own_usage.memory(groups, own) == Use(1500, 2000)
    own.write_text("0::/\n")
    assert own_usage.memory(groups, own) is None
    group(groups, "4000", 3960, cache=960)
    assert own_usage.memory(groups, own) == Use(3000, 4000), "the page cache can be had back"


@pytest.mark.parametrize("text", ["", "4:memory:/x\n", "0::/missing\n"])
def test_without_cgroup_v2_memory_is_not_limited(tmp_path: Path, text: str) -> None:
    """An older system, another one, or files that are not there."""
    own = tmp_path / "own"
    own.write_text(text)
    assert own_usage.memory(tmp_path, own) is None
    assert own_usage.memory(tmp_path, tmp_path / "nothing") is None


def test_the_open_files_of_this_process_are_counted() -> None:
    """As many more as were opened."""
    before = own_usage.descriptors(1000, 10)
    assert before is not None
    with Path("/dev/null").open("rb"), Path("/dev/null").open("rb"):
        after = own_usage.descriptors(1000, 10)
    assert after == Use(before.used + 2, 1000, 10)
    assert own_usage.descriptors(1000, 10, Path("/nothing")) is None


class Watched:
    """A watch over figures that a test sets."""

    def __init__(self) -> None:
        self.memory: Use | None = Use(1, 100)
        self.files: Use | None = Use(1, 100)
        self.events = EventLog(wall=lambda: 7.0)
        self.settings = FakeSettings()
        self.watch = OverloadWatch(
            settings=self.settings,
            events=self.events,
            wall=lambda: 7.0,
            sources={Shortage.MEMORY: lambda: self.memory, Shortage.DESCRIPTORS: lambda: self.files},
        )

    def at(self, **uses: Use | None) -> Step:
        for name, use in uses.items():
            setattr(self, name, use)
        self.watch.look()
        return self.watch.step


def test_the_worse_of_both_counts_and_operators_see_it() -> None:
    """In the shortages of the overview and of /api/health, in events and in metrics; new work is refused."""
    watched = Watched()
    log = ShortageLog(events=watched.events, clock=lambda: 0.0, wall=lambda: 0.0)
    log.others = watched.watch.lines
    changes: list[Step] = []
    watched.watch.on_change = lambda: changes.append(watched.watch.step)
    assert watched.at() is CALM
    assert watched.watch.refuse() is None
    assert watched.at(memory=Use(93, 100)) is CLOSING
    assert watched.watch.refuse() is None
    assert watched.at(files=Use(96, 100)) is REFUSING
    problem = watched.watch.refuse()
    assert problem is not None
    assert (problem.code, problem.status, problem.headers) == ("own_shortage", 503, {"Retry-After": "5"})
    assert [(line.kind, line.since) for line in log.lines()] == [("memory", 7.0), ("descriptors", 7.0)]
    assert "96% of its limit of 100 open files. New requests" in log.lines()[1].text
    log.note(Shortage.DESCRIPTORS, "A connection was refused.")
    assert [line.text[:44] for line in log.lines() if line.kind == "descriptors"] == [
        "The orchestration service is out of file des"
    ], "one line for each kind"
    values = {(one.name.name, *one.labels): one.value for one in watched.watch.readings()}
    assert values["orch_overload_step", "descriptors"] == 2
    assert values["orch_overload_used", "memory"] == pytest.approx(0.93)
    assert values["orch_overload_refused_total",] == 1
    assert watched.at(memory=None, files=Use(1, 100)) is CALM
    assert watched.watch.lines() == ()
    assert [event.severity for event in watched.events.latest()] == ["ok", "ok", "bad", "bad", "warn"]
    assert len(changes) == 4


async def test_it_looks_once_a_second_and_a_stopped_watch_refuses_nothing() -> None:
    """A branch that is restarted must not leave a verdict that nobody takes back."""
    watched = Watched()
    async with trio.open_nursery() as nursery:
        await nursery.start(watched.watch.run)
        await trio.testing.wait_all_tasks_blocked()
        watched.memory = Use(96, 100)
        await trio.sleep(0.9)
        assert watched.watch.step is CALM
        await trio.sleep(0.2)
        assert watched.watch.step is REFUSING
        watched.settings.change(orchestration={"overload": {"no_keep_alive": 1.0, "refuse": 1.0}})
        await trio.sleep(1)
        assert watched.watch.step is CALM
        watched.settings.change(orchestration={})
        await trio.sleep(1)
        assert watched.watch.step is REFUSING
        nursery.cancel_scope.cancel()
    assert watched.watch.step is CALM


def test_what_is_said_of_memory_has_the_limit_and_a_remedy() -> None:
    """In MiB."""
    text = in_words(Shortage.MEMORY, Use(500 * 2**20, 512 * 2**20), REFUSING)
    assert text.startswith(
        "The orchestration service uses 98% of its limit of 512 MiB of memory. New requests,"
    )
    assert "Free memory" in text


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"refuse": 0.9}, "orchestration.overload.refuse: expected at least no_keep_alive (0.92), got 0.9"),
        ({"refuse": 1.2}, "orchestration.overload.refuse: expected a number from 0.5 to 1, got 1.2"),
    ],
)
def test_settings_that_make_no_sense_are_refused(given: dict[str, Any], fault: str) -> None:
    """With the path, and what was expected."""
    import yaml

    decoded = decode(yaml.safe_dump({"orchestration": {"overload": given}}), {})
    assert [str(one) for one in decoded.faults] == [fault]
