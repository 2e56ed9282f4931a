/** Rounds to 16 bits, with dither: orch/audio/dither.py, which makes the same noise. */

export const STEP = 2 ** -15;

/** A number from 0 to 1 (not 1 itself) for a counter: the 32-bit mixer lowbias32 (C. Wellons, 2018) of a Weyl sequence. */
function uniform(counter) {
  let x = Math.imul(counter, 0x9e3779b9);
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return ((x ^ (x >>> 16)) >>> 0) * 2 ** -32;
}

/** The dither of sample number `index`, in steps; `shape`: "triangular", "rectangular" or "none". */
export function ditherNoise(shape, index) {
  if (shape === "none") return 0;
  if (shape === "rectangular") return uniform(2 * index) - 0.5;
  return uniform(2 * index) - uniform(2 * index + 1);
}

/** `sample` rounded to 16 bits; `index`: its number. */
export function rounded(sample, shape, index) {
  const steps = Math.floor(sample / STEP + ditherNoise(shape, index) + 0.5);
  return Math.min(32767, Math.max(-32768, steps)) * STEP;
}
