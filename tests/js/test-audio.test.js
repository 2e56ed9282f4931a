/** The models of the page of audio tests: WAV files, formats, words that differ, the history, the waveform. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { wavFile } from "../../static/js/audio/wav.js";
import { FORMATS, lengthWords, missingFormatsWords, recordingName, supportedFormats } from "../../static/js/models/recording-formats.js";
import { bytesOf, dropsFor, exportedRun, exportParts } from "../../static/js/models/run-history.js";
import { peaks, waveformWords } from "../../static/js/models/waveform.js";
import { differencePieces, differenceWords, errorRateWords } from "../../static/js/models/word-differences.js";

const text = (view, at) => String.fromCharCode(...new Uint8Array(view.buffer, at, 4));

test("a WAV file of integers has a plain header, and its channels take turns", () => {
  const view = new DataView(wavFile([Float32Array.of(0.5, 2, NaN), Float32Array.of(-0.5, -2, 0)], 16_000));
  assert.equal(view.byteLength, 44 + 12);
  assert.deepEqual([text(view, 0), text(view, 8), text(view, 12), text(view, 36)], ["RIFF", "WAVE", "fmt ", "data"]);
  assert.equal(view.getUint32(4, true), view.byteLength - 8);
  assert.deepEqual([view.getUint16(20, true), view.getUint16(22, true), view.getUint32(24, true), view.getUint32(28, true), view.getUint16(32, true), view.getUint16(34, true)], [1, 2, 16_000, 64_000, 4, 16]);
  assert.equal(view.getUint32(40, true), 12);
  assert.deepEqual([0, 2, 4, 6, 8, 10].map((at) => view.getInt16(44 + at, true)), [16_384, -16_384, 32_767, -32_768, 0, 0]);
});

test("a WAV file of floats keeps each sample, and has a fact chunk", () => {
  const samples = Float32Array.of(0.1, -1.5, 1e-9);
  const view = new DataView(wavFile([samples], 48_000, { isFloat: true }));
  assert.deepEqual([view.getUint16(20, true), view.getUint16(34, true), text(view, 38), view.getUint32(46, true), text(view, 50)], [3, 32, "fact", 3, "data"]);
  assert.equal(view.getUint32(4, true), view.byteLength - 8);
  assert.deepEqual(new Float32Array(view.buffer.slice(58)), samples);
});

test("formats are those that the browser has", () => {
  const ids = (options) => supportedFormats(options).map(({ id }) => id);
  assert.deepEqual(ids({ hasWorklets: true, isSupported: (type) => type.startsWith("audio/webm") }), ["wav16", "wav32", "webm"]);
  assert.deepEqual(ids({ hasWorklets: false, isSupported: null }), []);
  assert.equal(ids({ hasWorklets: true, isSupported: () => true }).length, FORMATS.length);
  assert.equal(recordingName(new Date(2025, 10, 4, 9, 5, 7), FORMATS[0]), "recording-2025-11-04-090507.wav");
  assert.equal(lengthWords(67.9), "1:07 of 5:00");
});

test("formats that a browser lacks are named", () => {
  const words = (has, hasWorklets = true) => missingFormatsWords({ hasWorklets, isSupported: has });
  assert.equal(words(() => true), "");
  assert.equal(words((type) => !type.includes("ogg")), "This browser does not record Ogg with Opus. Such files can be chosen all the same.");
  assert.equal(words((type) => type.includes("webm")), "This browser does not record Ogg with Opus, MP4 with AAC or MP4 with Opus. Such files can be chosen all the same.");
  assert.equal(words(null, false), "This browser records no sound here. Files can be chosen all the same.");
});

test("words that differ become pieces; a substituted one is deleted and inserted", () => {
  const word = (kind, reference, recognised) => ({ kind, reference, recognised });
  const alignment = [word("equal", "the", "the"), word("equal", "old", "old"), word("substituted", "man", "men"), word("deleted", "who", null), word("inserted", null, "sat"), word("equal", "down", "down")];
  assert.deepEqual(differencePieces(alignment), [
    { kind: "equal", text: "the old" },
    { kind: "deleted", text: "man who" },
    { kind: "inserted", text: "men sat" },
    { kind: "equal", text: "down" },
  ]);
  assert.deepEqual(differencePieces([]), []);
});

test("differences and error rates in words", () => {
  const errors = (words, substituted, deleted, inserted) => ({ words, substituted, deleted, inserted, rate: words === 0 ? null : (substituted + deleted + inserted) / words, alignment: [] });
  assert.equal(differenceWords(errors(12, 0, 0, 0)), "Both recognised the same 12 words.");
  assert.equal(differenceWords(errors(12, 0, 1, 0)), "One word differs: 1 only with A.");
  assert.equal(differenceWords(errors(12, 2, 1, 3)), "6 words differ: 2 other with B, 1 only with A, 3 only with B.");
  assert.equal(differenceWords(errors(0, 0, 0, 0)), "No words were recognised with either.");
  assert.match(differenceWords(null), /cannot be compared/);
  assert.equal(errorRateWords(errors(24, 1, 1, 0)), "8.3 % word errors (2 at 24 words)");
  assert.equal(errorRateWords(errors(0, 0, 0, 2)), "");
  assert.equal(errorRateWords(null), "");
});

test("the oldest runs are dropped for one more, by count and by bytes", () => {
  const stored = [{ id: "new", at: 3, bytes: 40 }, { id: "old", at: 1, bytes: 30 }, { id: "mid", at: 2, bytes: 20 }];
  const limits = { mostRuns: 4, mostBytes: 100 };
  assert.deepEqual(dropsFor(10, stored, limits), { drops: [], fits: true });
  assert.deepEqual(dropsFor(11, stored, limits), { drops: ["old"], fits: true });
  assert.deepEqual(dropsFor(1, stored, { ...limits, mostRuns: 2 }), { drops: ["old", "mid"], fits: true });
  assert.deepEqual(dropsFor(100, stored, limits), { drops: ["old", "mid", "new"], fits: true });
  assert.deepEqual(dropsFor(101, stored, limits), { drops: [], fits: false });
});

test("an export is JSON with every file", () => {
  const file = new Blob(["abc"], { type: "audio/wav" });
  const run = { id: "1", at: 0, name: "voice.wav", sides: { a: { title: "A" }, b: { title: "B" } }, comparison: null, stages: null, reference: "", language: "en", files: { original: file, a: null, b: file } };
  assert.equal(bytesOf(run), 6);
  const exported = exportedRun(run, { original: "YWJj", b: "YWJj" });
  const document = JSON.parse(exportParts([exported, exported], new Date(0)).join(""));
  assert.equal(document.version, "1.0");
  assert.equal(document.runs.length, 2);
  assert.deepEqual(document.runs[1].audio, { original: { type: "audio/wav", bytes: 3, base64: "YWJj" }, a: null, b: { type: "audio/wav", bytes: 3, base64: "YWJj" } });
  assert.deepEqual(JSON.parse(exportParts([], new Date(0)).join("")).runs, []);
});

test("a waveform is its lowest and highest samples, and a sentence", () => {
  const [low, high] = peaks(Float32Array.of(0, 0.5, -0.5, 0.25), 2);
  assert.deepEqual([[...low], [...high]], [[0, -0.5], [0.5, 0.25]]);
  assert.equal(peaks(Float32Array.of(0.5), 3)[1].length, 3);
  const samples = new Float32Array(2_000);
  samples[1_200] = -0.5;
  assert.equal(waveformWords([samples], 1_000), "2 s, loudest at 1.2 s with −6 dB, sound in 5 % of it.");
  assert.equal(waveformWords([new Float32Array(500)], 1_000), "0.5 s of silence.");
  assert.equal(waveformWords([new Float32Array(0)], 1_000), "It has no samples.");
  assert.equal(waveformWords([new Float32Array(2_000), samples], 1_000), "2 channels, 2 s, loudest at 1.2 s with −6 dB in channel 2, sound in 5 % of it.");
  assert.equal(waveformWords([samples, new Float32Array(2_000)], 1_000), "2 channels, 2 s, loudest at 1.2 s with −6 dB in channel 1, sound in 5 % of it.");
  assert.equal(waveformWords([new Float32Array(500), new Float32Array(500)], 1_000), "2 channels, 0.5 s of silence.");
});
