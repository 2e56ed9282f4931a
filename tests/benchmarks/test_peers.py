"""The benchmarks' clients count what was sent, and the table of results keeps what was not measured anew."""

import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.peers import report
from benchmarks.peers.dialects import DIALECTS, PONG, echo, joining, masked, saying, unmasked
from benchmarks.peers.http_load import length_of
from benchmarks.peers.load import CHUNK, Load
from benchmarks.peers.use import Use, quantile
from orch.front.websocket.frame_decoder import FrameDecoder
from orch.front.websocket.frames import Pong, Text


@given(st.text(max_size=300))
def test_what_a_client_sends_is_what_a_server_reads(text: str) -> None:
    """Masked frames decode to their payload, whatever their length."""
    payload = text.encode()
    decoder = FrameDecoder()
    assert decoder.feed(masked(payload)) == [Text(text)]
    assert decoder.feed(masked(payload[:125], PONG)) == [Pong(payload[:125])]


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
def test_every_dialect_asks_for_the_same(dialect: object) -> None:
    """Joining, speaking and echoing are single frames that a server can read."""
    assert isinstance(dialect, type(DIALECTS["json"]) | type(DIALECTS["socket.io"]))
    frames = [frame for frame, _ in joining(dialect, "room", creates=True)]
    for frame in (*frames, saying(dialect, "room", "x" * 250), echo(dialect)):
        [event] = FrameDecoder().feed(frame)
        assert isinstance(event, Text)


class Counting(Load):
    """Clients without sockets that note what they were told."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[bytes] = []
        self.arm()
        self._on_text = lambda _fd, text: self.texts.append(text)

    def feed(self, data: bytes) -> None:
        self._read(0, data)


@given(
    sizes=st.lists(st.integers(0, 3 * CHUNK), min_size=1, max_size=5),
    cuts=st.lists(st.integers(1, CHUNK), min_size=1),
)
def test_frames_are_counted_wherever_they_are_cut(sizes: list[int], cuts: list[int]) -> None:
    """However the bytes come, every frame is seen once, in order, at least by its first bytes."""
    wire = b"".join(unmasked(b"%d;" % number + b"x" * size) for number, size in enumerate(sizes))
    load = Counting()
    at = turn = 0
    while at < len(wire):
        end = at + cuts[turn % len(cuts)] + (len(wire) // 50)
        load.feed(wire[at:end])
        at, turn = end, turn + 1
    assert [text.partition(b";")[0] for text in load.texts] == [b"%d" % n for n in range(len(sizes))]


def test_a_heartbeat_is_answered_and_counted() -> None:
    """A ping is sent back as a pong, also between two texts."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        load = Counting()
        load._sockets[0] = ours
        load.feed(unmasked(b"one") + b"\x89\x02hi" + unmasked(b"two"))
        assert load.texts == [b"one", b"two"]
        assert load._beats == 1
        assert FrameDecoder().feed(theirs.recv(100)) == [Pong(b"hi")]


def test_an_answer_is_as_long_as_it_says_and_no_other_than_200() -> None:
    """A run that is answered with errors measures something else."""
    whole = b'HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n{"hello":"you"}'
    assert length_of(whole) == len(whole)
    with pytest.raises(ConnectionError):
        length_of(whole.replace(b"200 OK", b"503 No"))


def test_the_limit_is_whose_processor_was_used_up() -> None:
    """With neither used up, it is the machine where others have used it, else none."""
    assert Use(1, server=0.97, clients=0.4, machine=0.7).limit == "server"
    assert Use(1, server=0.5, clients=0.99, machine=0.7).limit == "clients"
    assert Use(1, server=0.9, clients=0.9, machine=0.9).limit == "both"
    assert Use(1, server=0.5, clients=0.3, machine=0.99).limit == "machine"
    assert Use(1, server=0.5, clients=0.3, machine=0.5).limit == "none"


def test_a_quantile_is_a_value_that_was_taken() -> None:
    """The 99th percentile of a hundred is the 99th."""
    assert quantile([float(n) for n in range(100, 0, -1)], 0.99) == 99.0


def test_bounds_say_what_is_met_missed_and_not_measured() -> None:
    """A peer that was left out makes a ratio unmeasured, not met."""
    assert report.times("x", 1.2, 12.0, 10.0, "peer").is_met is True
    assert report.times("x", 1.2, 11.0, 10.0, "peer").is_met is False
    assert report.times("x", 1.2, 11.0, None, "peer").is_met is None
    assert report.under("x", 8, 8.0, " KB").is_met is False


def test_writing_replaces_the_section_of_its_kind_alone(tmp_path: Path) -> None:
    """What another command has measured stays."""
    results = tmp_path / "RESULTS.md"
    results.write_text(
        "# Results\n\nWords.\n\n## Hub: `a`\n\nold\n\n## HTTP: `b`\n\nkept\n", encoding="utf-8"
    )
    report.write("Hub: `c`", ["new", report.table(("", "n"), [("row", "1")])], results=results)
    text = results.read_text(encoding="utf-8")
    assert "old" not in text
    assert "kept" in text
    assert text.index("## HTTP: `b`") < text.index("## Hub: `c`")
    assert text.endswith("| row | 1 |\n")
