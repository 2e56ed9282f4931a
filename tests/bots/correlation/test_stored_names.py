from orch.bots.correlation.correlator import Correlator
from orch.bots.correlation.events import Change, Name, Segment
from orch.bots.correlation.record import Record
from orch.bots.correlation.stored_names import StoredNames, speaker_id
from orch.protocol.messages import Word
from orch.stores.bot_records import Correlation, NameRevision
from tests.fakes.scripted_meetings import Scene, meeting

ANA = Name(name="Ana", participant_id="p1")
BEN = Name(name="Ben", participant_id="p2")


def segment(count: int = 4) -> Segment:
    words = tuple(Word(text=f"w{index}", start=10.0 + index, end=10.5 + index) for index in range(count))
    return Segment(at=16, segment_id="s1", channel="c", words=words)


def change(first: int, last: int, old: Name | None, new: Name | None) -> Change:
    return Change(
        at=20.0,
        segment_id="s1",
        first=first,
        last=last,
        old=old,
        new=new,
        confidence=0.9,
        source="captions",
        kind="exact",
        by="captions",
        reason="captions have the same words",
    )


def parts(records: list[Correlation | NameRevision]) -> list[tuple[int, int, str | None, int]]:
    return [
        (each.word_start, each.word_end, each.speaker_name, each.revision)
        for each in records
        if isinstance(each, Correlation)
    ]


def test_a_segment_is_stored_whole_in_parts_with_the_next_revision() -> None:
    """The parts of a later revision replace all of the earlier ones."""
    names = StoredNames("m", 1_000.0)
    assert parts(names.apply(segment(), [])) == [(0, 4, None, 1)]
    assert parts(names.apply(None, [change(1, 2, None, ANA)])) == [
        (0, 1, None, 2),
        (1, 3, "Ana", 2),
        (3, 4, None, 2),
    ]
    found = names.apply(None, [change(2, 3, ANA, BEN)])
    assert parts(found) == [(0, 1, None, 3), (1, 2, "Ana", 3), (2, 4, "Ben", 3)]
    last = found[-1]
    assert isinstance(last, Correlation)
    assert (last.start_time, last.end_time, last.at) == (12.0, 13.5, 1_020.0)
    assert (last.correlation_id, last.correlation_type, last.correlation_method) == (
        "s1/2",
        "exact",
        "captions",
    )


def test_a_change_is_an_entry_of_the_audit() -> None:
    """Who, when, why, old and new."""
    names = StoredNames("m", 1_000.0)
    names.apply(segment(), [])
    names.apply(None, [change(0, 3, None, ANA)])
    entry = names.apply(None, [change(0, 3, ANA, BEN)])[0]
    assert isinstance(entry, NameRevision)
    assert (entry.revision_id, entry.word_start, entry.word_end, entry.at) == ("s1/2", 0, 4, 1_020.0)
    assert (entry.old_speaker_id, entry.new_speaker_id, entry.was_shown) == ("p1", "p2", True)
    assert entry.method == "captions: captions have the same words"
    assert (entry.old_confidence, entry.new_confidence) == (0.9, 0.9)


def test_namesakes_have_the_name_as_their_id() -> None:
    """A name without an id is no withheld name; ids of names in different scripts differ."""
    assert speaker_id(Name(name="李 伟")) == "name:李 伟"
    assert speaker_id(Name(name="李 薇")) != speaker_id(Name(name="李 伟"))
    assert speaker_id(None) is None


def test_a_new_version_of_a_segment_has_no_names_of_the_former_one() -> None:
    """Those that are carried over come as changes of their own."""
    names = StoredNames("m", 1_000.0)
    names.apply(segment(), [])
    names.apply(None, [change(0, 3, None, ANA)])
    assert parts(names.apply(segment(2), [])) == [(0, 2, None, 3)]
    assert parts(names.apply(segment(0), [])) == []


def test_what_is_stored_of_a_meeting_is_its_record() -> None:
    """The last revision's parts have the names of the record's words, and nothing is between them."""
    scripted = meeting(Scene(seconds=40, seed=5))
    correlator, record, names = Correlator(), Record(), StoredNames("m", 0.0)
    stored: dict[str, list[Correlation]] = {}
    audit: set[str] = set()
    steps = [(event, correlator.feed(event)) for event in scripted.events]
    for event, changes in [*steps, (None, correlator.finish())]:
        record.apply(event, changes)
        for each in names.apply(event, changes):
            if isinstance(each, NameRevision):
                assert each.revision_id not in audit
                audit.add(each.revision_id)
                continue
            of_segment = stored.setdefault(each.inhouse_transcript_id, [])
            of_segment[:] = [old for old in of_segment if old.revision == each.revision] + [each]
    assert len(audit) == len(record.changes)
    for segment_id, of_segment in stored.items():
        words = [each.speaker_name for each in of_segment for _ in range(each.word_start, each.word_end)]
        wanted = [None if word.name is None else word.name.name for word in record.segments[segment_id].words]
        assert words == wanted
