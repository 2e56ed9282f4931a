/** A report as tables for the printed page: [{title, rows: [[name, …values]]}]. Pure. */

import { PROCESSING, STAGE_TITLES } from "./audio-diagnosis-text.js";
import { level } from "./audio-text.js";
import { count } from "./number-format.js";

/** [field, label, unit] of what is measured at a tap. */
const FIELDS = [
  ["rms_db", "RMS", "dBFS"],
  ["peak_db", "Peak", "dBFS"],
  ["true_peak_db", "True peak (target −1)", "dBTP"],
  ["crest_factor_db", "Crest factor", "dB"],
  ["loudness_integrated", "Loudness, integrated (target −23)", "LUFS"],
  ["loudness_short_term", "Loudness, last 3 s", "LUFS"],
  ["loudness_range", "Loudness range", "LU"],
  ["snr_db", "Signal-to-noise ratio", "dB"],
  ["noise_floor_db", "Noise floor", "dBFS"],
];

export function reportRows(report) {
  const { before, after, input } = report;
  const both = (field, unit) => [before, after].map((side) => level(side[field], unit));
  const known = (value) => (value === null ? "not known" : count(value));
  return [
    {
      title: "Recommendations",
      rows: report.recommendations.length === 0 ? [["None", "What was measured is within the targets."]] : report.recommendations.map(({ text, parameter, from, to }, index) => [String(index + 1), text, parameter === null ? "" : `${parameter}: ${from} → ${to}`]),
    },
    {
      title: "Input",
      rows: [
        ["Kind", input.kind],
        ["Length", `${report.duration} s`],
        ["Sample rate", `${count(input.sample_rate)} Hz`],
        ["Channels", input.channels === null ? "not known" : String(input.channels)],
        ["Phase correlation", input.phase_correlation === null ? `none: ${input.reasons.phase_correlation ?? "not measured"}` : input.phase_correlation.toFixed(2).replace("-", "−")],
        ...Object.entries(input.processing ?? {}).map(([name, word]) => [PROCESSING[name], word]),
        ["Underruns", known(report.drop_outs.underruns)],
        ["Dropped frames", known(report.drop_outs.dropped_frames)],
      ],
    },
    {
      title: "Before and after",
      rows: [
        ["Measured at", STAGE_TITLES[before.tap], STAGE_TITLES[after.tap]],
        ...FIELDS.map(([field, label, unit]) => [label, ...both(field, unit)]),
        ["Confidence of ratio and floor", before.snr_confidence.toFixed(2), after.snr_confidence.toFixed(2)],
        ...([before, after].some((side) => side.reasons.snr_db) ? [["Why there is no ratio", ...[before, after].map((side) => side.reasons.snr_db ?? "–")]] : []),
        ["Clipped samples", count(before.clipping_count), count(after.clipping_count)],
      ],
    },
    { title: "Stages, ms in all", rows: Object.entries(report.stage_timings_ms).map(([id, spent]) => [STAGE_TITLES[id], String(spent)]) },
  ];
}
