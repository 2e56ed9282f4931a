"""Which samples arrived and which are missing, whatever a page does."""

import random

import pytest

from orch.bots.media.frames import Frame, Numbered, ProtocolError, TrackShown
from orch.bots.media.layouts import Layouts
from orch.bots.media.page_sound import SLACK, PageSound
from orch.bots.media.sound_queue import SoundQueue
from orch.bots.observations import Sound, SoundLost, SoundObservation, TrackBegan, TrackEnded

NOW = 1_000.0
BLOCK = 640


def shown(number: int, name: str = "", heard: int = 0) -> TrackShown:
    return TrackShown(number=number, id=name or f"track {number}", heard=heard)


def block(track: int, number: int, *, captured: float = NOW) -> Frame:
    """Return the block of a track with a number; its samples are its number."""
    return Frame(track, number * BLOCK, BLOCK, captured, number.to_bytes(2, "little") * BLOCK)


def kinds(observations: list[SoundObservation]) -> list[str]:
    return [type(each).__name__ for each in observations]


def test_a_track_is_published_with_its_first_samples() -> None:
    """Then all that began with it are known, so its layout is right at once."""
    sound = PageSound()
    assert sound.connect("page", (), NOW) == []
    sound.begin(shown(1), NOW)
    sound.begin(shown(2), NOW)
    found = sound.receive(Numbered(0, (block(1, 0),)), NOW)
    assert found == [
        TrackBegan(at=NOW - 0.04, track="track 1", layout="rotating"),
        Sound(at=NOW, track="track 1", first=0, pcm=bytes(2 * BLOCK)),
    ]


def test_a_jump_of_the_numbers_is_marked() -> None:
    """Between two frames, and before the first one."""
    sound = PageSound()
    sound.connect("page", (shown(1),), NOW)
    found = sound.receive(Numbered(0, (block(1, 2), block(1, 3), block(1, 5))), NOW)
    lost = [each for each in found if isinstance(each, SoundLost)]
    assert [(each.first, each.samples) for each in lost] == [(0, 2 * BLOCK), (4 * BLOCK, BLOCK)]
    assert kinds(found) == ["TrackBegan", "SoundLost", "Sound", "Sound", "SoundLost", "Sound"]
    assert (sound.samples, sound.lost) == (3 * BLOCK, 3 * BLOCK)


def test_silence_becomes_samples() -> None:
    """A frame of silence has no bytes of its own."""
    sound = PageSound()
    sound.connect("page", (shown(1),), NOW)
    found = sound.receive(Numbered(0, (Frame(1, 0, 100, NOW, None),)), NOW)
    assert isinstance(found[-1], Sound)
    assert found[-1].pcm == bytes(200)


def test_a_page_that_connects_again_goes_on() -> None:
    """What was lost meanwhile is marked; a track that ended meanwhile has ended."""
    sound = PageSound()
    sound.connect("page", (shown(1), shown(2)), NOW)
    sound.receive(Numbered(0, (block(1, 0), block(2, 0))), NOW)
    found = sound.connect("page", (shown(1, heard=9 * BLOCK),), NOW + 1)
    assert found == [TrackEnded(at=NOW + 1, track="track 2")]
    found = sound.receive(Numbered(0, (block(1, 4),)), NOW + 1)
    assert kinds(found) == ["SoundLost", "Sound"]


def test_another_page_begins_anew() -> None:
    """A page that was loaded again has other tracks, whatever their ids are."""
    sound = PageSound()
    sound.connect("page", (shown(1),), NOW)
    sound.receive(Numbered(0, (block(1, 0), block(1, 1))), NOW)
    found = sound.connect("other", (shown(1),), NOW)
    assert found == [TrackEnded(at=NOW, track="track 1")]
    found = sound.receive(Numbered(0, (block(1, 0),)), NOW)
    assert kinds(found) == ["TrackBegan", "Sound"]


def test_a_single_track_that_gets_company_is_published_again() -> None:
    """One is taken to be everybody's sound; of several, each is everybody's in turn."""
    sound = PageSound()
    sound.connect("page", (shown(1),), NOW)
    assert isinstance(first := sound.receive(Numbered(0, (block(1, 0),)), NOW)[0], TrackBegan)
    assert first.layout == "mixed"
    sound.begin(shown(2), NOW)
    found = sound.receive(Numbered(1, (block(2, 0),)), NOW)
    again = [(each.track, each.layout) for each in found if isinstance(each, TrackBegan)]
    assert again == [("track 1", "rotating"), ("track 2", "rotating")]
    sound.end(2, NOW)
    assert kinds(sound.receive(Numbered(2, (block(1, 1),)), NOW)) == ["Sound"]


