"""What a bot's pipeline starts from, and what it shows of itself."""

from msgspec import Struct

from orch.bots.pipeline.outbox import OutboxStatistics
from orch.bots.shown import LineShown, MediaShown, QualityShown, SpeakerShown


class Numbers(Struct, frozen=True, kw_only=True):
    """The first free numbers of a session's records in the store: where a pipeline that takes over goes on.

    ``run``: distinguishes the ids of its events from those of the pipelines before.
    """

    run: str = "1"
    captions: int = 0
    segments: int = 0


class PipelineLive(Struct, frozen=True, kw_only=True):
    """The parts of :class:`~orch.bots.shown.BotLive` that the pipeline knows."""

    people: tuple[SpeakerShown, ...]
    lines: tuple[LineShown, ...]
    quality: QualityShown
    media: MediaShown
    camera_frame: int
    present: int
    utterances: int


class PipelineStatistics(Struct, frozen=True, kw_only=True):
    """Figures. Sound in samples. ``withheld``: texts that the gate stopped, by reason."""

    is_capturing: bool
    tracks: int
    streams: int
    failures: int
    sound: int
    lost: int
    unheard: int
    withheld: dict[str, int]
    segments: int
    outbox: OutboxStatistics | None
