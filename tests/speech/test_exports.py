import itertools
import json
import re
import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest
import regex
from hypothesis import example, given
from hypothesis import strategies as st

from orch.problems import ProblemError
from orch.protocol.messages import (
    Attribution,
    CaptionError,
    ParticipantRenamed,
    Pong,
    Transcript,
    Translation,
    Word,
    encode,
)
from orch.speech.cues import SHORT, Cue, apart, cues, parts, width, wrap
from orch.speech.exports import Choice, export, of_history, session_transcript, stamp
from orch.speech.lines import flat
from orch.speech.rows import is_plain

FFMPEG = shutil.which("ffmpeg") or "ffmpeg"
STARTED = 1_700_000_000_000
ERROR = CaptionError(
    code="speech_lost", detail="2.0 s of speech were not written down.", service="audio-service", final=True
)


def said(
    text: str,
    start: float,
    end: float,
    *,
    name: str = "s-1",
    revision: int = 2,
    final: bool = True,
    speaker: str | None = None,
    language: str | None = "en",
    stream_started: int = STARTED,
    error: CaptionError | None = None,
    words: tuple[Word, ...] = (),
) -> Transcript:
    return Transcript(
        timestamp=0,
        session_id="abc",
        segment_id=name,
        revision=revision,
        final=final,
        text=text,
        language=language,
        confidence=0.5,
        start=start,
        end=end,
        stream_started=stream_started,
        speaker=speaker,
        error=error,
        words=words,
    )


def in_other_words(
    text: str, target: str = "es", *, name: str = "s-1", revision: int = 2, error: CaptionError | None = None
) -> Translation:
    return Translation(
        timestamp=0,
        session_id="abc",
        segment_id=name,
        revision=revision,
        target_language=target,
        text=text,
        confidence=None,
        error=error,
    )


def body(
    kind: str, *messages: Transcript | Translation, original: bool = True, languages: tuple[str, ...] = ()
) -> str:
    return export(
        messages, kind=kind, session_id="abc", choice=Choice(original=original, languages=languages)
    ).body


def test_milliseconds_are_right() -> None:
    """Not 000, not rounded up to a thousand, and hours do not wrap at a day."""
    assert stamp(0, ",") == "00:00:00,000"
    assert stamp(3_725_045, ",") == "01:02:05,045"
    assert stamp(59_999, ".") == "00:00:59.999"
    assert stamp(100 * 3_600_000, ".") == "100:00:00.000"
    srt = body("srt", said("Hello.", 1.0449, 2.9996))
    assert "00:00:01,045 --> 00:00:03,000" in srt


def test_srt() -> None:
    first = said("Good morning.", 0.5, 1.75, speaker="Ann")
    second = said("Hola.", 2.0, 3.0, name="s-2", language="es")
    assert body("srt", first, second, in_other_words("Buenos días."), languages=("es",)) == (
        "1\n00:00:00,500 --> 00:00:01,750\nAnn: Good morning.\nBuenos días.\n\n"
        "2\n00:00:02,000 --> 00:00:03,000\nHola.\n"
    )


def test_vtt() -> None:
    """Voices are spans; what would be markup or a time is escaped."""
    text = body("vtt", said("a < b --> c & d", 0, 1, speaker="A<b>"))
    assert text == ("WEBVTT\n\n00:00:00.000 --> 00:00:01.000\n<v A&lt;b&gt;>a &lt; b --&gt; c &amp; d</v>\n")


def test_txt() -> None:
    text = body(
        "txt",
        said("Good  morning.\n", 61.2, 63, speaker="Ann"),
        said("", 64, 66, name="s-2", error=ERROR),
        in_other_words("Buenos días."),
        languages=("es",),
    )
    assert text == (
        "Session: abc\nStarted: 2023-11-14 22:13:20 UTC\nParticipants: Ann\n\n"
        "[00:01:01] Ann: Good morning.\n    Buenos días.\n"
        "[00:01:04] [2.0 s of speech were not written down.]\n"
    )


