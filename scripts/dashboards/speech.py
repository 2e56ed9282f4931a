"""Speech and translation: what users of the service get, how late, how sure, and what was lost."""

from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard

from scripts.dashboards.frame import WORKER, Section, choice, dashboard
from scripts.dashboards.panels import (
    BAD,
    GOOD,
    figure,
    graph,
    heat_map,
    rising,
    rows,
    timeline,
)
from scripts.dashboards.queries import buckets, increase, most, quantile, rate, share

_PAIR: Final = 'pair=~"$pair"'


def _business() -> Section:
    return "What users get", [
        figure(
            "Speakers",
            "Open speech streams: microphones, recordings and tracks of meetings.",
            ("sum(orch_speech_streams{@})", ""),
        ),
        figure(
            "Captions",
            "Final captions within the range.",
            (increase("orch_speech_finals_total"), ""),
            decimals=0,
        ),
        figure(
            "Words",
            "Words in final captions within the range.",
            (increase("orch_speech_words_total"), ""),
            decimals=0,
        ),
        figure(
            "95 % within",
            "Time from the end of speech to the final caption.",
            (quantile(0.95, "orch_speech_caption_seconds"), ""),
            unit="s",
            limits=rising(3, 5),
        ),
        figure(
            "Late",
            "Share of the captions that came more than 3 s after the end of their speech, within the range.",
            (share(increase("orch_speech_captions_late_total"), increase("orch_speech_finals_total")), ""),
            unit="percentunit",
            limits=rising(0.03, 0.05),
        ),
        figure(
            "Lost",
            "Share of the utterances that could not be transcribed, within the range.",
            (share(increase("orch_speech_lost_total"), increase("orch_speech_utterances_total")), ""),
            unit="percentunit",
            limits=rising(0.001, 0.005),
        ),
        figure(
            "Translations",
            "Translations of final captions within the range.",
            (increase("orch_translations_total", matchers=_PAIR), ""),
            decimals=0,
        ),
        figure(
            "Translations that failed",
            "Share of the translations within the range.",
            (
                share(
                    increase("orch_translation_failures_total", matchers=_PAIR),
                    increase("orch_translations_total", matchers=_PAIR),
                ),
                "",
            ),
            unit="percentunit",
            limits=rising(0.02, 0.1),
        ),
    ]


def _captions() -> Section:
    return "Captions", [
        graph(
            "Time to the caption",
            "From the end of speech to the final caption. The objective is 3 s for 95 %.",
            (quantile(0.5, "orch_speech_caption_seconds"), "p50"),
            (quantile(0.95, "orch_speech_caption_seconds"), "p95"),
            (quantile(0.99, "orch_speech_caption_seconds"), "p99"),
            unit="s",
            limits=rising(3, 5),
            exemplars=True,
        ),
        heat_map(
            "Times to the caption",
            "How many captions took how long.",
            buckets("orch_speech_caption_seconds"),
            width=8,
        ),
        graph(
            "Utterances and captions",
            "A second. Utterances without captions are speech that nobody reads.",
            (rate("orch_speech_utterances_total"), "utterances"),
            (rate("orch_speech_finals_total"), "captions"),
            (rate("orch_speech_lost_total"), "lost"),
            (rate("orch_speech_empty_total"), "without a word"),
            unit="cps",
        ),
        graph(
            "Speech that was lost",
            "Seconds that could not be transcribed, within the shown range.",
            (increase("orch_speech_lost_seconds_total"), "lost"),
            unit="s",
            limits=rising(1, 10),
        ),
        graph(
            "Speech that waits",
            "Seconds of speech that wait for a back end, in the stream with the most of it. At the limit the "
            "oldest is lost.",
            ("max by (instance) (orch_speech_longest_waiting_seconds{@})", "{{instance}} longest"),
            ("max by (instance) (orch_speech_buffer_seconds{@})", "{{instance}} limit"),
            ("sum by (instance) (orch_speech_waiting_seconds{@})", "{{instance}} all streams"),
            unit="s",
        ),
        graph(
            "Sound that is not processed yet",
            "Seconds of received sound that a worker has still to process: it is short of processor time.",
            ("orch_speech_queued_seconds{@}", "{{instance}}"),
            unit="s",
            limits=rising(5, 15),
        ),
        graph(
            "Speech streams",
            "Open streams, and how many a worker accepts.",
            ("sum(orch_speech_streams{@})", "streams"),
            ("sum(orch_speech_streams_limit{@})", "limit"),
        ),
        graph(
            "Interim transcripts",
            "Requested and skipped, a second. Skipped ones mean that the engine is slower than speech.",
            (rate("orch_speech_revisions_total"), "requested"),
            (rate("orch_speech_revisions_dropped_total"), "skipped"),
            unit="cps",
        ),
        graph(
            "Confidence",
            "Of captions, where the engine reports it. A fall means noise or another language.",
            (quantile(0.5, "orch_speech_confidence_ratio"), "median"),
            (quantile(0.1, "orch_speech_confidence_ratio"), "lowest tenth"),
            (
                share(rate("orch_speech_confidence_ratio_sum"), rate("orch_speech_confidence_ratio_count")),
                "mean",
            ),
            unit="percentunit",
            most=1,
        ),
        graph(
            "Real-time factor",
            "Seconds that the engine takes for a second of speech. Near 1 it has no room for more speakers.",
            (
                share(rate("orch_speech_engine_seconds_total"), rate("orch_speech_audio_seconds_total")),
                "factor",
            ),
            limits=rising(0.5, 0.8),
        ),
        graph(
            "Dropped as doubtful",
            "Segments in which the engine reported too little confidence, a second.",
            (rate("orch_speech_doubted_total"), "dropped"),
            unit="cps",
        ),
        graph(
            "Refused by back ends",
            "Requests for transcription and translation that were refused or failed.",
            (rate("orch_speech_refused_total", "service"), "{{service}}"),
            unit="reqps",
        ),
        timeline(
            "Back ends that refuse everything",
            "The reason is on the Overview of the service.",
            ("max by (service) (orch_speech_refusing{@})", "{{service}}"),
            words={0.0: ("accepts", GOOD), 1.0: ("refuses", BAD)},
            width=8,
        ),
    ]


