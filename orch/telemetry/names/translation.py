"""Metrics of translation, by pair of languages. Pure."""

from typing import Final

from orch.telemetry.names.metric import Label, Name

PAIRS: Final = 32
"""Pairs of languages that have series of their own; those used later count as ``other``."""

_PAIR: Final = (Label("pair", bound=f"the {PAIRS} pairs of languages that were used first, and other"),)

TRANSLATIONS: Final = Name(
    "orch_translations_total",
    "counter",
    "Translations of final captions requested, failed ones included.",
    _PAIR,
)
TRANSLATION_FAILURES: Final = Name(
    "orch_translation_failures_total", "counter", "Translations of final captions that failed.", _PAIR
)
TRANSLATION_SECONDS: Final = Name(
    "orch_translation_seconds",
    "histogram",
    "Time from a final caption to its translation.",
    _PAIR,
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 20),
)
