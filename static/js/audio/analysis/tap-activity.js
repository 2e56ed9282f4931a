/**
 * Detects the voice activity of what `silence` and `resample` return, whose time is not that of the input: with the
 * parameters of the stage `vad`, as the service does for its measures.
 */

import { VadKernel } from "../kernels/vad.js";

export class TapActivity {
  #parameters;
  #kernel;
  #surplus;

  constructor(parameters, sampleRate) {
    this.sampleRate = sampleRate;
    this.#parameters = parameters;
    this.#kernel = new VadKernel(parameters, sampleRate);
    this.#surplus = this.#kernel.latency;
  }

  /** Continue with other parameters. */
  change(parameters) {
    if (JSON.stringify(parameters) === JSON.stringify(this.#parameters)) return;
    const kernel = new VadKernel(parameters, this.sampleRate);
    kernel.adopt(this.#kernel);
    this.#kernel = kernel;
    this.#parameters = parameters;
  }

  /** The activity, {confidence, speech}, of as many samples as are certain; at the end of all. */
  detect(block, isLast) {
    const { confidence, speech } = this.#kernel.detect(isLast ? joined(block, new Float32Array(this.#kernel.latency)) : block).activity;
    const surplus = Math.min(this.#surplus, speech.length);
    this.#surplus -= surplus;
    return { confidence: confidence.slice(surplus), speech: speech.slice(surplus) };
  }
}

function joined(first, second) {
  const both = new Float32Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}