def _translation() -> Section:
    return "Translation", [
        graph(
            "Translations by pair",
            "Of final captions, a second; the eight most frequent pairs.",
            (most(8, rate("orch_translations_total", "pair", _PAIR)), "{{pair}}"),
            unit="cps",
            stacked=True,
        ),
        graph(
            "Time to the translation",
            "From a final caption to its translation.",
            (most(8, quantile(0.95, "orch_translation_seconds", "pair", _PAIR)), "{{pair}} p95"),
            unit="s",
            limits=rising(2, 3),
        ),
        graph(
            "Share that failed",
            "By pair of languages.",
            (
                share(
                    rate("orch_translation_failures_total", "pair", _PAIR),
                    rate("orch_translations_total", "pair", _PAIR),
                ),
                "{{pair}}",
            ),
            unit="percentunit",
            limits=rising(0.02, 0.1),
        ),
        rows(
            "Pairs of languages",
            "Translations within the range, and how many of them failed.",
            (increase("orch_translations_total", "pair", _PAIR), "Translations"),
            (increase("orch_translation_failures_total", "pair", _PAIR), "Failed"),
            names={"pair": "Pair"},
        ),
        graph(
            "Translations of growing lines",
            "Requested, and put off as their session had reached its limit.",
            (rate("orch_speech_growing_translations_total"), "requested"),
            (rate("orch_speech_growing_translations_deferred_total"), "put off"),
            unit="cps",
            width=12,
        ),
    ]


def _journey() -> Section:
    return "The synthetic journey", [
        timeline(
            "Last journey",
            "Once a minute, a second of speech through /ws to a caption, as for a user. Absent if off.",
            ("min by (instance) (orch_probe_journey_success{@})", "{{instance}}"),
            words={0.0: ("failed", BAD), 1.0: ("caption", GOOD)},
            width=6,
        ),
        figure(
            "Last successful journey",
            "When a journey last ended with a caption.",
            ("max(orch_probe_journey_last_success_timestamp_seconds{@}) * 1000", ""),
            unit="dateTimeFromNow",
            words={0.0: ("never", BAD)},
            width=4,
            height=8,
            line=False,
        ),
        graph(
            "Journeys by outcome",
            "Within the shown range.",
            (increase("orch_probe_journeys_total", "outcome"), "{{outcome}}"),
            stacked=True,
            width=6,
        ),
        graph(
            "Time to the caption of a journey",
            "From the end of its speech to its final caption.",
            (quantile(0.5, "orch_probe_journey_seconds"), "p50"),
            (quantile(0.95, "orch_probe_journey_seconds"), "p95"),
            unit="s",
            limits=rising(3, 5),
        ),
    ]


def _sound() -> Section:
    return "Sound", [
        graph(
            "Pipelines of streams",
            "Streams whose sound passes through a pipeline, and the processes that run them.",
            ("sum(orch_pipeline_streams{@})", "streams"),
            ("sum(orch_pipeline_processes{@})", "processes"),
            width=6,
        ),
        graph(
            "Went on unprocessed",
            "How often a stream's pipeline failed, was too slow or had no process, within the shown range.",
            (increase("orch_pipeline_bypassed_total"), "unprocessed"),
            (increase("orch_pipeline_failures_total"), "processes that failed"),
            limits=rising(1, 10),
            width=6,
        ),
        graph(
            "Files in the pipeline",
            "Files by how their pass ended, within the shown range.",
            (increase("orch_pipeline_runs_total", "outcome"), "{{outcome}}"),
            ("sum(orch_pipeline_running{@})", "in progress"),
            width=6,
        ),
        graph(
            "Voice models",
            "Streams with a voice model of their own, and streams for which none was free within the range.",
            ("sum(orch_speech_voice_models_lent{@})", "in use"),
            (increase("orch_speech_voice_models_missed_total"), "none free"),
            width=6,
        ),
    ]


def build() -> Dashboard:
    """Return the dashboard."""
    return dashboard(
        "speech",
        "What users get from speech: captions and translations, how late, how sure, and what was lost.",
        [_business(), _captions(), _translation(), _journey(), _sound()],
        variables=[
            choice(*WORKER),
            choice(
                "pair",
                "Pair of languages",
                'label_values(orch_translations_total{job="orchestration"}, pair)',
            ),
        ],
    )
