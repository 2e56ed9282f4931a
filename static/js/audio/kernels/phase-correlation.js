/**
 * The correlation of two channels over time; the twin of orch/audio/analysis.py.
 *
 *     r = Σ l·r / √(Σ l² · Σ r²)        1: the same, 0: nothing in common, −1: opposite; they cancel each other
 */

/** Seconds that the present value remembers (time constant). */
const MEMORY = 0.3;

/** From Σ l·r, Σ l² and Σ r²; null where a channel is silent. */
const ratio = ([between, left, right]) => (left * right > 0 ? Math.max(-1, Math.min(1, between / Math.sqrt(left * right))) : null);

export class PhaseCorrelation {
  #sampleRate;
  #mixed;
  #channels = null;
  #whole = new Float64Array(3);
  #recent = new Float64Array(3);

  /** `mixed`: how many channels the only one is the mixture of; null: of none. */
  constructor(sampleRate, mixed = null) {
    this.#sampleRate = sampleRate;
    this.#mixed = mixed;
  }

  /** The next samples of each channel. */
  add(channels) {
    this.#channels = this.#mixed ?? channels.length;
    if (channels.length !== 2) return;
    const [first, second] = channels;
    const sums = [0, 0, 0];
    for (let n = 0; n < first.length; n += 1) {
      sums[0] += first[n] * second[n];
      sums[1] += first[n] * first[n];
      sums[2] += second[n] * second[n];
    }
    const kept = Math.exp(-first.length / (MEMORY * this.#sampleRate));
    sums.forEach((sum, index) => {
      this.#whole[index] += sum;
      this.#recent[index] = kept * this.#recent[index] + sum;
    });
  }

  /**
   * {channels, whole, now, silent: how many of two channels are, reason: why there is none, or ""}; null before any
   * sound.
   */
  get value() {
    if (this.#channels === null) return null;
    if (this.#channels !== 2) return { channels: this.#channels, whole: null, now: null, silent: 0, reason: `it is defined for two channels; there are ${this.#channels}` };
    const whole = ratio(this.#whole);
    const silent = [this.#whole[1], this.#whole[2]].filter((power) => power === 0).length;
    return { channels: 2, whole, now: ratio(this.#recent), silent, reason: whole === null ? "a channel is silent" : "" };
  }
}
