/** A report as tables for the printed page: [{title, rows: [[name, …values]]}]. Pure. */

import { STAGE_TITLES } from "./audio-diagnosis-text.js";
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
      title: "Input",
      rows: [
        ["Kind", input.kind],
        ["Length", `${report.duration} s`],
        ["Sample rate", `${count(input.sample_rate)} Hz`],
        ...Object.entries(input.processing ?? {}).map(([name, word]) => [name, word]),
        ["Underruns", known(report.drop_outs.underruns)],
        ["Dropped frames", known(report.drop_outs.dropped_frames)],
      ],
    },
    {
      title: "Before and after",
      rows: [
        ["Measured at", STAGE_TITLES[before.tap], STAGE_TITLES[after.tap]],
        ...FIELDS.map(([field, label, unit]) => [label, ...both(field, unit)]),
        ["Confidence of the noise", before.noise_confidence.toFixed(2), after.noise_confidence.toFixed(2)],
        ["Clipped samples", count(before.clipping_count), count(after.clipping_count)],
      ],
    },
    {
      title: "Recommendations",
      rows: report.recommendations.length === 0 ? [["None", "What was measured is within the targets."]] : report.recommendations.map(({ text, parameter, from, to }, index) => [String(index + 1), text, parameter === null ? "" : `${parameter}: ${from} → ${to}`]),
    },
    { title: "Stages, ms in all", rows: Object.entries(report.stage_timings_ms).map(([id, spent]) => [STAGE_TITLES[id], String(spent)]) },
  ];
}
