/** A run of the audio tests: its steps, a busy service, what is measured, how it is shown. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { runView } from "../../static/js/components/audio/run-view.js";
import { RetryNotice } from "../../static/js/components/retry-notice.js";
import { ProblemError } from "../../static/js/control-api.js";
import { comparisonNotes, comparisonRows } from "../../static/js/models/measures.js";
import { retryAfterSeconds } from "../../static/js/models/responses.js";
import { isBusy, MOST_TRIES, retrying } from "../../static/js/retrying.js";
import { testRun } from "../../static/js/test-run.js";
import { FakeClock } from "../fakes/js/clock.js";
import { fakeBrowser } from "../fakes/js/dom.js";

const refusal = (status, retryAfter = null) => new ProblemError({ code: "pipeline_busy", detail: "2 files are being processed." }, status, { retryAfter });

test("Retry-After is a number of seconds or a date", () => {
  const now = Date.UTC(2025, 0, 1, 12, 0, 0);
  assert.equal(retryAfterSeconds("5", now), 5);
  assert.equal(retryAfterSeconds(" 0 ", now), 0);
  assert.equal(retryAfterSeconds("Wed, 01 Jan 2025 12:00:30 GMT", now), 30);
  assert.equal(retryAfterSeconds("Wed, 01 Jan 2025 11:00:00 GMT", now), 0);
  assert.deepEqual([null, "", "soon", "-3", "1.5"].map((header) => retryAfterSeconds(header, now)), [null, null, null, null, null]);
});

test("busy is 429 or 503 with a time; anything else is not tried again", async () => {
  assert.deepEqual([refusal(429, 5), refusal(503, 0), refusal(503), refusal(415, 5), new TypeError("x")].map(isBusy), [true, true, false, false, false]);
  let tries = 0;
  const send = async () => {
    tries += 1;
    throw refusal(503);
  };
  await assert.rejects(retrying(send, { wait: async () => assert.fail("it waited") }), { status: 503 });
  assert.equal(tries, 1);
});

test("a busy service is waited for, as often as is allowed", async () => {
  const waited = [];
  const results = [refusal(429, 3), refusal(503, 4), "done"];
  const send = async () => {
    const next = results.shift();
    if (next instanceof Error) throw next;
    return next;
  };
  assert.equal(await retrying(send, { wait: async ({ retryAfter }) => waited.push(retryAfter) }), "done");
  assert.deepEqual(waited, [3, 4]);
  let tries = 0;
  await assert.rejects(retrying(async () => Promise.reject((tries += 1, refusal(503, 1))), { wait: async () => null }), { status: 503 });
  assert.equal(tries, MOST_TRIES);
});

/** A countdown on a clock that the test moves. */
function countdown() {
  const clock = new FakeClock();
  const shown = new Map();
  const notices = { show: (key, notice) => shown.set(key, notice), remove: (key) => shown.delete(key) };
  const notice = new RetryNotice(notices, { timers: clock.timers, now: clock.now });
  return { clock, shown, notice };
}

test("the countdown is shown, ends by itself, and leaves no timer", async () => {
  const { clock, shown, notice } = countdown();
  let isOver = false;
  const waiting = notice.wait(refusal(503, 3), new AbortController().signal).then(() => (isOver = true));
  assert.equal(shown.get("busy").text, "2 files are being processed.");
  assert.equal(shown.get("busy").more, "The next try is in 3 s.");
  await clock.advance(1_000);
  assert.equal(shown.get("busy").more, "The next try is in 2 s.");
  assert.equal(isOver, false);
  await clock.advance(2_000);
  await waiting;
  assert.equal(shown.size, 0);
  assert.deepEqual(clock.pending, []);
});

test("the countdown ends at once by its button, and by cancelling", async () => {
  const { clock, shown, notice } = countdown();
  const pressed = notice.wait(refusal(503, 600), new AbortController().signal);
  assert.equal(shown.get("busy").more, "The next try is in 10:00 minutes.");
  shown.get("busy").actions.find(({ label }) => label === "Try now").run();
  await pressed;
  const running = new AbortController();
  const cancelled = notice.wait(refusal(503, 600), running.signal);
  running.abort();
  await assert.rejects(cancelled, { name: "AbortError" });
  assert.equal(shown.size, 0);
  await assert.rejects(notice.wait(refusal(503, 600), running.signal), { name: "AbortError" });
  assert.deepEqual(clock.pending, []);
});