def test_a_track_that_the_page_shows_as_a_participants_is_its_own() -> None:
    """And no longer when the page shows that no longer."""
    sound = PageSound()
    sound.connect("page", (shown(1), shown(2)), NOW)
    sound.receive(Numbered(0, (block(1, 0), block(2, 0))), NOW)
    assert sound.own("track 2", NOW, is_owned=True) == [TrackBegan(at=NOW, track="track 2", layout="own")]
    assert sound.own("track 2", NOW, is_owned=True) == []
    assert sound.own("track 2", NOW, is_owned=False) == [
        TrackBegan(at=NOW, track="track 2", layout="rotating")
    ]
    assert sound.own("another", NOW, is_owned=True) == []


def test_tracks_of_one_id_have_different_names() -> None:
    """So have those whose id is empty, or is no text."""
    sound = PageSound()
    sound.connect("page", (shown(1, "a"), shown(2, "a"), shown(3, "\n")), NOW)
    found = sound.receive(Numbered(0, (block(1, 0), block(2, 0), block(3, 0))), NOW)
    assert [each.track for each in found if isinstance(each, Sound)] == ["a", "a#2", "track-3"]


def test_the_time_of_a_sound_is_when_it_was_captured() -> None:
    """Unless the page's clock is elsewhere."""
    sound = PageSound()
    sound.connect("page", (shown(1),), NOW)
    frames = [block(1, 0, captured=NOW - 3), block(1, 1, captured=NOW + 1), block(1, 2, captured=5.0)]
    found = sound.receive(Numbered(0, tuple(frames)), NOW)
    assert [each.at for each in found if isinstance(each, Sound)] == [NOW - 3, NOW, NOW]


@pytest.mark.parametrize(
    ("frames", "number"),
    [
        ((block(1, 1),), 2),
        ((block(1, 1),), 0),
        ((block(1, 0),), 1),
        ((block(1, 2), block(1, 1)), 1),
        ((block(1, 1), block(1, 1)), 1),
        ((Frame(1, 2**50, 1, NOW, None),), 1),
        ((Frame(1, int((SLACK + 1) * 16_000), 1, NOW, None),), 1),
    ],
)
def test_what_cannot_be_ends_the_connection_and_changes_nothing(
    frames: tuple[Frame, ...], number: int
) -> None:
    """Messages out of order, samples twice, more sound than there was time for."""
    sound = PageSound()
    sound.connect("page", (shown(1),), NOW)
    sound.receive(Numbered(0, (block(1, 0),)), NOW)
    with pytest.raises(ProtocolError):
        sound.receive(Numbered(number, frames), NOW + 0.04)
    assert (sound.samples, sound.lost) == (BLOCK, 0)
    assert kinds(sound.receive(Numbered(1, (block(1, 1),)), NOW + 0.08)) == ["Sound"]


def test_three_hours_of_sound_are_never_too_fast() -> None:
    """A device whose clock is fast by 200 ppm."""
    sound = PageSound()
    sound.connect("page", (shown(1),), NOW)
    for number in range(10_800):
        now = NOW + number / 1.0002
        sound.receive(Numbered(number, (Frame(1, number * 16_000, 16_000, now, None),)), now)
    assert sound.lost == 0


def test_a_page_has_a_limited_number_of_tracks() -> None:
    """One that forges them without end is refused."""
    sound = PageSound()
    sound.connect("page", (), NOW)
    for number in range(64):
        sound.begin(shown(number), NOW)
    with pytest.raises(ProtocolError):
        sound.begin(shown(64), NOW)
    with pytest.raises(ProtocolError):
        sound.connect("page", (shown(1), shown(1)), NOW)


