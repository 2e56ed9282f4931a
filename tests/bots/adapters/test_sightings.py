"""Observations are made of what differs: participants, marks, owners of tracks, chat, answers."""

from base64 import b64encode
from gzip import compress

import msgspec
import pytest

from orch.bots.adapters.channel_messages import LARGEST, decode_message
from orch.bots.adapters.sightings import Sightings, Signal
from orch.bots.adapters.signs import Sign
from orch.bots.adapters.snapshots import CaptionsSent, ChatSent, MarksSent, OwnersSent, PeopleSent, Seen
from orch.bots.caption_blocks import Block, Message
from orch.bots.observations import (
    CaptionReceived,
    CaptionsSeen,
    ChatSeen,
    ConnectionSeen,
    MarksSeen,
    OwnerSeen,
    PageObservation,
    PeopleSeen,
    Person,
    Place,
    PlaceSeen,
    RecordingAnswered,
)

OWN = frozenset({"you", "du"})
ANA, BO = ("a", "Ana", False), ("b", "Bo", False)
YOU = ("me", "You", False)


def view(*signs: Sign, presenting: str = "") -> Seen:
    return Seen(host="h", path="/", signs=frozenset(signs), presenting=presenting)


class Watch:
    """Sightings with a clock that counts the calls."""

    def __init__(self, place: Place | None = Place.CALL) -> None:
        self.sightings = Sightings("Scribe", OWN)
        self.at = 0.0
        if place is not None:
            self.see(place=place)

    def see(
        self, *signs: Sign, place: Place | None = None, connected: bool = True, presenting: str = ""
    ) -> list[PageObservation]:
        self.at += 1
        seen = view(*signs, presenting=presenting)
        return self.sightings.see(seen, place, is_connected=connected, at=self.at)

    def apply(self, signal: Signal) -> list[PageObservation]:
        self.at += 1
        return self.sightings.apply(signal, self.at)


def test_a_place_is_observed_once() -> None:
    watch = Watch(place=None)
    assert watch.see(place=Place.DOOR) == [PlaceSeen(at=1, place=Place.DOOR)]
    assert watch.see(place=Place.DOOR) == []
    assert watch.see(place=None) == []
    assert watch.see(place=Place.CALL)[0] == PlaceSeen(at=4, place=Place.CALL)


def test_participants_are_observed_in_the_call_alone() -> None:
    """A preview before the call is none; the list that is empty cannot be read."""
    watch = Watch(place=Place.LOBBY)
    assert watch.apply(PeopleSent((YOU,))) == []
    me = Person(id="me", name="Scribe", is_self=True)
    assert watch.see(place=Place.CALL)[1:] == [PeopleSeen(at=3, people=(me,))]
    assert watch.apply(PeopleSent((YOU,))) == []
    assert watch.apply(PeopleSent((ANA, YOU))) == [PeopleSeen(at=5, people=(Person(id="a", name="Ana"), me))]
    assert watch.apply(PeopleSent(())) == [PeopleSeen(at=6, people=None)]
    watch.apply(PeopleSent((ANA, YOU)))
    assert watch.see(place=Place.LOBBY) == [
        PlaceSeen(at=8, place=Place.LOBBY),
        PeopleSeen(at=8, people=None),
    ]


def test_what_the_page_marks_as_the_bot_counts_more_than_what_it_calls_it() -> None:
    """A participant may be called "You"."""
    watch = Watch()
    (seen,) = watch.apply(PeopleSent((("x", "You", False), ("me", "Anything", True))))
    assert isinstance(seen, PeopleSeen)
    assert [(each.id, each.name, each.is_self) for each in seen.people or ()] == [
        ("x", "You", False),
        ("me", "Scribe", True),
    ]


def test_marks_are_those_of_others_who_are_there() -> None:
    watch = Watch()
    assert watch.apply(MarksSent(("a",))) == []
    assert watch.apply(PeopleSent((ANA, BO, YOU)))[1:] == [MarksSeen(at=3, speaking=("a",))]
    assert watch.apply(MarksSent(("a", "me"))) == []
    assert watch.apply(MarksSent(("a", "b"))) == [MarksSeen(at=5, speaking=("a", "b"))]
    assert watch.apply(PeopleSent((ANA, YOU)))[1:] == [MarksSeen(at=6, speaking=("a",))]


def test_owners_are_observed_when_they_change() -> None:
    """The bot's own track is none of them."""
    watch = Watch()
    watch.apply(PeopleSent((ANA, BO, YOU)))
    assert watch.apply(OwnersSent((("t1", "a"), ("t9", "me")))) == [
        OwnerSeen(at=3, track="t1", participant_id="a")
    ]
    assert watch.apply(OwnersSent((("t1", "a"),))) == []
    assert watch.apply(OwnersSent((("t1", "b"),))) == [OwnerSeen(at=5, track="t1", participant_id="b")]
    assert watch.apply(OwnersSent(())) == [OwnerSeen(at=6, track="t1", participant_id=None)]


def test_the_presenter_is_a_participant_by_name() -> None:
    watch = Watch()
    watch.apply(PeopleSent((ANA, BO, YOU)))
    (seen,) = watch.see(presenting="Bo")
    assert isinstance(seen, PeopleSeen)
    assert [each.id for each in seen.people or () if each.is_presenting] == ["b"]
    (seen,) = watch.see(presenting="Scribe")
    assert isinstance(seen, PeopleSeen)
    assert [each.id for each in seen.people or () if each.is_presenting] == ["me"]
    (seen,) = watch.see(presenting="Somebody")
    assert isinstance(seen, PeopleSeen)
    assert not any(each.is_presenting for each in seen.people or ())


