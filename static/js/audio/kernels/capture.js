/**
 * Converts a microphone's samples to 16-bit mono PCM at 16 kHz in blocks of one length.
 *
 * Channels are averaged, the rate is converted where it differs, samples are rounded and clipped to 16 bits.
 * No sample is lost or doubled: the blocks, and the shorter last one of `flush`, are the whole signal, whatever the
 * size of the input.
 */

import { RATE } from "./rate.js";
import { Resampler } from "./resampler.js";

/** Float samples (1 = full scale) as 16-bit ones. NaN becomes silence rather than a click. */
export function toInt16(samples) {
  const out = new Int16Array(samples.length);
  for (let index = 0; index < samples.length; index += 1) {
    const value = Math.round(samples[index] * 32_768);
    out[index] = Number.isNaN(value) ? 0 : Math.max(-32_768, Math.min(32_767, value));
  }
  return out;
}

/** The average of the channels, as a new array. */
export function mix(channels) {
  const out = Float32Array.from(channels[0]);
  for (const channel of channels.slice(1)) for (let index = 0; index < out.length; index += 1) out[index] += channel[index];
  if (channels.length > 1) for (let index = 0; index < out.length; index += 1) out[index] /= channels.length;
  return out;
}

export class CaptureKernel {
  #resampler;
  #block;
  #filled = 0;

  /** `inputRate` in Hz; `blockMs` 20–100: shorter costs frames, longer costs delay. */
  constructor({ inputRate, blockMs = 40 }) {
    if (!(blockMs >= 20 && blockMs <= 100)) throw new RangeError(`A block is 20–100 ms long, not ${blockMs}.`);
    this.#resampler = inputRate === RATE ? null : new Resampler(inputRate, RATE);
    this.#block = new Int16Array((RATE * blockMs) / 1000);
  }

  /** Channels of equal length (float32). Returns the full blocks, Int16Array each. */
  process(channels) {
    if (channels.length === 0 || channels[0].length === 0) return [];
    const mono = mix(channels);
    return this.#frame(toInt16(this.#resampler ? this.#resampler.process(mono) : mono));
  }

  /** End the signal: returns the remaining blocks, the last one shorter. The next `process` begins a new signal. */
  flush() {
    const blocks = this.#resampler ? this.#frame(toInt16(this.#resampler.flush())) : [];
    if (this.#filled > 0) blocks.push(this.#block.slice(0, this.#filled));
    this.#filled = 0;
    return blocks;
  }

  #frame(samples) {
    const blocks = [];
    let taken = 0;
    while (taken < samples.length) {
      const count = Math.min(samples.length - taken, this.#block.length - this.#filled);
      this.#block.set(samples.subarray(taken, taken + count), this.#filled);
      this.#filled += count;
      taken += count;
      if (this.#filled === this.#block.length) {
        blocks.push(this.#block.slice());
        this.#filled = 0;
      }
    }
    return blocks;
  }
}
