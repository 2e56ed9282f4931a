"""What the pipeline decides to do: the shell does it, in order. Pure."""

from dataclasses import dataclass

from orch.bots.pipeline.ports import Published
from orch.bots.webhooks.payloads import Data, Trigger
from orch.protocol.messages import ServerMessage, Transcript
from orch.stores.bot_records import Captured


@dataclass(frozen=True, slots=True)
class Keep:
    """Store a record."""

    record: Captured


@dataclass(frozen=True, slots=True)
class Publish:
    """Publish a message in the session; ``speaker``: whose share of the history it takes."""

    message: Published
    speaker: str = ""


@dataclass(frozen=True, slots=True)
class Send:
    """Send a message to who is in the session now."""

    message: ServerMessage


@dataclass(frozen=True, slots=True)
class Tell:
    """Send a webhook. ``at``: seconds since the epoch."""

    trigger: Trigger
    at: float
    data: Data


@dataclass(frozen=True, slots=True)
class Redraw:
    """Show a segment on the camera as it is now."""

    segment_id: str


@dataclass(frozen=True, slots=True)
class Translate:
    """Translate a final that no stream does: a caption of the meeting."""

    final: Transcript


Effect = Keep | Publish | Send | Tell | Redraw | Translate
