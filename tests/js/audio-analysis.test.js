/** What the diagnostic page measures, of signals whose answer is known. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { ActivityColumns, SpeechSegments } from "../../static/js/audio/analysis/activity-columns.js";
import { FrequencyAxis, LogBands } from "../../static/js/audio/analysis/frequency-axis.js";
import { LevelMeter } from "../../static/js/audio/analysis/levels.js";
import { noteOf, noteText } from "../../static/js/audio/analysis/notes.js";
import { NoiseTrack } from "../../static/js/audio/analysis/noise-track.js";
import { PeakHold, SpectrumAnalyser, strongest } from "../../static/js/audio/analysis/spectrum.js";
import { Spectrogram, byteLevel, levelByte } from "../../static/js/audio/analysis/spectrogram.js";
import { NoiseRatioMeter } from "../../static/js/audio/kernels/noise-ratio.js";
import { PhaseCorrelation } from "../../static/js/audio/kernels/phase-correlation.js";
import { TapAnalysis } from "../../static/js/audio/analysis/tap-analysis.js";
import { WaveformColumns } from "../../static/js/audio/analysis/waveform.js";
import { weightingAt } from "../../static/js/audio/analysis/weighting.js";
import { FFT_SIZES, WINDOWS, makeWindow } from "../../static/js/audio/analysis/windows.js";
import { CASES, made } from "./noise-ratio-cases.js";

const sine = (frequency, rate, count, amplitude = 1) => Float32Array.from({ length: count }, (_, n) => amplitude * Math.sin((2 * Math.PI * frequency * n) / rate));

/** A number generator (mulberry32): the same noise each time. */
function random(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function noise(count, rms, seed = 1) {
  const next = random(seed);
  return Float32Array.from({ length: count }, () => rms * Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()));
}

const near = (actual, expected, within, what = "") => assert.ok(Math.abs(actual - expected) <= within, `${what} ${actual} is not ${expected} ± ${within}`);

test("each window has the noise bandwidth of Harris's table", () => {
  const published = { rectangular: 1, hann: 1.5, hamming: 1.36, "blackman-harris": 2.0, "flat-top": 3.77 };
  assert.deepEqual(Object.keys(WINDOWS).sort(), Object.keys(published).sort());
  for (const [name, bandwidth] of Object.entries(published)) near(makeWindow(name, 4096).bandwidth, bandwidth, 0.006, name);
});

test("a sine of full scale on a bin has 0 dBFS with every window and length", () => {
  for (const size of FFT_SIZES)
    for (const name of Object.keys(WINDOWS)) {
      const analyser = new SpectrumAnalyser(size, name, 48_000);
      const bin = size / 16;
      const levels = analyser.levels(sine(bin * analyser.binWidth, 48_000, size, 0.5));
      near(levels[bin], -6.0206, 0.01, `${name} ${size}`);
      assert.equal(strongest(levels, analyser.binWidth).bin, bin);
    }
});

test("the level of a sine between bins is exact with a flat top, and 1.42 dB low with a Hann window", () => {
  const between = (name) => {
    const analyser = new SpectrumAnalyser(2048, name, 48_000);
    return Math.max(...analyser.levels(sine(100.5 * analyser.binWidth, 48_000, 2048)));
  };
  near(between("flat-top"), 0, 0.02);
  near(between("hann"), -1.42, 0.02);
});

test("the level of white noise in a bin is its power times the noise bandwidth", () => {
  for (const name of Object.keys(WINDOWS)) {
    const analyser = new SpectrumAnalyser(1024, name, 48_000);
    const power = new Float64Array(analyser.bins);
    const frames = 200;
    const samples = noise(1024 * frames, 0.1);
    for (let frame = 0; frame < frames; frame += 1) {
      const levels = analyser.levels(samples.subarray(frame * 1024));
      for (let bin = 4; bin < 508; bin += 1) power[bin] += 10 ** (levels[bin] / 10) / frames;
    }
    const mean = power.slice(4, 508).reduce((sum, value) => sum + value, 0) / 504;
    // 0 dBFS is a sine of full scale, whose mean square is 1/2.
    near(10 * Math.log10(mean / 2), 10 * Math.log10((0.01 * analyser.bandwidth) / 24_000), 0.15, name);
  }
});

test("the strongest tone is found within a twentieth of a bin, and silence has none", () => {
  const analyser = new SpectrumAnalyser(4096, "hann", 48_000);
  const levels = analyser.levels(sine(1_004.3, 48_000, 4096, 0.25));
  near(strongest(levels, analyser.binWidth).frequency, 1_004.3, analyser.binWidth / 20);
  near(strongest(levels, analyser.binWidth).level, -12.04, 0.4);
  assert.equal(strongest(analyser.levels(new Float32Array(4096)), analyser.binWidth), null);
});

