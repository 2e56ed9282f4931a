/**
 * Runs the pipeline of the browser for tests/audio/test_pipeline_twin.py.
 *
 * Reads {sampleRate, blocks, input, changes: [{at, settings}], taps} on stdin: `input` float32 in base64; a change is
 * applied before the first block that begins at or after `at`. Writes {stage: output in base64} on stdout.
 */

import { readFileSync } from "node:fs";

import { PipelineKernel } from "../../static/js/audio/kernels/pipeline.js";

const { sampleRate, blocks, input, changes, taps } = JSON.parse(readFileSync(0, "utf8"));
const bytes = Buffer.from(input, "base64");
const samples = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
const kernel = new PipelineKernel(changes.shift().settings, sampleRate);
const outputs = Object.fromEntries(taps.map((stage) => [stage, []]));
const add = ({ left }) => {
  for (const stage of taps) outputs[stage].push(left[stage].slice());
};
for (let begin = 0, index = 0; begin < samples.length; index += 1) {
  while (changes.length > 0 && changes[0].at <= begin) kernel.change(changes.shift().settings);
  const end = Math.min(samples.length, begin + blocks[index % blocks.length]);
  add(kernel.process(samples.subarray(begin, end)));
  begin = end;
}
add(kernel.flush());
const encoded = (parts) => Buffer.concat(parts.map((part) => Buffer.from(part.buffer, part.byteOffset, part.byteLength))).toString("base64");
console.log(JSON.stringify(Object.fromEntries(taps.map((stage) => [stage, encoded(outputs[stage])]))));
