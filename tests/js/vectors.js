/** The golden vectors of the audio stages, made by scripts/golden_vectors.py, and how a kernel is held to them. */

import { existsSync, readFileSync } from "node:fs";

const file = (stage) => new URL(`../data/audio/vectors/${stage}.json`, import.meta.url);

const bytes = (text) => {
  const data = Buffer.from(text, "base64");
  return data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength);
};

const NUMBERS = { input: Float32Array, output: Float32Array, confidence: Float32Array, speech: Uint8Array, detectedConfidence: Float32Array, detectedSpeech: Uint8Array };

/** Whether there are vectors of a stage (`voice_filter`). */
export const hasVectors = (stage) => existsSync(file(stage));

/** The cases of a stage, their numbers as typed arrays: {blocks, cases}. */
export function vectors(stage) {
  const { blocks, cases } = JSON.parse(readFileSync(file(stage), "utf8"));
  for (const each of cases) {
    for (const [name, Numbers] of Object.entries(NUMBERS)) if (typeof each[name] === "string") each[name] = new Numbers(bytes(each[name]));
  }
  return { blocks, cases };
}

/** The input of a case in blocks of `sizes`, repeated, with the activity of each: [{block, activity}]. */
export function* inBlocks({ input, confidence, speech }, sizes) {
  for (let begin = 0, index = 0; begin < input.length; index += 1) {
    const end = begin + sizes[index % sizes.length];
    const activity = confidence ? { confidence: confidence.subarray(begin, end), speech: speech.subarray(begin, end) } : null;
    yield { block: input.subarray(begin, end), activity };
    begin = end;
  }
}

/** Typed arrays one after the other. */
export function joined(parts, Numbers = Float32Array) {
  const all = new Numbers(parts.reduce((sum, part) => sum + part.length, 0));
  let begin = 0;
  for (const part of parts) {
    all.set(part, begin);
    begin += part.length;
  }
  return all;
}

/** The largest distance between two arrays of one length; Infinity for others. */
export function distance(first, second) {
  if (first.length !== second.length) return Infinity;
  let most = 0;
  for (let index = 0; index < first.length; index += 1) {
    const between = Math.abs(first[index] - second[index]);
    if (!(between <= most)) most = between;
  }
  return most;
}
