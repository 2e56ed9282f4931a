import pytest

from orch.bots import caption_files
from orch.bots.caption_files import Recording, parse_captions
from orch.bots.speaker_ids import speaker_id
from orch.bots.timeline import Kind, speaking_times


def said(text: str) -> list[tuple[str, str]]:
    return [(line.name, line.text) for line in parse_captions(text).lines]


def test_the_four_forms_and_lines_that_go_on() -> None:
    text = (
        "Ann: Good morning.\n[Ben Kim] Hello: you\nZoë Adams - Fine, thanks\nand you?\n"
        "<陈静> 你好\nليلى: مرحباً"
    )
    assert said(text) == [
        ("Ann", "Good morning."),
        ("Ben Kim", "Hello: you"),
        ("Zoë Adams", "Fine, thanks"),
        ("Zoë Adams", "and you?"),
        ("陈静", "你好"),
        ("ليلى", "مرحباً"),
    ]


def test_hyphens_initials_and_dashes_in_names_and_times() -> None:
    text = (
        "Anne-Marie O'Neil: yes\nDr. J. Smith - no\n[00:01:05] Ann: at one\n00:02:10 - Ben: at two\n"
        "1:02:03 Cem: late"
    )
    parsed = parse_captions(text)
    assert [(line.name, line.start) for line in parsed.lines] == [
        ("Anne-Marie O'Neil", None),
        ("Dr. J. Smith", None),
        ("Ann", 65),
        ("Ben", 130),
        ("Cem", 3723),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "https://example.org/a",
        "We have two options. First: wait",
        "I would say that this is really quite long: yes",
        "Really? Yes: really",
        "10:30",
        "Well! Really! - yes",
    ],
)
def test_speech_is_no_name(text: str) -> None:
    assert all(name == "" for name, _ in said(text)), said(text)


def test_srt_has_its_times_to_the_millisecond() -> None:
    text = (
        "\ufeff1\r\n00:00:01,250 --> 00:00:03,500\r\nAnn: Good morning\r\neveryone.\r\n\r\n"
        "2\r\n00:00:03,000 --> 00:00:05,000\r\nBen: Hi.\r\n\r\n3\r\n"
        "01:00:00,000 --> 01:00:01,001\r\n<i>Ann: Bye</i>\r\n"
    )
    parsed = parse_captions(text)
    assert [(line.name, line.text, line.start, line.end) for line in parsed.lines] == [
        ("Ann", "Good morning", 1.25, 3.5),
        ("Ann", "everyone.", 1.25, 3.5),
        ("Ben", "Hi.", 3.0, 5.0),
        ("Ann", "Bye", 3600.0, 3601.001),
    ]
    times = speaking_times(parsed.events, 4000)
    assert times == pytest.approx({speaker_id("Ann"): 3.251, speaker_id("Ben"): 2.0})


def test_vtt_has_voices_notes_and_settings() -> None:
    text = (
        "WEBVTT - a title\n\nNOTE Ann: not said\n\nSTYLE\n::cue { color: red }\n\n"
        "intro\n00:01.000 --> 00:02.000 align:start\n<v.loud Ann Lee>Hello <00:01.500><b>all</b></v>\n\n"
        "00:02.500 --> 00:04.000\n<v 陈静>你好\n"
    )
    parsed = parse_captions(text)
    assert [(line.name, line.text, line.start) for line in parsed.lines] == [
        ("Ann Lee", "Hello all", 1.0),
        ("陈静", "你好", 2.5),
    ]
    assert len({line.speaker for line in parsed.lines}) == 2


@pytest.mark.parametrize(
    ("line", "kind", "name"),
    [
        ("Ann Lee joined", Kind.JOIN, "Ann Lee"),
        ("Ann has joined the meeting.", Kind.JOIN, "Ann"),
        ("[Ben left the call]", Kind.LEAVE, "Ben"),
        ("Ben is presenting", Kind.START_PRESENTING, "Ben"),
        ("Ben stopped presenting", Kind.STOP_PRESENTING, "Ben"),
        ("Jörg ist der Besprechung beigetreten", Kind.JOIN, "Jörg"),
        ("Jörg präsentiert nicht mehr", Kind.STOP_PRESENTING, "Jörg"),
        ("Inés se ha unido a la reunión", Kind.JOIN, "Inés"),
        ("Zoé a quitté la réunion", Kind.LEAVE, "Zoé"),
        ("João saiu da reunião", Kind.LEAVE, "João"),
        ("Gianna sta presentando", Kind.START_PRESENTING, "Gianna"),
        ("佐藤さんが会議に参加しました", Kind.JOIN, "佐藤"),
        ("陈静离开了会议", Kind.LEAVE, "陈静"),
    ],
)
def test_lines_of_the_meeting_are_events(line: str, kind: Kind, name: str) -> None:
    parsed = parse_captions(f"1\n00:00:07,000 --> 00:00:08,000\n{line}\n")
    assert [(event.at, event.kind, event.name) for event in parsed.events] == [(7, kind, name)]
    assert not parsed.lines
    assert parse_captions(line).undated == ((kind, name),)


def test_what_someone_says_about_the_meeting_is_speech() -> None:
    assert said("Ann: Ben joined the meeting\nAnn: the recording started") == [
        ("Ann", "Ben joined the meeting"),
        ("Ann", "the recording started"),
    ]


def test_recordings_and_interface_texts() -> None:
    parsed = parse_captions(
        "[0:05] Recording started\nAnn: Hello\nJump to bottom\n[0:09] The recording has stopped."
    )
    assert parsed.recordings == (Recording(5, is_started=True), Recording(9, is_started=False))
    assert said("Ann: Hello\nJump to bottom") == [("Ann", "Hello")]


def test_a_time_alone_says_when_a_line_ends_at_most() -> None:
    """Someone whose next line is minutes later did not speak for minutes."""
    parsed = parse_captions("[0:10] Ann: one two three\n[0:11] Ben: one two three four\n[5:00] Ann: bye")
    assert [(event.at, event.kind) for event in parsed.events if event.name == "Ben"] == [
        (11, Kind.SPEAKING_START),
        (13, Kind.SPEAKING_END),
    ]
    ends = [event.at for event in parsed.events if event.kind is Kind.SPEAKING_END and event.name == "Ann"]
    assert ends == [11, 300.5]


def test_files_that_are_empty_broken_or_too_long() -> None:
    assert parse_captions("").lines == ()
    assert parse_captions("99:99 --> x\n:\n[]\n<>\n - \n").events == ()
    with pytest.raises(ValueError, match="at most 10,000,000"):
        parse_captions("a" * (caption_files.LONGEST + 1))
