/**
 * Frequency weightings in dB: A and C of IEC 61672-1, K of ITU-R BS.1770, Z (none).
 *
 *     R_A(f) = 12194² f⁴ / ((f² + 20.6²) √((f² + 107.7²)(f² + 737.9²)) (f² + 12194²)),  A(f) = 20 log10 R_A(f) + 2.00
 *     R_C(f) = 12194² f² / ((f² + 20.6²)(f² + 12194²)),                                C(f) = 20 log10 R_C(f) + 0.06
 */

import { magnitude } from "../kernels/biquad.js";
import { OFFSET, kWeighting } from "../kernels/k-weighting.js";

export const WEIGHTINGS = {
  Z: "Z: none",
  A: "A: as faint sounds are heard",
  C: "C: as loud sounds are heard",
  K: "K: as loudness (LUFS) weights",
};

const LOW = 20.598997 ** 2;
const HIGH = 12194.217 ** 2;
const MIDDLE_LOW = 107.65265 ** 2;
const MIDDLE_HIGH = 737.86223 ** 2;
/** Bring each to 0 dB at 1 kHz. */
const A_GAIN = 2.0;
const C_GAIN = 0.062;
/** What is weaker is silence. */
const LEAST = 1e-8;

const decibels = (gain) => 20 * Math.log10(Math.max(LEAST, gain));

/** The weighting in dB at a frequency (Hz). */
export function weightingAt(name, frequency, sampleRate) {
  const f = frequency * frequency;
  switch (name) {
    case "Z":
      return 0;
    case "A":
      return decibels((HIGH * f * f) / ((f + LOW) * Math.sqrt((f + MIDDLE_LOW) * (f + MIDDLE_HIGH)) * (f + HIGH))) + A_GAIN;
    case "C":
      return decibels((HIGH * f) / ((f + LOW) * (f + HIGH))) + C_GAIN;
    case "K":
      return decibels(magnitude(kWeighting(sampleRate), frequency, sampleRate)) + OFFSET;
    default:
      throw new RangeError(`There is no weighting ${name}.`);
  }
}

/** The weighting of each bin in dB. */
export function weightingOfBins(name, bins, binWidth, sampleRate) {
  return Float32Array.from({ length: bins }, (_, bin) => weightingAt(name, bin * binWidth, sampleRate));
}
