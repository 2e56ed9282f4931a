from orch.websocket.speech.ended_streams import EndedStream, EndedStreams


def ended(participant: str, seconds: float = 1.0, session: str = "s") -> EndedStream:
    return EndedStream(
        session_id=session, participant_id=participant, received_seconds=seconds, until=100.0 + seconds
    )


def test_a_stream_is_found_by_its_own_speaker_alone() -> None:
    """Its name is in every caption; it is no key."""
    streams = EndedStreams()
    streams.add("a", ended("ann", 2.5))
    assert streams.find("a", "s", "ann") == ended("ann", 2.5)
    assert streams.find("a", "s", "eve") is None
    assert streams.find("a", "t", "ann") is None
    assert streams.find("b", "s", "ann") is None


def test_many_streams_of_one_speaker_displace_none_of_another() -> None:
    """Starting and ending streams without end only replaces what is remembered of the same speaker."""
    streams = EndedStreams(limit=10, limit_of_one=4)
    streams.add("a", ended("ann"))
    for number in range(20):
        streams.add(f"e{number}", ended("eve", number))
    assert streams.find("a", "s", "ann") is not None
    assert [one.received_seconds for one in streams.of("s", "eve")] == [16, 17, 18, 19]
    assert len(streams) == 5


def test_the_number_of_streams_is_limited_in_all() -> None:
    """The oldest is forgotten first."""
    streams = EndedStreams(limit=3, limit_of_one=4)
    for number in range(5):
        streams.add(str(number), ended(f"p{number}"))
    assert len(streams) == 3
    assert streams.find("1", "s", "p1") is None
    assert streams.find("2", "s", "p2") is not None
