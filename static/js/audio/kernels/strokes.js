/**
 * Lowers strokes of keys and other clicks to what is around them: orch/audio/stages/strokes.py, where the equations
 * are. Without strokes the output is the input itself, late.
 */

import { Stft } from "./stft.js";

const HOP_SECONDS = 0.004;
const AROUND = 8;
const FRAMES = 2 * AROUND + 1;
const QUANTILE = 6;
const BAND = [1500, 7000];
const CERTAINTY = [12, 15];
const NOTHING = 1e-8;

/** The value of which `QUANTILE` others are smaller; sorts `values` in place. */
function usualOf(values) {
  for (let index = 1; index < FRAMES; index += 1) {
    const value = values[index];
    let to = index;
    for (; to > 0 && values[to - 1] > value; to -= 1) values[to] = values[to - 1];
    values[to] = value;
  }
  return values[QUANTILE];
}

export class StrokeFilter {
  #floor;
  #stft;
  #band;
  #re;
  #im;
  #levels = new Float64Array(FRAMES).fill(Infinity);
  #newest = 0;
  #scratch = new Float64Array(FRAMES);
  #delayed;
  #at = 0;
  #replace;

  constructor(sampleRate, floor) {
    const hop = Math.max(1, Math.round(sampleRate * HOP_SECONDS));
    this.#stft = new Stft(4 * hop, hop);
    const { bins, size } = this.#stft;
    this.#band = BAND.map((hertz) => Math.min(Math.round((hertz * size) / sampleRate), bins - 1));
    this.#re = Array.from({ length: FRAMES }, () => new Float64Array(bins));
    this.#im = Array.from({ length: FRAMES }, () => new Float64Array(bins));
    this.latency = this.#stft.latency + AROUND * hop;
    this.#delayed = new Float32Array(this.latency);
    this.#floor = floor;
    this.#replace = (re, im) => this.#next(re, im);
  }

  /** Continue the state of another one at the same rate. */
  adopt(other) {
    this.#stft.adopt(other.#stft);
    for (let index = 0; index < FRAMES; index += 1) {
      this.#re[index].set(other.#re[index]);
      this.#im[index].set(other.#im[index]);
    }
    this.#levels.set(other.#levels);
    this.#newest = other.#newest;
    this.#delayed.set(other.#delayed);
    this.#at = other.#at;
  }

  process(block) {
    const output = this.#stft.process(block, this.#replace);
    for (let index = 0; index < block.length; index += 1) {
      output[index] = this.#delayed[this.#at] - output[index];
      this.#delayed[this.#at] = block[index];
      this.#at = (this.#at + 1) % this.latency;
    }
    return output;
  }

  /** Store a frame, and replace it by what is removed from the one in the middle of those stored. */
  #next(re, im) {
    this.#newest = (this.#newest + 1) % FRAMES;
    this.#re[this.#newest].set(re);
    this.#im[this.#newest].set(im);
    this.#levels[this.#newest] = this.#level(re, im);
    const middle = (this.#newest + FRAMES - AROUND) % FRAMES;
    this.#scratch.set(this.#levels);
    const excess = this.#levels[middle] - usualOf(this.#scratch);
    re.fill(0);
    im.fill(0);
    if (!(excess > CERTAINTY[0] && excess < Infinity)) return;
    const weight = Math.min((excess - CERTAINTY[0]) / (CERTAINTY[1] - CERTAINTY[0]), 1);
    for (let bin = 0; bin < re.length; bin += 1) {
      for (let frame = 0; frame < FRAMES; frame += 1) {
        const isUnknown = this.#levels[frame] === Infinity;
        this.#scratch[frame] = isUnknown ? Infinity : this.#re[frame][bin] ** 2 + this.#im[frame][bin] ** 2 + NOTHING;
      }
      const power = this.#scratch[middle];
      const gain = Math.max(Math.sqrt(Math.min(usualOf(this.#scratch) / power, 1)), this.#floor) ** weight;
      re[bin] = (1 - gain) * this.#re[middle][bin];
      im[bin] = (1 - gain) * this.#im[middle][bin];
    }
  }

  #level(re, im) {
    let sum = 0;
    let most = 0;
    for (let bin = this.#band[0]; bin < this.#band[1]; bin += 1) {
      const power = re[bin] * re[bin] + im[bin] * im[bin];
      most = Math.max(most, power);
      sum += Math.log10(power + NOTHING);
    }
    return most <= NOTHING ? Infinity : (10 * sum) / (this.#band[1] - this.#band[0]);
  }
}