def test_captions_are_observed_when_they_differ() -> None:
    watch = Watch()
    assert watch.apply(CaptionsSent(())) == []
    assert watch.apply(CaptionsSent((("k", "Bo", "Hi"),))) == [
        CaptionsSeen(at=3, blocks=(Block("k", "Bo", "Hi"),))
    ]
    assert watch.apply(CaptionsSent((("k", "Bo", "Hi"),))) == []


def test_the_bots_own_messages_are_known_by_name_and_text() -> None:
    """Each once: a participant may have the name by which the page calls the bot."""
    watch = Watch()
    watch.apply(PeopleSent((ANA, BO, YOU)))
    watch.sightings.wrote("Say \n STOP to opt out.")
    assert watch.apply(ChatSent("1", "You", "Say STOP to opt out.")) == [
        ChatSeen(at=3, id="1", sender="Scribe", text="Say STOP to opt out.", is_own=True)
    ]
    (said,) = watch.apply(ChatSent("2", "You", "Say STOP to opt out."))
    assert isinstance(said, ChatSeen)
    assert not said.is_own
    assert watch.apply(ChatSent("3", "Bo", "STOP")) == [
        ChatSeen(at=5, id="3", sender="Bo", text="STOP", sender_id="b")
    ]


def test_a_sender_of_whom_there_are_two_has_no_id() -> None:
    watch = Watch()
    watch.apply(PeopleSent((BO, ("b2", "Bo", False))))
    (said,) = watch.apply(ChatSent("1", "Bo", "Hi"))
    assert isinstance(said, ChatSeen)
    assert said.sender_id is None


@pytest.mark.parametrize("way", ["asked", "wrote"])
def test_the_hosts_answer_is_one_after_a_question_alone(way: str) -> None:
    """A meeting that somebody else records has not allowed the bot to."""
    watch = Watch()
    assert watch.see(Sign.RECORDING_ON) == []
    if way == "asked":
        watch.sightings.asked()
    else:
        watch.sightings.wrote("May I?")
    assert watch.see(Sign.RECORDING_ON) == []
    assert watch.see() == []
    assert watch.see(Sign.RECORDING_ON) == [RecordingAnswered(at=5, is_allowed=True)]
    assert watch.see(Sign.RECORDING_REFUSED) == [RecordingAnswered(at=6, is_allowed=False)]


def test_the_connection_is_observed_in_the_call() -> None:
    watch = Watch()
    assert watch.see(connected=False) == [ConnectionSeen(at=2, is_up=False)]
    assert watch.see(connected=False) == []
    assert watch.see(connected=True) == [ConnectionSeen(at=4, is_up=True)]
    assert Watch(place=Place.DOOR).see(connected=False) == []


def passed(**fields: object) -> str:
    return msgspec.json.encode(fields).decode()


def varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def part(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


CAPTION = (
    part(1, b"@spaces/x/devices/7")
    + part(2, 3_000_000_000)
    + part(3, 4)
    + varint(7 << 3 | 5)
    + bytes(4)
    + varint(9 << 3 | 1)
    + bytes(8)
    + part(8, 1)
    + part(6, "Zoë sagt".encode())
)


@pytest.mark.parametrize("is_compressed", [False, True])
def test_a_caption_of_the_channel_is_read_from_bytes(is_compressed: bool) -> None:  # noqa: FBT001
    data = part(1, CAPTION)
    encoded = b64encode(compress(data) if is_compressed else data).decode()
    assert decode_message(passed(bytes=encoded)) == Message(
        device="spaces/x/devices/7", id="3000000000", version=4, text="Zoë sagt"
    )


def test_bytes_that_are_cut_anywhere_are_no_caption_and_no_error() -> None:
    data = part(1, CAPTION)
    for length in range(len(data)):
        assert decode_message(passed(bytes=b64encode(data[:length]).decode())) is None
    for place in range(len(data)):
        broken = bytearray(data)
        broken[place] ^= 0xFF
        decode_message(passed(bytes=b64encode(broken).decode()))
    keepalive = part(2, b"alive")
    assert decode_message(passed(bytes=b64encode(keepalive).decode())) is None
    bomb = compress(part(1, part(6, bytes(50 * LARGEST))))
    assert decode_message(passed(bytes=b64encode(bomb).decode())) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"text":1}',
        '{"text":"{}"}',
        '{"text":"[[["}',
        '{"lost":7}',
        '{"bytes":"?"}',
        "\ud800",
    ],
)
def test_what_is_no_caption_is_none(text: str) -> None:
    assert decode_message(text) is None


def test_a_caption_of_the_channel_has_the_name_of_its_device() -> None:
    watch = Watch()
    caption = passed(text='{"segment":7,"version":2,"device":"b","text":"So"}')
    unnamed = Message(device="b", id="7", version=2, text="So")
    assert watch.sightings.received(caption, 9) == [CaptionReceived(at=9, message=unnamed)]
    watch.apply(PeopleSent((BO, YOU)))
    (found,) = watch.sightings.received(caption, 9)
    assert isinstance(found, CaptionReceived)
    assert found.message.speaker == "Bo"
    assert watch.sightings.received("{}", 9) == []
