/** The measures of a recording that a comparison shows, as text. Pure. */

import { figure } from "./audio-curves.js";
import { UNKNOWN } from "./number-format.js";

export const MEASURES = [
  { key: "rms_db", title: "RMS level", unit: "dBFS" },
  { key: "true_peak_db", title: "True peak", unit: "dBTP" },
  { key: "loudness_integrated", title: "Loudness", unit: "LUFS" },
  { key: "noise_floor_db", title: "Noise floor", unit: "dBFS" },
  { key: "snr_db", title: "SNR", unit: "dB" },
  { key: "clipping_count", title: "Clipped samples", unit: "" },
];
/** Two lengths that differ by more (s) are shown as different: resampling rounds by less. */
const SAME_LENGTH = 0.05;

const rounded = (value, factor) => (typeof value === "number" ? figure(Math.round(factor * value) / factor) : UNKNOWN);

/** "RMS level, dBFS". */
export const measureTitle = ({ title, unit }) => (unit === "" ? title : `${title}, ${unit}`);

/** "−21.3", or "–" where it could not be measured. */
export const measureWords = (analysis, { key }) => rounded(analysis?.[key], 10);

/** The rows of a comparison: [title, before, A, B], all text. */
export function comparisonRows({ file, before, a, b }) {
  return [
    ...MEASURES.map((measure) => [measureTitle(measure), ...[before, a.analysis, b.analysis].map((analysis) => measureWords(analysis, measure))]),
    ["Length, s", ...[file, a, b].map(({ seconds }) => rounded(seconds, 100))],
    ["Processor time, ms", UNKNOWN, ...[a, b].map(({ milliseconds }) => rounded(milliseconds, 1))],
  ];
}

/** What a reader of the rows should know: why a measure is missing, and what the lengths mean. Sentences. */
export function comparisonNotes({ file, before, a, b }) {
  const notes = [];
  const sides = [["the original", before], ["A", a.analysis], ["B", b.analysis]];
  for (const { key, title } of MEASURES) {
    const reasons = new Map();
    for (const [name, analysis] of sides) {
      const reason = analysis?.reasons?.[key];
      if (reason !== undefined) reasons.set(reason, [...(reasons.get(reason) ?? []), name]);
    }
    for (const [reason, names] of reasons) notes.push(`${title} of ${joined(names)} is not known: ${reason}.`);
  }
  const empty = [["A", a], ["B", b]].filter(([, { seconds }]) => seconds === 0 && file.seconds > 0).map(([name]) => name);
  if (empty.length > 0) notes.push(`${joined(empty)} ${empty.length === 1 ? "is" : "are"} empty: the silence stage removed everything, because nothing in it counts as a voice.`);
  else if (Math.max(file.seconds, a.seconds, b.seconds) - Math.min(file.seconds, a.seconds, b.seconds) > SAME_LENGTH) notes.push("The lengths differ because pauses were shortened: the same position in the player is not the same word.");
  return notes;
}

/** "A", "A and B", "the original, A and B". */
function joined(names) {
  return names.length === 1 ? names[0] : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}
