from itertools import pairwise

import msgspec
import pytest

from orch.bots.correlation.events import Change, Name, Segment
from orch.bots.correlation.exports import export
from orch.bots.correlation.record import Record
from orch.protocol.messages import Word


def shown(segment_id: str, first: int, last: int, name: str | None) -> Change:
    return Change(
        at=9.0,
        segment_id=segment_id,
        first=first,
        last=last,
        old=None,
        new=None if name is None else Name(name=name, participant_id="p1"),
        confidence=0.98765,
        source="captions",
        kind="exact",
        by="captions",
        reason="captions have the same words",
    )


def record(*segments: tuple[str, str, float, str | None]) -> Record:
    """Return segments of half a second a word: id, text, start, name."""
    found = Record()
    for segment_id, text, start, name in segments:
        words = tuple(
            Word(text=each, start=start + index / 2, end=start + index / 2 + 0.5)
            for index, each in enumerate(text.split())
        )
        found.apply(Segment(at=start + 9, segment_id=segment_id, channel="c", words=words), ())
        if name is not None:
            found.apply(None, [shown(segment_id, 0, 999, name)])
    return found


def test_subtitles_have_times_to_the_millisecond_and_speakers() -> None:
    """In SubRip with a comma, in WebVTT as voice spans."""
    kept = record(("s1", "hello there", 3661.2344, "Ana"), ("s2", "who knows", 3670.0, None))
    srt = export(kept, "srt", session_id="m")
    assert srt == (
        "1\n01:01:01,234 --> 01:01:02,234\nAna: hello there\n\n2\n01:01:10,000 --> 01:01:11,000\nwho knows\n"
    )
    vtt = export(kept, "vtt", session_id="m", title="Weekly")
    assert vtt == (
        "WEBVTT - Weekly\n\n01:01:01.234 --> 01:01:02.234\n<v Ana>hello there</v>\n\n"
        "01:01:10.000 --> 01:01:11.000\nwho knows\n"
    )


def test_markup_in_words_and_names_is_text() -> None:
    """A participant may be called anything."""
    vtt = export(record(("s1", "a<b &c --> d", 1.0, "<i>&\nAna --> Ben")), "vtt", session_id="m")
    assert "<v &lt;i&gt;&amp; Ana --&gt; Ben>a&lt;b &amp;c --&gt; d</v>" in vtt
    assert vtt.count("-->") == 1


def test_people_who_speak_at_once_share_a_subrip_cue() -> None:
    """Players of SubRip show overlapping cues in any order; WebVTT allows them."""
    kept = record(
        ("s1", "one two three four five six seven", 1.0, "Ana"), ("s2", "aha yes indeed so", 2.0, "Ben")
    )
    srt = export(kept, "srt", session_id="m")
    assert "- Ana: one two three four five six seven\n- Ben: aha yes indeed so" in srt
    times = [line for line in srt.splitlines() if " --> " in line]
    ends = [line.split(" --> ") for line in times]
    assert all(one[1] <= other[0] for one, other in pairwise(ends))
    assert export(kept, "vtt", session_id="m").count("<v ") == 2


def test_rows_have_at_most_42_columns() -> None:
    """A long line becomes several cues of two rows."""
    text = " ".join(f"considerable{index}" for index in range(20))
    srt = export(record(("s1", text, 0.0, "Ana")), "srt", session_id="m")
    rows = [line for line in srt.splitlines() if line and " --> " not in line and not line.isdigit()]
    assert max(map(len, rows)) <= 42
    assert srt.count(" --> ") > 3


def test_a_segment_with_two_speakers_is_two_lines() -> None:
    """Each with the times of its words."""
    kept = record(("s1", "hello hi", 1.0, "Ana"))
    kept.apply(None, [shown("s1", 1, 1, "Ben")])
    assert export(kept, "txt", session_id="m").splitlines()[-2:] == [
        "[00:00:01] Ana: hello",
        "[00:00:01] Ben: hi",
    ]


def test_scripts_without_spaces_are_joined_without_spaces() -> None:
    """The engine's words stay together."""
    assert "林: 東京へ行く" in export(record(("s1", "東京 へ 行く", 1.0, "林")), "txt", session_id="m")


def test_json_has_each_word_and_the_audit_trail() -> None:
    """With rounded numbers, so that two runs compare."""
    document = msgspec.json.decode(
        export(record(("s1", "hello there", 1.00049, "Ana")), "json", session_id="m")
    )
    assert document["segments"][0]["words"][1] == {
        "text": "there",
        "start": 1.5,
        "end": 2.0,
        "speaker": "Ana",
        "participant_id": "p1",
        "confidence": 0.988,
        "source": "captions",
        "type": "exact",
    }
    (revision,) = document["revisions"]
    assert (revision["by"], revision["reason"], revision["old"], revision["new"]["name"]) == (
        "captions",
        "captions have the same words",
        None,
        "Ana",
    )


def test_an_empty_meeting_is_an_empty_file() -> None:
    """No cue, no line, no word."""
    assert export(Record(), "srt", session_id="m") == ""
    assert export(Record(), "vtt", session_id="m") == "WEBVTT\n"
    assert export(Record(), "txt", session_id="m") == ""
    assert msgspec.json.decode(export(Record(), "json", session_id="m"))["segments"] == []
    with pytest.raises(KeyError):
        export(Record(), "doc", session_id="m")
