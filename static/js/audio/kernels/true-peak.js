/** Interpolation between samples for true peaks; the twin of TruePeakFilter in orch/audio/loudness.py. */

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

/** By how much true peak is oversampled: 4 at 48 kHz, 12 at 16 kHz. */
export const oversampling = (sampleRate) => Math.max(4, Math.ceil(192_000 / sampleRate));

export class TruePeakFilter {
  /** `half`: samples of input on each side of an output that it needs. */
  constructor(sampleRate, half = 12) {
    this.factor = oversampling(sampleRate);
    this.half = half;
    const count = 2 * half * this.factor + 1;
    const taps = new Float64Array(count);
    const cutoff = 1 / this.factor;
    let sum = 0;
    for (let index = 0; index < count; index += 1) {
      const m = index - (count - 1) / 2;
      const sinc = m === 0 ? 1 : Math.sin(Math.PI * cutoff * m) / (Math.PI * cutoff * m);
      const window = bessel0(7 * Math.sqrt(Math.max(0, 1 - ((2 * index) / (count - 1) - 1) ** 2))) / bessel0(7);
      taps[index] = cutoff * sinc * window;
      sum += taps[index];
    }
    for (let index = 0; index < count; index += 1) taps[index] *= this.factor / sum;
    /** For each phase, its taps in the order of the input that they meet: newest first. */
    this.phases = Array.from({ length: this.factor }, (_, phase) => taps.filter((__, index) => index % this.factor === phase));
    /** The most by which a peak between samples can exceed the highest sample. */
    this.gain = Math.max(...this.phases.map((phase) => phase.reduce((total, tap) => total + Math.abs(tap), 0)));
  }

  /** The highest magnitude between the samples `begin` and `end` of `samples`, which has `half` more on each side. */
  peak(samples, begin, end) {
    let most = 0;
    for (let at = begin + this.half; at < end + this.half; at += 1) {
      for (const taps of this.phases) {
        let sum = 0;
        for (let tap = 0; tap < taps.length; tap += 1) sum += taps[tap] * (samples[at - tap] ?? 0);
        const value = Math.abs(sum);
        if (value > most) most = value;
      }
    }
    return most;
  }
}
