/** The diagnostic page's models, and the runner that feeds the pipeline and measures. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { DiagnosisRunner } from "../../static/js/audio/analysis/diagnosis-runner.js";
import { Diagnosis } from "../../static/js/audio/analysis/diagnosis.js";
import { BANDS, COLUMNS_PER_SECOND } from "../../static/js/audio/analysis/measures.js";
import { grantedProcessing, wavRate } from "../../static/js/audio/diagnostic-session.js";
import { PipelineKernel } from "../../static/js/audio/kernels/pipeline.js";
import { SoundQueue } from "../../static/js/audio/kernels/sound-queue.js";
import { STAGE_IDS } from "../../static/js/audio/kernels/stages.js";
import { ActivityHistory, NoiseHistory, SideHistory } from "../../static/js/models/audio-history.js";
import { recommendations } from "../../static/js/models/audio-recommendations.js";
import { reportRows } from "../../static/js/models/audio-report-rows.js";
import { makeReport, measuredOf } from "../../static/js/models/audio-report.js";
import { hertz, level } from "../../static/js/models/audio-text.js";
import { AudioView, SPANS, STORED_SECONDS } from "../../static/js/models/audio-view.js";
import { phaseText, statusSentence } from "../../static/js/models/audio-diagnosis-text.js";

const PARAMETERS = {
  voiceFilter: {},
  vad: { energyThreshold: 0.01 },
  noiseReduction: { strength: 0.7 },
  voiceEnhancement: { gain: 1, normalize: false, targetPeak: 0.85, limiter: { enabled: true } },
  voiceProcessing: {},
  silence: {},
  resampling: { targetRate: 16_000 },
};
const SETTINGS = { parameters: PARAMETERS, enabledStages: STAGE_IDS };

/** Passes sound on; the VAD finds speech where a sample is not 0. */
class Plain {
  latency = 0;
  reduction = 0;

  adopt() {}

  process(block) {
    return block;
  }

  detect(block) {
    const speech = Uint8Array.from(block, (sample) => (sample === 0 ? 0 : 1));
    return { block, activity: { confidence: Float32Array.from(speech), speech } };
  }

  flush() {
    return new Float32Array(0);
  }
}

/** Half as loud, 100 samples late. */
class Late extends Plain {
  latency = 100;
  reduction = -6;
  #held = new Float32Array(100);