const SETTINGS = { a: { enabledStages: [] }, b: { enabledStages: ["noise"] } };
const SIDES = { a: { title: "Unprocessed", settings: SETTINGS.a }, b: { title: "Noisy", settings: SETTINGS.b } };

test("a run is both results, then the comparison, each with its step", async () => {
  const sound = { id: "7", name: "voice.wav", blob: new Blob(["sound"]) };
  const sent = [];
  const service = {
    process: async (file, settings) => (sent.push([file, settings]), new Blob([JSON.stringify(settings)])),
    compare: async (file, options) => (sent.push([file, options]), { compared: true }),
  };
  const steps = [];
  const run = await testRun({ sound, sides: SIDES, reference: "the words", language: "en" }, { service, progress: (text) => steps.push(text), now: () => 5, random: () => 0.5 });
  const file = { name: "voice.wav", blob: sound.blob };
  assert.deepEqual(sent, [[file, SETTINGS.a], [file, SETTINGS.b], [file, { ...SETTINGS, reference: "the words", language: "en" }]]);
  assert.deepEqual(steps, ["Step 1 of 3: the sound runs through A, Unprocessed.", "Step 2 of 3: the sound runs through B, Noisy.", "Step 3 of 3: both are measured and transcribed."]);
  const { files, ...rest } = run;
  assert.deepEqual(rest, { id: "5-i", at: 5, name: "voice.wav", sides: SIDES, comparison: { compared: true }, stages: null, reference: "the words", language: "en" });
  assert.equal(files.original, sound.blob);
  assert.deepEqual([await files.a.text(), await files.b.text()], [JSON.stringify(SETTINGS.a), JSON.stringify(SETTINGS.b)]);
});

test("a run ends at the step that fails", async () => {
  const service = { process: async () => Promise.reject(refusal(415)), compare: async () => assert.fail("compared all the same") };
  await assert.rejects(testRun({ sound: { name: "a", blob: new Blob() }, sides: SIDES, reference: null, language: "auto" }, { service, progress: () => null }), { status: 415 });
});

test("a side of which nothing is left has no file, and is compared all the same", async () => {
  const service = {
    process: async (_, settings) => (settings === SETTINGS.b ? Promise.reject(new ProblemError({ code: "nothing_left", detail: "All of it was removed." }, 422)) : new Blob(["a"])),
    compare: async () => ({ compared: true }),
  };
  const { files, comparison: compared } = await testRun({ sound: { name: "a", blob: new Blob() }, sides: SIDES, reference: null, language: "auto" }, { service, progress: () => null });
  assert.deepEqual([files.a.size, files.b, compared], [1, null, { compared: true }]);
});

const measured = (more = {}) => ({ rms_db: -21.34, true_peak_db: -1, loudness_integrated: -20, noise_floor_db: null, snr_db: 12.25, clipping_count: 0, reasons: {}, ...more });
const transcript = (text, more = {}) => ({ text, language: "en", confidence: 0.9, word_errors: null, problem: null, ...more });
const side = (seconds, analysis, words) => ({ seconds, milliseconds: 41.2, analysis, transcript: words });
const comparison = ({ before = measured(), a = side(2, measured(), transcript("one two")), b = side(2, measured(), transcript("one too")), differences = null } = {}) => ({ file: { seconds: 2 }, before, a, b, differences });

test("the rows of a comparison have their unit in the title, and a dash for what is not known", () => {
  const rows = comparisonRows(comparison({ b: side(1.5, measured({ rms_db: -30 }), transcript("")) }));
  assert.deepEqual(rows, [
    ["RMS level, dBFS", "−21.3", "−21.3", "−30"],
    ["True peak, dBTP", "−1", "−1", "−1"],
    ["Loudness, LUFS", "−20", "−20", "−20"],
    ["Noise floor, dBFS", "–", "–", "–"],
    ["SNR, dB", "12.3", "12.3", "12.3"],
    ["Clipped samples", "0", "0", "0"],
    ["Length, s", "2", "2", "1.5"],
    ["Processor time, ms", "–", "41", "41"],
  ]);
});

