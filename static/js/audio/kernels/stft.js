/**
 * The short-time Fourier transform of a stream, and back: orch/audio/stages/stft.py, where the equations are.
 *
 * Frames lie on a grid that is counted from the first sample, so the sizes of blocks never change the output, which
 * is `frame` samples late. Unchanged spectra return the signal itself.
 */

import { RealFft } from "./fft.js";

const FRAME_SECONDS = 0.032;

export class Stft {
  #fft;
  #history;
  #sums;
  #position = 0;
  #padded;
  #frameOut;
  #output = new Float32Array(128);

  /** `frame` samples, one every `hop`, which divides it; zero-padded to the next power of two. */
  constructor(frame, hop) {
    if (!(hop >= 1) || frame % hop !== 0 || frame < 2 * hop) throw new RangeError(`A frame is two hops or more, not ${frame} and ${hop} samples.`);
    this.frame = frame;
    this.hop = hop;
    this.size = 2 ** Math.ceil(Math.log2(frame));
    this.latency = frame;
    this.bins = this.size / 2 + 1;
    this.re = new Float64Array(this.bins);
    this.im = new Float64Array(this.bins);
    this.window = Float64Array.from({ length: frame }, (_, index) => Math.sin((Math.PI * index) / frame));
    this.synthesisWindow = this.window.map((value, index) => {
      let sum = 0;
      for (let at = index % hop; at < frame; at += hop) sum += this.window[at] ** 2;
      return value / sum;
    });
    this.#fft = new RealFft(this.size);
    this.#history = new Float64Array(frame);
    this.#sums = new Float64Array(frame + hop);
    this.#padded = new Float64Array(this.size);
    this.#frameOut = new Float64Array(this.size);
  }

  /** Frames of about `seconds` at `rate` Hz, each sample in `overlap` of them. */
  static ofRate(rate, overlap = 2, seconds = FRAME_SECONDS) {
    const hop = Math.max(1, Math.round((rate * seconds) / overlap));
    return new Stft(hop * overlap, hop);
  }

  /** The frequency of each bin in Hz. */
  frequencies(rate) {
    return Float64Array.from({ length: this.bins }, (_, index) => (index * rate) / this.size);
  }

  /** Continue the state of another one of the same lengths. */
  adopt(other) {
    this.#history.set(other.#history);
    this.#sums.set(other.#sums);
    this.#position = other.#position;
  }

  /**
   * As many samples as `block` has, `latency` late. `transform(re, im, filled)` is called for each frame that ends in
   * the block, and changes its spectrum in place; `filled`: samples of the block that were read by then. The returned
   * array is used again by the next call.
   */
  process(block, transform) {
    if (this.#output.length !== block.length) this.#output = new Float32Array(block.length);
    const output = this.#output;
    const history = this.#history;
    const sums = this.#sums;
    const { frame, hop } = this;
    for (let taken = 0; taken < block.length; ) {
      const position = this.#position;
      const begin = frame - hop + position;
      const count = Math.min(hop - position, block.length - taken);
      for (let index = 0; index < count; index += 1) {
        history[begin + index] = block[taken + index];
        output[taken + index] = sums[position + index];
      }
      this.#position = position + count;
      taken += count;
      if (this.#position === hop) this.#next(transform, taken);
    }
    return output;
  }

  #next(transform, filled) {
    const { frame, hop, window, synthesisWindow } = this;
    const [history, padded, sums, out] = [this.#history, this.#padded, this.#sums, this.#frameOut];
    for (let index = 0; index < frame; index += 1) padded[index] = history[index] * window[index];
    this.#history.copyWithin(0, hop);
    this.#fft.forward(this.#padded, this.re, this.im);
    transform(this.re, this.im, filled);
    this.#fft.inverse(this.re, this.im, this.#frameOut);
    this.#sums.copyWithin(0, hop);
    this.#sums.fill(0, frame);
    for (let index = 0; index < frame; index += 1) sums[index] += out[index] * synthesisWindow[index];
    this.#position = 0;
  }
}
