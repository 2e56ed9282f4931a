"""Small versions of benchmarks/bots_attribution.py."""

from collections.abc import Iterable
from dataclasses import replace

import msgspec
import pytest

from benchmarks.attribution_figures import Figures, delay_errors, figures, seed_figures
from orch.bots.correlation.events import Caption, Event, Mark
from orch.bots.correlation.record import correlate
from tests.fakes.scripted_meetings import ALIKE, Scene, meeting

SMALL = Scene(seconds=70, speakers=3, drift=200e-6, seed=11)


def replace_at(event: Caption, at: float) -> Caption:
    return msgspec.structs.replace(event, at=at)


def measured(scene: Scene) -> Figures:
    scripted = meeting(scene)
    return figures(scripted, correlate(scripted.events))


@pytest.mark.parametrize(
    ("scene", "right", "named"),
    [
        (replace(SMALL, layout="own"), 0.99, 0.95),
        (replace(SMALL, layout="rotating"), 0.97, 0.85),
        (replace(SMALL, layout="mixed"), 0.95, 0.85),
        (replace(SMALL, layout="own", has_captions=False), 0.95, 0.60),
        (replace(SMALL, layout="rotating", has_captions=False), 0.95, 0.60),
    ],
)
def test_words_are_under_the_right_name(scene: Scene, right: float, named: float) -> None:
    """As many as the figures demand, in little more than a minute."""
    found = measured(scene)
    assert found.rightness >= right
    assert found.coverage >= named
    assert found.wrong_for_sure < 0.005
    assert found.revision <= 0.02


def test_eight_people_with_similar_and_equal_names() -> None:
    """Names alike are no excuse."""
    found = measured(replace(SMALL, speakers=8, names=ALIKE, has_levels=True))
    assert found.rightness >= 0.97
    assert found.coverage >= 0.85


def test_stored_captions_without_their_growth_are_enough() -> None:
    """Only the last version of each, and when the first one arrived."""
    scripted = meeting(replace(SMALL, delay=2.0))
    firsts: dict[str, float] = {}
    lasts: dict[str, Caption] = {}
    rest: list[Event] = []
    for event in scripted.events:
        if isinstance(event, Caption):
            firsts.setdefault(event.caption_id, event.at)
            lasts[event.caption_id] = event
        else:
            rest.append(event)
    stored = [
        Caption(at=each.at, caption_id=key, name=each.name, text=each.text, began=firsts[key])
        for key, each in lasts.items()
    ]
    scripted.events = sorted([*rest, *stored], key=lambda event: event.at)
    found = figures(scripted, correlate(scripted.events))
    assert found.rightness >= 0.97
    assert found.coverage >= 0.85


def test_a_delay_that_changes_is_found_again() -> None:
    """Captions become 2.5 s slower in the middle of the meeting."""
    scripted = meeting(replace(SMALL, delay=0.5))
    scripted.events = sorted(
        (
            replace_at(each, each.at + 2.5) if isinstance(each, Caption) and each.at > 30 else each
            for each in scripted.events
        ),
        key=lambda event: event.at,
    )
    record = correlate(scripted.events)
    found = figures(scripted, record)
    assert found.rightness >= 0.97
    assert found.coverage >= 0.85
    assert record.statistics is not None
    assert record.statistics.captions.offset == pytest.approx(3.1, abs=0.3)


def test_letters_without_spaces_are_attributed_as_well() -> None:
    """Common letters occur in everyone's speech."""
    found = measured(replace(SMALL, seconds=60, is_unspaced=True))
    assert found.rightness >= 0.97
    assert found.coverage >= 0.85


def test_the_delay_is_known_after_a_minute() -> None:
    """Within 100 ms of a delay of 3 s."""
    scripted = meeting(replace(SMALL, delay=3.0))
    assert delay_errors(scripted, offset_after=60, drift_after=600).offset < 0.1


def test_the_former_way_is_worse() -> None:
    """It looks at times only, so it names few words."""
    scripted = meeting(SMALL)
    former = seed_figures(scripted)
    assert former.words == sum(map(len, scripted.speakers.values()))
    assert former.named > 0
    assert former.coverage < 0.5


def test_figures_count_what_they_say() -> None:
    """A record without names has none right; one whose names are all wrong has all wrong."""
    scripted = meeting(replace(SMALL, seconds=20, has_captions=False, has_marks=False))
    nothing = figures(scripted, correlate(scripted.events))
    assert (nothing.named, nothing.right, nothing.shown) == (0, 0, 0)
    assert nothing.words > 20


def test_a_meeting_is_the_same_for_the_same_seed() -> None:
    """Figures can be repeated."""
    assert meeting(SMALL) == meeting(SMALL)
    assert meeting(SMALL).events != meeting(replace(SMALL, seed=12)).events
    assert any(isinstance(event, Mark) for event in meeting(SMALL).events)


def all_in_order(events: Iterable[Event]) -> bool:
    times = [event.at for event in events]
    return times == sorted(times)


def test_events_are_in_order() -> None:
    """As a bot would receive them."""
    assert all_in_order(meeting(SMALL).events)
