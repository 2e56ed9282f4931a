/** The K-weighting of ITU-R BS.1770-5 at any rate; the twin of k_weighting in orch/audio/loudness.py. */

const SHELF = { frequency: 1681.974450955533, gain: 3.999843853973347, q: 0.7071752369554196 };
const HIGH_PASS = { frequency: 38.13547087602444, q: 0.5003270373238773 };
export const OFFSET = -0.691;

/** The filter, as biquad.js takes it. */
export function kWeighting(sampleRate) {
  let k = Math.tan((Math.PI * SHELF.frequency) / sampleRate);
  const high = 10 ** (SHELF.gain / 20);
  const band = high ** 0.4996667741545416;
  let a0 = 1 + k / SHELF.q + k * k;
  const shelf = [
    (high + (band * k) / SHELF.q + k * k) / a0,
    (2 * (k * k - high)) / a0,
    (high - (band * k) / SHELF.q + k * k) / a0,
    (2 * (k * k - 1)) / a0,
    (1 - k / SHELF.q + k * k) / a0,
  ];
  k = Math.tan((Math.PI * HIGH_PASS.frequency) / sampleRate);
  a0 = 1 + k / HIGH_PASS.q + k * k;
  return [shelf, [1, -2, 1, (2 * (k * k - 1)) / a0, (1 - k / HIGH_PASS.q + k * k) / a0]];
}

/** The loudness of a K-weighted power (mean square); −Infinity for none. */
export const lufs = (power) => (power > 0 ? OFFSET + 10 * Math.log10(power) : -Infinity);
