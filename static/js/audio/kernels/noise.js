/** The stage noise: suppresses what is not the voice; the twin of orch/audio/stages/noise.py, where the steps are. */

import { GATED, LEAST_FLOOR } from "./bounds.js";
import { estimated } from "./log-mmse.js";
import { NOTHING, NoiseTracker, between } from "./noise-tracker.js";
import { Stft } from "./stft.js";
import { StrokeFilter } from "./strokes.js";

const FRAME_SECONDS = 0.048;
const PROTECTED = 0.05;
const GATE_MEMORY = 0.15;
const LEAST_PRIOR = 0.003;
const MOST_RATIO = 1000;
const PRESENCE_MEMORY = 0.045;
const WIDTH = 50;
const LOCAL = [-10, 0];
const GLOBAL = [-12, -4];
const VOICE_BAND = [125, 2000];
const MOST_ABSENCE = [0.95, 0.35];
const MUSIC = 0.3;
const TONAL = 0.7;
const TONAL_SPREAD = [0.45, 0.3];
const UNSTEADY_EXCESS = 6;
const UNSTEADY_FLOOR = 0.42;
const DECIBELS = 10 / Math.LN10;

/** A Hann window without its zeros, of sum 1; its length is odd. */
function hann(side) {
  const length = 2 * side + 3;
  const values = Float64Array.from({ length: length - 2 }, (_, index) => 0.5 - 0.5 * Math.cos((2 * Math.PI * (index + 1)) / (length - 1)));
  const sum = values.reduce((total, value) => total + value, 0);
  return values.map((value) => value / sum);
}

export class NoiseKernel {
  #parameters;
  #stft;
  #strokes;
  #tracker;
  #floor;
  #gateMemory;
  #presenceMemory;
  #scale;
  #kernel;
  #band;
  #power;
  #amplitude;
  #prior;
  #ratio;
  #v;
  #smooth;
  #padded;
  #history;
  #given = null;
  #gate = 0;
  #reduction = 0;
  #frame;

  constructor(parameters, sampleRate) {
    this.#parameters = parameters;
    this.#stft = Stft.ofRate(sampleRate, 2, FRAME_SECONDS);
    const { bins, hop, size, frame } = this.#stft;
    const seconds = hop / sampleRate;
    this.#floor = Math.max(parameters.noiseFloor, LEAST_FLOOR) ** parameters.strength;
    this.#strokes = new StrokeFilter(sampleRate, this.#floor);
    this.#tracker = new NoiseTracker(bins, sampleRate / size, seconds);
    this.#gateMemory = Math.exp(-seconds / GATE_MEMORY);
    this.#presenceMemory = Math.exp(-seconds / PRESENCE_MEMORY);
    this.#scale = 2 / (size * this.#stft.window.reduce((total, value) => total + value * value, 0));
    this.#kernel = hann(Math.max(1, Math.round((WIDTH * size) / sampleRate)));
    this.#band = VOICE_BAND.map((hertz) => Math.min(Math.round((hertz * size) / sampleRate), bins - 1));
    this.#power = new Float64Array(bins);
    this.#amplitude = new Float64Array(bins);
    this.#prior = new Float64Array(bins);
    this.#ratio = new Float64Array(bins);
    this.#v = new Float64Array(bins);
    this.#padded = new Float64Array(bins + this.#kernel.length - 1);
    this.#smooth = new Float64Array(bins).fill(LEAST_PRIOR);
    this.#history = new Float32Array(this.#strokes.latency + frame / 2);
    this.#frame = (re, im, filled) => this.#next(re, im, filled);
  }

  get latency() {
    return this.#strokes.latency + this.#stft.latency;
  }

  /** The change of the power of the last frame, dB. */
  get reduction() {
    return this.#reduction;
  }

  adopt(other) {
    this.#stft.adopt(other.#stft);
    this.#strokes.adopt(other.#strokes);
    this.#tracker.adopt(other.#tracker);
    this.#amplitude.set(other.#amplitude);
    this.#smooth.set(other.#smooth);
    this.#history.set(other.#history);
    this.#gate = other.#gate;
    this.#reduction = other.#reduction;
  }

  process(block, activity = null) {
    this.#given = activity?.confidence ?? null;
    const output = this.#stft.process(this.#strokes.process(block), this.#frame);
    this.#store(block.length);
    return output;
  }

  flush() {
    return this.process(new Float32Array(this.latency));
  }

  /** Append the confidence of a block to the history; -1: not known. */
  #store(count) {
    const history = this.#history;
    const shift = Math.min(count, history.length);
    history.copyWithin(0, shift);
    const begin = history.length - shift;
    if (this.#given === null) history.fill(-1, begin);
    else history.set(this.#given.subarray(count - shift, count), begin);
  }

  /** The confidence in the middle of the frame that ends after so many samples of the block. */
  #confidence(filled) {
    const at = filled - 1 - this.#history.length;
    if (at < 0) return this.#history[this.#history.length + at];
    return this.#given === null ? -1 : this.#given[at];
  }

