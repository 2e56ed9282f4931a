"""Scripts of meetings: what is decoded, and what is refused with its path and what was expected."""

import pytest

from orch.sandbox.meeting.script import Lobby, ScriptError, Stay
from orch.sandbox.meeting.script_decoding import decode_script

WHOLE = """
name: Weekly planning
code: quz-waxy-lob
seed: 4
language: de
speech_language: en-GB
layout: second
class_names: 3
starts: at_once
reopens: false
entry:
  button: ask_to_join_anyway
  lobby: {verdict: silence, after: 2}
  consents: [cookies, devices, recording]
  captcha: harmless
  login_wall: true
  names_account: false
host: {recording: refuse, after: 3, reply: "No, thank you."}
participants:
  - {id: ana, name: Ana, is_host: true, camera: true}
  - {id: li, name: 李娜, present: [{joins: 0, leaves: 20}, {joins: 30}]}
clips:
  hello: {file: hello.wav, seconds: 2, words: [{word: hello, begin: 0.5, end: 1}]}
  cough: {noise: 0.1, seconds: 1}
says:
  - {who: ana, clip: hello, at: 1}
  - {who: li, clip: cough, gap: -0.5, gain: 0.5}
  - {who: li, clip: hello, words: other words}
chat: [{who: ana, at: 3, text: hi}]
presenting: [{who: ana, at: 4, until: 6}]
captions:
  route: both
  delay: 1
  loss: 0.1
  interface: [{at: 2, text: You are muted}]
marks: {leak: 0.5}
channels: {mode: rotating, size: 2, audio_elements: false}
network: [{drops: 5, returns: 8}, {drops: 50}]
removal: 60
ends: 70
"""

SMALL = "participants: [{id: ana, name: Ana}]\n"


def faults(text: str) -> list[str]:
    """Return the faults of a script as lines."""
    with pytest.raises(ScriptError) as caught:
        decode_script(text, name="file.yaml")
    return [str(fault) for fault in caught.value.faults]


def test_a_script_with_every_section_is_decoded() -> None:
    script = decode_script(WHOLE)
    assert script.entry.lobby == Lobby(verdict="silence", after=2)
    assert script.entry.consents == ("cookies", "devices", "recording")
    assert script.participant("li").present == (Stay(leaves=20), Stay(joins=30))
    assert script.channels.size == 2
    assert script.says[2].words == "other words"
    assert script.network[1].returns is None


