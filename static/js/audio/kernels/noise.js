/** The stage noise: suppresses what is not the voice; the twin of orch/audio/stages/noise.py, where the steps are. */

import { GATED, LEAST_FLOOR } from "./bounds.js";
import { logMmse } from "./log-mmse.js";
import { NOTHING, NoiseTracker } from "./noise-tracker.js";
import { Stft } from "./stft.js";
import { StrokeFilter } from "./strokes.js";

const FRAME_SECONDS = 0.048;
const PROTECTED = 0.05;
const GATE_MEMORY = 0.15;
const LEAST_PRIOR = 0.01;
const MOST_RATIO = 1000;
const PRESENCE_MEMORY = 0.045;
const WIDTH = 50;
const LOCAL = [-10, 0];
const GLOBAL = [-12, -4];
const VOICE_BAND = [125, 2000];
const MOST_ABSENCE = [0.95, 0.35];
const LEAST_PRESENCE = 0.001;

/** A Hann window without its zeros, of sum 1; its length is odd. */
function hann(side) {
  const length = 2 * side + 3;
  const values = Float64Array.from({ length: length - 2 }, (_, index) => 0.5 - 0.5 * Math.cos((2 * Math.PI * (index + 1)) / (length - 1)));
  const sum = values.reduce((total, value) => total + value, 0);
  return values.map((value) => value / sum);
}

const between = (value, [low, high]) => Math.min(Math.max((value - low) / (high - low), 0), 1);

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
  #smooth;
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
    this.#tracker = new NoiseTracker(bins, seconds);
    this.#gateMemory = Math.exp(-seconds / GATE_MEMORY);
    this.#presenceMemory = Math.exp(-seconds / PRESENCE_MEMORY);
    this.#scale = 2 / (size * this.#stft.window.reduce((total, value) => total + value * value, 0));
    this.#kernel = hann(Math.max(1, Math.round((WIDTH * size) / sampleRate)));
    this.#band = VOICE_BAND.map((hertz) => Math.min(Math.round((hertz * size) / sampleRate), bins - 1));
    this.#power = new Float64Array(bins);
    this.#amplitude = new Float64Array(bins);
    this.#prior = new Float64Array(bins);
    this.#ratio = new Float64Array(bins);
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

  /** Set γ and ξ of each frequency, and ξ smoothed over time. */
  #estimate() {
    const past = this.#parameters.smoothing;
    const { noise } = this.#tracker;
    for (let bin = 0; bin < noise.length; bin += 1) {
      const ratio = Math.min(this.#power[bin] / noise[bin], MOST_RATIO);
      const prior = past * (this.#amplitude[bin] / noise[bin]) + (1 - past) * Math.max(ratio - 1, 0);
      this.#ratio[bin] = ratio;
      this.#prior[bin] = Math.min(Math.max(prior, LEAST_PRIOR), MOST_RATIO);
      this.#smooth[bin] = this.#presenceMemory * this.#smooth[bin] + (1 - this.#presenceMemory) * this.#prior[bin];
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
    if (!voiceProtection || this.#floor >= PROTECTED) return this.#floor;
    const threshold = Math.min(voiceThreshold, 0.99);
    const share = Math.min(Math.max((confidence - threshold) / (1 - threshold), 0), 1);
    return this.#floor ** (1 - share) * PROTECTED ** share;
  }

  /** Replace γ by the gain, which is at least `floor`; return the power that is left. */
  #suppress(voiced, floor) {
    const { spectralSubtraction, overSubtraction, spectralFloor, musicNoiseSuppression } = this.#parameters;
    const most = MOST_ABSENCE[0] + (MOST_ABSENCE[1] - MOST_ABSENCE[0]) * voiced;
    let left = 0;
    for (let bin = 0; bin < this.#power.length; bin += 1) {
      const [prior, ratio] = [this.#prior[bin], this.#ratio[bin]];
      const share = prior / (1 + prior);
      const v = share * ratio;
      let gain = logMmse(share, v);
      this.#amplitude[bin] = gain * gain * this.#power[bin];
      if (spectralSubtraction) gain = Math.sqrt(Math.min(Math.max(1 - overSubtraction / ratio, spectralFloor / ratio), 1));
      const near = between(10 * Math.log10(this.#near(bin)), LOCAL);
      const absence = Math.min(1 - Math.max(near * voiced, LEAST_PRESENCE), most);
      const present = 1 / (1 + (absence / (1 - absence)) * (1 + prior) * Math.exp(-Math.min(v, 200)));
      const weight = 1 - musicNoiseSuppression * (1 - present);
      gain = floor * Math.exp(weight * Math.log(Math.max(gain / floor, 1)));
      left += gain * gain * this.#power[bin];
      this.#ratio[bin] = gain;
    }
    return left;
  }

  /** Smoothed ξ, smoothed over the frequencies around; mirrored at the ends. */
  #near(bin) {
    const last = this.#smooth.length - 1;
    const side = (this.#kernel.length - 1) / 2;
    let sum = 0;
    for (let index = 0; index < this.#kernel.length; index += 1) {
      let at = Math.abs(bin + index - side);
      if (at > last) at = 2 * last - at;
      sum += this.#kernel[index] * this.#smooth[at];
    }
    return sum;
  }
}
