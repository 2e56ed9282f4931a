/** The gain of the log-spectral amplitude estimator, from a table: orch/audio/stages/log_mmse.py. */

const EULER = 0.5772156649015329;
const STEPS = 64;
const ENTRIES = 6 * STEPS + 1;

/** The exponential integral E₁ of a positive number: series up to 1, continued fraction (Lentz) above. */
export function exponentialIntegral(x) {
  if (x <= 1) {
    let sum = -EULER - Math.log(x);
    for (let k = 1, term = 1; k < 30; k += 1) {
      term *= -x / k;
      sum -= term / k;
    }
    return sum;
  }
  let b = x + 1;
  let c = Infinity;
  let d = 1 / b;
  let fraction = d;
  for (let k = 1; k < 200; k += 1) {
    const a = -k * k;
    b += 2;
    d = 1 / (a * d + b);
    c = b + a / c;
    fraction *= c * d;
  }
  return fraction * Math.exp(-x);
}

/** √v · exp(½ E₁(v)) over √v, in steps of 1/64. */
const GAINS = Float64Array.from({ length: ENTRIES }, (_, index) => {
  if (index === 0) return Math.exp(-EULER / 2);
  const root = index / STEPS;
  return root * Math.exp(exponentialIntegral(root * root) / 2);
});

/** The gain, at most 1, for `share` ξ/(1+ξ) and `v` share times γ. */
export function logMmse(share, v) {
  const root = Math.sqrt(v);
  const at = root * STEPS;
  const entry = Math.min(Math.trunc(at), ENTRIES - 2);
  const product = GAINS[entry] + (at - entry) * (GAINS[entry + 1] - GAINS[entry]);
  return Math.min((share * product) / Math.max(root, 1e-6), 1);
}
