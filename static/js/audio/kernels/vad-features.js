/**
 * What voice activity detection measures of each frame of 40 ms, every 10 ms: bands against their floors, harmonicity,
 * shape, levels, and their means over time. The twin of orch/audio/stages/vad_features.py, which has the equations.
 */

import { FundamentalFinder } from "./fundamental.js";

const EDGES = [80, 160, 250, 350, 470, 620, 800, 1020, 1300, 1650, 2100, 2650, 3350, 3950, 5500, 7600];
const BANDS = EDGES.length - 1;
/** Hops of a frame. */
export const SPAN = 4;
const PART = 50;
const PARTS = 5;
const GROUPS = [[1, 4], [4, 7], [7, 10], [10, 13], [13, 15]];
const SLOW = 9;
const FIRST_SLOW = BANDS + GROUPS.length + 3;
const INSTANT = FIRST_SLOW + SLOW;
/** Features of a frame. */
export const COUNT = INSTANT + 4 * SLOW;
const MEAN_CHANGE = BANDS + GROUPS.length;
const SHARE = MEAN_CHANGE + 1;
const SPAN_OF_LEVELS = MEAN_CHANGE + 2;
const [HARMONIC, STEADY, MEAN, LOUDEST, UNDER_PEAK, FLUX, UNDER_SUMMIT, ABOVE, OVER_THRESHOLD] = Array.from({ length: SLOW }, (_, index) => FIRST_SLOW + index);

const TOP = 2600;
const NOTHING = 1e-10;
/** Hz: the lowest of the parameter's range, so that the lines are the same for any. */
const LOWEST = 50;
const FEWEST = 3;
const WHITENING = 2;
const SMOOTH_BANDS = 0.7;
const SMOOTH_LINES = 0.85;
const STEADY_OCTAVES = 0.06;
/** The share of the past in the means: three means, then mean and mean square for the deviation. */
const PAST = [0.8, 0.95, 0.99, 0.97, 0.97];
/** Times the floor of a still room; the share of the threshold that it can fall to; full scale of 16 bits. */
const STILL_ROOM = 6;
const STILL_SHARE = 0.3;
const FULL_SCALE = 32_768;

const bounded = (value, low, high) => Math.min(Math.max(value, low), high);

export class VadFeatures {
  #finder;
  #bands;
  #scale;
  #lines;
  #threshold;
  #values;
  #floors;
  #past;
  #rest;
  #state;

  /** `lowest`, `highest`: the range of fundamentals in Hz; `threshold`: of energy, RMS, full scale 1. */
  constructor(sampleRate, { lowest, highest, threshold }) {
    this.hop = Math.round(sampleRate / 100);
    this.#finder = new FundamentalFinder(sampleRate, { lowest, highest, frame: SPAN * this.hop, sizeFor: LOWEST });
    const spacing = sampleRate / this.#finder.size;
    this.#scale = 1 / this.#finder.window.reduce((sum, value) => sum + value * value, 0);
    this.#lines = Math.min(Math.floor(TOP / spacing) + 1, this.#finder.lines);
    this.#threshold = threshold;
    this.#bands = [];
    for (let band = 0; band < BANDS; band += 1) {
      const first = Math.ceil(EDGES[band] / spacing);
      const end = Math.min(Math.ceil(EDGES[band + 1] / spacing), this.#finder.power.length);
      // Above half the sample rate there is nothing: the highest band that has lines stands for it.
      this.#bands.push(end - first >= FEWEST ? [first, end] : this.#bands[band - 1]);
    }
    const count = BANDS + 1 + this.#lines;
    this.#values = new Float64Array(count);
    this.#floors = new Float64Array(count);
    this.#past = Float64Array.from({ length: count }, (_, index) => (index <= BANDS ? SMOOTH_BANDS : SMOOTH_LINES));
    this.#rest = new Float64Array(this.#lines);
    /** The features of the last frame. */
    this.features = new Float64Array(COUNT);
    /** lg RMS/threshold of the last frame. */
    this.level = 0;
    this.#state = {
      frames: 0,
      smooth: new Float64Array(count),
      lowest: new Float64Array(count).fill(Infinity),
      older: Array.from({ length: PARTS - 1 }, () => new Float64Array(count).fill(Infinity)),
      oldest: new Float64Array(count).fill(Infinity),
      ratios: new Float64Array(BANDS),
      pitch: 0,
      step: 0,
      peak: -9,
      summit: -9,
      power: 0,
      mean: 0,
      rms: 0,
      means: new Float64Array(PAST.length * SLOW),
    };
  }

  /** Continue where other features are. */
  adopt(old) {
    this.#state = old.#state;
  }

  /** Measure the frame of `SPAN` hops at `offset`, the next one: sets `features` and `level`. */
  measure(samples, offset) {
    const finder = this.#finder;
    const [state, out, values] = [this.#state, this.features, this.#values];
    finder.transform(samples, offset);
    const power = finder.power;
    let whole = 0;
    for (let line = 0; line < power.length; line += 1) {
      power[line] *= this.#scale;
      whole += power[line];
    }
    whole *= 2 / finder.size;
    this.#bands.forEach(([first, end], band) => {
      let sum = 0;
      for (let line = first; line < end; line += 1) sum += power[line];
      values[band] = sum / (end - first) + NOTHING;
    });
    values[BANDS] = whole + NOTHING;
    for (let line = 0; line < this.#lines; line += 1) values[BANDS + 1 + line] = power[line] + NOTHING;
    this.#follow();
    const harmonicity = this.#harmonicity();
    let [sum, linear, flux, bandPower, bandFloor] = [0, 0, 0, 0, 0];
    for (let band = 0; band < BANDS; band += 1) {
      const ratio = values[band] / this.#floors[band];
      const lg = bounded(Math.log10(ratio), -0.5, 3.5);
      flux += state.frames > 0 ? Math.abs(lg - state.ratios[band]) : 0;
      state.ratios[band] = lg;
      out[band] = lg;
      if (band === 0) continue;
      sum += lg;
      linear += ratio;
      bandPower += values[band];
      bandFloor += this.#floors[band];
    }
    out[MEAN] = sum / (BANDS - 1);
    out[LOUDEST] = Math.log10(linear / (BANDS - 1));
    out[FLUX] = flux / BANDS;
    this.#shape();
    this.#levels(harmonicity, bandPower / (BANDS - 1), bandFloor / (BANDS - 1), values[BANDS]);
    this.#average();
    state.frames += 1;
  }

