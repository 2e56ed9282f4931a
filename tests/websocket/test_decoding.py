import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch.problems import ProblemError
from orch.protocol.messages import Broadcast, ClientMessage, JoinSession, Ping
from orch.websocket.connections.decoding import FRAME_LIMIT, TYPES, Echo, decode, size_of

DEEP = 100_000

MALFORMED = [
    ("", "invalid_json", None, None),
    ("{", "invalid_json", None, None),
    ("nonsense", "invalid_json", None, None),
    ('{"type":"ping"} x', "invalid_json", None, None),
    ('{"type":"ping","id":"\\ud800"}', "invalid_json", None, None),
    ("\ud800", "invalid_json", None, None),
    ('{"type":"broadcast","session_id":"s","data":[1,}', "invalid_json", None, None),
    (
        '{"type":"broadcast","session_id":"s","data":' + "[" * DEEP + "]" * DEEP + "}",
        "invalid_json",
        None,
        None,
    ),
    (
        '{"type":"create_session","config":' + '{"a":' * DEEP + "1" + "}" * DEEP + "}",
        "invalid_json",
        None,
        None,
    ),
    ("[]", "invalid_message", "$", None),
    ("null", "invalid_message", "$", None),
    ('"ping"', "invalid_message", "$", None),
    ("7", "invalid_message", "$", None),
    ("{}", "invalid_message", "$.type", None),
    ('{"id":5}', "invalid_message", "$.type", 5),
    ('{"type":null,"id":"a"}', "invalid_message", "$.type", "a"),
    ('{"type":1,"id":"a"}', "invalid_message", "$.type", "a"),
    ('{"type":"nope","id":"a"}', "unknown_type", None, "a"),
    ('{"type":"' + "x" * 10_000 + '"}', "unknown_type", None, None),
    ('{"type":"connected"}', "unknown_type", None, None),
    ('{"type":"ping","id":1.5}', "invalid_message", "$.id", None),
    ('{"type":"ping","id":{}}', "invalid_message", "$.id", None),
    ('{"type":"ping","id":"' + "x" * 129 + '"}', "invalid_message", "$.id", None),
    ('{"type":"join_session","id":9}', "invalid_message", "$.session_id", 9),
    ('{"type":"join_session","session_id":5}', "invalid_message", "$.session_id", None),
    ('{"type":"join_session","session_id":""}', "invalid_message", "$.session_id", None),
    ('{"type":"join_session","session_id":"a b"}', "invalid_message", "$.session_id", None),
    ('{"type":"join_session","session_id":"' + "a" * 129 + '"}', "invalid_message", "$.session_id", None),
    (
        '{"type":"join_session","session_id":"s","languages":["en",3]}',
        "invalid_message",
        "$.languages[1]",
        None,
    ),
    ('{"type":"join_session","session_id":"s","role":"owner"}', "invalid_message", "$.role", None),
    ('{"type":"join_session","session_id":"s","name":"' + "n" * 81 + '"}', "invalid_message", "$.name", None),
    ('{"type":"create_session","config":[]}', "invalid_message", "$.config", None),
    ('{"type":"create_session","config":{"a":1e999}}', "invalid_message", "$.config[...]", None),
    ('{"type":"recover_session","session_id":"s","offset":-1}', "invalid_message", "$.offset", None),
    ('{"type":"broadcast","session_id":"s"}', "invalid_message", "$.data", None),
    ('{"type":"subscribe"}', "invalid_message", "$.topic", None),
    ('{"type":"audio_start","session_id":"s","sample_rate":"16k"}', "invalid_message", "$.sample_rate", None),
    ('{"type":"service_message","target_service":"a","action":"x y"}', "invalid_message", "$.action", None),
]


