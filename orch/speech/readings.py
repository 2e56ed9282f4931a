"""What Prometheus reads of speech. Pure."""

from collections.abc import Iterator

from orch.settings import Speech as SpeechSettings
from orch.speech.outcomes import BackEndStatistics
from orch.speech.statistics import SpeechCounters, SpeechStatistics
from orch.telemetry.names import audio as audio_names
from orch.telemetry.names import speech as names
from orch.telemetry.names.metric import Distribution, Reading


def readings(
    speech: SpeechStatistics, counters: SpeechCounters, settings: SpeechSettings
) -> Iterator[Reading | Distribution]:
    """Yield the readings of all streams, without those of test speech."""
    engine = counters.engine
    yield Reading(names.STREAMS, speech.streams)
    yield Reading(names.STREAMS_LIMIT, settings.max_streams)
    yield Reading(names.UTTERANCES, speech.utterances)
    yield Reading(names.FINALS, speech.finals)
    yield Distribution(names.CAPTION_SECONDS, engine.caption_seconds)
    yield Reading(names.CAPTIONS_LATE, engine.late)
    yield Reading(names.WORDS, engine.words)
    yield Reading(names.EMPTY, engine.empty)
    yield Distribution(names.CONFIDENCE, engine.confidence)
    yield Reading(names.AUDIO_SECONDS, engine.audio_seconds)
    yield Reading(names.ENGINE_SECONDS, engine.engine_seconds)
    yield Reading(names.LOST, speech.lost)
    yield Reading(names.LOST_SECONDS, speech.lost_seconds)
    yield Reading(names.REVISIONS, speech.revisions)
    yield Reading(names.REVISIONS_DROPPED, speech.revisions_dropped)
    yield Reading(names.GROWING_TRANSLATIONS, speech.growing_translations)
    yield Reading(names.GROWING_TRANSLATIONS_DEFERRED, speech.growing_translations_deferred)
    yield Reading(names.DOUBTED, speech.doubted)
    yield Reading(names.SPEECH_QUEUED, speech.queued_seconds)
    yield Reading(names.SPEECH_WAITING, speech.waiting_seconds)
    yield Reading(names.SPEECH_LONGEST, counters.most_waiting_seconds)
    yield Reading(names.SPEECH_BUFFER, settings.buffer_seconds)
    if speech.voice_models is not None:
        yield Reading(names.VOICE_MODELS_LENT, speech.voice_models.lent)
        yield Reading(names.VOICE_MODELS_MISSED, speech.voice_models.missed)
    if speech.pipelines is not None:
        yield Reading(audio_names.PIPELINE_STREAMS, speech.pipelines.streams)
        yield Reading(audio_names.PIPELINE_PROCESSES, speech.pipelines.processes)
        yield Reading(audio_names.PIPELINE_FAILURES, speech.pipelines.failures)
        yield Reading(audio_names.PIPELINE_BYPASSED, speech.pipelines.bypassed)


def of_back_end(asked: BackEndStatistics) -> Iterator[Reading]:
    """Yield the readings of the requests to one back end."""
    yield Reading(names.SPEECH_REFUSED, asked.refused, (asked.service,))
    yield Reading(names.SPEECH_REFUSING, float(asked.refusal is not None), (asked.service,))
