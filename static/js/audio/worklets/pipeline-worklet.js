/**
 * Runs audio/kernels/listening.js on the audio thread.
 *
 * Messages to it: {settings}, {listen: stage}, {taps: [stage]}, "stop". It sends, 60 times a second, {at, levels,
 * reductions, confidence, speech, taps, track}: `at` samples since the start; `confidence` null while the VAD stage is
 * off; `taps` {stage: samples} since the last one, and with any, `track` {confidence, speech} of the same time behind
 * voiceProcess.
 */

import { Collected } from "../kernels/collected.js";
import { ListeningKernel } from "../kernels/listening.js";
import { Meters } from "../kernels/meters.js";
import { GROUPS } from "../kernels/stages.js";

const REPORTS = 60;

class Pipeline extends AudioWorkletProcessor {
  #kernel;
  #meters = new Meters();
  #taps = new Map();
  #track = { confidence: new Collected(Float32Array), speech: new Collected(Uint8Array) };
  #mono = new Float32Array(128);
  #at = 0;
  #reportAt = 0;
  #isOpen = true;

  constructor({ processorOptions: { settings, listen = "final", taps = [] } }) {
    super();
    // The clock of this thread has steps of a millisecond; over many blocks their sums are right.
    this.#kernel = new ListeningKernel(settings, sampleRate, { clock: () => Date.now() / 1000 });
    this.#kernel.listen(listen);
    this.#tap(taps);
    this.port.onmessage = ({ data }) => this.#receive(data);
  }

  process([channels], [outputs]) {
    const block = this.#mixed(channels, outputs[0].length);
    const heard = this.#kernel.process(block);
    for (const output of outputs) output.set(heard);
    const { left, activity } = this.#kernel.result;
    this.#meters.add(left);
    for (const [stage, collected] of this.#taps) collected.add(left[stage]);
    if (this.#taps.size > 0 && activity !== null) {
      this.#track.confidence.add(activity.confidence);
      this.#track.speech.add(activity.speech);
    }
    this.#at += block.length;
    if (this.#at >= this.#reportAt) this.#report(activity);
    return this.#isOpen;
  }

  #receive(data) {
    if (data === "stop") this.#isOpen = false;
    if (data.settings) this.#kernel.change(data.settings);
    if (data.listen) this.#kernel.listen(data.listen);
    if (data.taps) this.#tap(data.taps);
  }

  #tap(stages) {
    this.#taps = new Map(stages.map((stage) => [stage, new Collected(Float32Array)]));
  }

  /** The average of the channels; silence where nothing is connected. */
  #mixed(channels, count) {
    if (this.#mono.length !== count) this.#mono = new Float32Array(count);
    const mono = this.#mono.fill(0);
    for (const channel of channels) for (let index = 0; index < count; index += 1) mono[index] += channel[index] / channels.length;
    return mono;
  }

  #report(activity) {
    this.#reportAt = this.#at + sampleRate / REPORTS;
    const { pipeline } = this.#kernel;
    const last = activity === null ? -1 : activity.confidence.length - 1;
    this.port.postMessage({
      at: this.#at,
      levels: this.#meters.take(),
      reductions: Object.fromEntries(Object.keys(GROUPS).map((stage) => [stage, pipeline.reduction(stage)])),
      timings: pipeline.timings,
      confidence: last < 0 ? null : activity.confidence[last],
      speech: last < 0 ? null : activity.speech[last] === 1,
      taps: Object.fromEntries([...this.#taps].map(([stage, collected]) => [stage, collected.take()])),
      track: { confidence: this.#track.confidence.take(), speech: this.#track.speech.take() },
    });
  }
}

registerProcessor("pipeline", Pipeline);
