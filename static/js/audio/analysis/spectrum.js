/**
 * Spectra in dBFS: a sine of full scale that lies on a bin has 0 dBFS there, whatever the window.
 *
 *     level[b] = 20 log10( c |X[b]| / (N g) ),  c = 2, and 1 for the first and the last bin; g: coherent gain
 */

import { RealFft } from "../kernels/fft.js";
import { makeWindow } from "./windows.js";

/** What is below counts as nothing (dBFS). */
export const FLOOR_DB = -160;
const FAINTEST = 10 ** (FLOOR_DB / 20);

export class SpectrumAnalyser {
  #fft;
  #window;
  #scratch;
  #re;
  #im;

  /** `size` samples, a power of two; `window`: a name of WINDOWS. */
  constructor(size, window, sampleRate) {
    this.size = size;
    this.sampleRate = sampleRate;
    this.bins = size / 2 + 1;
    this.#fft = new RealFft(size);
    this.#window = makeWindow(window, size);
    this.#scratch = new Float64Array(size);
    this.#re = new Float64Array(this.bins);
    this.#im = new Float64Array(this.bins);
  }

  /** The distance between bins in Hz. */
  get binWidth() {
    return this.sampleRate / this.size;
  }

  /** The equivalent noise bandwidth in bins. */
  get bandwidthBins() {
    return this.#window.bandwidth;
  }

  /** The equivalent noise bandwidth in Hz. */
  get bandwidth() {
    return this.#window.bandwidth * this.binWidth;
  }

  /** The levels (dBFS) of `size` samples into `levels` (`bins` numbers), which it returns. */
  levels(samples, levels = new Float32Array(this.bins)) {
    const { values, gain } = this.#window;
    for (let n = 0; n < this.size; n += 1) this.#scratch[n] = samples[n] * values[n];
    this.#fft.forward(this.#scratch, this.#re, this.#im);
    const scale = 1 / (this.size * gain);
    for (let bin = 0; bin < this.bins; bin += 1) {
      const factor = bin === 0 || bin === this.bins - 1 ? scale : 2 * scale;
      levels[bin] = 20 * Math.log10(Math.max(FAINTEST, factor * Math.hypot(this.#re[bin], this.#im[bin])));
    }
    return levels;
  }
}

/**
 * The strongest bin from `low` Hz on: {frequency, level, bin}, or null where all is below `least` dBFS. The frequency
 * is that of the parabola through the bin's level and its neighbours', so it is more exact than a bin.
 */
export function strongest(levels, binWidth, { low = 20, least = -120 } = {}) {
  let best = Math.max(1, Math.ceil(low / binWidth));
  for (let bin = best; bin < levels.length - 1; bin += 1) if (levels[bin] > levels[best]) best = bin;
  if (best >= levels.length - 1 || !(levels[best] > least)) return null;
  const [before, at, after] = [levels[best - 1], levels[best], levels[best + 1]];
  const curve = before - 2 * at + after;
  const offset = curve < 0 ? Math.max(-0.5, Math.min(0.5, (before - after) / (2 * curve))) : 0;
  return { frequency: (best + offset) * binWidth, level: at - (before - after) * offset * 0.25, bin: best };
}

/** The highest level of each bin; it falls by `fall` dB a second once `hold` seconds have passed. */
export class PeakHold {
  #age;

  constructor(bins, { hold = 2, fall = 12 } = {}) {
    this.levels = new Float32Array(bins).fill(FLOOR_DB);
    this.#age = new Float32Array(bins);
    this.hold = hold;
    this.fall = fall;
  }

  reset() {
    this.levels.fill(FLOOR_DB);
    this.#age.fill(0);
  }

  /** Take in the levels of a spectrum, `elapsed` seconds after the one before. */
  add(levels, elapsed) {
    for (let bin = 0; bin < levels.length; bin += 1) {
      this.#age[bin] += elapsed;
      const fallen = this.#age[bin] > this.hold ? this.levels[bin] - this.fall * elapsed : this.levels[bin];
      if (levels[bin] >= fallen) {
        this.levels[bin] = levels[bin];
        this.#age[bin] = 0;
      } else this.levels[bin] = Math.max(FLOOR_DB, fallen);
    }
    return this.levels;
  }
}
