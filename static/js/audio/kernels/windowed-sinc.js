/**
 * The filter of sample-rate conversion: a sinc in a Kaiser window, in phases (orch/audio/windowed_sinc.py).
 *
 *     h(t) = 2f·sinc(2f·t)·I0(β·√(1 − (t/T)²)) / I0(β),   |t| ≤ T
 *
 * Kaiser's formulas give β and the width of the transition from the attenuation in dB.
 */

export function gcd(a, b) {
  return b === 0 ? a : gcd(b, a % b);
}

/** The modified Bessel function of the first kind, order 0, by its power series. */
function bessel0(x) {
  let term = 1;
  let sum = 1;
  for (let k = 1; term > sum * 1e-17; k += 1) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

/** β for a stop band that is `attenuation` dB down, more than 50. */
export const kaiserBeta = (attenuation) => 0.1102 * (attenuation - 8.7);

/** The width between pass band and stop band of a filter of `taps` samples, in cycles a sample. */
export const transitionWidth = (attenuation, taps) => (attenuation - 7.95) / (14.36 * taps);

/**
 * One row a phase, `half` samples on each side; `cutoff` is a share of half the input's rate. Row p interpolates
 * p/phases behind a sample. Each row sums to 1, so that a constant stays that constant.
 */
export function phaseTable(phases, half, cutoff, beta, Numbers = Float64Array) {
  const taps = 2 * half;
  const table = new Numbers(phases * taps);
  const row = new Float64Array(taps);
  for (let phase = 0; phase < phases; phase += 1) {
    let sum = 0;
    for (let tap = 0; tap < taps; tap += 1) {
      const time = phase / phases + half - 1 - tap;
      const inside = Math.max(0, 1 - (time / half) ** 2);
      const x = Math.PI * cutoff * time;
      row[tap] = (x === 0 ? 1 : Math.sin(x) / x) * bessel0(beta * Math.sqrt(inside));
      sum += row[tap];
    }
    for (let tap = 0; tap < taps; tap += 1) table[phase * taps + tap] = row[tap] / sum;
  }
  return table;
}