class Meeting:
    """Two tracks of a page that loses sound, connects again, and is read now and then."""

    def __init__(self, draw: random.Random) -> None:
        self.draw = draw
        self.sound = PageSound()
        self.queue = SoundQueue(limit=draw.choice([2_000, 20_000]))
        self.heard = [0, 0]
        self.sent = [0, 0]
        self.message = 0
        self.read: list[SoundObservation] = []
        self.connect(NOW)

    def put(self, found: list[SoundObservation]) -> None:
        for each in found:
            self.queue.put(each)

    def connect(self, now: float) -> None:
        self.put(self.sound.connect("page", (shown(0), shown(1)), now))
        self.message = 0

    def lose(self) -> None:
        self.heard[self.draw.randrange(2)] += self.draw.randint(1, 9) * BLOCK

    def send(self, now: float) -> None:
        frames = tuple(Frame(track, self.heard[track], BLOCK, now, None) for track in (0, 1))
        self.heard = [each + BLOCK for each in self.heard]
        self.sent = list(self.heard)
        self.put(self.sound.receive(Numbered(self.message, frames), now))
        self.message += 1

    def take(self) -> None:
        while self.queue:
            self.read.append(self.queue.get())


def test_nothing_is_lost_unmarked_whatever_happens() -> None:
    """Random losses, connections and readers: sound and losses of each track are without holes."""
    draw = random.Random(11)
    for _ in range(60):
        meeting = Meeting(draw)
        meeting.send(NOW)
        for step in range(120):
            what = draw.randrange(8)
            if what == 0:
                meeting.lose()
            elif what == 1:
                meeting.connect(NOW + step)
            elif what in (2, 3):
                meeting.take()
            else:
                meeting.send(NOW + step)
        meeting.take()
        meeting.put(meeting.sound.end_all(NOW + 200))
        meeting.take()
        for track in (0, 1):
            found = [each for each in meeting.read if each.track == f"track {track}"]
            assert without_holes(found) == meeting.sent[track]
            assert kinds(found)[-1] == "TrackEnded"


def without_holes(found: list[SoundObservation]) -> int:
    """Return the end of sound and losses, each of which begins where the one before has ended."""
    end = 0
    for each in found:
        if isinstance(each, Sound | SoundLost):
            assert each.first == end
            end += each.samples if isinstance(each, SoundLost) else len(each.pcm) // 2
    return end


def test_a_queue_that_is_not_read_stays_within_its_limit() -> None:
    """An hour of sound that nobody reads; then it is known what is missing."""
    queue = SoundQueue(limit=100_000)
    for number in range(90_000):
        queue.put(Sound(at=NOW, track="a", first=number * BLOCK, pcm=bytes(2 * BLOCK)))
    assert len(queue) < 100
    kept = len(queue)
    for _ in range(kept):
        queue.get()
    queue.put(TrackEnded(at=NOW, track="a"))
    lost = queue.get()
    assert isinstance(lost, SoundLost)
    assert (lost.first, lost.samples) == (kept * BLOCK, (90_000 - kept) * BLOCK)
    assert isinstance(queue.get(), TrackEnded)
    assert queue.dropped == (90_000 - kept) * BLOCK


def test_tracks_that_begin_and_end_without_being_read_are_refused() -> None:
    """Else a page could fill the memory with them."""
    queue, began = SoundQueue(limit=10_000), TrackBegan(at=NOW, track="a", layout="mixed")
    for _ in range(79):
        queue.put(began)
    with pytest.raises(ProtocolError):
        queue.put(began)


def test_an_owner_that_is_known_before_the_track_counts() -> None:
    """The page shows whose a track is before its first sound arrives; the track's end ends that."""
    layouts = Layouts()
    for number in range(300):
        layouts.own(f"other {number}", is_owned=True)
    layouts.own("a", is_owned=True)
    layouts.begin("a")
    layouts.begin("other 0")
    assert (layouts.layout("a"), layouts.layout("other 0")) == ("own", "rotating")
    layouts.end("a")
    layouts.begin("a")
    assert layouts.layout("a") == "rotating"


def test_layouts() -> None:
    """One is mixed, several rotate, one that is left of several still does; only a page proves an owner."""
    layouts = Layouts()
    layouts.begin("a")
    assert layouts.layout("a") == "mixed"
    layouts.own("a", is_owned=True)
    assert layouts.layout("a") == "own"
    layouts.begin("b")
    assert (layouts.layout("a"), layouts.layout("b")) == ("own", "rotating")
    layouts.end("a")
    assert layouts.layout("b") == "rotating"
    layouts.end("b")
    layouts.begin("b")
    assert layouts.layout("b") == "mixed"
