/** The report of a measurement: a document for files, and the figures of the printed page. Pure. */

import { recommendations } from "./audio-recommendations.js";

export const VERSION = "1.0";

/** The value at a path of names with dots. */
export const valueAt = (object, path) => path.split(".").reduce((value, name) => value?.[name], object);

const round = (value, digits = 2) => (value === null || value === undefined ? null : Number(value.toFixed(digits)));

/** What was measured at one tap, under the names of the API's analysis. */
function tapFields({ tap, ...values }) {
  return {
    tap,
    duration: round(values.seconds, 3),
    sample_rate: values.sampleRate,
    rms_db: round(values.totalRmsDb),
    peak_db: round(values.peakDb),
    true_peak_db: round(values.truePeakDb),
    crest_factor_db: round(values.crestFactorDb),
    clipping_count: values.clipped,
    loudness_momentary: round(values.momentary),
    loudness_short_term: round(values.shortTerm),
    loudness_integrated: round(values.integrated),
    loudness_range: round(values.range),
    snr_db: round(values.snrDb),
    noise_floor_db: round(values.floorDb),
    snr_confidence: round(values.confidence),
    reasons: values.reason === "" ? {} : { snr_db: values.reason },
    strongest_hz: round(values.strongest?.frequency ?? null, 1),
    strongest_db: round(values.strongest?.level ?? null),
  };
}

/** The share of the sound that is speech: 0–1, null where the VAD stage is off. */
export function speechShare({ speechSegments, seconds }, settings) {
  if (!settings.enabledStages.includes("vad") || !(seconds > 0)) return null;
  return Math.min(1, speechSegments.reduce((sum, { start, end }) => sum + end - start, 0) / seconds);
}

/** What the recommendations are derived from. */
export function measuredOf({ summary, settings, input, dropOuts }) {
  const { before, after } = summary.sides;
  return { before, after, phase: summary.phase ?? null, settings, stages: summary.stages, seconds: summary.seconds, granted: input.granted ?? null, underruns: dropOuts.underruns, dropped: dropOuts.dropped, speechShare: speechShare(summary, settings) };
}

/**
 * The document. `summary`: of a Diagnosis; `input` {kind, label, granted, …}; `dropOuts`; `at`: when, as ISO 8601;
 * `spectrum` {size, window, bandwidthHz}.
 */
export function makeReport({ summary, settings, input, dropOuts, spectrum, at }) {
  return {
    version: VERSION,
    timestamp: at,
    input: { kind: input.kind, label: input.label, sample_rate: input.sampleRate, channels: input.channels, processing: input.granted ?? null, phase_correlation: round(summary.phase?.whole), reasons: summary.phase?.reason ? { phase_correlation: summary.phase.reason } : {} },
    duration: round(summary.seconds, 3),
    spectrum: { fft_size: spectrum.size, window: spectrum.window, noise_bandwidth_hz: round(spectrum.bandwidthHz) },
    before: tapFields(summary.sides.before),
    after: tapFields(summary.sides.after),
    speech_segments: summary.speechSegments,
    speech_share: round(speechShare(summary, settings), 3),
    stage_timings_ms: Object.fromEntries(summary.stages.map(({ id, seconds }) => [id, round(1000 * seconds, 3)])),
    drop_outs: { underruns: dropOuts.underruns, underrun_seconds: dropOuts.underrunSeconds, dropped_frames: dropOuts.dropped },
    recommendations: recommendations(measuredOf({ summary, settings, input, dropOuts })).map(({ id, tone, text, number, change }) => ({ id, tone, text, number: round(number), parameter: change?.path ?? null, from: change?.from ?? null, to: change?.to ?? null })),
    settings: { version: "1.0", parameters: settings.parameters, enabledStages: settings.enabledStages, ...(settings.pausedAt ? { pausedAt: settings.pausedAt } : {}) },
  };
}
