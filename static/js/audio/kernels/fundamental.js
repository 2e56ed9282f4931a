/**
 * Measures the fundamental frequency and the harmonicity of frames: autocorrelation of a windowed frame divided by that
 * of its window (Boersma 1993). The equations, their source and the constants are those of orch/audio/fundamental.py.
 */

import { RealFft } from "./fft.js";

/** Seconds of a frame: three periods of 75 Hz. */
export const FRAME = 0.04;
/** Hz; from BEND on, lines count less. */
const TOP = 2600;
const BEND = 1600;
const OCTAVE_COST = 0.1;
/** Power that is no sound: of 16 bits' rounding, per sample. */
const NOTHING = 1e-10;
/** The lags of the inverse transform are as close as at this rate, at least. */
const LAG_RATE = 8000;

const raisedCosine = (share) => 0.5 - 0.5 * Math.cos(Math.PI * Math.min(1, Math.max(0, share)));
const powerOfTwoAbove = (number) => 2 ** (Math.floor(Math.log2(number)) + 1);

export class FundamentalFinder {
  #fft;
  #inverse;
  #input;
  #re;
  #im;
  #weighted;
  #zeros;
  #products;
  #r;
  #correction;
  #cost;

  /**
   * `sampleRate`, `lowest`, `highest` in Hz; `frame` in samples; `sizeFor`: the lowest frequency that the transform is
   * long enough for. Everything is allocated here.
   */
  constructor(sampleRate, { lowest, highest, frame = Math.round(sampleRate * FRAME), sizeFor = lowest }) {
    this.frame = frame;
    this.window = Float64Array.from({ length: frame }, (_, index) => 0.5 - 0.5 * Math.cos((2 * Math.PI * (index + 0.5)) / frame));
    // Aliases of the circular correlation stay beyond the longest lag.
    this.size = powerOfTwoAbove(frame + Math.ceil(sampleRate / sizeFor) + 1);
    const spacing = sampleRate / this.size;
    this.lines = powerOfTwoAbove(Math.ceil(LAG_RATE / 2 / spacing - 1));
    this.lagRate = 2 * this.lines * spacing;
    this.first = Math.max(2, Math.ceil(this.lagRate / highest));
    this.last = Math.min(Math.floor(this.lagRate / lowest), this.lines - 2);
    this.#fft = new RealFft(this.size);
    this.#inverse = new RealFft(2 * this.lines);
    this.#input = new Float64Array(this.size);
    this.#re = new Float64Array(this.#fft.bins);
    this.#im = new Float64Array(this.#fft.bins);
    this.power = new Float64Array(this.#fft.bins);
    this.#weighted = new Float64Array(this.lines + 1);
    this.#zeros = new Float64Array(this.lines + 1);
    this.#products = new Float64Array(2 * this.lines);
    this.#r = new Float64Array(this.last + 2);
    this.weights = Float64Array.from({ length: this.lines }, (_, line) => {
      const frequency = line * spacing;
      return raisedCosine((frequency - lowest / 4) / (lowest / 4)) * raisedCosine((TOP - frequency) / (TOP - BEND));
    });
    this.#correction = this.#corrections(sampleRate);
    this.#cost = Float64Array.from(this.#r, (_, lag) => OCTAVE_COST * Math.log2(Math.max(lag, 1) / this.first));
    /** Hz; 0 where nothing repeats. */
    this.frequency = 0;
    /** 0 to 1. */
    this.harmonicity = 0;
  }

  /** The window's energy over its autocorrelation, at each lag: linear between the samples' lags. */
  #corrections(sampleRate) {
    this.#input.fill(0);
    this.#input.set(this.window);
    this.#fft.forward(this.#input, this.#re, this.#im);
    for (let line = 0; line < this.#re.length; line += 1) this.#re[line] = this.#re[line] ** 2 + this.#im[line] ** 2;
    this.#im.fill(0);
    const whole = new Float64Array(this.size);
    this.#fft.inverse(this.#re, this.#im, whole);
    this.#input.fill(0);
    return Float64Array.from({ length: this.last + 2 }, (_, lag) => {
      const at = (lag / this.lagRate) * sampleRate;
      const before = Math.min(Math.floor(at), this.size / 2 - 2);
      const between = Math.min(at - before, 1);
      const value = whole[before] + (whole[before + 1] - whole[before]) * between;
      return whole[0] / Math.max(value, whole[0] * 1e-3);
    });
  }

  /** Measure the `frame` samples from `offset` on: sets `power` (of each line), `frequency` and `harmonicity`. */
  measure(samples, offset = 0) {
    this.transform(samples, offset);
    this.search(this.power);
  }

  /** Set `power` to that of each line of the `frame` samples from `offset` on, without their mean. */
  transform(samples, offset) {
    let mean = 0;
    for (let index = 0; index < this.frame; index += 1) mean += samples[offset + index];
    mean /= this.frame;
    for (let index = 0; index < this.frame; index += 1) this.#input[index] = (samples[offset + index] - mean) * this.window[index];
    this.#fft.forward(this.#input, this.#re, this.#im);
    for (let line = 0; line < this.power.length; line += 1) this.power[line] = this.#re[line] ** 2 + this.#im[line] ** 2;
  }

  /** Set `frequency` and `harmonicity` from the power of lines; those above TOP have no weight and may be missing. */
  search(power) {
    const r = this.#r;
    const count = Math.min(power.length, this.lines);
    for (let line = 0; line < count; line += 1) this.#weighted[line] = power[line] * this.weights[line];
    this.#inverse.inverse(this.#weighted, this.#zeros, this.#products);
    const energy = this.#products[0] + (NOTHING * this.frame * this.frame) / (2 * this.lines);
    for (let lag = this.first - 1; lag < r.length; lag += 1) {
      const value = (this.#products[lag] * this.#correction[lag]) / energy;
      // Sound that swells has more than 1: the more, the less it is a period.
      r[lag] = Math.min(value, 2 - value);
    }
    let best = 0;
    let highest = -Infinity;
    for (let lag = this.first; lag <= this.last; lag += 1) {
      const isPeak = r[lag] > r[lag - 1] && r[lag] >= r[lag + 1] && r[lag] > 0;
      if (!isPeak || r[lag] - this.#cost[lag] <= highest) continue;
      best = lag;
      highest = r[lag] - this.#cost[lag];
    }
    this.frequency = 0;
    this.harmonicity = 0;
    if (best === 0) return;
    // The vertex of the parabola through the three points.
    const shift = (0.5 * (r[best - 1] - r[best + 1])) / (r[best - 1] - 2 * r[best] + r[best + 1]);
    this.frequency = this.lagRate / (best + shift);
    this.harmonicity = Math.min(1, Math.max(0, r[best] - 0.25 * (r[best - 1] - r[best + 1]) * shift));
  }
}
