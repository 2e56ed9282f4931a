/**
 * A stream as columns of levels in bands of equal width on a logarithmic axis, one column every `hop` samples.
 * A level is a byte: 0 is −120 dBFS or less, and each step is half a decibel.
 */

import { LogBands } from "./frequency-axis.js";
import { SpectrumAnalyser } from "./spectrum.js";

const LOWEST_DB = -120;
const STEP_DB = 0.5;

/** A level in dBFS as a byte, and back. */
export const levelByte = (level) => Math.max(0, Math.min(255, Math.round((level - LOWEST_DB) / STEP_DB)));
export const byteLevel = (byte) => LOWEST_DB + byte * STEP_DB;

export class Spectrogram {
  #analyser;
  #bands;
  #levels;
  #collected;
  #history;
  #hop;
  #until;

  /** `axis`: a FrequencyAxis; `bands`: values in a column. */
  constructor({ size, window, sampleRate, axis, bands, hop }) {
    this.#analyser = new SpectrumAnalyser(size, window, sampleRate);
    this.#bands = new LogBands(axis, bands, this.#analyser.bins, this.#analyser.binWidth);
    this.#levels = new Float32Array(this.#analyser.bins);
    this.#collected = new Float32Array(bands);
    this.#history = new Float32Array(size);
    this.#hop = hop;
    this.#until = hop;
    this.bands = bands;
  }

  /** Take in samples; returns the columns that they completed, one after the other. */
  add(block) {
    const { size } = this.#analyser;
    const columns = [];
    for (let taken = 0; taken < block.length; ) {
      const count = Math.min(this.#until, block.length - taken, size);
      this.#history.copyWithin(0, count);
      this.#history.set(block.subarray(taken, taken + count), size - count);
      taken += count;
      this.#until -= count;
      if (this.#until === 0) {
        this.#until = this.#hop;
        this.#bands.collect(this.#analyser.levels(this.#history, this.#levels), this.#collected);
        columns.push(...this.#collected.map(levelByte));
      }
    }
    return Uint8Array.from(columns);
  }
}
