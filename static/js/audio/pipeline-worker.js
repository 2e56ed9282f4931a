/**
 * Runs the pipeline over a whole signal, in a Web Worker.
 *
 * Receives {samples, sampleRate, settings, taps}; sends {progress: 0–1} and at the end {samples, sampleRate, taps:
 * {stage: samples}, track: {confidence, speech} | null, cuts, timings}.
 */

import { Collected } from "./kernels/collected.js";
import { PipelineKernel } from "./kernels/pipeline.js";

const BLOCK = 4096;
/** Blocks between two messages about the progress. */
const REPORT_EVERY = 64;

/** `report(share)` is called now and then. */
export function run({ samples, sampleRate, settings, taps = [] }, report = () => {}, kernels = undefined) {
  const kernel = new PipelineKernel(settings, sampleRate, { kernels, clock: () => performance.now() / 1000 });
  const output = new Collected(Float32Array, samples.length + BLOCK);
  const tapped = taps.map((stage) => [stage, new Collected(Float32Array)]);
  const track = { confidence: new Collected(Float32Array), speech: new Collected(Uint8Array) };
  const cuts = [];
  let isTracked = false;
  const add = (result) => {
    output.add(result.samples);
    for (const [stage, collected] of tapped) collected.add(result.left[stage]);
    if (result.activity !== null) {
      isTracked = true;
      track.confidence.add(result.activity.confidence);
      track.speech.add(result.activity.speech);
    }
    cuts.push(...result.cuts);
  };
  for (let begin = 0, count = 0; begin < samples.length; begin += BLOCK, count += 1) {
    add(kernel.process(samples.subarray(begin, begin + BLOCK)));
    if (count % REPORT_EVERY === 0) report(begin / samples.length);
  }
  add(kernel.flush());
  return {
    samples: output.take(),
    sampleRate: kernel.outputRate,
    taps: Object.fromEntries(tapped.map(([stage, collected]) => [stage, collected.take()])),
    track: isTracked ? { confidence: track.confidence.take(), speech: track.speech.take() } : null,
    cuts,
    timings: kernel.timings,
  };
}

if (typeof WorkerGlobalScope !== "undefined") {
  globalThis.onmessage = ({ data }) => {
    const result = run(data, (progress) => globalThis.postMessage({ progress }));
    const arrays = [result.samples, ...Object.values(result.taps), ...(result.track ? Object.values(result.track) : [])];
    globalThis.postMessage(result, [...new Set(arrays.map(({ buffer }) => buffer))]);
  };
}