test("notes explain what is missing and what lengths mean", () => {
  assert.deepEqual(comparisonNotes(comparison()), []);
  const unknown = measured({ snr_db: null, reasons: { snr_db: "the noise is not stationary", vad_confidence: "the voice activity stage is off" } });
  const other = measured({ snr_db: null, reasons: { snr_db: "there is no speech" } });
  assert.deepEqual(comparisonNotes(comparison({ before: unknown, a: side(2, unknown, transcript("")), b: side(1.9, other, transcript("")) })), [
    "SNR of the original and A is not known: the noise is not stationary.",
    "SNR of B is not known: there is no speech.",
    "The lengths differ because pauses were shortened: the same position in the player is not the same word.",
  ]);
  assert.deepEqual(comparisonNotes(comparison({ b: side(0, measured(), transcript("")) })), ["B is empty: the silence stage removed everything, because nothing in it counts as a voice."]);
  assert.deepEqual(comparisonNotes(comparison({ b: side(1.97, measured(), transcript("")) })), []);
});

/** What a run shows, in a browser of its own. */
function shown(t, run, actions = {}) {
  const browser = fakeBrowser();
  t.after(browser.restore);
  const box = document.createElement("div");
  box.append(...runView(run, new Map([["noise", "Noise"]]), { stages() {}, download() {}, again() {}, ...actions }));
  const text = (selector) => box.querySelector(selector)?.textContent ?? null;
  const press = (label) => [...box.querySelectorAll("button")].find(({ textContent }) => textContent === label).dispatchEvent(new Event("click"));
  return { box, text, press };
}

const RUN = { name: "voice.wav", sides: SIDES, comparison: comparison(), stages: null, reference: null, language: "en", files: { original: new Blob(), a: null, b: new Blob() } };

test("without a run, it is shown how to make one", (t) => {
  assert.match(shown(t, null).box.textContent, /^Nothing was run yet\./);
});

test("words that differ are marked, for readers of the screen too", (t) => {
  const alignment = [{ kind: "equal", reference: "one", recognised: "one" }, { kind: "substituted", reference: "two", recognised: "too" }];
  const { box, text } = shown(t, { ...RUN, comparison: comparison({ differences: { rate: 0.5, words: 2, substituted: 1, deleted: 0, inserted: 0, alignment } }) });
  assert.equal(text("del"), "only with A: two, ");
  assert.equal(text("ins"), "only with B: too, ");
  assert.match(box.textContent, /One word differs: 1 other with B\./);
  assert.match(box.textContent, /Struck through: only with A\./);
});

test("a side without a transcript says why; the reference and its errors are shown", (t) => {
  const failed = transcript(null, { problem: { code: "service_unavailable", detail: "Speech cannot be transcribed right now." } });
  const errors = { rate: 0.25, words: 4, substituted: 1, deleted: 0, inserted: 0, alignment: [] };
  const { text, box } = shown(t, { ...RUN, reference: "one two three four", comparison: comparison({ a: side(2, measured(), failed), b: side(2, measured(), transcript("", { word_errors: errors })) }) });
  assert.equal(text("#transcript-a"), "Not transcribed: Speech cannot be transcribed right now.");
  assert.equal(text("#transcript-b"), "No words were recognised.25 % word errors (1 at 4 words)");
  assert.match(box.textContent, /Spokenone two three four/);
  assert.match(box.textContent, /cannot be compared/);
});

test("the buttons of a run: its sound again, its stages, its files that there are", (t) => {
  const pressed = [];
  const { box, press } = shown(t, RUN, { again: () => pressed.push("again"), stages: () => pressed.push("stages"), download: (key) => pressed.push(key) });
  assert.deepEqual([...box.querySelectorAll("button")].map(({ textContent }) => textContent), ["Test this sound again", "Measure each stage of B", "Download original", "Download B, Noisy"]);
  for (const label of ["Test this sound again", "Measure each stage of B", "Download original", "Download B, Noisy"]) press(label);
  assert.deepEqual(pressed, ["again", "stages", "original", "b"]);
});

test("measured stages are a table, and are not measured twice", (t) => {
  const stages = { stages: [{ stage: "noise", is_on: true, milliseconds: 12.34, analysis: measured() }, { stage: "silence", is_on: false, milliseconds: null, analysis: measured() }] };
  const { box } = shown(t, { ...RUN, stages });
  const rows = [...box.querySelectorAll("tr")].map((row) => row.children.map(({ textContent }) => textContent));
  assert.deepEqual(rows.slice(-2), [["Noise", "12.3", "−21.3", "−1", "−20", "–", "12.3"], ["silence", "off", "−21.3", "−1", "−20", "–", "12.3"]]);
  assert.equal([...box.querySelectorAll("button")].some(({ textContent }) => textContent.startsWith("Measure")), false);
});