def test_a_title_is_in_the_head_and_in_the_name_of_the_file() -> None:
    """SubRip has no head. What separates names or times in a file becomes a hyphen, or an arrow."""
    line = said("Hello.", 0, 1)
    files = {
        kind: export([line], kind=kind, session_id="abc", title="Budget 2027: Q1 --> Q2/\u0645\u0627\u0644")
        for kind in ("txt", "vtt", "srt", "json")
    }
    assert files["txt"].name == "Budget-2027-Q1-Q2-\u0645\u0627\u0644-abc.txt"
    assert files["txt"].body.startswith("Title: Budget 2027: Q1 --> Q2/\u0645\u0627\u0644\nSession: abc\n")
    assert files["vtt"].body.startswith(
        "WEBVTT - Budget 2027: Q1 \u2192 Q2/\u0645\u0627\u0644\n\n00:00:00.000 --> "
    )
    assert files["srt"].body.startswith("1\n")
    assert json.loads(files["json"].body)["title"] == "Budget 2027: Q1 --> Q2/\u0645\u0627\u0644"
    for title, name in (
        ("...", "translation-abc.txt"),
        ("../x", "x-abc.txt"),
        ("a" * 60, f"{'a' * 40}-abc.txt"),
    ):
        assert export([line], kind="txt", session_id="abc", title=title).name == name


def test_json() -> None:
    """Everything that is known, with times in seconds and the moment they count from."""
    word = Word(text="Hi", start=0.5, end=0.75, confidence=0.5)
    failed = in_other_words("", "de", error=ERROR)
    document = json.loads(
        body(
            "json",
            said("Hi", 0.5, 1.2345, words=(word,)),
            in_other_words("Hola"),
            in_other_words("Oi", "pt"),
            failed,
            languages=("es", "de"),
        )
    )
    assert document == {
        "session_id": "abc",
        "title": None,
        "started": "2023-11-14T22:13:20.000Z",
        "lines": [
            {
                "segment_id": "s-1",
                "start": 0.5,
                "end": 1.234,
                "speaker": None,
                "participant_id": None,
                "language": "en",
                "text": "Hi",
                "confidence": 0.5,
                "words": [{"text": "Hi", "start": 0.5, "end": 0.75, "confidence": 0.5}],
                "error": None,
                "translations": {
                    "es": {"text": "Hola", "confidence": None, "error": None},
                    "de": {"text": "", "confidence": None, "error": msgspec.to_builtins(ERROR)},
                },
            }
        ],
    }


@pytest.mark.parametrize("kind", ["txt", "srt", "vtt", "json"])
def test_a_session_without_captions(kind: str) -> None:
    text = body(kind)
    assert (
        text
        == {
            "txt": "",
            "srt": "",
            "vtt": "WEBVTT\n",
            "json": '{\n  "session_id": "abc",\n  "title": null,\n  "started": null,\n  "lines": []\n}\n',
        }[kind]
    )


def test_files_have_names_and_types() -> None:
    file = export([], kind="srt", session_id="abc")
    assert (file.name, file.media_type) == ("translation-abc.srt", "application/x-subrip; charset=utf-8")
    with pytest.raises(ProblemError, match="txt, srt, vtt, json, docx") as caught:
        export([], kind="odt", session_id="abc")
    assert caught.value.code == "invalid_request"


@pytest.mark.parametrize(
    ("original", "languages", "expected"),
    [
        (True, (), ["Good morning.", "Hola.", "Danke."]),
        (False, ("es",), ["Buenos días.", "Hola.", "[not translated]"]),
        (True, ("es",), ["Good morning.", "    Buenos días.", "Hola.", "Danke."]),
        (False, ("en", "es"), ["Buenos días.", "Hello.", "Thank you."]),
        (False, ("es-MX",), ["Buenos días.", "Hola.", "[not translated]"]),
    ],
)
def test_original_translation_or_both(
    *, original: bool, languages: tuple[str, ...], expected: list[str]
) -> None:
    """A translation alone includes what was spoken in its language, and marks missing translations."""
    text = body(
        "txt",
        said("Good morning.", 0, 1),
        said("Hola.", 1, 2, name="s-2", language="es-ES"),
        said("Danke.", 2, 3, name="s-3", language="de"),
        in_other_words("Buenos días."),
        in_other_words("Hello.", "en", name="s-2"),
        in_other_words("Thank you.", "en", name="s-3"),
        in_other_words("", "es", name="s-3", error=ERROR),
        original=original,
        languages=languages,
    )
    _head, _, rest = text.partition("\n\n")
    assert [re.sub(r"^\[[\d:]+\] ", "", row) for row in rest.splitlines()] == expected


