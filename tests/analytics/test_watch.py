"""Many series are followed: the oldest model is learnt next, anomalies are bounded and outlive a restart."""

import numpy as np
from msgspec.structs import replace

from orch.analytics.anomalies.anomaly import Anomaly, Kind
from orch.analytics.anomalies.model import Model, learn_model
from orch.analytics.watch import RELEARN, RETRY, STORED, Watch, joined

STEP, DAYS = 300.0, 4
VALUES = 100 + np.random.default_rng(1).normal(0, 3, DAYS * 288)
END = len(VALUES) * STEP


def model() -> Model:
    found = learn_model(VALUES, begins=0.0, step=STEP)
    assert found is not None
    return found


def watch(*keys: str) -> Watch:
    made = Watch(step=STEP)
    recent = [(place * STEP, float(VALUES[place])) for place in range(len(VALUES) - 312, len(VALUES))]
    for key in keys:
        made.learnt(key, model(), END, recent)
    return made


def test_series_are_learnt_in_turn() -> None:
    made = Watch(step=STEP)
    assert made.next_to_learn([], 0) is None
    assert made.next_to_learn(["a", "b"], 0) == "a"
    made.learnt("a", None, 0, [])
    assert made.next_to_learn(["a", "b"], 1) == "b"
    made.learnt("b", model(), 1, [])
    assert made.next_to_learn(["a", "b"], 2) is None
    assert made.next_to_learn(["a", "b"], RETRY) == "a"
    made.learnt("a", model(), RETRY, [])
    assert made.next_to_learn(["a", "b"], RELEARN) is None
    assert made.next_to_learn(["a", "b"], RELEARN + 1) == "b"
    assert len(made) == 2


def test_an_anomaly_is_reported_when_it_opens_and_when_it_ends() -> None:
    made = watch("a")
    assert made.feed("unknown", END, 1e9) is None
    states = []
    for place in range(30):
        found = made.feed("a", END + place * STEP, 400.0 if 5 <= place < 10 else 100.0 + place % 3)
        states += [found.is_open] if found else []
    assert states == [True, False]
    (found,) = made.anomalies()
    assert (found.began, found.key) == (END + 5 * STEP, "a")
    faulty = made.faulty("a", END, 30)
    assert faulty.nonzero()[0].tolist()[:5] == [5, 6, 7, 8, 9]
    assert made.anomalies(since=END + 86_400) == ()


def test_anomalies_outlive_a_restart_and_go_on() -> None:
    before = watch("a")
    before.feed("a", END, 400.0)
    (opened,) = before.anomalies()
    after = Watch(step=STEP)
    after.restore([opened])
    recent = [(place * STEP, float(VALUES[place])) for place in range(len(VALUES) - 312, len(VALUES))]
    after.learnt("a", model(), END, [*recent, (END, 400.0)])
    assert after.feed("a", END + STEP, 400.0) is None
    (found,) = after.anomalies()
    assert (found.identity, found.is_open, found.until) == (opened.identity, True, END + STEP)


def test_a_clock_that_was_ahead_is_forgotten() -> None:
    """Anomalies of later times never were, and one that had begun before has ended; it is learnt in time."""
    made = watch("a", "b")
    for place in range(8):
        made.feed("a", END + place * STEP, 400.0)
    for place in range(100, 108):
        made.feed("b", END + place * STEP, 400.0)
    assert [each.is_open for each in made.anomalies()] == [True, True]
    made.learnt("b", model(), END + 100 * STEP, [])
    now = END + 6 * STEP
    made.begin_again(now)
    (found,) = made.anomalies()
    assert (found.key, found.is_open, found.until) == ("a", False, now)
    made.warmed_up("b", [(now - place * STEP, float(VALUES[place])) for place in range(300, -1, -1)])
    made.warmed_up("unknown", [])
    opened = [made.feed("b", now + place * STEP, 400.0) for place in range(1, 9)]
    assert any(each is not None and each.is_open for each in opened)
    assert made.next_to_learn(["b"], now + RELEARN) == "b"


def test_a_series_that_is_gone_has_no_open_anomaly() -> None:
    made = watch("a")
    made.feed("a", END, 400.0)
    made.next_to_learn(["b"], END)
    (found,) = made.anomalies()
    assert not found.is_open
    assert made.feed("a", END + STEP, 400.0) is None


def test_stored_anomalies_are_bounded() -> None:
    made = watch("a")
    made.feed("a", END, 400.0)
    (opened,) = made.anomalies()
    made.restore(
        type(opened)(key=f"k{n}", kind=opened.kind, direction="up", began=n, noticed=n, until=END, ended=END)
        for n in range(2 * STORED)
    )
    made.feed("a", END + STEP, 400.0)
    assert len(made.anomalies()) == STORED
    assert opened.identity in {each.identity for each in made.anomalies()}


def found(key: str, began: float, until: float, *, hour: str) -> Anomaly:
    return Anomaly(
        key=key, kind=Kind.SHIFT, direction="up", began=began, noticed=began + 20, until=until, hour=hour
    )


def test_what_two_resolutions_found_is_one_anomaly_with_one_name() -> None:
    """It is there within seconds, and says later what is usual for the hour; pages show it once."""
    fine = [found("a", 1_030, 1_400, hour="of late"), found("b", 1_000, 1_100, hour="of late")]
    coarse = [found("a", 900, 1_500, hour="for this hour"), found("c", 100, 200, hour="for this hour")]
    coarse[0] = replace(coarse[0], noticed=1_200)
    both = joined(coarse, fine, slack=300)
    assert [(each.key, each.began, each.hour) for each in both] == [
        ("c", 100, "for this hour"),
        ("b", 1_000, "of late"),
        ("a", 1_030, "for this hour"),
    ]
    assert both[2].identity == fine[0].identity
    later = [found("a", 9_000, 9_100, hour="of late")]
    assert len(joined(coarse, later, slack=300)) == 3
