/**
 * The ratio of speech to noise, and the noise floor, of a stream: the twin of orch/audio/snr.py, where the equations
 * and the reasons are.
 *
 * Frames of 20 ms are analysed once (`NoiseFrames`) and counted in any number of estimates (`NoiseEstimate`), each of
 * another part of the stream. `NoiseRatioMeter` is one of each.
 */

import { inverseLowerGamma } from "./gamma.js";
import { Pending } from "./pending.js";

/** Hz. */
const EDGES = [50, 200, 400, 650, 1000, 1400, 2000, 2800, 3800, 5200, 6500, 8000];
/** Frames. */
const SMOOTHED = 8;
const QUANTILE = 0.15;
const LOWEST_QUANTILE = 0.03;
/** dB. */
const STEADY = 2.2;
const HIDDEN = [0.95, -2, 8.6, -4];
/** Seconds. */
const SHORTEST = 1;
const CERTAIN = 3;
/** dBFS. */
const NO_NOISE = -90;
const QUIET_FRAMES = 10;
const QUIET_SHARE = 0.01;
const QUIET_OVER = 3;
const QUIET_CONFIDENCE = 0.3;
const NO_SPEECH = -9;
const STEP = 0.25;
const LOWEST = -140;
const BINS = Math.round((20 - LOWEST) / STEP);
const NOTHING = 1e-14;

export const NOT_STATIONARY = "the noise is not stationary";

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
const power = (level) => 10 ** (level / 10);
const level = (value, least = NOTHING) => 10 * Math.log10(Math.max(value, least));

/** As Python rounds: halves go to the even neighbour. */
function halfEven(value) {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** How a sample rate is analysed; `begins`: the line at which each band begins, and the last one ends. */
class Layout {
  constructor(sampleRate) {
    const frame = Math.max(2, 2 * Math.floor(halfEven(0.02 * sampleRate) / 2));
    const width = sampleRate / frame;
    const lines = frame / 2 + 1;
    const from = (edge) => Math.min(lines, Math.ceil(edge / width - 1e-9));
    const until = Math.min(lines, Math.floor(Math.min(EDGES.at(-1), sampleRate / 2) / width + 1e-9) + 1);
    this.frame = frame;
    this.begins = [...new Set([...EDGES.filter((edge) => edge < sampleRate / 2).map(from), until])].sort((a, b) => a - b);
    // A Hann window without its zeros.
    this.window = Float64Array.from({ length: frame }, (_, n) => 0.5 - 0.5 * Math.cos((2 * Math.PI * (n + 1)) / (frame + 1)));
    this.squares = this.window.reduce((sum, value) => sum + value * value, 0);
    this.cosines = Float64Array.from({ length: frame }, (_, n) => Math.cos((2 * Math.PI * n) / frame));
    this.sines = Float64Array.from({ length: frame }, (_, n) => Math.sin((2 * Math.PI * n) / frame));
  }

  #shapes = null;

  get bands() {
    return this.begins.length - 1;
  }

  /** The shape of the gamma distribution that the smoothed powers of white noise have, for each band. */
  get shapes() {
    this.#shapes ??= this.#made();
    return this.#shapes;
  }

  #made() {
    const { frame, window, begins } = this;
    const half = frame / 2;
    const own = window.map((value) => value * value);
    const beside = window.subarray(0, half).map((value, n) => value * window[n + half]);
    const known = new Map();
    const shared = (line) => {
      const at = (line + frame) % frame;
      if (!known.has(at)) known.set(at, SMOOTHED * this.#magnitude(own, at) + 2 * (SMOOTHED - 1) * this.#magnitude(beside, at));
      return known.get(at);
    };
    return begins.slice(1).map((end, band) => {
      let sum = 0;
      for (let k = begins[band]; k < end; k += 1) for (let l = begins[band]; l < end; l += 1) sum += shared(k - l) + shared(k + l);
      return ((end - begins[band]) * SMOOTHED) ** 2 / sum;
    });
  }

  #magnitude(values, line) {
    let [re, im] = [0, 0];
    for (let n = 0; n < values.length; n += 1) {
      const at = (n * line) % this.frame;
      re += values[n] * this.cosines[at];
      im += values[n] * this.sines[at];
    }
    return (re * re + im * im) / this.squares ** 2;
  }
}