def test_what_stands_at_last_counts() -> None:
    """Revisions are not in it; a text replaces a gap, never the reverse; an empty final removes the line."""
    open_error = msgspec.structs.replace(ERROR, final=False)
    assert "now" in body("txt", said("", 0, 1, final=False, error=open_error), said("now", 0, 1, revision=3))
    assert body("txt", said("so far", 0, 1, final=False)) == ""
    assert "kept" in body("txt", said("kept", 0, 1), said("", 0, 1, revision=3, error=ERROR))
    assert body("txt", said("", 0, 1, error=open_error), said("", 0, 1, revision=3)) == ""
    assert "not written down" in body("txt", said("", 0, 1, final=False, error=open_error))
    text = body(
        "txt",
        said("Hi", 0, 1),
        in_other_words("", error=ERROR),
        in_other_words("Hola"),
        in_other_words("", error=ERROR),
        languages=("es",),
    )
    assert "Hola" in text


def test_streams_share_the_sessions_axis() -> None:
    """Each stream counts from its own start; the file counts from the first one's."""
    first = said("one", 10.0, 11.0, stream_started=STARTED)
    second = said("two", 0.25, 1.0, name="t-1", stream_started=STARTED + 5_000)
    said_lines = session_transcript([second, first], session_id="abc").lines
    assert [(line.original(), line.start, line.end) for line in said_lines] == [
        ("two", 5_250, 6_000),
        ("one", 10_000, 11_000),
    ]


def test_captions_are_found_in_a_history() -> None:
    messages = [said("Hi", 0, 1), in_other_words("Hola")]
    raw = [encode(messages[0]), encode(Pong(timestamp=0)), msgspec.Raw(encode(messages[1]))]
    assert of_history(raw) == messages


LONG = (
    "and mister john dashwood had then leisure to consider how much there might be "
    "prudently in his power to do for them"
)


def test_a_long_line_becomes_cues_of_two_rows() -> None:
    """No row over 42 columns, no more than two rows, no word lost, time in proportion, and no hole."""
    text = body("srt", said(LONG, 0, 7.1, speaker="Ann"))
    blocks = [block.splitlines() for block in text.strip().split("\n\n")]
    assert len(blocks) == 2
    assert all(len(block) <= 4 and all(len(row) <= 42 for row in block[2:]) for block in blocks)
    assert " ".join(row for block in blocks for row in block[2:]) == f"Ann: {LONG}"
    assert blocks[0][1].split(" --> ")[1] == blocks[1][1].split(" --> ")[0]


def test_a_long_line_changes_cues_at_word_times() -> None:
    """With the engine's word times, the second cue begins with its first word."""
    words = tuple(
        Word(text=word, start=2 + 0.1 * index if index < 5 else 4 + 0.1 * index, end=9.0)
        for index, word in enumerate(LONG.split())
    )
    (line,) = session_transcript([said(LONG, 2, 9, words=words)], session_id="abc").lines
    for name in ("", "Ann:"):
        first, second = cues(line, [line.original()], name=name)
        index = len(" ".join(first.rows()).split()) - len(name.split())
        assert second.start == round(1000 * words[index].start)
        assert first.end == second.start


def test_both_languages_change_together() -> None:
    """One long text and one short: each cue has a part of both if there is enough text."""
    (line,) = session_transcript([said(LONG, 0, 7)], session_id="abc").lines
    found = cues(line, [LONG, "Sí, claro que sí."])
    assert [len(cue.texts) for cue in found] == [2, 2]
    assert " ".join(cue.texts[1][0] for cue in found) == "Sí, claro que sí."


def test_simultaneous_speakers_share_a_cue_in_srt() -> None:
    """SubRip has no overlaps: while both speak, both are shown; before and after, one."""
    text = body(
        "srt",
        said("One.", 0, 4, speaker="Ann"),
        said("Two.", 2, 6, name="t-1", speaker="Bea"),
    )
    assert text == (
        "1\n00:00:00,000 --> 00:00:02,000\nAnn: One.\n\n"
        "2\n00:00:02,000 --> 00:00:04,000\n- Ann: One.\n- Bea: Two.\n\n"
        "3\n00:00:04,000 --> 00:00:06,000\nBea: Two.\n"
    )


def test_cjk_wraps_without_spaces() -> None:
    """Wide letters take two columns; marks stay with their letters."""
    assert wrap("日" * 30) == ("日" * 21, "日" * 9)
    assert width("e\u0301") == 1
    assert all(not row.startswith("\u0301") for row in wrap("e\u0301" * 100))


TEXTS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "Mn", "Zs")), max_size=400)