test("peaks are held, and fall after that", () => {
  const hold = new PeakHold(1, { hold: 1, fall: 10 });
  hold.add([-10], 0.1);
  assert.equal(hold.add([-50], 0.9)[0], -10);
  near(hold.add([-50], 0.5)[0], -15, 1e-4);
  near(hold.add([-12], 0.1)[0], -12, 1e-4);
  hold.reset();
  assert.equal(hold.levels[0], -160);
});

test("the frequency axis has the same distance for each octave", () => {
  const axis = new FrequencyAxis(40, 20_480);
  near(axis.place(80) - axis.place(40), 1 / 9, 1e-12);
  near(axis.frequency(axis.place(1_234)), 1_234, 1e-9);
  assert.deepEqual(axis.ticks, [50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000]);
});

test("a tone stays visible in its band, also where a band has many bins; bands above the spectrum are empty", () => {
  const axis = new FrequencyAxis(40, 24_000);
  const levels = new Float32Array(1025).fill(-100);
  const binWidth = 16_000 / 2048;
  levels[900] = -10;
  const bands = new LogBands(axis, 100, levels.length, binWidth).collect(levels);
  const wanted = Math.floor(axis.place(900 * binWidth) * 100);
  assert.equal(bands.indexOf(Math.max(...bands)), wanted);
  assert.equal(Math.max(...bands), -10);
  assert.equal(bands[99], -160);
});

test("a spectrogram has a column every hop, whatever the blocks, with the tone in its band", () => {
  const axis = new FrequencyAxis(40, 8_000);
  const make = () => new Spectrogram({ size: 512, window: "hann", sampleRate: 16_000, axis, bands: 64, hop: 320 });
  const samples = sine(1_000, 16_000, 16_000, 0.5);
  const whole = make().add(samples);
  assert.equal(whole.length, 50 * 64);
  const last = whole.subarray(49 * 64);
  assert.equal(last.indexOf(Math.max(...last)), Math.floor(axis.place(1_000) * 64));
  near(byteLevel(Math.max(...last)), -6, 0.6);
  const parts = make();
  const pieces = [];
  for (let at = 0; at < samples.length; at += 111) pieces.push(...parts.add(samples.subarray(at, at + 111)));
  assert.deepEqual(Uint8Array.from(pieces), whole);
  assert.equal(levelByte(-300), 0);
  assert.equal(levelByte(20), 255);
});

test("weightings have the values of IEC 61672 and BS.1770", () => {
  const published = { A: [[31.623, -39.4], [100, -19.1], [1_000, 0], [3_981, 1.0], [10_000, -2.5]], C: [[31.623, -3.0], [100, -0.3], [1_000, 0], [3_981, -0.8], [10_000, -4.4]] };
  for (const [name, values] of Object.entries(published)) for (const [frequency, level] of values) near(weightingAt(name, frequency, 48_000), level, 0.07, `${name} ${frequency}`);
  // 997 Hz at 0 dBFS has −3.01 LUFS, and a mean square of −3.01 dB: the weighting is 0 there.
  near(weightingAt("K", 997, 48_000), 0, 0.01);
  assert.ok(weightingAt("K", 30, 48_000) < -8);
  assert.equal(weightingAt("Z", 30, 48_000), 0);
});

test("notes are those of the tempered scale", () => {
  assert.deepEqual(noteOf(440), { name: "A4", cents: 0 });
  assert.deepEqual(noteOf(261.626), { name: "C4", cents: 0 });
  assert.equal(noteText(450), "A4 +39 ct");
  assert.equal(noteText(1_000), "B5 +21 ct");
  assert.equal(noteText(435), "A4 −20 ct");
  assert.equal(noteOf(0), null);
});

test("levels of a sine: RMS 3.01 dB below its peak, and samples from 0.99 on are clipped", () => {
  const meter = new LevelMeter(48_000);
  assert.equal(meter.rmsDb, null);
  meter.add(sine(1_000, 48_000, 48_000, 0.5));
  near(meter.rmsDb, -9.03, 0.01);
  near(meter.crestFactorDb, 3.01, 0.01);
  assert.equal(meter.clipped, 0);
  meter.add(Float32Array.of(1, -1, 0.98, 0.99));
  assert.equal(meter.clipped, 3);
});

test("a column of the waveform has the lowest and the highest of its samples", () => {
  const columns = new WaveformColumns(4, 8);
  assert.equal(columns.add(Float32Array.of(0.1, -0.5, 0.2, 0, 0.9)), 1);
  near(columns.range(0, 1).low, -0.5, 1e-6);
  near(columns.range(0, 1).high, 0.2, 1e-6);
  columns.add(Float32Array.of(0, 0, 0));
  near(columns.range(0, 2).high, 0.9, 1e-6);
  for (let index = 0; index < 10; index += 1) columns.push(0, 0);
  assert.equal(columns.range(0, 2), null, "columns that were overwritten");
});

