"""What Google Meet's page says, in eight languages, as its users see it. Pure.

One row for each meaning, with all alternatives that are known: of several versions of the page, of both
ways to address people, and of states (an empty call, a device that is missing). A changed text is one more
alternative. ``REFUSED`` is the headline that several reasons have in common; a text that names the reason
counts more.
"""

from typing import Final

from orch.bots.adapters.meet_texts import (
    arabic,
    chinese,
    english,
    french,
    german,
    japanese,
    portuguese,
    spanish,
)
from orch.bots.adapters.signs import Texts

MEET_TEXTS: Final[Texts] = {
    "en": english.TEXTS,
    "de": german.TEXTS,
    "es": spanish.TEXTS,
    "fr": french.TEXTS,
    "pt": portuguese.TEXTS,
    "zh": chinese.TEXTS,
    "ja": japanese.TEXTS,
    "ar": arabic.TEXTS,
}
