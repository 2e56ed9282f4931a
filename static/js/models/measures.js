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

/** "−21.3 dBFS", or "–" where it could not be measured. */
export function measureWords(analysis, { key, unit }) {
  const value = analysis?.[key];
  return typeof value === "number" ? `${figure(Math.round(10 * value) / 10)} ${unit}`.trimEnd() : UNKNOWN;
}