def test_what_counts_as_plain_is_one_column_and_one_cluster_a_letter() -> None:
    """No mark, format character or wide symbol counts as a letter, alone or between others."""
    plain = [letter for letter in map(chr, range(0xA0, 0x30000)) if is_plain(letter)]
    assert {"é", "ß", "Ж", "ω", "“", "…"} < set(plain)
    assert not {"\xad", "\u200b", "\u200d", "\u0301", "\u0483", "\u2028", "明", "ก", "\ufe0f"} & set(plain)
    text = "".join(plain)
    assert regex.findall(r"\X", text) == plain
    assert not regex.search(r"[\p{M}\p{C}\p{EastAsianWidth=W}\p{EastAsianWidth=F}--\p{Cn}]", text, regex.V1)


@given(st.text(st.sampled_from(" \t\n\xa0\u2028\x1c\x85\x07\u200baé明"), max_size=12))
def test_a_row_has_single_spaces_and_no_controls(text: str) -> None:
    kept = [letter for letter in text if letter != "\x07"]
    assert flat(text) == " ".join("".join(kept).split())


@given(TEXTS, st.integers(2, 60))
def test_wrapping_loses_no_letter_and_fits(text: str, columns: int) -> None:
    rows = wrap(text, columns)
    assert "".join("".join(rows).split()) == "".join(text.split())
    assert all(row and width(row) <= columns for row in rows)


@given(TEXTS, st.integers(1, 12))
def test_parts_are_the_whole(text: str, count: int) -> None:
    divided = parts(text, count)
    assert len(divided) == count
    assert "".join("".join(divided).split()) == "".join(text.split())


TIMES = st.tuples(st.integers(0, 50_000), st.integers(1, 20_000))


@given(st.lists(st.tuples(TIMES, st.sampled_from(("Ann", "Bea", None)), TEXTS), max_size=8))
def test_srt_is_well_formed_for_any_text(spoken: list[tuple[tuple[int, int], str | None, str]]) -> None:
    """Numbers rise by one, cues end after they begin and do not overlap, and nothing but cues is there."""
    messages = [
        said(text, start / 1000, (start + length) / 1000, name=f"s-{index}", speaker=speaker)
        for index, ((start, length), speaker, text) in enumerate(spoken)
    ]
    blocks = [block.split("\n") for block in body("srt", *messages).rstrip("\n").split("\n\n")]
    pattern = re.compile(r"(\d+):(\d\d):(\d\d),(\d{3}) --> (\d+):(\d\d):(\d\d),(\d{3})")
    last = 0
    for number, block in enumerate(filter(any, blocks), start=1):
        assert block[0] == str(number)
        times = pattern.fullmatch(block[1])
        assert times is not None
        h1, m1, s1, f1, h2, m2, s2, f2 = map(int, times.groups())
        start, end = ((h1 * 60 + m1) * 60 + s1) * 1000 + f1, ((h2 * 60 + m2) * 60 + s2) * 1000 + f2
        assert start >= last
        assert end > start
        last = end
        assert all(row.strip() for row in block[2:])
        assert len(block) > 2


def test_cues_of_simultaneous_speakers_do_not_flicker() -> None:
    """Rows are there up to 1.5 s earlier or later, rather than all of them again for a moment."""
    text = body(
        "srt",
        said("One.", 0, 4, speaker="Ann"),
        said("Two.", 3.5, 8, name="t-1", speaker="Bea"),
        said("Three.", 8.4, 12, speaker="Ann", name="s-2"),
        said("Four.", 8.9, 12.5, name="t-2", speaker="Bea"),
    )
    assert text == (
        "1\n00:00:00,000 --> 00:00:03,500\nAnn: One.\n\n"
        "2\n00:00:03,500 --> 00:00:08,000\nBea: Two.\n\n"
        "3\n00:00:08,400 --> 00:00:12,500\n- Ann: Three.\n- Bea: Four.\n"
    )


@given(st.lists(TIMES, max_size=12))
@example([(0, 1), (0, 3), (0, 1502), (0, 3001)])  # short ones one after the other
def test_apart_keeps_who_speaks_when(times: list[tuple[int, int]]) -> None:
    """Everything is shown, slightly earlier or later while several speak, and nothing is lost."""
    given_cues = [
        Cue(start, start + length, ((f"<{index}>",),)) for index, (start, length) in enumerate(times)
    ]
    flat = apart(given_cues)
    assert all(earlier.end <= later.start for earlier, later in itertools.pairwise(flat))
    for cue in given_cues:
        name = cue.texts[0][0]
        shown = [each for each in flat if name in {row.removeprefix("- ") for row in each.rows()}]
        assert shown
        assert all(earlier.end == later.start for earlier, later in itertools.pairwise(shown))
        assert cue.start - 2 * SHORT < shown[0].start <= cue.start + SHORT
        assert cue.end - SHORT <= shown[-1].end < cue.end + SHORT
    covered = {(cue.start, cue.end) for cue in flat}
    assert sum(end - start for start, end in covered) == _length_of_all(given_cues)


