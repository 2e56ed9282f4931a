"""The script that computes a session's figures, once, when it has ended. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from orch.stores.bot_records import SessionStatistics
from orch.stores.bot_scripts.requests import Query, Script
from orch.stores.bot_scripts.tables import STATISTICS

_SESSION: Final = "SELECT start_time, end_time FROM bot_sessions.sessions WHERE session_id = $1"
_PARTICIPANTS: Final = "SELECT count(*) FROM bot_sessions.participants WHERE session_id = $1"
_SPEAKERS: Final = (
    "SELECT count(DISTINCT speaker_id) FROM bot_sessions.transcripts WHERE session_id = $1 AND is_final"
)
_AUDIO: Final = (
    "SELECT count(*), coalesce(sum(duration_seconds), 0), CAST(coalesce(sum(file_size), 0) AS bigint)"
    " FROM bot_sessions.audio_files WHERE session_id = $1"
)
_TRANSCRIPTS: Final = (
    "SELECT count(*), CAST(coalesce(sum(word_count), 0) AS bigint)"
    " FROM bot_sessions.transcripts WHERE session_id = $1 AND is_final AND source_type <> 'google_meet'"
)
_TRANSLATIONS: Final = (
    "SELECT target_language, count(*) FROM bot_sessions.translations WHERE session_id = $1"
    " GROUP BY target_language ORDER BY target_language"
)
_CORRELATIONS: Final = (
    "SELECT CAST(coalesce(sum(word_end - word_start), 0) AS bigint),"
    " CAST(coalesce(sum(word_end - word_start) FILTER (WHERE speaker_id IS NOT NULL), 0) AS bigint),"
    " avg(correlation_confidence) FROM bot_sessions.correlations WHERE session_id = $1"
)


def compute(session_id: str, now: float, quality: Mapping[str, Any]) -> Script[SessionStatistics | None]:
    """Compute and store a session's figures; None: it does not exist. Again: they are replaced.

    Transcripts are its own final ones: captions say the same words again. ``quality``: measured by others.
    """
    session = yield Query(_SESSION, (session_id,))
    if not session:
        return None
    begin, end = session[0]
    participants = yield Query(_PARTICIPANTS, (session_id,))
    speakers = yield Query(_SPEAKERS, (session_id,))
    audio = yield Query(_AUDIO, (session_id,))
    transcripts = yield Query(_TRANSCRIPTS, (session_id,))
    languages = yield Query(_TRANSLATIONS, (session_id,))
    correlations = yield Query(_CORRELATIONS, (session_id,))
    words, named, confidence = correlations[0]
    found = SessionStatistics(
        session_id=session_id,
        computed_at=now,
        total_duration=None if begin is None or end is None else float(end - begin),
        total_participants=participants[0][0],
        unique_speakers=speakers[0][0],
        total_audio_files=audio[0][0],
        total_audio_duration=float(audio[0][1]),
        total_audio_size=audio[0][2],
        total_transcripts=transcripts[0][0],
        total_transcript_words=transcripts[0][1],
        total_translations=sum(number for _, number in languages),
        translation_languages=tuple(language for language, _ in languages),
        correlation_success_rate=named / words if words else None,
        average_correlation_confidence=confidence,
        quality_metrics=quality,
    )
    yield Query(STATISTICS.upsert, STATISTICS.values(found))
    return found
