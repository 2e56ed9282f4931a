/**
 * Converts to another sample rate, and to 16 bits: orch/audio/stages/resample.py, where the equations are.
 *
 * Output n stands for the instant n / output rate: there is no delay, only `latency` samples of input that must arrive
 * before it is known. N samples of input give ceil(N·L/M) after `flush`.
 */

import { ATTENUATION } from "./bounds.js";
import { rounded } from "./dither.js";
import { gcd, kaiserBeta, phaseTable, transitionWidth } from "./windowed-sinc.js";

const MOST_PHASES = 1024;

export class ResampleKernel {
  #up;
  #down;
  #half;
  #table = null;
  #phases = 0;
  /** The input that later output needs, at the beginning of a buffer that grows with the blocks. */
  #history;
  #held;
  #first;
  #received = 0;
  #produced = 0;
  #out = new Float32Array(128);

  constructor(parameters, sampleRate) {
    const { targetRate, antiAlias, filterOrder, quality } = parameters;
    this.parameters = parameters;
    const divisor = gcd(sampleRate, targetRate);
    this.#up = targetRate / divisor;
    this.#down = sampleRate / divisor;
    const stretch = Math.max(1, this.#down / this.#up);
    if (this.#up === this.#down) this.#half = 0;
    else if (antiAlias) {
      this.#half = Math.ceil((filterOrder * stretch) / 2);
      this.#phases = Math.min(this.#up, MOST_PHASES);
      const attenuation = ATTENUATION[quality];
      const cutoff = (1 - transitionWidth(attenuation, filterOrder)) / stretch;
      const rows = phaseTable(this.#phases, this.#half, cutoff, kaiserBeta(attenuation));
      // One more row behind the last, for interpolating between phases: the next sample's first.
      const taps = 2 * this.#half;
      this.#table = new Float64Array(rows.length + taps);
      this.#table.set(rows);
      this.#table.set(rows.subarray(0, taps - 1), rows.length + 1);
    } else this.#half = 1;
    this.#held = Math.max(0, this.#half - 1);
    this.#first = Math.min(0, 1 - this.#half);
    this.#history = new Float32Array(this.#held + 4 * this.#half + 4096);
  }

  /** Samples of input after an output's instant that must arrive before it is known. */
  get latency() {
    return this.#half;
  }

  /** No gain changes here. */
  get reduction() {
    return 0;
  }

  /** Continue from a kernel with the same rates and filter; only the dither may differ. */
  adopt(other) {
    this.#history = other.#history.slice();
    this.#held = other.#held;
    this.#first = other.#first;
    this.#received = other.#received;
    this.#produced = other.#produced;
  }

  /** The output that no later input changes; valid until the next call. */
  process(block) {
    this.#received += block.length;
    if (this.#half === 0) return this.#copied(block);
    this.#append(block, block.length);
    const certain = Math.ceil(((this.#received - this.#half) * this.#up) / this.#down);
    return this.#until(Math.max(certain, this.#produced));
  }

  /** The rest: the signal is silent from here on. */
  flush() {
    if (this.#half === 0) return new Float32Array(0);
    this.#append(null, 2 * this.#half);
    return this.#until(Math.ceil((this.#received * this.#up) / this.#down));
  }

  #append(block, count) {
    if (this.#held + count > this.#history.length) {
      const larger = new Float32Array(2 * (this.#held + count));
      larger.set(this.#history.subarray(0, this.#held));
      this.#history = larger;
    }
    if (block) this.#history.set(block, this.#held);
    else this.#history.fill(0, this.#held, this.#held + count);
    this.#held += count;
  }

  #copied(block) {
    const out = this.#room(block.length);
    for (let index = 0; index < out.length; index += 1) out[index] = this.#finished(block[index], this.#produced + index);
    this.#produced += out.length;
    return out;
  }

  #room(count) {
    if (this.#out.length < count) this.#out = new Float32Array(2 * count);
    return this.#out.subarray(0, count);
  }

  #until(until) {
    const out = this.#room(Math.max(0, until - this.#produced));
    for (let index = 0; index < out.length; index += 1) {
      const position = (this.#produced + index) * this.#down;
      const whole = Math.floor(position / this.#up);
      const begin = whole - this.#half + 1 - this.#first;
      out[index] = this.#finished(this.#interpolated(begin, position - whole * this.#up), this.#produced + index);
    }
    this.#produced += out.length;
    const needed = Math.floor((this.#produced * this.#down) / this.#up) - this.#half + 1;
    const used = Math.min(Math.max(0, needed - this.#first), this.#held);
    this.#history.copyWithin(0, used, this.#held);
    this.#held -= used;
    this.#first += used;
    return out;
  }

  #interpolated(begin, phase) {
    if (!this.#table) {
      const share = phase / this.#up;
      return this.#history[begin] * (1 - share) + this.#history[begin + 1] * share;
    }
    if (this.#up === this.#phases) return this.#sum(begin, phase);
    const at = phase * (MOST_PHASES / this.#up);
    const row = Math.floor(at);
    const left = this.#sum(begin, row);
    return left + (at - row) * (this.#sum(begin, row + 1) - left);
  }

  #sum(begin, row) {
    const taps = 2 * this.#half;
    const from = row * taps;
    const history = this.#history;
    const table = this.#table;
    // Two sums, so that one addition need not wait for the other.
    let even = 0;
    let odd = 0;
    for (let tap = 0; tap < taps; tap += 2) {
      even += history[begin + tap] * table[from + tap];
      odd += history[begin + tap + 1] * table[from + tap + 1];
    }
    return even + odd;
  }

  #finished(sample, index) {
    const { dithering, ditherType } = this.parameters;
    return dithering ? rounded(sample, ditherType, index) : sample;
  }
}