def _length_of_all(cues: list[Cue]) -> int:
    """Return for how long anything is shown."""
    total, until = 0, 0
    for cue in sorted(cues, key=lambda each: each.start):
        total += max(0, cue.end - max(until, cue.start))
        until = max(until, cue.end)
    return total


def test_the_newest_name_is_on_all_lines_of_a_participant() -> None:
    """Given between lines, or after the last; another participant's lines keep theirs."""

    def line(number: int, speaker: str, participant: str) -> Transcript:
        told = said(f"Line {number}.", number, number + 0.5, name=f"s-{number}", speaker=speaker)
        return msgspec.structs.replace(told, participant_id=participant)

    lines = [line(1, "Guest a", "a"), line(2, "Guest b", "b"), line(3, "Ann", "a")]
    txt = "[00:00:01] Ann: Line 1.\n[00:00:02] Guest b: Line 2.\n[00:00:03] Ann: Line 3.\n"
    head = "Session: abc\nStarted: 2023-11-14 22:13:20 UTC\nParticipants: Ann, "
    assert body("txt", *lines) == f"{head}Guest b\n\n{txt}"
    renamed = ParticipantRenamed(timestamp=0, session_id="abc", participant_id="b", name="Bob")
    found = of_history([encode(message) for message in (*lines, renamed)])
    text = export(found, kind="txt", session_id="abc", choice=Choice()).body
    assert text == f"{head}Bob\n\n" + txt.replace("Guest b", "Bob")
    assert json.loads(export(found, kind="json", session_id="abc").body)["lines"][1]["speaker"] == "Bob"


MARKUP = (
    "Use the <b> tag, not <script>alert(1)</script> <img onerror=x>",
    r"{\an8} top {Y:i} {b} {} <3",
    r"C:\New \N \n \h end\ ",
    "&lt; &amp; A&B &#60;i&#62;",
    "a --> b 00:00:01,000 --> 00:00:02,000",
    "one\r\n\r\n2\r00:00:01,000 --> 00:00:02,000\n\n\x00two\x1b[0m\u2028three",
)


def without_joiners(text: str) -> str:
    return " ".join(text.replace("\u2060", "").replace("\\{", "{").split())


@pytest.mark.process
@pytest.mark.parametrize("target", ["ass", "srt", "webvtt"])
@pytest.mark.parametrize("text", MARKUP)
def test_players_show_text_that_looks_like_markup(tmp_path: Path, text: str, target: str) -> None:
    """FFmpeg reads SubRip as many players do: no tag, entity or override of ASS comes of a text."""
    (tmp_path / "said.srt").write_text(body("srt", said(text, 0, 60)), encoding="utf-8")
    read = subprocess.run(
        [FFMPEG, "-v", "error", "-i", tmp_path / "said.srt", "-f", target, "-"],
        check=True,
        capture_output=True,
        encoding="utf-8",
    ).stdout
    if target == "ass":
        # There, a row ends with \\N.
        _, _, read = read.partition("Dialogue: ")
        read = read.replace("\\N", " ").replace("Dialogue: ", "")
    kept = "".join(letter for letter in text if letter >= " " or letter.isspace())
    assert all(word in without_joiners(read) for word in without_joiners(kept).split())
    if target == "ass":
        assert not re.search(r"(?<!\\)\{", read)


@pytest.mark.parametrize("kind", ["srt", "vtt", "txt"])
def test_no_text_begins_a_cue_of_its_own(kind: str) -> None:
    """Line breaks of any kind and control characters in a text or a name are none in the file."""
    text = body(kind, said(MARKUP[-1], 0, 60, speaker="A\r\n\nB\x00"))
    assert not set(text) & set("\r\x00\x1b\u2028\x85")
    if kind == "srt":
        assert re.findall(r"(?m)^\d+$", text) == ["1"]
        assert text.count("-->") == 1
    if kind == "vtt":
        assert text.count("-->") == 1
        assert text.count("\n\n") == 1


