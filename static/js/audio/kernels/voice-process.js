/** The stage voiceProcess: pitch, isolation and expander; the twin of orch/audio/stages/voice_process.py. */

import { Delay } from "./delay.js";
import { Expander } from "./expander.js";
import { HarmonicPercussive } from "./harmonic-percussive.js";
import { PitchShift } from "./pitch-shift.js";
import { Stft } from "./stft.js";

const SECONDS = 0.048;
const OVERLAP = 4;

export class VoiceProcessKernel {
  #isolation;
  #ratio;
  #formants;
  #stft;
  #masks;
  #shift;
  #expander;
  #held;
  #magnitude;
  #mask;
  #transform = (re, im) => this.#change(re, im);

  constructor(parameters, sampleRate) {
    const { preservePitch, pitchShiftCents, formantShift, formantPreservation, voiceIsolation, expanderGate } = parameters;
    this.#isolation = voiceIsolation;
    this.#ratio = preservePitch ? 1 : 2 ** (pitchShiftCents / 1200);
    this.#formants = this.#ratio ** (1 - formantPreservation) * 2 ** (formantShift / 12);
    this.#stft = Stft.ofRate(sampleRate, OVERLAP, SECONDS);
    this.#masks = new HarmonicPercussive(sampleRate, this.#stft.size, this.#stft.bins);
    this.#shift = new PitchShift(this.#stft, sampleRate);
    this.#expander = new Expander(expanderGate, sampleRate);
    this.#held = new Delay(this.#stft.latency);
    this.#magnitude = new Float64Array(this.#stft.bins);
    this.#mask = new Float64Array(this.#stft.bins);
  }

  get latency() {
    return this.#stft.latency + this.#expander.latency;
  }

  /** The gain of the expander, dB. */
  get reduction() {
    return this.#expander.gain;
  }

  get #isSpectral() {
    return this.#isolation.enabled || this.#isShifting;
  }

  get #isShifting() {
    return Math.abs(this.#ratio - 1) > 1e-12 || Math.abs(this.#formants - 1) > 1e-12;
  }

  adopt(other) {
    this.#held.adopt(other.#held);
    this.#expander.adopt(other.#expander);
    this.#masks.adopt(other.#masks);
    this.#shift.adopt(other.#shift);
    if (this.#isSpectral && other.#isSpectral) this.#stft.adopt(other.#stft);
  }

  process(block) {
    let out = this.#held.process(block);
    if (this.#isSpectral) out = this.#stft.process(block, this.#transform);
    return this.#expander.process(out);
  }

  flush() {
    return this.process(new Float32Array(this.latency));
  }

  #change(re, im) {
    if (this.#isolation.enabled) this.#isolate(re, im);
    if (this.#isShifting) this.#shift.process(re, im, { ratio: this.#ratio, formants: this.#formants });
  }

  #isolate(re, im) {
    for (let bin = 0; bin < re.length; bin += 1) this.#magnitude[bin] = Math.sqrt(re[bin] * re[bin] + im[bin] * im[bin]);
    this.#masks.masks(this.#magnitude, this.#mask);
    const keepsLasting = this.#isolation.algorithm === "harmonic";
    for (let bin = 0; bin < re.length; bin += 1) {
      const kept = keepsLasting ? this.#mask[bin] : 1 - this.#mask[bin];
      const gain = 1 - this.#isolation.strength * (1 - kept);
      re[bin] *= gain;
      im[bin] *= gain;
    }
  }
}
