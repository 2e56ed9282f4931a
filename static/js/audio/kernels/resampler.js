/**
 * Sample-rate conversion by a rational factor, block by block: y = lowpass(x), read at the new rate.
 *
 * The output at index n stands at input time n·M/L (L/M is the ratio in lowest terms). It is the windowed-sinc
 * interpolation
 *     y[n] = Σ_k x[k] · h(n·M/L − k),   h(t) = 2f·sinc(2f·t)·kaiser(t/T)
 * with the cutoff f (cycles per input sample) centred in the transition band below half of the lower rate, so
 * that everything which would alias is at least 80 dB down. h is kept for each of the L phases, each set of taps
 * scaled to a gain of 1 at 0 Hz.
 *
 * Input is float32, output float32. The block size does not change the output; `flush` returns the last half
 * filter, after which N input samples have given ceil(N·L/M) output samples: none lost, none doubled. Before the first and after
 * the last sample the signal counts as silent.
 */

import { gcd, kaiserBeta, phaseTable, transitionWidth } from "./windowed-sinc.js";

/** Stop-band attenuation, dB. */
const ATTENUATION = 80;
/** The pass band ends at this share of half the lower rate; the stop band begins at all of it. */
const PASS = 0.9;

/** Taps for every phase: `half` input samples on each side. */
function design(up, down) {
  const scale = Math.min(1, up / down);
  const transition = ((1 - PASS) * scale) / 2;
  const cutoff = (((1 + PASS) / 2) * scale) / 2;
  const half = Math.ceil(transitionWidth(ATTENUATION, 1) / transition / 2);
  const taps = 2 * half;
  const table = phaseTable(up, half, 2 * cutoff, kaiserBeta(ATTENUATION), Float32Array);
  return { table, half, taps };
}

export class Resampler {
  #up;
  #down;
  #table;
  #half;
  #taps;
  /** Input that later output still needs; its first sample is number `#first` of the stream. */
  #history;
  #first;
  #received = 0;
  #produced = 0;

  /** Rates in Hz, whole numbers. */
  constructor(inputRate, outputRate) {
    const divisor = gcd(inputRate, outputRate);
    this.#up = outputRate / divisor;
    this.#down = inputRate / divisor;
    const { table, half, taps } = design(this.#up, this.#down);
    this.#table = table;
    this.#half = half;
    this.#taps = taps;
    this.#history = new Float32Array(half - 1);
    this.#first = 1 - half;
  }

  /** Samples of input that the filter looks ahead. */
  get lookahead() {
    return this.#half;
  }

  /** Process a block of any length; returns the output that no later input changes. */
  process(block) {
    this.#append(block);
    this.#received += block.length;
    return this.#produce(Infinity);
  }

  /** End the stream: returns the rest of the output. The next `process` begins a new stream. */
  flush() {
    const total = Math.ceil((this.#received * this.#up) / this.#down);
    this.#append(new Float32Array(this.#taps));
    const rest = this.#produce(total);
    this.#history = new Float32Array(this.#half - 1);
    this.#first = 1 - this.#half;
    this.#received = 0;
    this.#produced = 0;
    return rest;
  }

  #append(block) {
    const joined = new Float32Array(this.#history.length + block.length);
    joined.set(this.#history);
    joined.set(block, this.#history.length);
    this.#history = joined;
  }

  #produce(limit) {
    const end = this.#first + this.#history.length;
    // Output n needs input up to floor(n·M/L) + half.
    const certain = Math.ceil(((end - this.#half) * this.#up) / this.#down);
    const until = Math.min(limit, Math.max(this.#produced, certain));
    const out = new Float32Array(Math.max(0, until - this.#produced));
    for (let index = 0; index < out.length; index += 1) {
      const position = (this.#produced + index) * this.#down;
      const begin = Math.floor(position / this.#up) - this.#half + 1 - this.#first;
      const phase = (position % this.#up) * this.#taps;
      let sum = 0;
      for (let tap = 0; tap < this.#taps; tap += 1) sum += this.#history[begin + tap] * this.#table[phase + tap];
      out[index] = sum;
    }
    this.#produced += out.length;
    const needed = Math.floor((this.#produced * this.#down) / this.#up) - this.#half + 1;
    const drop = Math.min(this.#history.length, needed - this.#first);
    if (drop > 0) {
      this.#history = this.#history.slice(drop);
      this.#first += drop;
    }
    return out;
  }
}