/** Cuts a stream into frames of 20 ms, every 10 ms: the powers of their bands, and whether each is speech. */
export class NoiseFrames {
  #table;
  #sums;
  #differences;
  #recent;
  #smooth;
  #received = 0;
  #samples = new Pending(Float64Array);
  /** As long as `#samples` where the activity is known, or empty. */
  #confidence = new Pending(Float32Array);
  #speech = new Pending(Uint8Array);

  constructor(sampleRate) {
    const layout = new Layout(sampleRate);
    this.sampleRate = sampleRate;
    this.layout = layout;
    const half = layout.frame / 2;
    const lines = layout.begins.at(-1) - layout.begins[0];
    this.#table = { cosines: new Float64Array(lines * half), sines: new Float64Array(lines * half) };
    for (let line = 0; line < lines; line += 1) {
      for (let n = 1; n < half; n += 1) {
        const at = ((layout.begins[0] + line) * n) % layout.frame;
        this.#table.cosines[line * half + n] = layout.cosines[at];
        this.#table.sines[line * half + n] = layout.sines[at];
      }
    }
    this.#sums = new Float64Array(half);
    this.#differences = new Float64Array(half);
    this.#recent = Array.from({ length: SMOOTHED }, () => new Float64Array(layout.bands));
    this.#smooth = new Float64Array(layout.bands);
  }

  /** The next samples; `activity` {confidence, speech} of the same samples, or null. `found(frame)` gets each frame. */
  add(samples, activity, found) {
    const { frame } = this.layout;
    const isKnown = activity !== null && this.#confidence.length === this.#samples.length;
    this.#samples.add(samples);
    if (isKnown) {
      this.#confidence.add(activity.confidence);
      this.#speech.add(activity.speech);
    } else this.#forget();
    let at = 0;
    for (; this.#samples.length - at >= frame; at += frame / 2) found(this.#frame(at, isKnown));
    if (at === 0) return;
    this.#samples.remove(at);
    if (isKnown) {
      this.#confidence.remove(at);
      this.#speech.remove(at);
    } else if (activity !== null) {
      // It began among these samples: what is left of them counts as no speech.
      this.#confidence.add(new Float32Array(this.#samples.length));
      this.#speech.add(new Uint8Array(this.#samples.length));
    }
  }

  #forget() {
    this.#confidence.remove(this.#confidence.length);
    this.#speech.remove(this.#speech.length);
  }

  /** {total, smooth: the powers of the bands, valid until the next frame, or null; isQuiet, isSpoken}. */
  #frame(at, isKnown) {
    const powers = this.#recent[this.#received % SMOOTHED];
    this.#measure(this.#samples.all.subarray(at, at + this.layout.frame), powers);
    this.#received += 1;
    let total = 0;
    for (let band = 0; band < powers.length; band += 1) total += powers[band];
    let smooth = null;
    if (this.#received >= SMOOTHED) {
      smooth = this.#smooth.fill(0);
      for (const each of this.#recent) for (let band = 0; band < smooth.length; band += 1) smooth[band] += each[band] / SMOOTHED;
    }
    return { total, smooth, ...this.#kind(at, isKnown) };
  }

  #kind(at, isKnown) {
    if (!isKnown) return { isQuiet: false, isSpoken: false };
    const [speech, confidence] = [this.#speech.all, this.#confidence.all];
    let [spoken, most] = [0, 0];
    for (let n = at; n < at + this.layout.frame; n += 1) {
      if (speech[n] !== 0) spoken += 1;
      if (confidence[n] > most) most = confidence[n];
    }
    return { isQuiet: spoken === 0 && most <= Math.fround(QUIET_CONFIDENCE), isSpoken: spoken === this.layout.frame };
  }

  /** The discrete Fourier transform where it is needed; a sample and its mirror share their factors. */
  #measure(samples, powers) {
    const { window, frame, begins, squares } = this.layout;
    const half = frame / 2;
    const [sums, differences] = [this.#sums, this.#differences];
    const first = samples[0] * window[0];
    const middle = samples[half] * window[half];
    for (let n = 1; n < half; n += 1) {
      const [near, far] = [samples[n] * window[n], samples[frame - n] * window[frame - n]];
      sums[n] = near + far;
      differences[n] = near - far;
    }
    const { cosines, sines } = this.#table;
    const scale = 2 / (frame * squares);
    for (let band = 0; band < powers.length; band += 1) {
      let sum = 0;
      for (let line = begins[band]; line < begins[band + 1]; line += 1) {
        const row = (line - begins[0]) * half;
        let re = line % 2 === 0 ? first + middle : first - middle;
        let im = 0;
        for (let n = 1; n < half; n += 1) {
          re += sums[n] * cosines[row + n];
          im += differences[n] * sines[row + n];
        }
        sum += (re * re + im * im) * scale;
      }
      powers[band] = sum;
    }
  }
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

  /** The share of the powers of at least `least`. */
  share(least) {
    let above = 0;
    for (let at = 0; at < BINS; at += 1) if (power(LOWEST + STEP * (at + 0.5)) >= least) above += this.#counts[at];
    return above / this.#total;
  }
}

/** The estimate from all frames that were added. */
export class NoiseEstimate {
  #sampleRate;
  #frame;
  #bands;
  #totals = new Counts();
  /** Of each band: the mean of steady noise over its quantile, less 1; what its two quantiles are apart, dB. */
  #rise;
  #apart;
  #sum = 0;
  #frames = 0;
  /** [frames, the sum of their powers]. */
  #quiet = [0, 0];
  #speech = [0, 0];

