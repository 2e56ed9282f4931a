/** Levels of a stream: RMS, peak, crest factor and clipped samples. 0 dBFS is a magnitude of 1. */

/** A magnitude from which a sample counts as clipped. */
export const CLIPPED_AT = 0.99;
/** RMS is that of the last so many seconds. */
const RMS_SECONDS = 0.3;
const PARTS = 30;

/** A factor in dB; null for none. */
export const decibels = (gain) => (gain > 0 ? 20 * Math.log10(gain) : null);

export class LevelMeter {
  #partLength;
  #squares = new Float64Array(PARTS);
  #filled = 0;
  #at = 0;
  #sum = 0;
  #count = 0;
  #total = 0;

  constructor(sampleRate) {
    this.#partLength = Math.max(1, Math.round((sampleRate * RMS_SECONDS) / PARTS));
    /** The highest magnitude since the start; of the last block. */
    this.peak = 0;
    this.blockPeak = 0;
    /** Samples at or above CLIPPED_AT since the start, and all samples. */
    this.clipped = 0;
    this.samples = 0;
  }

  add(block) {
    this.blockPeak = 0;
    for (let n = 0; n < block.length; n += 1) {
      const magnitude = Math.abs(block[n]);
      if (magnitude > this.blockPeak) this.blockPeak = magnitude;
      if (magnitude >= CLIPPED_AT) this.clipped += 1;
      this.#sum += magnitude * magnitude;
      this.#total += magnitude * magnitude;
      this.#count += 1;
      if (this.#count === this.#partLength) this.#next();
    }
    this.peak = Math.max(this.peak, this.blockPeak);
    this.samples += block.length;
  }

  #next() {
    this.#squares[this.#at] = this.#sum / this.#partLength;
    this.#at = (this.#at + 1) % PARTS;
    this.#filled = Math.min(PARTS, this.#filled + 1);
    this.#sum = 0;
    this.#count = 0;
  }

  /** The RMS of the last 300 ms in dBFS; null for silence and before 10 ms. */
  get rmsDb() {
    if (this.#filled === 0) return null;
    let sum = 0;
    for (let part = 0; part < this.#filled; part += 1) sum += this.#squares[part];
    return decibels(Math.sqrt(sum / this.#filled));
  }

  /** The RMS of everything in dBFS, or null. */
  get totalRmsDb() {
    return this.samples === 0 ? null : decibels(Math.sqrt(this.#total / this.samples));
  }

  /** Peak over RMS of everything in dB, or null: 3.01 for a sine. */
  get crestFactorDb() {
    const rms = this.totalRmsDb;
    return rms === null ? null : decibels(this.peak) - rms;
  }
}