  process(block) {
    const both = Float32Array.of(...this.#held, ...block.map((sample) => sample / 2));
    this.#held = both.slice(block.length);
    return both.slice(0, block.length);
  }

  flush() {
    return this.#held;
  }
}

const KERNELS = { voiceFilter: Late, vad: Plain, noise: Plain, voiceEnhance: Plain, voiceProcess: Plain };
const RATE = 8_000;
const sine = (frequency, count, amplitude) => Float32Array.from({ length: count }, (_, n) => amplitude * Math.sin((2 * Math.PI * frequency * n) / RATE));
const near = (actual, expected, within) => assert.ok(Math.abs(actual - expected) <= within, `${actual} is not ${expected} ± ${within}`);

function diagnosis({ settings = SETTINGS, taps = { before: "original", after: "voiceProcess" } } = {}) {
  const wanted = { ...settings, enabledStages: settings.enabledStages.filter((stage) => stage !== "resample" && stage !== "silence") };
  return new Diagnosis({ makePipeline: (each, rate) => new PipelineKernel(each, rate, { kernels: KERNELS }), settings: wanted, sampleRate: RATE, taps, spectrum: { size: 1024, window: "hann" } });
}

test("both sides are measured in the time of the input, whatever a stage's latency", () => {
  const measured = diagnosis();
  const samples = sine(1_000, RATE, 0.5);
  let [before, after] = [0, 0];
  for (let at = 0; at < RATE; at += 80) {
    const { sides } = measured.process(samples.subarray(at, at + 80));
    before += sides.before.low.length;
    after += sides.after.low.length;
  }
  assert.equal(before, COLUMNS_PER_SECOND);
  assert.ok(after < before);
  const last = measured.flush();
  assert.equal(after + last.sides.after.low.length, COLUMNS_PER_SECOND);
  near(last.sides.before.strongest.frequency, 1_000, 1);
  const { sides } = measured.summary;
  near(sides.before.peakDb, -6.02, 0.01);
  near(sides.after.peakDb, -12.04, 0.01);
});

test("speech is found in the time of the input", () => {
  const measured = diagnosis();
  const samples = new Float32Array(RATE);
  samples.fill(0.1, RATE / 4, RATE / 2);
  for (let at = 0; at < RATE; at += 160) measured.process(samples.subarray(at, at + 160));
  measured.flush();
  const [segment, ...others] = measured.summary.speechSegments;
  assert.deepEqual(others, []);
  near(segment.start, 0.25, 0.015);
  near(segment.end, 0.5, 0.015);
});

test("another tap is measured from then on, and says when it began", () => {
  const measured = diagnosis();
  measured.process(sine(1_000, RATE / 2, 0.5));
  measured.setTap("after", "decoded");
  const { sides } = measured.process(sine(1_000, 800, 0.25));
  assert.equal(sides.after.begun, 0.5);
  assert.equal(sides.before.begun, 0);
  near(measured.summary.sides.after.peakDb, -12.04, 0.01);
});

test("paused at a stage, the later ones pass sound on", () => {
  const run = (pausedAt) => {
    const measured = diagnosis({ settings: { ...SETTINGS, pausedAt } });
    for (let n = 0; n < 10; n += 1) measured.process(sine(1_000, 800, 0.5));
    return measured.summary;
  };
  near(run("decoded").sides.after.peakDb, -6.02, 0.01);
  assert.equal(run("decoded").stages.find(({ id }) => id === "noise").isOn, false);
  near(run("noise").sides.after.peakDb, -12.04, 0.01);
});

/** A runner with a clock of its own. */
function runner() {
  const posted = [];
  const waiting = new Map();
  let [now, count] = [0, 0];
  const timers = { setTimeout: (action, delay) => (waiting.set((count += 1), { action, at: now + delay }), count), clearTimeout: (id) => waiting.delete(id) };
  const made = new DiagnosisRunner({ post: (message) => posted.push(message), now: () => now, timers, makePipeline: (settings, rate) => new PipelineKernel(settings, rate, { kernels: KERNELS }) });
  const advance = (until) => {
    for (;;) {
      const [next] = [...waiting].sort(([, a], [, b]) => a.at - b.at);
      if (next === undefined || next[1].at > until) break;
      waiting.delete(next[0]);
      now = Math.max(now, next[1].at);
      next[1].action();
    }
    now = until;
  };
  const settings = { ...SETTINGS, enabledStages: ["original", "decoded", "final"] };
  const open = (...channels) => made.receive({ type: "open", settings, sampleRate: 16_000, channels, taps: { before: "original", after: "final" }, spectrum: { size: 1024, window: "hann" } });
  return { made, posted, advance, open, waiting };
}

test("a file is fed as fast as it would be heard, and then at once", () => {
  const { made, posted, advance, open, waiting } = runner();
  open(new Float32Array(16_000 * 3).fill(0.1));
  advance(1_000);
  near(posted.at(-1).seconds, 1, 0.02);
  made.receive({ type: "rush" });
  advance(1_000);
  const ended = posted.at(-1);
  assert.equal(ended.type, "ended");
  assert.equal(ended.summary.seconds, 3);
  assert.equal(waiting.size, 0);
});

test("two channels are measured as their mean, and their correlation besides", () => {
  const { posted, advance, open } = runner();
  const left = new Float32Array(16_000).map((_, n) => 0.5 * Math.sin(n / 10));
  open(left, left.map((sample) => -0.5 * sample));
  advance(2_000);
  const { summary } = posted.at(-1);
  near(summary.sides.before.peakDb, 20 * Math.log10(0.125), 0.01);
  near(summary.phase.whole, -1, 1e-9);
  assert.equal(summary.phase.channels, 2);
  assert.equal(posted.findLast(({ phase }) => phase).phase.channels, 2);
});

test("settings that no kernel accepts end the measurement with a message", () => {
  const { made, posted, waiting } = runner();
  made.receive({ type: "open", settings: { parameters: null, enabledStages: STAGE_IDS }, sampleRate: 16_000, channels: [new Float32Array(10)], taps: { before: "original", after: "final" }, spectrum: { size: 1024, window: "hann" } });
  assert.equal(posted.at(-1).type, "failed");
  assert.equal(waiting.size, 0);
});

test("a queue of sound waits for its lead, counts gaps and drops the oldest", () => {
  const queue = new SoundQueue(8, 4);
  const out = new Float32Array(3);
  queue.push(Float32Array.of(1, 2, 3));
  queue.fill(out);
  assert.deepEqual([...out], [0, 0, 0]);
  queue.push(Float32Array.of(4));
  queue.fill(out);
  assert.deepEqual([...out], [1, 2, 3]);
  queue.fill(out);
  assert.deepEqual([[...out], queue.gaps], [[4, 0, 0], 1]);
  queue.push(Float32Array.from({ length: 10 }, (_, index) => index));
  queue.fill(out);
  assert.deepEqual([...out], [2, 3, 4]);
});

test("what a browser does not say is unknown, not off", () => {
  assert.deepEqual(grantedProcessing({ echoCancellation: false, noiseSuppression: true, autoGainControl: undefined }), { echoCancellation: "off", noiseSuppression: "on", autoGainControl: "unknown", voiceIsolation: "unknown" });
  assert.equal(grantedProcessing({ echoCancellation: "remote-only" }).echoCancellation, "on (remote-only)");
});

test("the rate in the header of a WAV file is found behind other chunks", () => {
  const bytes = new DataView(new ArrayBuffer(60));
  const write = (at, text) => [...text].forEach((letter, index) => bytes.setUint8(at + index, letter.charCodeAt(0)));
  write(0, "RIFF");
  write(8, "WAVE");
  write(12, "LIST");
  bytes.setUint32(16, 4, true);
  write(24, "fmt ");
  bytes.setUint32(28, 16, true);
  bytes.setUint32(36, 44_100, true);
  assert.equal(wavRate(bytes.buffer), 44_100);
  assert.equal(wavRate(new ArrayBuffer(4)), null);
});

test("a view follows, stands still while it is frozen, and stays within what is stored", () => {
  const view = new AudioView();
  assert.deepEqual(view.window(12), { begin: 2, end: 12 });
  view.freeze(60);
  assert.deepEqual(view.window(99), { begin: 50, end: 60 });
  view.zoom(-1);
  assert.deepEqual(view.window(99), { begin: 52.5, end: 57.5 });
  view.pan(100);
  assert.equal(view.window(99).end, 60);
  view.pan(-100);
  assert.equal(view.window(99).begin, 60 - STORED_SECONDS);
  view.zoom(100);
  assert.equal(view.canZoomOut, false);
  assert.deepEqual(view.window(99), { begin: 30, end: 60 });
  view.zoom(-100);
  assert.equal(view.span, SPANS[0]);
  view.follow();
  assert.equal(view.window(99).end, 99);
});

test("a copied history stays as it was", () => {
  const history = new SideHistory(1);
  history.add({ low: [-0.5], high: [0.5], columns: new Uint8Array(BANDS).fill(7) });
  const copy = history.copy();
  for (let index = 0; index < STORED_SECONDS * COLUMNS_PER_SECOND; index += 1) history.add({ low: [0], high: [0], columns: new Uint8Array(0) });
  assert.deepEqual(copy.extent(1, 1.001), { low: -0.5, high: 0.5 });
  assert.equal(history.extent(1, 1.001), null);
  assert.equal(copy.bands(1)[0], 7);
  assert.equal(copy.bands(1.1), null);
});

test("activity is not known where the stage was off, and noise has four points a second", () => {
  const activity = new ActivityHistory();
  activity.add({ confidence: [0.9], speech: [1] }, 0.002);
  activity.add(null, 0.01);
  assert.deepEqual(activity.at(0).speech, true);
  assert.equal(activity.at(0.005), null);
  assert.equal(activity.at(1), null);
  const noise = new NoiseHistory();
  for (let n = 0; n < 100; n += 1) noise.add(n / 50, { snrDb: null, floorDb: null, confidence: 0, reason: "" });
  near(noise.points.length, 8, 1);
});

/** A tap's values, of clean speech within the targets. */
const TAP = { seconds: 10, sampleRate: 48_000, rmsDb: -24, totalRmsDb: -24, peakDb: -6, crestFactorDb: 18, truePeakDb: -5, momentary: -23, shortTerm: -23, integrated: -23, range: 3, clipped: 0, snrDb: 20, floorDb: -60, confidence: 0.9, reason: "", strongest: { frequency: 200.123, level: -30 } };
const STAGES = [{ id: "noise", isOn: true, seconds: 0.2, reduction: -3 }];

function measured({ before = {}, after = {}, settings = SETTINGS, ...others } = {}) {
  return { before: { tap: "original", ...TAP, ...before }, after: { tap: "final", ...TAP, ...after }, phase: null, settings, stages: STAGES, seconds: 10, granted: null, underruns: null, dropped: null, speechShare: 0.5, ...others };
}

const advice = (changes) => recommendations(measured(changes));

test("sound within the targets needs no change", () => {
  assert.deepEqual(advice({}), []);
});

test("each recommendation has its number, and the parameter that would change it", () => {
  const cases = [
    [{ before: { peakDb: null } }, "silence", /digital silence/, null],
    [{ before: { clipped: 480 } }, "clippedInput", /480 samples \(0\.10 %\)/, null],
    [{ before: { snrDb: 6 } }, "noise", /6\.0 dB over the noise/, { path: "noiseReduction.strength", from: 0.7, to: 0.9 }],
    [{ before: { snrDb: 32 } }, "noise", /32\.0 dB over the noise/, { path: "noiseReduction.strength", from: 0.7, to: 0.3 }],
    [{ before: { floorDb: -34 } }, "energy", /−34\.0 dBFS \(0\.020/, { path: "vad.energyThreshold", from: 0.01, to: 0.03 }],
    [{ before: { totalRmsDb: -50 }, speechShare: 0 }, "faintSpeech", /−50\.0 dBFS/, { path: "vad.energyThreshold", from: 0.01, to: 0.002 }],
    [{ after: { truePeakDb: 1 } }, "truePeak", /1\.0 dBTP/, { path: "voiceEnhancement.targetPeak", from: 0.85, to: 0.67 }],
    [{ after: { integrated: -29 } }, "loudness", /−29\.0 LUFS, 6\.0 LU quieter/, { path: "voiceEnhancement.gain", from: 1, to: 2 }],
    [{ stages: [{ id: "noise", isOn: true, seconds: 3 }] }, "speed", /30 % of real time/, null],
    [{ granted: { echoCancellation: "on", noiseSuppression: "off", autoGainControl: "unknown" } }, "processing", /echo cancellation: 1 of 4/, null],
    [{ underruns: 3 }, "dropOuts", /3 underruns/, null],
    [{ phase: { channels: 2, whole: -0.9, now: -0.9, silent: 0, reason: "" } }, "phase", /phase correlation −0\.90/, null],
    [{ phase: { channels: 2, whole: null, now: null, silent: 1, reason: "a channel is silent" } }, "phase", /6\.0 dB quieter/, null],
  ];
  for (const [changes, id, text, change] of cases) {
    const found = advice(changes);
    assert.deepEqual(found.map((each) => each.id), [id]);
    assert.match(found[0].text, text);
    assert.deepEqual(found[0].change, change);
    assert.equal(typeof (found[0].number ?? 0), "number");
  }
});

test("nothing is recommended on an uncertain estimate, or for a stage that is off", () => {
  assert.deepEqual(advice({ before: { snrDb: 6, confidence: 0.2 } }), []);
  assert.deepEqual(advice({ after: { integrated: -29 }, settings: { ...SETTINGS, enabledStages: ["noise", "vad"] } }), []);
  assert.deepEqual(advice({ after: { integrated: -29 }, settings: { ...SETTINGS, pausedAt: "noise" } }), []);
  assert.deepEqual(advice({ after: { integrated: -29, tap: "noise" } }), []);
  assert.equal(advice({ before: { snrDb: 6 }, settings: { ...SETTINGS, enabledStages: [] } })[0].change, null);
});

test("the gravest comes first", () => {
  assert.deepEqual(advice({ before: { clipped: 9, snrDb: 6 }, after: { integrated: -29 } }).map(({ tone }) => tone), ["bad", "warn", "quiet"]);
});

const MATERIAL = {
  summary: { seconds: 10, sampleRate: 48_000, sides: { before: { tap: "original", ...TAP, snrDb: null, reason: "no pause" }, after: { tap: "final", ...TAP, integrated: -29 } }, stages: STAGES, speechSegments: [{ start: 1, end: 3.5 }], phase: { channels: 2, whole: -0.97, now: -0.9, silent: 0, reason: "" } },
  settings: { ...SETTINGS, pausedAt: "voiceProcess" },
  input: { kind: "file", label: "a.wav", sampleRate: 48_000, channels: 2 },
  dropOuts: { underruns: null, underrunSeconds: null, dropped: null },
  spectrum: { size: 2048, window: "hann", bandwidthHz: 35.156 },
  at: "2026-11-29T00:00:00.000Z",
};

test("a report has what was measured under the names of the API, and what was not known as null", () => {
  const report = JSON.parse(JSON.stringify(makeReport(MATERIAL)));
  assert.equal(report.before.snr_db, null);
  assert.deepEqual(report.before.reasons, { snr_db: "no pause" });
  assert.deepEqual(report.after.reasons, {});
  assert.equal(report.input.phase_correlation, -0.97);
  assert.equal(report.after.snr_db, 20);
  assert.equal(report.after.loudness_integrated, -29);
  assert.equal(report.before.strongest_hz, 200.1);
  assert.equal(report.speech_share, 0.25);
  assert.equal(report.spectrum.noise_bandwidth_hz, 35.16);
  assert.deepEqual(report.drop_outs, { underruns: null, underrun_seconds: null, dropped_frames: null });
  assert.deepEqual(report.stage_timings_ms, { noise: 200 });
  assert.equal(report.settings.pausedAt, "voiceProcess");
  assert.deepEqual(report.recommendations.map(({ parameter, number }) => [parameter, number]), [[null, -0.97], ["voiceEnhancement.gain", -29]]);
  const tables = reportRows(report);
  assert.deepEqual(tables.map(({ title }) => title), ["Recommendations", "Input", "Before and after", "Stages, ms in all"]);
  assert.deepEqual(tables[2].rows.find(([name]) => name === "Signal-to-noise ratio"), ["Signal-to-noise ratio", "–", "20.0\u00a0dB"]);
  assert.deepEqual(tables[1].rows.at(-1), ["Dropped frames", "not known"]);
});

test("the page's sentence says what is measured, and how it stands", () => {
  const source = MATERIAL.input;
  const found = recommendations(measuredOf(MATERIAL));
  assert.match(statusSentence({ source: null, isOpen: false, summary: null, found: [] }), /^Nothing is measured/);
  assert.equal(statusSentence({ source, isOpen: true, summary: MATERIAL.summary, found }), "Measuring a.wav for 10\u00a0s: no signal-to-noise ratio (no pause); loudness behind Final is −29.0\u00a0LUFS. 2 recommendations.");
  assert.equal(statusSentence({ source: { kind: "microphone" }, isOpen: false, summary: { ...MATERIAL.summary, sides: { before: TAP, after: { tap: "voiceProcess", ...TAP } } }, found: [] }), "Measured the microphone, 10\u00a0s: speech is 20.0\u00a0dB over the noise; loudness behind Processing is −23.0\u00a0LUFS. Nothing to change.");
});

test("the correlation of channels in words", () => {
  assert.equal(phaseText(null), "–");
  assert.equal(phaseText({ channels: 1, whole: null, now: null, reason: "" }), "none: the input is mono");
  assert.equal(phaseText({ channels: 6, whole: null, now: null, reason: "it is defined for two channels; there are 6" }), "none: it is defined for two channels; there are 6");
  assert.equal(phaseText({ channels: 2, whole: 1, now: 1, reason: "" }), "1.00: both channels are the same; 1.00 now");
  assert.equal(phaseText({ channels: 2, whole: -0.9, now: null, reason: "" }), "−0.90: the channels cancel each other; a channel is silent now");
});

test("levels and frequencies as text", () => {
  assert.equal(level(-0.01, "dB"), "0.0\u00a0dB");
  assert.equal(level(null, "dB"), "–");
  assert.equal(hertz(997.4), "997\u00a0Hz");
  assert.equal(hertz(12_345), "12.35\u00a0kHz");
  assert.equal(hertz(5_000, true), "5k");
});
