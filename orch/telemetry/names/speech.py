"""Metrics of speech: streams, utterances, captions and how late they are. Pure."""

from typing import Final

from orch.telemetry.names.metric import Label, Name

LATE_SECONDS: Final = 3.0
"""A final caption is late if it appears later after the end of its speech: the objective of the service."""

_BACK_END: Final = (Label("service", ("audio-service", "translation-service")),)

STREAMS: Final = Name("orch_speech_streams", "gauge", "Open speech streams.")
STREAMS_LIMIT: Final = Name("orch_speech_streams_limit", "gauge", "Limit of open speech streams.")
UTTERANCES: Final = Name("orch_speech_utterances_total", "counter", "Utterances detected.")
FINALS: Final = Name("orch_speech_finals_total", "counter", "Final captions published.")
CAPTION_SECONDS: Final = Name(
    "orch_speech_caption_seconds",
    "histogram",
    "Time from the end of speech to the final caption.",
    buckets=(0.25, 0.5, 1, 1.5, 2, 3, 5, 10, 20),
)
CAPTIONS_LATE: Final = Name(
    "orch_speech_captions_late_total",
    "counter",
    f"Final captions that came more than {LATE_SECONDS:g} s after the end of their speech.",
)
WORDS: Final = Name("orch_speech_words_total", "counter", "Words in final captions.")
EMPTY: Final = Name(
    "orch_speech_empty_total", "counter", "Utterances in which the engine recognised no word."
)
CONFIDENCE: Final = Name(
    "orch_speech_confidence_ratio",
    "histogram",
    "Mean confidence (0..1) of the words of a final caption, where the engine reports it.",
    buckets=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95),
)
AUDIO_SECONDS: Final = Name(
    "orch_speech_audio_seconds_total",
    "counter",
    "Seconds of speech that final transcription was requested for.",
)
ENGINE_SECONDS: Final = Name(
    "orch_speech_engine_seconds_total",
    "counter",
    "Seconds that the engine took for it; divided by the seconds of speech it is the real-time factor.",
)
LOST: Final = Name("orch_speech_lost_total", "counter", "Utterances that could not be transcribed.")
LOST_SECONDS: Final = Name(
    "orch_speech_lost_seconds_total", "counter", "Seconds of speech that could not be transcribed."
)
REVISIONS: Final = Name("orch_speech_revisions_total", "counter", "Interim transcripts requested.")
REVISIONS_DROPPED: Final = Name(
    "orch_speech_revisions_dropped_total",
    "counter",
    "Interim transcripts skipped because a back end was behind.",
)
GROWING_TRANSLATIONS: Final = Name(
    "orch_speech_growing_translations_total",
    "counter",
    "Translation requests for lines that were still growing.",
)
GROWING_TRANSLATIONS_DEFERRED: Final = Name(
    "orch_speech_growing_translations_deferred_total",
    "counter",
    "Translations of growing lines that waited because their session had reached its limit.",
)
DOUBTED: Final = Name(
    "orch_speech_doubted_total",
    "counter",
    "Segments dropped because the engine reported too little confidence.",
)
SPEECH_REFUSED: Final = Name(
    "orch_speech_refused_total",
    "counter",
    "Transcription and translation requests that were refused or failed.",
    _BACK_END,
)
SPEECH_REFUSING: Final = Name(
    "orch_speech_refusing", "gauge", "1 while a back end refuses every request.", _BACK_END
)
SPEECH_QUEUED: Final = Name(
    "orch_speech_queued_seconds", "gauge", "Seconds of received audio that this worker has not processed yet."
)
SPEECH_WAITING: Final = Name(
    "orch_speech_waiting_seconds", "gauge", "Seconds of speech that wait for a back end."
)
SPEECH_LONGEST: Final = Name(
    "orch_speech_longest_waiting_seconds",
    "gauge",
    "Seconds of speech that wait for a back end in the stream with the most of it.",
)
SPEECH_BUFFER: Final = Name(
    "orch_speech_buffer_seconds",
    "gauge",
    "Seconds of speech that a stream may have waiting; beyond, the oldest is lost.",
)
VOICE_MODELS_LENT: Final = Name(
    "orch_speech_voice_models_lent", "gauge", "Streams of this worker that have a voice model to themselves."
)
VOICE_MODELS_MISSED: Final = Name(
    "orch_speech_voice_models_missed_total",
    "counter",
    "Streams that had no voice model because none was free or could be loaded.",
)
