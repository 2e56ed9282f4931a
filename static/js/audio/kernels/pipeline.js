/**
 * Runs audio through the stages that are on, and changes them while it runs; the twin of orch/audio/pipeline.py.
 *
 * One channel of float32 in, one out, in blocks of any length; their sizes change nothing. Before the first stage NaN
 * and infinity become silence, and what is 18 dB over full scale is clipped.
 *
 * **Latency.** A stage is late by a fixed number of samples, also while it is off. The zeros at the beginning are
 * dropped, and `flush` returns what is still inside: output sample n belongs to input sample n, except for what `silence`
 * cut (`cuts`) and the rate that `resample` made.
 *
 * **Changes.** A stage with new parameters continues from the old one; both run for 30 ms (fading.js). Of the changes
 * that arrive meanwhile the newest follows. What would change the number of samples applies at the next start: rate,
 * filter and switch of `resample`.
 *
 * **Pause.** Paused at a stage, the later ones are off, except `resample`: the output keeps its rate.
 */

import { ActivityDelay, Delay, noActivity } from "./delay.js";
import { FadingSlot, isSame } from "./fading.js";
import { KERNELS } from "./kernels.js";
import { GROUPS, STAGE_IDS, isOn } from "./stages.js";

/** Seconds. */
export const FADE = 0.03;
/** The highest magnitude that reaches a stage. */
const LOUDEST = 8;
/** A sample below it is 0: processors are slow with numbers that are nearly too small for them. */
const FAINTEST = 1e-20;
const NOTHING = new Float32Array(0);
/** The stages that return as many samples as they are given, in their order. */
const STEADY = ["voiceFilter", "vad", "noise", "voiceEnhance", "voiceProcess"];
const LAST = STEADY.at(-1);

/** Write `block` to `out` without what no stage accepts. */
function sanitise(block, out) {
  for (let index = 0; index < block.length; index += 1) {
    const sample = block[index];
    const size = Math.abs(sample);
    out[index] = size >= FAINTEST && size < Infinity ? Math.max(-LOUDEST, Math.min(LOUDEST, sample)) : 0;
  }
  return out;
}

