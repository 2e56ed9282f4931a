/**
 * The ratio of speech to noise, and the noise floor, of a stream: the twin of orch/audio/snr.py, where the equations
 * and the reasons are.
 *
 * Frames of 20 ms are analysed once (noise-frames.js) and counted in any number of estimates (`NoiseEstimate`), each of
 * another part of the stream. `NoiseRatioMeter` is one of each.
 */

import { NoiseFrames } from "./noise-frames.js";

const QUANTILE = 0.15;
const LOWEST_QUANTILE = 0.03;
/** dB. */
const STEADY = 2.2;
/** [dB of ratio], [dB of deviation]. */
const DRIFT = [[0, 5, 10, 15, 30], [0.85, 0.92, 1.1, 2, 6]];
const DRIFT_FRAMES = 100;
const DRIFT_BANDS = 20;
const DRIFT_LEAST = 3;
const ROUNDS = 8;
const LEAST_ALONE = 0.2;
const LOUD_QUANTILE = 0.98;
/** dB. */
const WITHIN = 20;
const LOUDER = [[-20, -16.5, -11.5, -6.7, -4, -2.5], [0.37, 0.9, 2, 3.85, 5.5, 6.8]];
const LOUDEST_OVER = 2.5;
/** Seconds. */
const SHORTEST = 1;
const CERTAIN = 3;
/** dBFS. */
const NO_NOISE = -90;
const QUIET_FRAMES = 10;
const QUIET_SHARE = 0.01;
const QUIET_OVER = 3;
const STEP = 0.25;
const LOWEST = -140;
const BINS = Math.round((20 - LOWEST) / STEP);
const NOTHING = 1e-14;

export const NOT_STATIONARY = "the noise is not stationary";

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
const power = (level) => 10 ** (level / 10);
const level = (value, least = NOTHING) => 10 * Math.log10(Math.max(value, least));
const sumOf = (values) => values.reduce((sum, value) => sum + value, 0);

/** Linear between points; beyond them the first or the last. */
function interpolated(x, [xs, ys]) {
  const next = xs.findIndex((each) => x < each);
  if (next <= 0) return next === 0 ? ys[0] : ys.at(-1);
  return ys[next - 1] + ((ys[next] - ys[next - 1]) * (x - xs[next - 1])) / (xs[next] - xs[next - 1]);
}

/** The quantile of the normal distribution (Abramowitz and Stegun, 26.2.23). */
function normalQuantile(share) {
  const tail = Math.sqrt(-2 * Math.log(Math.min(share, 1 - share)));
  const above = 2.515517 + tail * (0.802853 + tail * 0.010328);
  const below = 1 + tail * (1.432788 + tail * (0.189269 + tail * 0.001308));
  return Math.sign(share - 0.5) * (tail - above / below);
}

/** Below what a share of a gamma variable of mean 1 is (Wilson and Hilferty). */
function gammaQuantile(share, shape) {
  const width = 1 / (3 * Math.sqrt(shape));
  return (1 - width ** 2 + normalQuantile(share) * width) ** 3;
}

/** The share of a gamma variable that is below its mean. */
function gammaBelowMean(shape) {
  const width = 1 / (3 * Math.sqrt(shape));
  return 0.5 + (width * (1 - width ** 2 / 6)) / Math.sqrt(2 * Math.PI);
}

/** Counts of powers by their level. */
class Counts {
  #counts = new Float64Array(BINS);
  #total = 0;

  add(value) {
    this.#counts[clamp(Math.trunc((level(value) - LOWEST) / STEP), 0, BINS - 1)] += 1;
    this.#total += 1;
  }

