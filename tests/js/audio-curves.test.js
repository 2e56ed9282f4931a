/** The curves of the audio pages are what the kernels do, and their words say it. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { NoiseKernel } from "../../static/js/audio/kernels/noise.js";
import { SilenceKernel } from "../../static/js/audio/kernels/silence.js";
import { VoiceEnhanceKernel } from "../../static/js/audio/kernels/voice-enhance.js";
import { VoiceFilterKernel } from "../../static/js/audio/kernels/voice-filter.js";
import { VoiceProcessKernel } from "../../static/js/audio/kernels/voice-process.js";
import { compressorCurve, expanderCurve, gateCurve, pauseCurve, resampleCurve, toneCurve, voiceFilterCurve } from "../../static/js/models/audio-curves.js";
import { activityWords, grantedWords, levelWords, statusWords, underrunWords } from "../../static/js/models/pipeline-text.js";

const RATE = 48_000;
const COMPRESSOR = { enabled: true, threshold: -20, ratio: 4, attack: 0.005, release: 0.3, knee: 6, makeupGain: 2 };
const OFF = { enabled: false };
const ENHANCEMENT = {
  gain: 1,
  normalize: false,
  targetLevel: -18,
  targetPeak: 1,
  compressor: COMPRESSOR,
  clarity: { ...OFF, amount: 0.5, focusFreq: 2500, bandwidth: 1000 },
  deEsser: { ...OFF, threshold: -20, frequency: 6000, bandwidth: 2000, ratio: 3 },
  limiter: OFF,
};
const FILTER = {
  fundamentalMin: 85, fundamentalMax: 300, formant1Min: 200, formant1Max: 1000, formant2Min: 500, formant2Max: 3000, formant3Min: 1500, formant3Max: 4000,
  sibilanceMin: 4000, sibilanceMax: 8000, sibilanceBoost: 2, voiceBandGain: 1.5, preserveFormants: true, adaptiveFiltering: false,
};

/** The gain in dB that a kernel has for a tone, at its end. */
function gainOf(kernel, frequency, amplitude) {
  const tone = Float32Array.from({ length: RATE }, (_, index) => amplitude * Math.sin((2 * Math.PI * frequency * index) / RATE));
  const out = kernel.process(tone);
  const rms = (samples) => Math.sqrt(samples.slice(-RATE / 2).reduce((sum, sample) => sum + sample * sample, 0) / (RATE / 2));
  return 20 * Math.log10(rms(out) / rms(tone));
}

const at = (curve, x) => {
  const { points } = curve.lines.at(-1);
  return points.reduce((best, point) => (Math.abs(point[0] - x) < Math.abs(best[0] - x) ? point : best))[1];
};

test("the compressor's curve is what it does to tones of one level", () => {
  const curve = compressorCurve(ENHANCEMENT);
  for (const level of [-50, -22, -10]) {
    const gain = gainOf(new VoiceEnhanceKernel(ENHANCEMENT, RATE), 1000, 10 ** (level / 20));
    assert.ok(Math.abs(at(curve, level) - level - gain) < 0.3, `${level}: ${at(curve, level) - level} drawn, ${gain} measured`);
    assert.equal(curve.follows.output(level), at(curve, level));
    assert.equal(curve.follows.level({ before: { rms: level - 3, peak: level }, after: {} }), level);
  }
  assert.match(curve.summary, /^Above −20 dBFS, 4 dB more at the input/);
  assert.match(compressorCurve({ compressor: { ...COMPRESSOR, enabled: false } }).summary, /is off/);
});

test("the voice filter's curve is what it does to tones", () => {
  const curve = voiceFilterCurve(FILTER, RATE);
  for (const frequency of [50, 100, 500, 2000, 6000]) {
    const gain = gainOf(new VoiceFilterKernel(FILTER, RATE), frequency, 0.1);
    const near = curve.lines.at(-1).points.filter(([x]) => Math.abs(Math.log2(x / frequency)) < 0.05).map(([, y]) => y);
    assert.ok(Math.min(...near) - 0.5 < gain && gain < Math.max(...near) + 0.5, `${frequency} Hz: ${near} drawn, ${gain} measured`);
  }
  assert.match(curve.summary, /^50 Hz: −/);
});

test("clarity, gate, expander and anti-alias filter", () => {
  const tone = toneCurve({ ...ENHANCEMENT, clarity: { ...ENHANCEMENT.clarity, enabled: true } }, RATE);
  assert.ok(Math.abs(at(tone, 2500) - 3.01) < 0.1);
  assert.match(tone.summary, /Clarity raises 2.5 kHz by 3.01 dB. The de-esser is off./);
  const gate = gateCurve({ gateThreshold: 0.01, noiseFloor: 0.01, strength: 0.7 });
  assert.deepEqual([gate.follows.output(-50), gate.follows.output(-39)], [-70, -39]);
  assert.deepEqual([-75, -45, -30].map((rms) => gate.follows.level({ after: { rms } })), [-55, -40.01, -30]);
  const expander = expanderCurve({ expanderGate: { enabled: true, threshold: -40, ratio: 3 } });
  assert.deepEqual([-30, -45, -80].map(expander.follows.output), [-30, -55, -120]);
  const filter = resampleCurve({ targetRate: 16_000, quality: "high", antiAlias: true, filterOrder: 128 }, RATE);
  assert.ok(Math.abs(at(filter, 2000)) < 0.1 && at(filter, 8200) < -90);
  assert.match(resampleCurve({ targetRate: 16_000, quality: "high", antiAlias: false, filterOrder: 128 }, RATE).summary, /other tones/);
  assert.match(resampleCurve({ targetRate: 48_000, quality: "high", antiAlias: true, filterOrder: 128 }, RATE).summary, /already/);
});