test("sound waits for its activity, in whatever blocks both arrive", () => {
  const { case: each } = CASES.find(({ case: { name } }) => name === "a room that decays, with activity");
  const { rate, samples, activity } = made(each);
  const meter = new NoiseRatioMeter(rate);
  meter.add(samples, activity);
  const track = new NoiseTrack(rate);
  for (let at = 0; at < samples.length; at += 160) {
    track.add(samples.subarray(at, at + 160));
    const late = at - 4_000;
    if (late < 0) continue;
    track.addActivity({ confidence: activity.confidence.slice(late, late + 160), speech: activity.speech.slice(late, late + 160) }, 160);
  }
  const rest = samples.length - 4_000;
  track.addActivity({ confidence: activity.confidence.slice(rest), speech: activity.speech.slice(rest) }, 4_000);
  const { snrDb, floorDb, confidence, reason } = meter.value;
  assert.equal(reason, "");
  near(track.whole.snrDb, snrDb, 1e-6);
  near(track.whole.floorDb, floorDb, 1e-6);
  near(track.whole.confidence, confidence, 1e-6);
  const without = new NoiseTrack(rate);
  without.add(samples);
  without.finish();
  assert.equal(without.whole.snrDb, null);
  assert.match(without.whole.reason, /not stationary/);
});

test("the recent estimate forgets what was more than 12 s ago", () => {
  const rate = 8_000;
  const track = new NoiseTrack(rate);
  const hear = (seconds, rms) => {
    track.add(noise(seconds * rate, rms));
    track.finish();
  };
  hear(7, 0.001);
  const inBand = track.recent.floorDb;
  hear(13, 0.1);
  near(track.recent.floorDb, inBand + 40, 0.5);
  assert.ok(track.whole.floorDb < inBand + 20);
  assert.equal(track.recent.reason, "no speech is louder than the noise");
});

test("two channels: the same, opposite, foreign to each other; others have no correlation, and the reason", () => {
  const rate = 16_000;
  const [one, other] = [noise(rate, 0.1), noise(rate, 0.1, 2)];
  const of = (...channels) => {
    const meter = new PhaseCorrelation(rate);
    for (let at = 0; at < rate; at += 160) meter.add(channels.map((channel) => channel.subarray(at, at + 160)));
    return meter.value;
  };
  near(of(one, one).whole, 1, 1e-12);
  near(of(one, one.map((sample) => -0.5 * sample)).now, -1, 1e-12);
  near(of(one, other).whole, 0, 0.05);
  assert.deepEqual(of(one), { channels: 1, whole: null, now: null, silent: 0, reason: "it is defined for two channels; there are 1" });
  const { silent, reason } = of(one, new Float32Array(rate));
  assert.deepEqual([silent, reason], [1, "a channel is silent"]);
  assert.equal(new PhaseCorrelation(rate).value, null);
});

test("activity is collected into columns and segments", () => {
  const columns = new ActivityColumns(4);
  const { confidence, speech } = columns.add({ confidence: Float32Array.of(0, 0.5, 1, 0.5, 1, 1), speech: Uint8Array.of(0, 0, 1, 0, 0, 0) });
  assert.deepEqual([confidence, speech], [[0.5], [1]]);
  const segments = new SpeechSegments(0.5);
  segments.add([0, 1, 1, 0, 1]);
  assert.deepEqual(segments.list, [{ start: 0.5, end: 1.5 }, { start: 2, end: 2.5 }]);
});

test("one tap: levels, loudness and true peak of a tone, whatever the blocks", () => {
  const analysis = new TapAnalysis(48_000, { axis: new FrequencyAxis(40, 24_000), spectrum: { size: 4096, window: "blackman-harris" } });
  const samples = sine(997, 48_000, 4 * 48_000, 10 ** (-23 / 20));
  let columns = 0;
  for (let at = 0; at < samples.length; at += 777) columns += analysis.add(samples.subarray(at, at + 777)).low.length;
  assert.equal(columns, 2_000);
  const { values } = analysis;
  near(values.integrated, -26.01, 0.1);
  near(values.momentary, -26.01, 0.1);
  near(values.shortTerm, -26.01, 0.1);
  near(values.truePeakDb, -23, 0.1);
  near(values.rmsDb, -26.01, 0.02);
  const { levels, peaks } = analysis.spectrum();
  assert.equal(levels.length, 2049);
  near(analysis.strongest.frequency, 997, 1);
  near(Math.max(...peaks), -23, 0.9);
});
