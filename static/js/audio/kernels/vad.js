/**
 * The stage vad: finds speech and delays audio until it is known. The twin of orch/audio/stages/vad.py, which has the
 * equations: a small network over the features of a frame, then a cumulative sum of its evidence, and a hangover.
 */

import { COUNT, SPAN, VadFeatures } from "./vad-features.js";
import { HIDDEN, NUMBERS } from "./vad-model.js";

const HOP_MS = 10;
/** Hops between the first sample that a frame decides about and its end. */
const AHEAD = 3;
/** Hops before its decision at which speech begins. */
const EARLY = 6;
/** Hops by which the stage is late. */
const LATE = AHEAD + EARLY;
const RING = LATE + 1;
const CAP = 4;
const SURE = 30;
const LONGEST = 3;
/** lg of the share of the energy threshold above which speech goes on. */
const BELOW = Math.log10(0.4);
/** By aggressiveness: the logit that is no evidence, the evidence that begins speech, the logit that pauses it. */
const AGGRESSIVENESS = [
  { bias: -1, evidence: 1, release: -1.5 },
  { bias: -0.25, evidence: 2, release: -1 },
  { bias: 0.5, evidence: 3, release: -0.5 },
  { bias: 1.5, evidence: 8, release: 0.5 },
];

const NETWORK = readNetwork();

/** The fitted network; the standardisation is part of its weights. */
function readNetwork() {
  const numbers = Float64Array.from(NUMBERS.trim().split(/\s+/), Number);
  let at = 0;
  const next = (count) => numbers.subarray(at, (at += count));
  const [mean, deviation] = [next(COUNT), next(COUNT)];
  const weights = next(COUNT * HIDDEN).map((weight, index) => weight / deviation[Math.floor(index / HIDDEN)]);
  const offsets = next(HIDDEN).slice();
  for (let index = 0; index < weights.length; index += 1) offsets[index % HIDDEN] -= mean[Math.floor(index / HIDDEN)] * weights[index];
  return { weights, offsets, output: next(HIDDEN), bias: next(1)[0], scale: next(3), shift: next(3) };
}

function logitOf(features) {
  const { weights, offsets, output, bias } = NETWORK;
  let logit = bias;
  for (let unit = 0; unit < HIDDEN; unit += 1) {
    let sum = offsets[unit];
    for (let index = 0; index < COUNT; index += 1) sum += features[index] * weights[index * HIDDEN + unit];
    logit += output[unit] * Math.tanh(sum);
  }
  return logit;
}

export class VadKernel {
  #hop;
  #features;
  #rule;
  #held;
  #heldAt = 0;
  #frame;
  #filled;
  #hops = 0;
  #offset = 0;
  #decision = { evidence: 0, isSpeech: false, active: 0, pause: 0 };
  #logits = new Float64Array(LONGEST);
  /** Confidence and decision of the hops that are not yet returned, in rings; and where the present one is. */
  #confidences = new Float64Array(RING);
  #speech = new Uint8Array(RING);
  #first = 0;
  #block = new Float32Array(0);
  #confidence = new Float32Array(0);
  #isSpeech = new Uint8Array(0);