  /** `frames`: the NoiseFrames that it counts. */
  constructor({ layout, sampleRate }) {
    const found = layout.shapes.map((shape) => [shape, inverseLowerGamma(shape, QUANTILE), inverseLowerGamma(shape, LOWEST_QUANTILE)]);
    this.#sampleRate = sampleRate;
    this.#frame = layout.frame;
    this.#bands = found.map(() => new Counts());
    this.#rise = found.map(([shape, low]) => shape / low - 1);
    this.#apart = found.map(([, low, lowest]) => 10 * Math.log10(low / lowest));
  }

  get seconds() {
    return (this.#frames * this.#frame) / 2 / this.#sampleRate;
  }

  add({ total, smooth, isQuiet, isSpoken }) {
    this.#totals.add(total);
    this.#sum += total;
    this.#frames += 1;
    for (const [kind, is] of [[this.#quiet, isQuiet], [this.#speech, isSpoken]]) {
      if (!is) continue;
      kind[0] += 1;
      kind[1] += total;
    }
    if (smooth !== null) this.#bands.forEach((counts, band) => counts.add(smooth[band]));
  }

  /** {snrDb: null where `reason` says why, floorDb: dBFS or null, confidence: 0–1, reason: or ""}. */
  get value() {
    if (this.seconds < SHORTEST) return { snrDb: null, floorDb: null, confidence: 0, reason: "less than 1 s were measured" };
    const low = this.#bands.map((counts) => counts.quantile(QUANTILE));
    const lowest = this.#bands.map((counts) => counts.quantile(LOWEST_QUANTILE));
    const noise = low.map((each, band) => power(each) * (1 + this.#rise[band] * clamp((each - lowest[band]) / this.#apart[band], 0, 1)));
    const floor = noise.reduce((sum, each) => sum + each, 0);
    const floorDb = level(floor);
    if (floorDb < NO_NOISE) return { snrDb: null, floorDb, confidence: 0, reason: "there is no noise to measure" };
    const spread = noise.reduce((sum, each, band) => sum + each * (low[band] - lowest[band] - this.#apart[band]), 0) / floor;
    if (spread > STEADY) return this.#between(lowest.reduce((sum, each) => sum + power(each), 0), floorDb);
    const confidence = clamp(1 - spread / STEADY, 0, 1) * Math.min(1, this.seconds / CERTAIN);
    const over = level((this.#sum / this.#frames - floor) / floor, 1e-9);
    const speaking = this.#speaking(floor);
    if (over < NO_SPEECH || speaking === 0) return { snrDb: null, floorDb, confidence, reason: "no speech is louder than the noise" };
    const [most, at, tenth, least] = HIDDEN;
    const share = Math.min(1, speaking * (1 + most * 10 ** ((at - Math.max(over, least)) / tenth)));
    return { snrDb: over - 10 * Math.log10(share), floorDb, confidence, reason: "" };
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

  /** The share of the frames that are clearly above the noise. */
  #speaking(floor) {
    const loudest = power(this.#totals.quantile(0.98)) - floor;
    return this.#totals.share(floor + Math.max(loudest * 3 * 10 ** -2.5, 0.5 * floor));
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