/** One array after the other; the only one itself where the others are empty. */
function joined(first, second) {
  if (second.length === 0) return first;
  if (first.length === 0) return second;
  const both = new first.constructor(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

/** Passes audio through. */
class Wire {
  latency = 0;
  reduction = 0;
  cuts = [];

  adopt() {}

  process(block) {
    return block;
  }

  detect(block) {
    return { block, activity: noActivity(block.length) };
  }

  flush() {
    return NOTHING;
  }
}

export class PipelineKernel {
  #sampleRate;
  #create;
  #slots = {};
  #vad;
  #late = {};
  #surplus;
  #silence;
  #resample = null;
  #clean = new Float32Array(128);
  #seconds = Object.fromEntries(Object.keys(GROUPS).map((stage) => [stage, 0]));
  #clock;

  /**
   * `settings` {parameters, enabledStages, pausedAt} as in an exported file, complete. `clock`: returns seconds, for
   * `timings`; without one nothing is timed. `resamples`: false leaves the rate as it is.
   */
  constructor(settings, sampleRate, { kernels = KERNELS, clock = null, resamples = true } = {}) {
    this.settings = settings;
    this.#sampleRate = sampleRate;
    this.#clock = clock;
    this.#create = (stage, parameters) => (kernels[stage] ? new kernels[stage](parameters, sampleRate) : new Wire());
    const { parameters } = settings;
    this.#vad = new Detector((group) => this.#create("vad", group), parameters.vad, isOn(settings, "vad"));
    let late = 0;
    for (const stage of STEADY) {
      if (stage === "vad") late += this.#vad.latency;
      else {
        const slot = new FadingSlot((group) => this.#create(stage, group), parameters[GROUPS[stage]], { isOn: isOn(settings, stage), fade: Math.round(FADE * sampleRate) });
        this.#slots[stage] = { slot, activity: new ActivityDelay(slot.latency), silent: noActivity(slot.latency) };
        late += slot.latency;
      }
      this.#late[stage] = late;
    }
    this.#surplus = { ...this.#late };
    this.#silence = new Shortener((group) => this.#create("silence", group), parameters.silence, isOn(settings, "silence"));
    if (resamples && settings.enabledStages.includes("resample")) this.#resample = this.#create("resample", parameters.resampling);
    this.#parameters = parameters.resampling;
  }

  /** Of the resampler. */
  #parameters;

  /** Samples of input by which the output of a stage is late; of the stages until `silence`. */
  late(stage) {
    return STAGE_IDS.indexOf(stage) < 2 ? 0 : (this.#late[stage] ?? this.#late[LAST]);
  }

  /** Samples of input for which a live pipeline returns nothing. */
  get latency() {
    return this.#late[LAST] + this.#silence.latency + (this.#resample?.latency ?? 0);
  }

  /** Samples a second of the output. */
  get outputRate() {
    return this.#resample === null || this.#resample instanceof Wire ? this.#sampleRate : this.#parameters.targetRate;
  }

  /** Seconds spent in each stage since the start. */
  get timings() {
    return { ...this.#seconds };
  }

  /** The present gain change of a stage in dB: negative where it reduces, 0 where it is off. */
  reduction(stage) {
    return this.#slots[stage]?.slot.reduction ?? 0;
  }

  /** Continue with other settings, without a click. */
  change(settings) {
    for (const [stage, { slot }] of Object.entries(this.#slots)) slot.change(settings.parameters[GROUPS[stage]], { isOn: isOn(settings, stage) });
    this.#vad.change(settings.parameters.vad, isOn(settings, "vad"));
    this.#silence.change(settings.parameters.silence, isOn(settings, "silence"));
    const { dithering, ditherType } = settings.parameters.resampling;
    const parameters = { ...this.#parameters, dithering, ditherType };
    if (this.#resample !== null && !isSame(parameters, this.#parameters)) {
      const kernel = this.#create("resample", parameters);
      kernel.adopt(this.#resample);
      this.#resample = kernel;
      this.#parameters = parameters;
    }
    this.settings = settings;
  }

  /**
   * Process a block. Returns {samples, activity, left, whole, cuts}, valid until the next call: `activity` of the
   * samples before `silence`, null where the VAD stage is off; `left`: what left each stage, from its first sample on;
   * `whole`: the same with the zeros before it, as many as were given, of the stages until voiceProcess.
   */
  process(block) {
    return this.#run(block, false);
  }

  /** What is still inside, in the same form. Nothing may follow. */
  flush() {
    return this.#run(NOTHING, true);
  }

  #run(input, isLast) {
    if (this.#clean.length !== input.length) this.#clean = new Float32Array(input.length);
    const left = { original: input };
    let block = (left.decoded = sanitise(input, this.#clean));
    const whole = { original: input, decoded: block };
    let activity = null;
    let surplus = 0;
    for (const stage of STEADY) {
      const begun = this.#now();
      if (stage === "vad") ({ block, activity } = this.#vad.process(block, isLast));
      else ({ block, activity } = this.#steady(stage, block, activity, isLast));
      this.#seconds[stage] += this.#now() - begun;
      whole[stage] = block;
      surplus = Math.min(this.#surplus[stage], block.length);
      this.#surplus[stage] -= surplus;
      left[stage] = surplus === 0 ? block : block.subarray(surplus);
    }
    if (activity !== null && surplus > 0) activity = { confidence: activity.confidence.subarray(surplus), speech: activity.speech.subarray(surplus) };
    let begun = this.#now();
    const { samples, cuts } = this.#silence.process(left[LAST], activity, isLast);
    this.#seconds.silence += this.#now() - begun;
    left.silence = samples;
    begun = this.#now();
    left.resample = left.final = this.#resampled(samples, isLast);
    this.#seconds.resample += this.#now() - begun;
    return { samples: left.final, activity, left, whole, cuts };
  }

  #steady(stage, block, activity, isLast) {
    const { slot, activity: delay, silent } = this.#slots[stage];
    let out = slot.process(block, activity);
    let late = delay.process(activity ?? noActivity(block.length));
    if (isLast) {
      out = joined(out.slice(), slot.flush(activity && silent));
      const { confidence, speech } = late;
      const kept = { confidence: confidence.slice(), speech: speech.slice() };
      const rest = delay.process(silent);
      late = { confidence: joined(kept.confidence, rest.confidence), speech: joined(kept.speech, rest.speech) };
    }
    return { block: out, activity: activity && late };
  }

  #resampled(samples, isLast) {
    if (this.#resample === null) return samples;
    const out = this.#resample.process(samples);
    return isLast ? joined(out.slice(), this.#resample.flush()) : out;
  }

  #now() {
    return this.#clock === null ? 0 : this.#clock();
  }
}

/** Runs the VAD stage. Audio is delayed in the same way where it is off, so it is switched at once. */
class Detector {
  #create;
  #kernel;
  #parameters;
  #held;

  constructor(create, parameters, isOn) {
    const kernel = create(parameters);
    this.#create = create;
    this.#parameters = parameters;
    this.#kernel = isOn ? kernel : null;
    this.latency = kernel.latency;
    this.#held = new Delay(kernel.latency);
  }

  change(parameters, isOn) {
    const old = this.#kernel;
    if (!isOn) this.#kernel = null;
    else if (old === null || !isSame(parameters, this.#parameters)) {
      this.#kernel = this.#create(parameters);
      if (old !== null) this.#kernel.adopt(old);
    }
    this.#parameters = parameters;
  }

  process(block, isLast) {
    const input = isLast ? joined(block, new Float32Array(this.latency)) : block;
    const late = this.#held.process(input);
    return { block: late, activity: this.#kernel === null ? null : this.#kernel.detect(input).activity };
  }
}

/** Runs the silence stage, which returns fewer samples than it is given; off, it passes everything. */
class Shortener {
  #create;
  #kernel;
  #parameters;
  #latency;
  /** What was inside when the stage was switched off. */
  #rest = NOTHING;

  constructor(create, parameters, isOn) {
    const kernel = create(parameters);
    this.#create = create;
    this.#parameters = parameters;
    this.#latency = kernel.latency;
    this.#kernel = isOn ? kernel : null;
  }

  get latency() {
    return this.#kernel === null ? 0 : this.#latency;
  }

  change(parameters, isOn) {
    const old = this.#kernel;
    if (!isOn && old !== null) {
      this.#rest = joined(this.#rest, old.flush().slice());
      this.#kernel = null;
    } else if (isOn && (old === null || !isSame(parameters, this.#parameters))) {
      this.#kernel = this.#create(parameters);
      if (old !== null) this.#kernel.adopt(old);
    }
    this.#parameters = parameters;
  }

  process(block, activity, isLast) {
    const rest = this.#rest;
    this.#rest = NOTHING;
    let samples = block;
    let cuts = [];
    if (this.#kernel !== null) {
      samples = this.#kernel.process(block, activity);
      cuts = this.#kernel.cuts ?? [];
      if (isLast) {
        samples = joined(samples.slice(), this.#kernel.flush());
        cuts = [...cuts, ...(this.#kernel.cuts ?? [])];
      }
    }
    return { samples: joined(rest, samples), cuts };
  }
}
