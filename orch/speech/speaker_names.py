"""Names the people who share a microphone, for readers. Pure.

The same in JavaScript: ``static/js/models/speaker-names.js``.
"""

import re
from collections.abc import Mapping
from typing import Final

from orch.protocol.client_messages import UNSURE

_NUMBER: Final = re.compile(r"(?:speaker[ _-]?)?0*(\d{1,4})(?![A-Za-z0-9])", re.IGNORECASE | re.ASCII)


def speaker_name(label: str, given: Mapping[str, str]) -> str:
    """Return how a label is shown: the name given to it, else ``Speaker 2`` or ``Speaker ?``.

    A back end's label begins with its number (``2-ab12cd``, ``SPEAKER_02``); one that does not is shown as it
    is.
    """
    if label == UNSURE:
        return "Speaker ?"
    name = given.get(label)
    if name:
        return name
    number = _NUMBER.match(label)
    return label if number is None else f"Speaker {number[1]}"
