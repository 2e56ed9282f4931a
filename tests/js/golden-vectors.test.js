/** The kernels of the audio stages return what the Python stages return, within 1e-4 of full scale. */

import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { test } from "node:test";

import { NoiseKernel } from "../../static/js/audio/kernels/noise.js";
import { ResampleKernel } from "../../static/js/audio/kernels/resample.js";
import { SilenceKernel } from "../../static/js/audio/kernels/silence.js";
import { VadKernel } from "../../static/js/audio/kernels/vad.js";
import { VoiceEnhanceKernel } from "../../static/js/audio/kernels/voice-enhance.js";
import { VoiceFilterKernel } from "../../static/js/audio/kernels/voice-filter.js";
import { VoiceProcessKernel } from "../../static/js/audio/kernels/voice-process.js";
import { distance, inBlocks, joined, vectors } from "./vectors.js";

const WITHIN = 1e-4;
const FOLDER = new URL("../data/audio/vectors", import.meta.url);

/** The kernels, by stage. */
const KERNELS = {
  noise: NoiseKernel,
  resample: ResampleKernel,
  silence: SilenceKernel,
  vad: VadKernel,
  voice_enhance: VoiceEnhanceKernel,
  voice_filter: VoiceFilterKernel,
  voice_process: VoiceProcessKernel,
};

test("every stage with golden vectors has a kernel, and the other way round", () => {
  const stages = (existsSync(FOLDER) ? readdirSync(FOLDER) : [])
    .filter((name) => name.endsWith(".json"))
    .map((name) => name.replace(".json", ""));
  assert.deepEqual(stages.sort(), Object.keys(KERNELS).sort());
});

/** Decisions are equal but for a frame at an edge, and so is the confidence, which is no decision. */
function compareActivity(found, { sampleRate, parameters, detectedConfidence, detectedSpeech }) {
  const confidence = joined(found.map((part) => part.confidence));
  const speech = joined(found.map((part) => part.speech), Uint8Array);
  assert.ok(distance(confidence, detectedConfidence) <= WITHIN, `confidence: ${distance(confidence, detectedConfidence)} away`);
  const frame = (sampleRate * parameters.frameDuration) / 1000;
  const edges = (values) => values.reduce((sum, value, index) => sum + (index > 0 && value !== values[index - 1] ? 1 : 0), 0);
  assert.equal(edges(speech), edges(detectedSpeech));
  const differing = speech.reduce((sum, value, index) => sum + (value === detectedSpeech[index] ? 0 : 1), 0);
  assert.ok(differing <= frame * edges(detectedSpeech), `${differing} samples decided otherwise`);
}

for (const [stage, Kernel] of Object.entries(KERNELS)) {
  const { blocks, cases } = vectors(stage);
  for (const each of cases) {
    test(`${stage}: ${each.name}`, () => {
      const kernel = new Kernel(each.parameters, each.sampleRate);
      const parts = [];
      const found = [];
      const add = ({ block, activity }) => {
        parts.push(block.slice());
        found.push({ confidence: activity.confidence.slice(), speech: activity.speech.slice() });
      };
      for (const { block, activity } of inBlocks(each, blocks)) {
        const before = block.slice();
        if (kernel.detect) add(kernel.detect(block));
        else parts.push(kernel.process(block, activity).slice());
        assert.deepEqual(block, before, "the input was modified");
      }
      if (kernel.detect) parts.push(kernel.flush().block.slice());
      else parts.push(kernel.flush().slice());
      if (each.detectedSpeech) compareActivity(found, each);
      const output = joined(parts);
      assert.equal(output.length, each.output.length);
      assert.ok(distance(output, each.output) <= WITHIN, `${distance(output, each.output)} away`);
    });
  }
}
