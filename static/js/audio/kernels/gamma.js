/** The regularised lower incomplete gamma function P(a, x), and its inverse: Press et al., Numerical Recipes, 6.2. */

const LANCZOS = [76.18009172947146, -86.50532032941677, 24.01409824083091, -1.231739572450155, 0.1208650973866179e-2, -0.5395239384953e-5];
const ENOUGH = 1e-15;

/** log Γ(a), a > 0. */
function logGamma(a) {
  // The approximation is at its best for large arguments.
  if (a < 40) return logGamma(a + 1) - Math.log(a);
  const base = a + 5.5 - (a + 0.5) * Math.log(a + 5.5);
  const series = LANCZOS.reduce((sum, factor, index) => sum + factor / (a + 1 + index), 1.000000000190015);
  return -base + Math.log((2.5066282746310005 * series) / a);
}

/** P(a, x) = γ(a, x) / Γ(a). */
function lowerGamma(a, x) {
  if (x <= 0) return 0;
  const scale = Math.exp(a * Math.log(x) - x - logGamma(a));
  if (x < a + 1) {
    let term = 1 / a;
    let sum = term;
    for (let n = 1; Math.abs(term) > ENOUGH * sum; n += 1) {
      term *= x / (a + n);
      sum += term;
    }
    return scale * sum;
  }
  // Lentz's continued fraction of 1 − P.
  let b = x + 1 - a;
  let c = 1e300;
  let d = 1 / b;
  let fraction = d;
  for (let n = 1; n < 500; n += 1) {
    const an = -n * (n - a);
    b += 2;
    d = 1 / (an * d + b);
    c = b + an / c;
    fraction *= d * c;
    if (Math.abs(d * c - 1) < ENOUGH) break;
  }
  return 1 - scale * fraction;
}

/** x with P(a, x) = `share`, between 0 and 1. */
export function inverseLowerGamma(a, share) {
  let [low, high] = [0, a + 10 * Math.sqrt(a) + 10];
  while (high - low > 1e-13 * high) {
    const middle = (low + high) / 2;
    if (middle === low || middle === high) break;
    if (lowerGamma(a, middle) < share) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
