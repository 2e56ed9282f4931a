/** The pipeline in the browser: latency, fades, pauses and what one hears, with kernels whose output is known. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { ListeningKernel } from "../../static/js/audio/kernels/listening.js";
import { PipelineKernel } from "../../static/js/audio/kernels/pipeline.js";
import { Playout } from "../../static/js/audio/kernels/playout.js";
import { STAGE_IDS } from "../../static/js/audio/kernels/stages.js";
import { run } from "../../static/js/audio/pipeline-worker.js";

const RATE = 16_000;
const FADE = 480;

/** A gain behind a delay of `latency` samples. */
const gain = (latency) =>
  class {
    latency = latency;
    #held = new Float32Array(latency);

    constructor({ gain: factor }) {
      this.gain = factor;
      this.reduction = 20 * Math.log10(factor);
    }

    adopt(other) {
      this.#held = other.#held.slice();
    }

    process(block) {
      const all = Float32Array.from([...this.#held, ...block.map((sample) => sample * this.gain)]);
      this.#held = all.slice(block.length);
      return all.slice(0, block.length);
    }

    flush() {
      return this.process(new Float32Array(latency));
    }
  };

class Vad extends gain(7) {
  constructor() {
    super({ gain: 1 });
  }

  detect(block) {
    const late = this.process(block);
    return { block: late, activity: { confidence: late.map(Math.abs), speech: Uint8Array.from(late, (sample) => (sample > 0.5 ? 1 : 0)) } };
  }
}

/** Drops zeros. */
class Dropping {
  latency = 0;
  reduction = 0;
  cuts = [];
  activities = [];

  adopt() {}

  process(block, activity) {
    if (activity) this.activities.push(...activity.confidence);
    return block.filter((sample) => sample !== 0);
  }

  flush() {
    return new Float32Array(0);
  }
}

const KERNELS = { voiceFilter: gain(3), vad: Vad, noise: gain(11), voiceEnhance: gain(5), voiceProcess: gain(2) };
const LATENCY = 3 + 7 + 11 + 5 + 2;

function settings({ gains = {}, enabledStages = STAGE_IDS, pausedAt = null } = {}) {
  const group = (name) => ({ gain: gains[name] ?? 1 });
  const parameters = {
    voiceFilter: group("voiceFilter"),
    vad: {},
    noiseReduction: group("noise"),
    voiceEnhancement: group("voiceEnhance"),
    voiceProcessing: group("voiceProcess"),
    silence: {},
    resampling: { targetRate: RATE },
  };
  return { parameters, enabledStages, pausedAt };
}

const ramp = (count) => Float32Array.from({ length: count }, (_, index) => (index + 1) / 4096);

/** The whole output, with the input in blocks of `sizes`. */
function through(kernel, input, sizes = [64]) {
  const out = [];
  for (let begin = 0, index = 0; begin < input.length; index += 1) {
    const size = sizes[index % sizes.length];
    out.push(...kernel.process(input.subarray(begin, begin + size)).samples);
    begin += size;
  }
  out.push(...kernel.flush().samples);
  return Float32Array.from(out);
}

test("output sample n belongs to input sample n, whatever the blocks and whichever stages are on", () => {
  const input = ramp(1000);
  for (const enabledStages of [STAGE_IDS, ["original", "decoded", "final"], ["noise"]]) {
    for (const sizes of [[1], [128], [0, 7, 300]]) {
      assert.deepEqual(through(new PipelineKernel(settings({ enabledStages }), RATE, { kernels: KERNELS }), input, sizes), input);
    }
  }
});

test("nothing leaves a live pipeline for its latency", () => {
  const kernel = new PipelineKernel(settings(), RATE, { kernels: KERNELS });
  assert.equal(kernel.latency, LATENCY);
  assert.equal(kernel.process(ramp(LATENCY)).samples.length, 0);
  assert.equal(kernel.process(ramp(10)).samples.length, 10);
  assert.equal(kernel.late("noise"), 3 + 7 + 11);
});

test("broken samples become silence and loud ones are clipped before any stage", () => {
  const kernel = new PipelineKernel(settings(), RATE, { kernels: KERNELS });
  assert.deepEqual(through(kernel, Float32Array.of(NaN, Infinity, -Infinity, 1e-30, 100, -9, 0.5)), Float32Array.of(0, 0, 0, 0, 8, -8, 0.5));
});

test("a changed parameter fades over 30 ms, and of several changes the newest stays", () => {
  const kernel = new PipelineKernel(settings(), RATE, { kernels: KERNELS });
  const ones = new Float32Array(1000).fill(1);
  kernel.process(ones);
  for (const noise of [0.5, 0.1, 0.25]) kernel.change(settings({ gains: { noise } }));
  const out = [];
  for (let index = 0; index < 20; index += 1) out.push(...kernel.process(ones.subarray(0, 100)).samples);
  const steepest = Math.max(...out.slice(1).map((sample, index) => Math.abs(sample - out[index])));
  assert.ok(steepest <= 0.5 / FADE + 1e-6, `a step of ${steepest}`);
  assert.ok(Math.abs(out.at(-1) - 0.25) < 1e-6);
  assert.ok(Math.min(...out) >= 0.25 - 1e-6, "the change in the middle was not skipped");
  assert.ok(Math.abs(kernel.reduction("noise") - 20 * Math.log10(0.25)) < 1e-9);
});

test("a stage that is switched off is a delay, without a step", () => {
  const kernel = new PipelineKernel(settings({ gains: { noise: 0.5 } }), RATE, { kernels: KERNELS });
  const ones = new Float32Array(1000).fill(1);
  kernel.process(ones);
  kernel.change(settings({ enabledStages: STAGE_IDS.filter((stage) => stage !== "noise") }));
  const out = [...kernel.process(ones).samples];
  assert.ok(Math.abs(out[0] - 0.5) < 1e-2 && Math.abs(out.at(-1) - 1) < 1e-6);
  assert.ok(Math.max(...out.slice(1).map((sample, index) => sample - out[index])) <= 0.5 / FADE + 1e-6);
  assert.equal(kernel.reduction("noise"), 0);
});

test("paused at a stage, the later ones are off", () => {
  const gains = { voiceFilter: 0.5, noise: 0.5, voiceProcess: 0.5 };
  const ones = new Float32Array(1000).fill(1);
  const last = (pausedAt) => through(new PipelineKernel(settings({ gains, pausedAt }), RATE, { kernels: KERNELS }), ones).at(-1);
  assert.deepEqual([null, "noise", "vad", "decoded"].map(last), [0.125, 0.25, 0.5, 1]);
});

test("the activity that reaches a stage belongs to its samples", () => {
  const made = [];
  class Silence extends Dropping {
    constructor() {
      super();
      made.push(this);
    }
  }
  const input = ramp(700);
  const out = through(new PipelineKernel(settings(), RATE, { kernels: { ...KERNELS, silence: Silence } }), input, [50]);
  assert.deepEqual(out, input);
  const { activities } = made.find((each) => each.activities.length > 0);
  assert.deepEqual(activities.slice(0, 600), [...input.subarray(0, 600)]);
});

test("taps start at their first sample", () => {
  const input = ramp(500);
  const { taps } = run({ samples: input, sampleRate: RATE, settings: settings({ gains: { noise: 0.5 } }), taps: ["vad", "noise", "final"] }, () => {}, KERNELS);
  for (const stage of ["vad", "noise", "final"]) assert.equal(taps[stage].length, input.length);
});

test("one hears as many samples as there are, and silence for what was cut", () => {
  const kernel = new ListeningKernel(settings(), RATE, { kernels: { ...KERNELS, silence: Dropping } });
  const input = new Float32Array(128);
  let heard = [];
  for (let block = 0; block < 60; block += 1) {
    input.fill(block % 20 < 10 ? 0.5 : 0);
    const out = kernel.process(input);
    assert.equal(out.length, 128);
    heard = heard.concat([...out]);
  }
  assert.ok(heard.filter((sample) => sample === 0.5).length > 30 * 128 - 600);
  assert.ok(heard.filter((sample) => sample === 0).length > 15 * 128);
});

test("one fades to another stage, and to another resampler", () => {
  const kernel = new ListeningKernel(settings({ gains: { noise: 0.5 } }), RATE, { kernels: KERNELS });
  const ones = new Float32Array(128).fill(1);
  const heard = [];
  const listen = (blocks) => {
    for (let block = 0; block < blocks; block += 1) heard.push(...kernel.process(ones));
    return heard.at(-1);
  };
  assert.equal(listen(20), 0.5);
  kernel.listen("decoded");
  assert.equal(listen(20), 1);
  kernel.listen("noise");
  kernel.listen("vad");
  kernel.listen("final");
  assert.equal(listen(40), 0.5);
  kernel.change(settings({ gains: { noise: 0.5 }, enabledStages: STAGE_IDS.filter((stage) => stage !== "resample") }));
  assert.equal(listen(20), 0.5);
  const begun = heard.slice(600);
  assert.ok(Math.max(...begun.slice(1).map((sample, index) => Math.abs(sample - begun[index]))) <= 0.5 / FADE + 1e-6);
});

test("what is played while nothing arrives fades out", () => {
  const playout = new Playout(4);
  playout.push(Float32Array.of(1, 1, 1, 1));
  const out = playout.pull(new Float32Array(400));
  assert.deepEqual([...out.subarray(0, 4)], [1, 1, 1, 1]);
  assert.ok(out.every((sample, index) => index === 0 || sample <= out[index - 1]));
  assert.ok(out.at(-1) < 1e-4);
});