  constructor(parameters, sampleRate) {
    const { voiceFreqMin, voiceFreqMax, energyThreshold, frameDuration, minSpeechDuration, maxSilenceDuration } = parameters;
    this.#hop = Math.round(sampleRate / 100);
    this.#features = new VadFeatures(sampleRate, { lowest: voiceFreqMin, highest: voiceFreqMax, threshold: energyThreshold });
    const step = frameDuration / HOP_MS;
    this.#rule = {
      ...AGGRESSIVENESS[parameters.aggressiveness],
      step,
      shortest: minSpeechDuration / HOP_MS,
      hangover: maxSilenceDuration / HOP_MS,
      scale: NETWORK.scale[step - 1],
      shift: NETWORK.shift[step - 1],
    };
    /** Samples by which the output is late. */
    this.latency = LATE * this.#hop;
    /** dB; the stage changes no gain. */
    this.reduction = 0;
    this.#held = new Float32Array(this.latency);
    this.#frame = new Float64Array(SPAN * this.#hop);
    this.#filled = (SPAN - 1) * this.#hop;
  }

  /** The delayed block. */
  process(block) {
    return this.detect(block).block;
  }

  /** The delayed block and its activity; the returned arrays are used again by the next call. */
  detect(block) {
    const count = block.length;
    if (this.#block.length < count) {
      this.#block = new Float32Array(count);
      this.#confidence = new Float32Array(count);
      this.#isSpeech = new Uint8Array(count);
    }
    for (let index = 0; index < count; index += 1) {
      this.#block[index] = this.#held[this.#heldAt];
      this.#held[this.#heldAt] = block[index];
      this.#heldAt = this.#heldAt + 1 === this.latency ? 0 : this.#heldAt + 1;
      this.#frame[this.#filled] = block[index];
      this.#filled += 1;
      if (this.#filled === this.#frame.length) this.#analyse();
      this.#confidence[index] = this.#confidences[this.#first];
      this.#isSpeech[index] = this.#speech[this.#first];
      this.#offset += 1;
      if (this.#offset < this.#hop) continue;
      this.#offset = 0;
      this.#first = (this.#first + 1) % RING;
    }
    return {
      block: this.#block.subarray(0, count),
      activity: { confidence: this.#confidence.subarray(0, count), speech: this.#isSpeech.subarray(0, count) },
    };
  }

  /** The samples that are still inside, and their activity. */
  flush() {
    return this.detect(new Float32Array(this.latency));
  }

  /** Continue where a kernel with other parameters is: floors, levels, and speech that has begun. */
  adopt(old) {
    this.#features.adopt(old.#features);
    this.#held = old.#held;
    this.#heldAt = old.#heldAt;
    this.#frame = old.#frame;
    this.#filled = old.#filled;
    this.#hops = old.#hops;
    this.#offset = old.#offset;
    this.#decision = old.#decision;
    this.#logits = old.#logits;
    this.#confidences = old.#confidences;
    this.#speech = old.#speech;
    this.#first = old.#first;
  }

  /** A frame is complete: decide about its hop, and make room for the next one. */
  #analyse() {
    this.#features.measure(this.#frame, 0);
    this.#frame.copyWithin(0, this.#hop);
    this.#filled -= this.#hop;
    this.#logits.copyWithin(0, 1);
    this.#logits[LONGEST - 1] = logitOf(this.#features.features);
    // The hop that is now known, and the one that is decided about; negative before the first sample.
    const known = this.#hops - AHEAD + 1;
    const decided = known - EARLY;
    this.#hops += 1;
    const { step, scale, shift } = this.#rule;
    const length = Math.min(step, this.#hops);
    let sum = 0;
    for (let index = LONGEST - length; index < LONGEST; index += 1) sum += this.#logits[index];
    const mean = Math.min(Math.max(scale * (sum / length) + shift, -SURE), SURE);
    if (decided % step === 0) this.#decide(mean, this.#features.level);
    if (known >= 0) this.#confidences[(known + LATE) % RING] = 1 / (1 + Math.exp(-mean));
    if (decided >= 0) this.#speech[(decided + LATE) % RING] = this.#decision.isSpeech ? 1 : 0;
  }

  #decide(mean, level) {
    const [rule, decision] = [this.#rule, this.#decision];
    if (!decision.isSpeech) {
      const gain = rule.step * (Math.min(mean, CAP) - rule.bias);
      decision.evidence = level >= 0 ? Math.max(0, decision.evidence + gain) : 0;
      if (decision.evidence < rule.evidence) return;
      Object.assign(decision, { evidence: 0, isSpeech: true, active: rule.step, pause: 0 });
      return;
    }
    if (mean >= rule.release && level >= BELOW) {
      decision.active += decision.pause + rule.step;
      decision.pause = 0;
      return;
    }
    decision.pause += rule.step;
    if (decision.pause > EARLY + rule.hangover * Math.min(1, decision.active / rule.shortest)) {
      Object.assign(decision, { isSpeech: false, active: 0, pause: 0 });
    }
  }
}