test("the compressor's curve has the gain of the stage before it", () => {
  const enhancement = { ...ENHANCEMENT, gain: 2 };
  const gain = gainOf(new VoiceEnhanceKernel(enhancement, RATE), 1000, 10 ** (-22 / 20));
  assert.ok(Math.abs(compressorCurve(enhancement).follows.output(-22) + 22 - gain) < 0.3);
});

test("the expander's curve is what it does to tones of one level, down to its range", () => {
  const parameters = {
    preservePitch: true, pitchShiftCents: 0, formantShift: 0, formantPreservation: 1, voiceIsolation: { enabled: false, strength: 0.5, algorithm: "harmonic" },
    expanderGate: { enabled: true, threshold: -30, ratio: 4, attack: 0.01, release: 0.1 },
  };
  const curve = expanderCurve(parameters);
  for (const level of [-20, -35, -60]) {
    const gain = gainOf(new VoiceProcessKernel(parameters, RATE), 1000, 10 ** (level / 20));
    assert.ok(Math.abs(curve.follows.output(level) - level - gain) < 0.3, `${level}: ${curve.follows.output(level) - level} drawn, ${gain} measured`);
  }
});

test("a closed gate lowers what is faint by what its curve says", () => {
  const parameters = {
    engine: "builtIn", strength: 0.2, smoothing: 0.95, noiseFloor: 0.01, gateThreshold: 0, spectralSubtraction: false, spectralFloor: 0.002, overSubtraction: 2,
    voiceProtection: false, voiceThreshold: 0.1, musicNoiseSuppression: 0.95,
  };
  const gated = { ...parameters, gateThreshold: 0.01 };
  const level = -60;
  const amplitude = Math.SQRT2 * 10 ** (level / 20);
  const open = gainOf(new NoiseKernel(parameters, RATE), 1000, amplitude);
  const closed = gainOf(new NoiseKernel(gated, RATE), 1000, amplitude);
  const { follows } = gateCurve(gated);
  const drawn = follows.output(level) - level;
  assert.ok(Math.abs(closed - open - drawn) < 0.3, `${drawn} drawn, ${closed - open} measured`);
  assert.ok(drawn > -8.1 && drawn < -7.9);
});

test("pauses become as long as their curve says", () => {
  const parameters = { threshold: -45, minDuration: 200, trimStart: true, trimEnd: true, padDuration: 50, useVoiceActivity: false, breathThreshold: -35, keepBreaths: false };
  const curve = pauseCurve(parameters);
  const drawn = (pause) => (pause <= curve.lines[1].points[1][0] ? pause : curve.lines[1].points.at(-1)[1]);
  const second = Float32Array.from({ length: RATE }, (_, index) => 0.3 * Math.sin((2 * Math.PI * 440 * index) / RATE));
  for (const pause of [50, 150, 250, 900]) {
    const kernel = new SilenceKernel(parameters, RATE);
    const sound = new Float32Array(2 * RATE + (pause * RATE) / 1000);
    sound.set(second);
    sound.set(second, sound.length - RATE);
    const left = kernel.process(sound).length + kernel.flush().length - 2 * RATE;
    assert.equal(Math.round((1000 * left) / RATE), drawn(pause));
  }
  assert.match(curve.summary, /^Pauses up to 200 ms stay; longer ones become 100 ms, 50 ms at each side. Both ends are trimmed/);
});

test("what a stage does, in words", () => {
  const report = { levels: { silence: { count: 0 } }, reductions: { noise: -3.26, voiceProcess: 0.01 }, confidence: 0.83, speech: true };
  const on = { isOn: true, canBeOff: true, isPausedBefore: false };
  const words = (stage, state = on, of = report) => activityWords(stage, state, of).text;
  assert.deepEqual([words("noise"), words("voiceProcess"), words("vad"), words("silence"), words("voiceFilter")], ["−3.3 dB", "0 dB", "speech 83 %", "cuts", "on"]);
  assert.deepEqual([words("noise", on, null), words("noise", { ...on, isOn: false }), words("noise", { ...on, isPausedBefore: true }), words("final", { ...on, canBeOff: false })], ["on", "off", "off while paused", "passes"]);
  assert.deepEqual([levelWords(null), levelWords(0), levelWords(0.1)], ["–", "silent", "−20 dB"]);
});

test("what the browser granted, and drop-outs, in words", () => {
  const words = grantedWords({ echoCancellation: "off", noiseSuppression: "on", autoGainControl: "unknown", voiceIsolation: "unknown" });
  assert.deepEqual(words.map(({ tone }) => tone), ["ok", "warn", "quiet", "quiet"]);
  assert.match(underrunWords(null).text, /^not known/);
  assert.equal(underrunWords({ events: 0, seconds: 0, of: 60 }).text, "none");
  assert.equal(underrunWords({ events: 3, seconds: 0.21, of: 60 }).text, "3 in 60 s, 0.21 s in all");
});

test("how things are, in a sentence", () => {
  const state = { isSupported: true, running: null, rate: null, enabled: 7, changeable: 7, pausedTitle: null, faults: 0 };
  assert.equal(statusWords(state), "Nothing runs. 7 of 7 stages on.");
  assert.equal(statusWords({ ...state, running: "file", rate: 44_100, pausedTitle: "Noise" }), "The file runs through the pipeline at 44.1 kHz. 7 of 7 stages on. Paused at Noise: later stages are off.");
  assert.match(statusWords({ ...state, faults: 1 }), /^One parameter contradicts another/);
  assert.match(statusWords({ ...state, isSupported: false }), /^This browser cannot run the pipeline/);
});
