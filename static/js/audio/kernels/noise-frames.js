/**
 * The frames of which orch/audio/snr.py estimates noise: the powers of their bands, and whether each is speech. Frames
 * have 20 ms, one every 10 ms; what is below LOWEST_FREQUENCY is removed before.
 */

import { Pending } from "./pending.js";

/** Hz. */
const EDGES = [0, 200, 400, 650, 1000, 1400, 2000, 2800, 3800, 5200, 6500, 8000];
const LOWEST_FREQUENCY = 5;
/** Frames. */
const SMOOTHED = 8;
/** Of speech, at most, where a frame is quiet. */
const QUIET_CONFIDENCE = 0.3;

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

  /** The shape of the gamma distribution of white noise's averaged powers, for each band. */
  get shapes() {
    this.#shapes ??= this.#made();
    return this.#shapes;
  }

  #made() {
    const { frame, window, begins } = this;
    const half = frame / 2;
    const same = window.map((value) => value * value);
    const next = window.map((value, n) => (n < half ? 0 : value * window[n - half]));
    const most = Math.max(...begins.slice(1).map((end, band) => end - begins[band]));
    const squared = (values) => Array.from({ length: most }, (_, line) => this.#magnitude(values, line));
    const [own, beside] = [squared(same), squared(next)];
    return begins.slice(1).map((end, band) => {
      const lines = end - begins[band];
      let sum = 0;
      for (let apart = 1 - lines; apart < lines; apart += 1) {
        const distance = Math.abs(apart);
        sum += (lines - distance) * (SMOOTHED * own[distance] + 2 * (SMOOTHED - 1) * beside[distance]);
      }
      return ((SMOOTHED * lines) ** 2 * own[0]) / sum;
    });
  }

  /** The squared magnitude of a line of the Fourier transform of `values`. */
  #magnitude(values, line) {
    let [re, im] = [0, 0];
    for (let n = 0; n < values.length; n += 1) {
      const at = (n * line) % this.frame;
      re += values[n] * this.cosines[at];
      im += values[n] * this.sines[at];
    }
    return re * re + im * im;
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
  #pole;
  #offset = 0;
  #filtered = new Float64Array(512);
  #samples = new Pending(Float64Array);
  /** As long as `#samples` where the activity is known, or empty. */
  #confidence = new Pending(Float32Array);
  #speech = new Pending(Uint8Array);

  constructor(sampleRate) {
    const layout = new Layout(sampleRate);
    this.sampleRate = sampleRate;
    this.layout = layout;
    this.#pole = Math.exp((-2 * Math.PI * LOWEST_FREQUENCY) / sampleRate);
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
    this.#samples.add(this.#withoutOffset(samples));
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

  /** The samples without what is slower than LOWEST_FREQUENCY; valid until the next call. */
  #withoutOffset(samples) {
    if (this.#filtered.length < samples.length) this.#filtered = new Float64Array(samples.length);
    for (let n = 0; n < samples.length; n += 1) {
      const out = samples[n] + this.#offset;
      this.#offset = this.#pole * out - samples[n];
      this.#filtered[n] = out;
    }
    return this.#filtered.subarray(0, samples.length);
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
        // The first and the last line have no mirror.
        sum += (re * re + im * im) * (line === 0 || line === half ? scale / 2 : scale);
      }
      powers[band] = sum;
    }
  }
}