  /** The floors of all values: the lowest of the last 2 to 2.5 s. */
  #follow() {
    const [state, values, floors, past] = [this.#state, this.#values, this.#floors, this.#past];
    if (state.frames === 0) state.smooth.set(values);
    for (let index = 0; index < values.length; index += 1) {
      state.smooth[index] = past[index] * state.smooth[index] + (1 - past[index]) * values[index];
      state.lowest[index] = Math.min(state.lowest[index], state.smooth[index]);
      floors[index] = Math.min(state.lowest[index], state.oldest[index]);
    }
    if ((state.frames + 1) % PART !== 0) return;
    const dropped = state.older.shift();
    dropped.set(state.lowest);
    state.older.push(dropped);
    state.oldest.fill(Infinity);
    for (const part of state.older) for (let index = 0; index < part.length; index += 1) state.oldest[index] = Math.min(state.oldest[index], part[index]);
    state.lowest.set(state.smooth);
  }

  /** The harmonicity of the frame without its floor, times the share of what was left. */
  #harmonicity() {
    const finder = this.#finder;
    let [left, removed] = [0, 0];
    for (let line = 0; line < this.#lines; line += 1) {
      const value = this.#values[BANDS + 1 + line];
      const noise = Math.min(WHITENING * this.#floors[BANDS + 1 + line], value);
      this.#rest[line] = value - noise;
      left += this.#rest[line] * finder.weights[line];
      removed += noise * finder.weights[line];
    }
    finder.search(this.#rest);
    return (finder.harmonicity * left) / (left + 0.2 * removed + 1e-9);
  }

  #shape() {
    const values = this.#values;
    let mean = 0;
    for (let band = 1; band < 13; band += 1) mean += Math.log10(values[band]) / 12;
    GROUPS.forEach(([first, end], group) => {
      let sum = 0;
      for (let band = first; band < end; band += 1) sum += Math.log10(values[band]);
      this.features[BANDS + group] = bounded(sum / (end - first) - mean, -3, 3);
    });
  }

  #levels(harmonicity, power, floor, whole) {
    const [state, out] = [this.#state, this.features];
    const isFirst = state.frames === 0;
    const pitch = Math.log2(Math.max(this.#finder.frequency, 50));
    const step = isFirst ? 0 : Math.abs(pitch - state.pitch);
    out[HARMONIC] = harmonicity;
    out[STEADY] = Math.exp(-Math.min(step, state.step) / STEADY_OCTAVES) * harmonicity;
    state.pitch = pitch;
    state.step = step;
    const lg = Math.log10(power);
    state.peak = Math.max(lg, state.peak - 0.004);
    state.power = 0.7 * state.power + 0.3 * power;
    const level = Math.log10(state.power);
    state.summit = Math.max(level, state.summit - 0.001);
    if (isFirst) state.mean = Math.max(lg, -9);
    state.mean = 0.997 * state.mean + 0.003 * Math.max(lg, -9);
    const lowest = Math.log10(floor);
    const span = bounded(state.summit - lowest, 0, 5);
    const above = bounded(level - lowest, 0, 5);
    state.rms = 0.5 * state.rms + 0.5 * whole;
    out[MEAN_CHANGE] = bounded(level - state.mean, -3, 3);
    out[SHARE] = above / (span + 0.3);
    out[SPAN_OF_LEVELS] = span;
    out[UNDER_PEAK] = bounded(state.peak - lg, 0, 4);
    out[UNDER_SUMMIT] = bounded(state.summit - level, 0, 5);
    out[ABOVE] = above;
    const still = Math.max(Math.sqrt(this.#floors[BANDS]) * STILL_ROOM, this.#threshold * STILL_SHARE);
    const threshold = Math.max(Math.min(this.#threshold, still), 1 / FULL_SCALE);
    this.level = bounded(0.5 * Math.log10(state.rms) - Math.log10(threshold), -1.5, 1.5);
    out[OVER_THRESHOLD] = this.level;
  }

  /** The means over time, and the deviation. */
  #average() {
    const [means, out] = [this.#state.means, this.features];
    for (let row = 0; row < PAST.length; row += 1) {
      for (let index = 0; index < SLOW; index += 1) {
        const value = out[FIRST_SLOW + index];
        const at = row * SLOW + index;
        means[at] = PAST[row] * means[at] + (1 - PAST[row]) * (row === PAST.length - 1 ? value * value : value);
        if (row < 3) out[INSTANT + at] = means[at];
      }
    }
    for (let index = 0; index < SLOW; index += 1) {
      out[INSTANT + 3 * SLOW + index] = Math.sqrt(Math.max(means[4 * SLOW + index] - means[3 * SLOW + index] ** 2, 0));
    }
  }
}