def test_a_long_name_leaves_room_and_stands_with_words() -> None:
    """In SubRip; a short text under a long translation is not cut into single words."""
    (line,) = session_transcript([said("Hello my friend", 0, 9)], session_id="abc").lines
    first, *others = cues(line, ["Hello my friend", LONG + " " + LONG], name="Guest fc2d:")
    assert first.texts[0] == ("Guest fc2d: Hello my friend",)
    assert all(len(cue.texts) == 1 for cue in others)
    for name in ("Ann", "Guest fc2d", "N" * 80, "名" * 80):
        for text in ("Hello.", LONG, "Donaudampf" * 12, "明日までに" * 20):
            (line,) = session_transcript([said(text, 0, 9)], session_id="abc").lines
            found = cues(line, [text, LONG], name=f"{name}:")
            assert all(len(rows) <= 2 for cue in found for rows in cue.texts)
            assert all(width(row) <= 42 for cue in found for row in cue.rows())
            shown = " ".join(found[0].texts[0])
            assert width(shown) - width(shown.partition(":")[0]) > min(5, width(text) / 2)


def test_a_crowd_that_speaks_at_once_makes_no_endless_file() -> None:
    """What a line adds to the file is bounded, and each is in it."""
    lines = [said(f"Line {index}.", index / 1000, 600, name=f"s-{index}") for index in range(2_000)]
    text = body("srt", *lines)
    assert len(text) < 1_000_000
    assert all(f"Line {index}." in text for index in range(2_000))


def in_recording(text: str, start: float, *, stream: str, begun: int) -> Transcript:
    """Return an utterance of a recording, two seconds long."""
    name = f"{stream}-{int(start)}"
    line = said(text, start, start + 2, name=name, speaker=f"{stream}.wav", stream_started=STARTED + begun)
    return msgspec.structs.replace(line, recording=True)


def test_recordings_stay_apart_and_follow_one_another() -> None:
    """Two parts of a lecture, opened 2 s apart: the second begins where the first one ends."""
    one = [in_recording(f"one {number}", start, stream="one", begun=0) for number, start in enumerate((0, 6))]
    two = [
        in_recording(f"two {number}", start, stream="two", begun=2000) for number, start in enumerate((0, 6))
    ]
    mixed = [one[0], two[0], one[1], two[1]]
    assert body("txt", *mixed).splitlines()[-4:] == [
        "[00:00:00] one.wav: one 0",
        "[00:00:06] one.wav: one 1",
        "[00:00:08] two.wav: two 0",
        "[00:00:14] two.wav: two 1",
    ]
    assert re.findall(r"^(\S+) -->", body("srt", *mixed), re.MULTILINE) == [
        "00:00:00,000", "00:00:06,000", "00:00:08,000", "00:00:14,000",
    ]  # fmt: skip


def test_a_recording_is_exported_with_its_own_zero() -> None:
    """Its subtitles fit the film of the recording, whatever else was spoken in the session."""
    live = said("before", 0, 2, name="live-1")
    film = [in_recording("film", start, stream="film", begun=60_000) for start in (5, 11)]
    file = export([live, *film], kind="srt", session_id="abc", choice=Choice(stream="film"))
    assert re.findall(r"^(\S+) -->", file.body, re.MULTILINE) == ["00:00:05,000", "00:00:11,000"]
    assert file.name == "translation-abc-film.srt"
    with pytest.raises(ProblemError) as caught:
        export([live], kind="srt", session_id="abc", choice=Choice(stream="fil"))
    assert caught.value.code == "not_found"


def test_lines_of_a_meeting_carry_the_speaker_that_was_last_published() -> None:
    """Also where a name is withdrawn, and whatever the line itself said."""

    def attributed(segment: str, revision: int, speaker: str | None) -> Attribution:
        return Attribution(
            timestamp=0,
            session_id="s",
            segment_id=segment,
            revision=revision,
            speaker=speaker,
            speaker_id=None,
            parts=(),
        )

    messages = [
        said("one", 0.0, 1.0, name="s-1", speaker="Mia"),
        said("two", 1.0, 2.0, name="s-2", speaker=None),
        said("three", 2.0, 3.0, name="s-3", speaker="Mia"),
        attributed("s-2", 1, "Ben"),
        attributed("s-3", 1, None),
        attributed("s-2", 2, "Ana"),
    ]
    decoded = of_history([encode(each) for each in messages])
    lines = session_transcript(decoded, session_id="s").lines
    assert [line.transcript.speaker for line in lines] == ["Mia", "Ana", None]