  #next(re, im, filled) {
    const power = this.#power;
    let total = 0;
    for (let bin = 0; bin < power.length; bin += 1) {
      power[bin] = re[bin] * re[bin] + im[bin] * im[bin] + NOTHING;
      total += power[bin];
    }
    if (total <= 2 * NOTHING * power.length) {
      this.#reduction = 0;
      return;
    }
    const confidence = this.#confidence(filled);
    this.#tracker.follow(power, confidence);
    this.#estimate();
    const voiced = this.#voiced();
    const floor = this.#lowest(confidence < 0 ? voiced : confidence);
    const left = this.#suppress(voiced, floor);
    if (Math.sqrt(left * this.#scale) >= this.#parameters.gateThreshold) this.#gate = 0;
    else this.#gate = 1 - this.#gateMemory * (1 - this.#gate);
    const gate = Math.max(GATED, floor) ** this.#gate;
    for (let bin = 0; bin < power.length; bin += 1) {
      const gain = gate * this.#ratio[bin];
      re[bin] *= gain;
      im[bin] *= gain;
    }
    this.#reduction = 10 * Math.log10(left / total) + 20 * Math.log10(gate);
  }

  /** Set γ, ξ and v of each frequency, the amplitude, and ξ smoothed over time. */
  #estimate() {
    const { noise, spread, unsteadiness } = this.#tracker;
    const { smoothing } = this.#parameters;
    const past = smoothing - between(spread, TONAL_SPREAD) * Math.max(smoothing - TONAL, 0);
    const excess = 1 + UNSTEADY_EXCESS * unsteadiness ** 2;
    const memory = this.#presenceMemory;
    const [powers, amplitudes, priors, ratios, vs, smooth] = [this.#power, this.#amplitude, this.#prior, this.#ratio, this.#v, this.#smooth];
    for (let bin = 0; bin < noise.length; bin += 1) {
      const power = powers[bin];
      const expected = noise[bin] * excess;
      let ratio = power / expected;
      if (ratio > MOST_RATIO) ratio = MOST_RATIO;
      let prior = (past * amplitudes[bin]) / expected;
      if (ratio > 1) prior += (1 - past) * (ratio - 1);
      if (prior < LEAST_PRIOR) prior = LEAST_PRIOR;
      else if (prior > MOST_RATIO) prior = MOST_RATIO;
      const share = prior / (1 + prior);
      const v = share * ratio;
      // ξ₂ is the amplitude over the noise; it replaces the amplitude once the gain is found.
      amplitudes[bin] = estimated(share, ratio, v);
      ratios[bin] = ratio;
      priors[bin] = prior;
      vs[bin] = v;
      smooth[bin] = memory * smooth[bin] + (1 - memory) * prior;
    }
  }

  /** The presence of speech in the frame. */
  #voiced() {
    const [first, last] = this.#band;
    let sum = 0;
    for (let bin = first; bin < last; bin += 1) sum += this.#smooth[bin];
    return between(10 * Math.log10(sum / (last - first)), GLOBAL);
  }

  /** The least gain while voice is as likely as this. */
  #lowest(confidence) {
    const { voiceProtection, voiceThreshold } = this.#parameters;
    const { unsteadiness } = this.#tracker;
    let floor = this.#floor;
    if (voiceProtection && floor < PROTECTED) {
      const share = between(confidence, [Math.min(voiceThreshold, 0.99), 1]);
      floor = floor ** (1 - share) * PROTECTED ** share;
    }
    return floor < UNSTEADY_FLOOR ? floor ** (1 - unsteadiness) * UNSTEADY_FLOOR ** unsteadiness : floor;
  }

  /** Replace γ by the gain, which is at least `floor`; return the power that is left. */
  #suppress(voiced, floor) {
    const { spectralSubtraction, overSubtraction, spectralFloor, musicNoiseSuppression } = this.#parameters;
    const least = 1 - MOST_ABSENCE[0] - (MOST_ABSENCE[1] - MOST_ABSENCE[0]) * voiced;
    const music = musicNoiseSuppression * (1 - (1 - MUSIC) * voiced);
    const isPause = voiced <= least;
    if (!isPause) this.#pad();
    const lowest = floor * floor;
    const [powers, amplitudes, ratios] = [this.#power, this.#amplitude, this.#ratio];
    let left = 0;
    for (let bin = 0; bin < powers.length; bin += 1) {
      const ratio = ratios[bin];
      const power = powers[bin];
      const second = amplitudes[bin];
      amplitudes[bin] = (second / ratio) * power;
      let square;
      if (spectralSubtraction) square = Math.min(Math.max(1 - overSubtraction / ratio, spectralFloor / ratio), 1);
      else {
        const prior = second < LEAST_PRIOR ? LEAST_PRIOR : second;
        const share = prior / (1 + prior);
        square = estimated(share, ratio, share * ratio) / ratio;
      }
      let gain = floor;
      if (square > lowest) {
        const present = isPause ? least : Math.max(this.#near(bin) * voiced, least);
        const absent = ((1 - present) / present) * (1 + this.#prior[bin]) * Math.exp(-this.#v[bin]);
        gain *= Math.exp(0.5 * (1 - (music * absent) / (1 + absent)) * Math.log(square / lowest));
      }
      left += gain * gain * power;
      ratios[bin] = gain;
    }
    return left;
  }

  /** Mirror smoothed ξ at the ends. */
  #pad() {
    const [smooth, padded] = [this.#smooth, this.#padded];
    const side = (this.#kernel.length - 1) / 2;
    const last = smooth.length - 1;
    padded.set(smooth, side);
    for (let index = 1; index <= side; index += 1) {
      padded[side - index] = smooth[index];
      padded[side + last + index] = smooth[last - index];
    }
  }

  /** The presence of speech before the frame is seen, from ξ smoothed over the frequencies around. */
  #near(bin) {
    const [kernel, padded] = [this.#kernel, this.#padded];
    let sum = 0;
    for (let index = 0; index < kernel.length; index += 1) sum += kernel[index] * padded[bin + index];
    const near = (DECIBELS * Math.log(sum) - LOCAL[0]) / (LOCAL[1] - LOCAL[0]);
    return near < 0 ? 0 : near > 1 ? 1 : near;
  }
}
