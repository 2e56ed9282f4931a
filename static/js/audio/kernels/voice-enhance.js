/** The stage voiceEnhance: level and clarity; the twin of orch/audio/stages/voice_enhance.py. */

import { Filter, bandPass, peaking } from "./biquad.js";
import { CLARITY } from "./bounds.js";
import { Steps, coefficient, compression, factor, stepSize } from "./envelope.js";
import { GainComputer } from "./gain-computer.js";
import { kWeighting, lufs } from "./k-weighting.js";
import { Limiter } from "./limiter.js";

const DE_ESSER = { falling: coefficient(0.001), rising: coefficient(0.06) };
const DE_ESSER_KNEE = 6;
const SLOW = coefficient(3);
const FAST = coefficient(0.4);
const GATE = -50;
const SLEW = 3;
const MOST = 12;

export class VoiceEnhanceKernel {
  #parameters;
  #sampleRate;
  #size;
  #steps;
  #compressor;
  #deEsser;
  #clarity;
  #band;
  #weighting;
  #limiter;
  #scratch;
  #normalization = 0;
  #slow = 0;
  #fast = 0;
  #transform = (step) => this.#step(step);

  constructor(parameters, sampleRate) {
    const { compressor, clarity, deEsser, targetPeak } = parameters;
    this.#parameters = parameters;
    this.#sampleRate = sampleRate;
    const size = stepSize(sampleRate);
    const band = { ...deEsser, knee: DE_ESSER_KNEE };
    this.#size = size;
    this.#steps = new Steps(size);
    this.#compressor = new GainComputer((level) => compression(level, compressor), { falling: coefficient(compressor.attack), rising: coefficient(compressor.release), size });
    this.#deEsser = new GainComputer((level) => compression(level, band), { ...DE_ESSER, size });
    this.#clarity = new Filter(peaking(clarity.focusFreq, clarity.bandwidth, CLARITY ** clarity.amount, sampleRate));
    this.#band = new Filter(bandPass(deEsser.frequency, deEsser.bandwidth, sampleRate));
    this.#weighting = new Filter(kWeighting(sampleRate));
    this.#limiter = new Limiter(targetPeak, sampleRate);
    this.#scratch = new Float64Array(this.#size);
  }

  get latency() {
    return (1 + this.#limiter.late) * this.#size;
  }

  /** The gain change of compressor, de-esser and limiter together, dB. */
  get reduction() {
    return this.#compressor.gain + this.#deEsser.gain + 20 * Math.log10(Math.max(this.#limiter.gain, 1e-6));
  }

  adopt(other) {
    this.#steps.adopt(other.#steps);
    this.#clarity.adopt(other.#clarity);
    this.#band.adopt(other.#band);
    this.#weighting.adopt(other.#weighting);
    this.#limiter.adopt(other.#limiter);
    this.#compressor.adopt(other.#compressor);
    this.#deEsser.adopt(other.#deEsser);
    this.#normalization = other.#normalization;
    this.#slow = other.#slow;
    this.#fast = other.#fast;
  }

  process(block) {
    return this.#steps.process(block, this.#parameters.gain, this.#transform);
  }

  flush() {
    return this.process(new Float32Array(this.latency));
  }

  #step(step) {
    const { compressor, clarity, deEsser, normalize, limiter } = this.#parameters;
    if (compressor.enabled) this.#compress(step, compressor.makeupGain);
    else this.#compressor.reset();
    if (clarity.enabled) this.#clarity.process(step);
    if (deEsser.enabled) this.#deEss(step);
    if (normalize) this.#normalize(step);
    return limiter.enabled ? this.#limiter.process(step) : this.#limiter.delay(step);
  }

  #compress(step, makeupGain) {
    this.#compressor.follow(step);
    this.#ramp(step, makeupGain * this.#compressor.before, makeupGain * this.#compressor.factor);
  }

  #deEss(step) {
    const band = this.#scratch;
    band.set(step);
    this.#band.process(band);
    this.#deEsser.follow(band);
    const { before } = this.#deEsser;
    const slope = this.#deEsser.factor - before;
    for (let index = 0; index < this.#size; index += 1) {
      step[index] += (before + (slope * (index + 1)) / this.#size - 1) * band[index];
    }
  }

  #normalize(step) {
    const weighted = this.#scratch;
    weighted.set(step);
    this.#weighting.process(weighted);
    let power = 0;
    for (let index = 0; index < this.#size; index += 1) power += weighted[index] * weighted[index];
    power /= this.#size;
    this.#fast = power + FAST * (this.#fast - power);
    const before = factor(this.#normalization);
    if (lufs(this.#fast) >= GATE) {
      this.#slow = this.#slow > 0 ? power + SLOW * (this.#slow - power) : this.#fast;
      const target = Math.min(MOST, Math.max(-MOST, this.#parameters.targetLevel - lufs(this.#slow)));
      const most = (SLEW * this.#size) / this.#sampleRate;
      this.#normalization += Math.min(most, Math.max(-most, target - this.#normalization));
    }
    this.#ramp(step, before, factor(this.#normalization));
  }

  /** Move the gain of a step from one factor to another. */
  #ramp(step, from, to) {
    const slope = to - from;
    for (let index = 0; index < this.#size; index += 1) step[index] *= from + (slope * (index + 1)) / this.#size;
  }
}
