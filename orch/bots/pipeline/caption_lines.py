"""A meeting that is not heard has its own captions as transcript: what was captioned is translated. Pure.

Where a bot receives sound, captions only name the words that were transcribed. Without sound (the meeting
has no tracks, or none is audible) nothing would be translated; so captions that are final become lines.
"""

from typing import Final

from orch.bots.caption_blocks import Utterance
from orch.bots.correlation.events import Name
from orch.bots.pipeline.segments import Named, Segment
from orch.protocol.messages import Transcript, Word
from orch.protocol.words import word_spans
from orch.stores.bot_records import transcript_id

DEAF: Final = 30.0
"""Seconds without any audible sound from which on captions are the transcript."""
CHANNEL: Final = "captions"


def caption_line(
    utterance: Utterance, *, session_id: str, run: str, index: int, speaker: str | None, language: str | None
) -> Segment:
    """Return a final caption as a line; ``index``: in the store, ``speaker``: the id of who said it."""
    name = Name(name=utterance.speaker, participant_id=speaker) if utterance.speaker else None
    words = tuple(
        Word(text=utterance.text[first:last], start=utterance.started, end=utterance.updated)
        for first, last in word_spans(utterance.text)
    )
    return Segment(
        segment_id=f"captions.{run}-{index}",
        channel=CHANNEL,
        layout="mixed",
        start=utterance.started,
        end=utterance.updated,
        text=utterance.text,
        language=utterance.language or language,
        revision=utterance.revision,
        is_final=True,
        words=words,
        names=[Named(name, 1.0, "captions", "exact")] * len(words),
        source=transcript_id(session_id, "google_meet", index),
        stored=utterance.revision,
    )


def line_message(line: Segment, *, session_id: str, started: float) -> Transcript:
    """Return a line as a final; ``started``: of the session, seconds since the epoch."""
    name = line.speaker.name
    return Transcript(
        timestamp=0,
        session_id=session_id,
        segment_id=line.segment_id,
        revision=line.revision,
        final=True,
        text=line.text,
        language=line.language,
        confidence=None,
        start=round(line.start, 3),
        end=round(line.end, 3),
        stream_started=round(started * 1_000),
        speaker=None if name is None else name.name,
    )
