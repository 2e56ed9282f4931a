/** The gain of the log-spectral amplitude estimator: orch/audio/stages/log_mmse.py, where the equations are. */

const LIMIT = Math.exp(-0.5772156649015329);

/** G² · γ, at most γ, for `share` ξ/(1+ξ), γ and `v` share times γ. */
export function estimated(share, ratio, v) {
  return Math.min(share * (v + LIMIT * Math.exp((v * -0.035 - 0.79) * v)), ratio);
}
