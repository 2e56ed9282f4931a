"""Counts the translations of final captions by pair of languages. Pure.

Which languages there are is decided by speakers and readers, so the pairs are bounded: the first
:data:`~orch.telemetry.names.translation.PAIRS` have series of their own, later ones count together.
"""

from collections.abc import Iterator
from typing import Final

from orch.speech.languages import AUTO
from orch.telemetry.histogram import Histogram
from orch.telemetry.names import translation as names
from orch.telemetry.names.metric import Distribution, Reading

OTHER: Final = "other"
LONGEST_CODE: Final = 35
"""Characters of a language's code, RFC 5646 §4.4.1."""


class PairCounters:
    """The translations of one pair of languages. The mutable state is the counts."""

    def __init__(self) -> None:
        self.requests = 0
        self.failures = 0
        self.seconds = Histogram(names.TRANSLATION_SECONDS.buckets)

    def published(self, seconds: float, trace_id: str = "") -> None:
        """Note that a translation was published ``seconds`` after its final caption.

        ``trace_id``: of its trace, if that is recorded.
        """
        if trace_id:
            self.seconds.observe_traced(max(0.0, seconds), trace_id)
        else:
            self.seconds.observe(max(0.0, seconds))


class TranslationCounters:
    """The mutable state is the pairs seen so far, with their counts."""

    def __init__(self) -> None:
        self._pairs: dict[str, PairCounters] = {OTHER: PairCounters()}

    def of(self, source: str | None, target: str) -> PairCounters:
        """Return the counts of a pair; ``source``: None: not known."""
        pair = f"{_code(source or AUTO)}-{_code(target)}"
        found = self._pairs.get(pair)
        if found is not None:
            return found
        if len(self._pairs) > names.PAIRS:
            return self._pairs[OTHER]
        return self._pairs.setdefault(pair, PairCounters())

    def readings(self) -> Iterator[Reading | Distribution]:
        """Yield what Prometheus reads."""
        for pair, counters in self._pairs.items():
            yield Reading(names.TRANSLATIONS, counters.requests, (pair,))
            yield Reading(names.TRANSLATION_FAILURES, counters.failures, (pair,))
            yield Distribution(names.TRANSLATION_SECONDS, counters.seconds, (pair,))


def _code(language: str) -> str:
    return language[:LONGEST_CODE].lower()