def test_a_script_needs_participants_alone() -> None:
    script = decode_script(SMALL)
    assert script.layout == "first"
    assert script.says == ()
    with pytest.raises(KeyError):
        script.participant("nobody")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name: [", "file.yaml:1:8: expected YAML: "),
        ("- a", "file.yaml: expected sections such as «participants:»"),
        ("", "file.yaml: expected sections such as «participants:»"),
        ("name: A", "$: expected a field 'participants'"),
        ("participants: []", "participants: expected `array` of length >= 1"),
        (SMALL + "colour: red", "$: expected no field 'colour'"),
        (SMALL + "name: [1]", "name: expected `str`, got `array`"),
        (
            SMALL + "entry: {button: knock}",
            "entry.button: expected one of join_now, ask_to_join, ask_to_join_anyway, got 'knock'",
        ),
        (
            SMALL + "entry: {consents: [all]}",
            "entry.consents[0]: expected one of cookies, devices, recording, got 'all'",
        ),
        (SMALL + "layout: third", "layout: expected one of first, second, got 'third'"),
        (SMALL + "captions: {loss: 1.5}", "captions.loss: expected `float` <= 1.0"),
        (SMALL + "captions: {delay: -1}", "captions.delay: expected `float` >= 0.0"),
        (SMALL + "captions: {delay: .nan}", "captions.delay: expected a finite number"),
        (SMALL + "ends: .inf", "ends: expected a finite number"),
        (SMALL + "code: ABC", "code: expected `str` matching regex"),
        (SMALL + 'name: "\\0"', "name: expected text without NUL and lone surrogates"),
        (SMALL + "a: &a [*a]", "$: expected at most 500,000 values, without recursive anchors"),
        (
            "participants: [{id: a, name: A}, {id: a, name: B}]",
            "participants[1].id: expected an id of its own",
        ),
        (
            "participants: [{id: a, name: A, is_host: true}, {id: b, name: B, is_host: true}]",
            "participants: expected one host at most",
        ),
        (
            "participants: [{id: a, name: A, present: [{joins: 5, leaves: 4}]}]",
            "participants[0].present[0].leaves: expected a time after 5",
        ),
        (
            "participants: [{id: a, name: A, present: [{joins: 5}, {joins: 9}]}]",
            "participants[0].present[1].joins: expected a time after the stay before it",
        ),
        (SMALL + "says: [{who: bo, clip: x}]", "says[0].who: expected a participant's id (ana), got 'bo'"),
        (SMALL + "chat: [{who: bo, at: 1, text: x}]", "chat[0].who: expected a participant's id (ana)"),
        (SMALL + "says: [{who: ana, clip: x, gap: -1}]", "says[0].gap: expected at least 0"),
        (SMALL + "presenting: [{who: ana, at: 3, until: 3}]", "presenting[0].until: expected a time after 3"),
        (SMALL + "network: [{drops: 3, returns: 2}]", "network[0].returns: expected a time after 3"),
        (
            SMALL + "network: [{drops: 3}, {drops: 9}]",
            "network[1].drops: expected a time after the outage before it",
        ),
        (SMALL + "clips: {x: {file: ../x.wav}}", "clips.x.file: expected a path below the folder of clips"),
        (SMALL + "clips: {x: {file: /etc/x.wav}}", "clips.x.file: expected a path below the folder of clips"),
        (SMALL + "clips: {x: {file: 'C:x.wav'}}", "clips.x.file: expected a path below the folder of clips"),
        (SMALL + "clips: {x: {}}", "clips.x: expected either file or noise"),
        (
            SMALL + "clips: {x: {file: a.wav, noise: 0.1, seconds: 1}}",
            "clips.x: expected either file or noise",
        ),
        (SMALL + "clips: {x: {noise: 0.1}}", "clips.x.seconds: expected how long the noise lasts"),
        (SMALL + "clips: {x: {noise: 0.1, seconds: 1, words: a}}", "clips.x.words: expected no words"),
        (SMALL + "clips: {x: {file: a.wav, speech: [2, 1]}}", "clips.x.speech: expected begin < end"),
        (
            SMALL + "clips: {x: {file: a.wav, words: [{word: a, begin: 1, end: 1}]}}",
            "clips.x.words[0]: expected begin < end, after the word before it",
        ),
        (
            SMALL + "clips: {x: {file: a.wav, seconds: 1, words: [{word: a, begin: 0, end: 2}]}}",
            "clips.x.words[0].end: expected at most the clip's 1 s",
        ),
        (
            SMALL + "clips: {x: {file: a.wav, words: [{word: a b, begin: 0, end: 2}]}}",
            "clips.x.words[0].word: expected one word, without spaces",
        ),
    ],
)
def test_a_fault_names_its_path_and_what_was_expected(text: str, expected: str) -> None:
    assert any(fault.startswith(expected) for fault in faults(text)), faults(text)


def test_all_faults_of_several_fields_are_reported_at_once() -> None:
    text = (
        SMALL
        + "says: [{who: bo, clip: x}]\nnetwork: [{drops: 3, returns: 2}]\nchat: [{who: cy, at: 1, text: x}]"
    )
    assert [fault.partition(":")[0] for fault in faults(text)] == [
        "says[0].who",
        "chat[0].who",
        "network[0].returns",
    ]


def test_truth_values_may_be_words_as_in_yaml() -> None:
    script = decode_script("reopens: off\nparticipants: [{id: ana, name: Ana, camera: on, is_host: yes}]\n")
    assert not script.reopens
    assert (script.participants[0].camera, script.participants[0].is_host) == (True, True)