@pytest.mark.parametrize(("text", "code", "path", "identity"), MALFORMED, ids=range(len(MALFORMED)))
def test_what_cannot_be_read_is_refused_with_place_and_reason(
    text: str, code: str, path: str | None, identity: Any
) -> None:
    """Each refusal has its code, the field's path, what was expected, and the id to answer to."""
    with pytest.raises(ProblemError) as caught:
        decode(text)
    assert caught.value.code == code
    assert caught.value.extra.get("path") == path
    assert caught.value.extra.get("id") == identity
    assert len(caught.value.detail) < 500
    assert caught.value.detail.endswith(".")
    if path:
        assert caught.value.detail.startswith(f"{path}: ")


def test_messages_are_read() -> None:
    """Fields have their defaults, what is unknown is passed over, data stays as it was sent."""
    assert decode('{"type":"ping"}') == Ping()
    assert decode('{"type":"ping","id":"a","later":1}') == Ping(id="a")
    assert decode('{"type":"join_session","session_id":"a.b~c_d-1"}') == JoinSession(session_id="a.b~c_d-1")
    message = decode('{"type":"broadcast","session_id":"s","data":{"b": [1,  2]}}')
    assert isinstance(message, Broadcast)
    assert bytes(message.data) == b'{"b": [1,  2]}'


def test_a_language_is_written_with_either_mark() -> None:
    """As tags have it, and as systems and other services do."""
    message = decode('{"type":"join_session","session_id":"s","languages":["zh_Hant-TW","pt-br","iw"]}')
    assert isinstance(message, JoinSession)
    assert message.languages == ("zh_Hant-TW", "pt-br", "iw")


def test_a_test_message_keeps_whatever_it_holds() -> None:
    """The throughput test of a client finds all its fields again."""
    fields = {"type": "test_message", "id": 3, "n": [1, {"a": None}], "text": "é😀", "timestamp": 5}
    assert decode(json.dumps(fields)) == Echo(fields)


def test_the_types_are_those_of_the_wire() -> None:
    """The sentence for an unknown type lists what there is."""
    assert set(TYPES) == {
        "ping",
        "cancel_recording",
        "receive_audio",
        "correct_line",
        "create_session",
        "delete_line",
        "join_session",
        "leave_session",
        "name_speaker",
        "set_terms",
        "set_pipeline",
        "recover_session",
        "service_message",
        "broadcast",
        "subscribe",
        "title_session",
        "unsubscribe",
        "audio_start",
        "audio_end",
        "set_session",
        "mute_participant",
        "unmute",
        "remove_participant",
        "rename_participant",
        "new_keys",
        "end_session",
        "test_message",
    }


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@pytest.mark.slow
@given(
    st.text()
    | JSON.map(json.dumps)
    | st.dictionaries(
        st.sampled_from(["id", "session_id", "data", "config", "name", "languages", "topic", "offset"]), JSON
    ).flatmap(lambda fields: st.sampled_from(TYPES).map(lambda kind: json.dumps({**fields, "type": kind})))
)
def test_any_text_is_a_message_or_a_problem(text: str) -> None:
    """Nothing a client can send gets past the edge as an exception of another kind."""
    try:
        message = decode(text)
    except ProblemError as error:
        outcome: object = error.code
    else:
        outcome = message
    assert isinstance(outcome, ClientMessage | Echo) or outcome in (
        "invalid_json",
        "invalid_message",
        "unknown_type",
    )


def test_size_is_measured_in_bytes() -> None:
    """1 MiB of UTF-8, however few characters that is."""
    assert size_of("x" * FRAME_LIMIT) == FRAME_LIMIT
    assert size_of("x" * (FRAME_LIMIT + 1)) == FRAME_LIMIT + 1
    assert size_of("é" * (FRAME_LIMIT // 2)) == FRAME_LIMIT
    assert size_of("é" * (FRAME_LIMIT // 2) + "x") == FRAME_LIMIT + 1
    assert size_of("😀" * (FRAME_LIMIT // 4) + "x") == FRAME_LIMIT + 1
    assert size_of(b"x" * FRAME_LIMIT) == FRAME_LIMIT
    assert size_of(b"x" * (FRAME_LIMIT + 1)) == FRAME_LIMIT + 1
    assert size_of("\ud800" * 10) == 30
