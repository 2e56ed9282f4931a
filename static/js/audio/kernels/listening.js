/**
 * The pipeline as one listens to it: as many samples out as in, at the same rate, from any stage.
 *
 * What `resample` made is converted back to the rate of the input, so that one hears what the target rate leaves.
 * What `silence` cut is played as silence: time cannot be shortened while it runs. Another stage to listen to, or
 * another resampler, is faded to.
 */

import { Delay } from "./delay.js";
import { isSame } from "./fading.js";
import { KERNELS } from "./kernels.js";
import { FADE, PipelineKernel } from "./pipeline.js";
import { Playout } from "./playout.js";
import { Resampler } from "./resampler.js";
import { STAGE_IDS } from "./stages.js";

const SILENCE = STAGE_IDS.indexOf("silence");

/** To the target rate and back. */
class RoundTrip {
  #there;
  #back;
  out = new Float32Array(0);

  constructor(Kernel, parameters, sampleRate) {
    this.parameters = parameters;
    this.#there = parameters === null || !Kernel ? null : new Kernel(parameters, sampleRate);
    this.#back = this.#there === null || parameters.targetRate === sampleRate ? null : new Resampler(parameters.targetRate, sampleRate);
  }

  run(samples) {
    this.out = this.#there === null ? samples : this.#there.process(samples);
    if (this.#back !== null) this.out = this.#back.process(this.out);
  }
}

/** What leaves one stage, in blocks of the input's length. */
class Source {
  #stage;
  #delay = null;
  #playout = null;
  #out = new Float32Array(128);

  constructor(stage, delay, trip) {
    this.#stage = stage;
    this.trip = trip;
    if (STAGE_IDS.indexOf(stage) < SILENCE) this.#delay = new Delay(delay);
    else this.#playout = new Playout();
  }

  /** Samples until it returns something. */
  get latency() {
    return this.#delay?.length ?? 512;
  }

  read({ whole, left }, count) {
    if (this.#delay !== null) return this.#delay.process(whole[this.#stage]);
    this.#playout.push(this.#stage === "silence" ? left.silence : this.trip.out);
    if (this.#out.length < count) this.#out = new Float32Array(count);
    return this.#playout.pull(this.#out.subarray(0, count));
  }
}

export class ListeningKernel {
  #pipeline;
  #kernel;
  #sampleRate;
  #trip;
  #stage = "final";
  #source;
  #next = null;
  #waits = false;
  #position = 0;
  #fade;
  #mixed = new Float32Array(128);
  /** What the pipeline returned for the last block; `final` at the rate of the input. */
  result = null;

  /** As of PipelineKernel. */
  constructor(settings, sampleRate, { kernels = KERNELS, clock = null } = {}) {
    this.#pipeline = new PipelineKernel(settings, sampleRate, { kernels, clock, resamples: false });
    this.#kernel = kernels.resample;
    this.#sampleRate = sampleRate;
    this.#fade = Math.round(FADE * sampleRate);
    this.#trip = new RoundTrip(this.#kernel, this.#resampling(settings), sampleRate);
    this.#source = this.#created();
  }

  get pipeline() {
    return this.#pipeline;
  }

  change(settings) {
    this.#pipeline.change(settings);
    const parameters = this.#resampling(settings);
    if (isSame(parameters, this.#trip.parameters)) return;
    this.#trip = new RoundTrip(this.#kernel, parameters, this.#sampleRate);
    if (this.#stage === "resample" || this.#stage === "final") this.#begin();
  }

  /** Listen to what leaves `stage`. */
  listen(stage) {
    if (stage === this.#stage) return;
    this.#stage = stage;
    this.#begin();
  }

  /** As many samples as `block` has; valid until the next call. */
  process(block) {
    const result = this.#pipeline.process(block);
    this.result = result;
    for (const trip of new Set([this.#trip, this.#source.trip, this.#next?.trip ?? this.#trip])) trip.run(result.left.silence);
    result.left.resample = result.left.final = result.samples = this.#trip.out;
    const old = this.#source.read(result, block.length);
    if (this.#next === null) return old;
    const young = this.#next.read(result, block.length);
    if (this.#mixed.length < block.length) this.#mixed = new Float32Array(block.length);
    const mixed = this.#mixed;
    for (let index = 0; index < block.length; index += 1) {
      const share = Math.min(1, Math.max(0, (index + this.#position + 0.5) / this.#fade));
      mixed[index] = old[index] * (1 - share) + young[index] * share;
    }
    this.#position += block.length;
    if (this.#position >= this.#fade) {
      this.#source = this.#next;
      this.#next = null;
      if (this.#waits) this.#begin();
    }
    return mixed.subarray(0, block.length);
  }

  /** Fade to a new source; while a fade runs, after it. */
  #begin() {
    this.#waits = this.#next !== null;
    if (this.#waits) return;
    this.#next = this.#created();
    this.#position = -this.#next.latency;
  }

  #created() {
    const late = this.#pipeline.late("final") - this.#pipeline.late(this.#stage);
    return new Source(this.#stage, late, this.#trip);
  }

  #resampling({ enabledStages, parameters }) {
    return enabledStages.includes("resample") ? parameters.resampling : null;
  }
}