  /** The level in dB that a share of the powers is below. */
  quantile(share) {
    const wanted = share * this.#total;
    let before = 0;
    let at = 0;
    while (at < BINS - 1 && before + this.#counts[at] < wanted) {
      before += this.#counts[at];
      at += 1;
    }
    return LOWEST + STEP * (at + (wanted - before) / Math.max(this.#counts[at], 1));
  }

  /** The share of the powers that is below a level in dB. */
  below(most) {
    const at = clamp((most - LOWEST) / STEP, 0, BINS - 1e-6);
    const whole = Math.trunc(at);
    let under = (at - whole) * this.#counts[whole];
    for (let index = 0; index < whole; index += 1) under += this.#counts[index];
    return under / Math.max(this.#total, 1);
  }

  /** The mean of the powers, each less `floor`, that are `least` or more. */
  meanAbove(least, floor) {
    let [count, sum] = [0, 0];
    for (let at = 0; at < BINS; at += 1) {
      const each = power(LOWEST + STEP * (at + 0.5)) - floor;
      if (each < least) continue;
      count += this.#counts[at];
      sum += this.#counts[at] * each;
    }
    return sum / count;
  }
}

/** The estimate from all frames that were added. */
export class NoiseEstimate {
  #sampleRate;
  #frame;
  #shapes;
  #bands;
  #totals = new Counts();
  #frames = 0;
  /** Of the present second: its smoothed frames, and the lowest power of each band. */
  #inSecond = 0;
  #lowest;
  /** Of whole seconds: their count, and for each band the sum and the sum of squares of the lowest powers in dB. */
  #seconds = 0;
  #sums;
  #squares;
  /** [frames, the sum of their powers]. */
  #quiet = [0, 0];
  #speech = [0, 0];

  /** `frames`: the NoiseFrames that it counts. */
  constructor({ layout, sampleRate }) {
    this.#sampleRate = sampleRate;
    this.#frame = layout.frame;
    this.#shapes = layout.shapes;
    this.#bands = layout.shapes.map(() => new Counts());
    this.#lowest = new Float64Array(layout.bands).fill(Infinity);
    this.#sums = new Float64Array(layout.bands);
    this.#squares = new Float64Array(layout.bands);
  }

  get seconds() {
    return (this.#frames * this.#frame) / 2 / this.#sampleRate;
  }

  add({ total, smooth, isQuiet, isSpoken }) {
    this.#totals.add(total);
    this.#frames += 1;
    for (const [kind, is] of [[this.#quiet, isQuiet], [this.#speech, isSpoken]]) {
      if (!is) continue;
      kind[0] += 1;
      kind[1] += total;
    }
    if (smooth !== null) this.#addSmooth(smooth);
  }

  #addSmooth(smooth) {
    for (let band = 0; band < smooth.length; band += 1) {
      this.#bands[band].add(smooth[band]);
      if (smooth[band] < this.#lowest[band]) this.#lowest[band] = smooth[band];
    }
    this.#inSecond += 1;
    if (this.#inSecond < DRIFT_FRAMES) return;
    this.#inSecond = 0;
    this.#seconds += 1;
    this.#lowest.forEach((each, band) => {
      this.#sums[band] += level(each);
      this.#squares[band] += level(each) ** 2;
    });
    this.#lowest.fill(Infinity);
  }

  /** {snrDb: null where `reason` says why, floorDb: dBFS or null, confidence: 0–1, reason: or ""}. */
  get value() {
    if (this.seconds < SHORTEST) return { snrDb: null, floorDb: null, confidence: 0, reason: "less than 1 s were measured" };
    const { noise, lowest, spread } = this.#noise();
    const floor = sumOf(noise);
    const floorDb = level(floor);
    if (floorDb < NO_NOISE) return { snrDb: null, floorDb, confidence: 0, reason: "there is no noise to measure" };
    if (spread > STEADY) return this.#between(sumOf(lowest.map(power)), floorDb);
    const confidence = clamp(1 - spread / STEADY, 0, 1) * Math.min(1, this.seconds / CERTAIN);
    const speechDb = this.#speechLevel(floor);
    if (speechDb === null) return { snrDb: null, floorDb, confidence, reason: "no speech is louder than the noise" };
    const snrDb = speechDb - floorDb;
    if (this.#drift(noise) > interpolated(snrDb, DRIFT)) return { snrDb: null, floorDb, confidence: 0, reason: NOT_STATIONARY };
    return { snrDb, floorDb, confidence, reason: "" };
  }

  /** The noise's mean power in each band, the level of its lowest powers, and how many dB they spread too far. */
  #noise() {
    const low = this.#bands.map((counts) => counts.quantile(QUANTILE));
    const lowest = this.#bands.map((counts) => counts.quantile(LOWEST_QUANTILE));
    const alone = low.map(() => 1);
    const apart = low.map((each, band) => each - lowest[band]);
    let noise = [];
    let spread = 0;
    for (let turn = 0; turn <= ROUNDS; turn += 1) {
      const factors = this.#shapes.map((shape, band) => gammaQuantile(Math.min(QUANTILE / alone[band], 0.9), shape));
      const expected = this.#shapes.map((shape, band) => 10 * Math.log10(factors[band] / gammaQuantile(Math.min(LOWEST_QUANTILE / alone[band], 0.5), shape)));
      noise = low.map((each, band) => power(each) * (1 + (1 / factors[band] - 1) * clamp(apart[band] / expected[band], 0, 1)));
      if (turn === 0) spread = sumOf(noise.map((each, band) => each * (apart[band] - expected[band]))) / sumOf(noise);
      noise.forEach((each, band) => {
        alone[band] = clamp(this.#bands[band].below(10 * Math.log10(each)) / gammaBelowMean(this.#shapes[band]), LEAST_ALONE, 1);
      });
    }
    return { noise, lowest, spread };
  }

  /** The standard deviation of the lowest powers of seconds, in dB. */
  #drift(noise) {
    if (this.#seconds < DRIFT_LEAST) return 0;
    const least = Math.max(...noise) * power(-DRIFT_BANDS);
    const deviations = noise
      .map((each, band) => ({ each, deviation: Math.sqrt(Math.max(0, this.#squares[band] / this.#seconds - (this.#sums[band] / this.#seconds) ** 2)) }))
      .filter(({ each }) => each > least)
      .map(({ deviation }) => deviation)
      .sort((a, b) => a - b);
    const middle = deviations.length >> 1;
    return deviations.length % 2 === 1 ? deviations[middle] : (deviations[middle - 1] + deviations[middle]) / 2;
  }

  /** The level in dBFS of speech in noise of a power; null: none stands out. */
  #speechLevel(floor) {
    const loudest = power(this.#totals.quantile(LOUD_QUANTILE)) - floor;
    if (loudest < floor * power(LOUDEST_OVER)) return null;
    const threshold = Math.max(loudest * power(-WITHIN), floor);
    return 10 * Math.log10(this.#totals.meanAbove(threshold, floor)) - interpolated(10 * Math.log10(threshold / loudest), LOUDER);
  }

  /** By what is speech and what is none, if that is about as loud as the floor. */
  #between(lowest, floorDb) {
    const [count, total] = this.#quiet;
    const [spoken, loud] = this.#speech;
    const unknown = { snrDb: null, floorDb, confidence: 0, reason: NOT_STATIONARY };
    if (count < Math.max(QUIET_FRAMES, QUIET_SHARE * this.#frames) || spoken === 0) return unknown;
    const [noise, speech] = [total / count, loud / spoken];
    const over = 10 * Math.log10(noise / Math.max(lowest, NOTHING));
    if (over > QUIET_OVER || speech <= noise) return unknown;
    const confidence = (1 - over / QUIET_OVER) * Math.min(1, count / 100);
    return { snrDb: 10 * Math.log10((speech - noise) / noise), floorDb: 10 * Math.log10(noise), confidence, reason: "" };
  }
}

/** The estimate of a whole stream. */
export class NoiseRatioMeter {
  #frames;
  #estimate;

  constructor(sampleRate) {
    this.#frames = new NoiseFrames(sampleRate);
    this.#estimate = new NoiseEstimate(this.#frames);
  }

  /** The next samples; `activity` {confidence, speech} of the same samples, or null. */
  add(samples, activity = null) {
    this.#frames.add(samples, activity, (frame) => this.#estimate.add(frame));
  }

  get value() {
    return this.#estimate.value;
  }
}
