"""The adapters that there are, by the names that meeting URLs and settings use."""

from collections.abc import Mapping
from typing import Final

from orch.bots.adapters.adapter import Adapter, CaptionsPlace, ChatPlace, Tile
from orch.bots.adapters.meet_texts import MEET_TEXTS
from orch.bots.adapters.second_texts import SECOND_TEXTS
from orch.bots.meeting_url import MEET

SECOND: Final = "second"
"""The name of the adapter for the sandbox's second layout."""

_MEET: Final = Adapter(
    name=MEET,
    texts=MEET_TEXTS,
    tile=Tile(
        find="[data-participant-id]:not([role='listitem'])",
        id=("@data-participant-id",),
        name=(".notranslate", "[data-self-name]", "@data-participant-name"),
        own="[data-self-name]",
        mark="[role='img'][aria-label], [data-is-speaking='true']",
    ),
    captions=CaptionsPlace(region="[role='region'][aria-label]", is_labelled=True),
    chat=ChatPlace(
        lines="[aria-live]:has(> [data-message-id]), [data-message-id]",
        line="[data-message-id]",
        id=("@data-message-id",),
        sender=("[data-sender-name]", ":scope > :first-child"),
        text=("[data-message-text]", "[jsname='dTKtvb']", ":scope > :last-child"),
    ),
    excluded="[data-participant-id], [role='listitem'], [data-message-id], [data-message-text]",
)

_SECOND: Final = Adapter(
    name=SECOND,
    texts=SECOND_TEXTS,
    tile=Tile(
        find="[id^='participant_']",
        id=("@id",),
        prefix="participant_",
        name=("@data-who",),
        own="[data-self='true']",
        mark="[data-talking='yes']",
    ),
    captions=CaptionsPlace(region="#subtitles", block="q", name=("@data-by",)),
    chat=ChatPlace(lines="#talk", line="#talk > dd", id=(), sender=("<",), text=(".",), line_break=" "),
    excluded="[id^='participant_'], #subtitles, #talk, #attendees, #largeSpeaker > figcaption",
    hints=("data-hint",),
    opens_chat=False,
)

ADAPTERS: Final[Mapping[str, Adapter]] = {each.name: each for each in (_MEET, _SECOND)}
"""All adapters, by name."""
