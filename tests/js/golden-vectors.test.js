/** The kernels of the audio stages return what the Python stages return, within 1e-4 of full scale. */

import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { test } from "node:test";

import { NoiseKernel } from "../../static/js/audio/kernels/noise.js";
import { ResampleKernel } from "../../static/js/audio/kernels/resample.js";
import { VoiceEnhanceKernel } from "../../static/js/audio/kernels/voice-enhance.js";
import { distance, inBlocks, joined, vectors } from "./vectors.js";

const WITHIN = 1e-4;
const FOLDER = new URL("../data/audio/vectors", import.meta.url);

/** The kernels, by stage. */
const KERNELS = {
  noise: NoiseKernel,
  resample: ResampleKernel,
  voice_enhance: VoiceEnhanceKernel,
};

test("every stage with golden vectors has a kernel, and the other way round", () => {
  const stages = (existsSync(FOLDER) ? readdirSync(FOLDER) : [])
    .filter((name) => name.endsWith(".json"))
    .map((name) => name.replace(".json", ""));
  assert.deepEqual(stages.sort(), Object.keys(KERNELS).sort());
});

for (const [stage, Kernel] of Object.entries(KERNELS)) {
  const { blocks, cases } = vectors(stage);
  for (const each of cases) {
    test(`${stage}: ${each.name}`, () => {
      const kernel = new Kernel(each.parameters, each.sampleRate);
      const parts = [];
      for (const { block, activity } of inBlocks(each, blocks)) {
        const before = block.slice();
        parts.push(kernel.process(block, activity).slice());
        assert.deepEqual(block, before, "the input was modified");
      }
      parts.push(kernel.flush().slice());
      const output = joined(parts);
      assert.equal(output.length, each.output.length);
      assert.ok(distance(output, each.output) <= WITHIN, `${distance(output, each.output)} away`);
    });
  }
}
