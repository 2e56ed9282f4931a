import assert from "node:assert/strict";
import { test } from "node:test";

import { ended, entryOf, found as foundIn, recordingState as stateOf } from "../../static/js/models/recording-text.js";
import { TEXTS } from "../fakes/js/texts.js";

const reading = (more) => ({ ...entryOf("a.webm"), phase: "reading", ...more });
const END = { lost_seconds: 0, seconds: 10.8, speech_seconds: 6, tracks: 1, track: 1, cancelled: false };
const recordingState = (entry) => stateOf(entry, TEXTS.en);
const found = (recording) => foundIn(recording, TEXTS.en);
const text = (entry) => recordingState(entry).text;

test("an unknown length is not shown", () => {
  const entry = reading({ written: 5.4 });
  assert.equal(text(entry), "5.4 s transcribed");
  assert.equal(recordingState(entry).progress, null);
  assert.equal(text(ended(entry, { ...END, seconds: 5.4 })), "Done, 5.4 s");
  assert.equal(text({ ...entry, phase: "done", isBroken: true }), "Done as far as known: 5.4 s transcribed");
});

test("the progress is a share of the length", () => {
  const entry = reading({ written: 5.4, length: 10.8, waitingFor: "audio-service" });
  assert.equal(text(entry), "5.4 s of 11 s transcribed; the rest waits to be transcribed");
  assert.equal(recordingState(entry).progress, 0.5);
  assert.equal(text(ended(entry, END)), "Done, 11 s");
});

test("a recording of length 0 has no progress to divide by", () => {
  assert.equal(recordingState(reading({ length: 0 })).progress, null);
});

test("a recording without speech is reported, with the track that was transcribed", () => {
  const entry = reading({ length: 10.8 });
  assert.equal(text(ended(entry, { ...END, speech_seconds: 0 })), "Done: no speech in 11 s");
  const two = ended(entry, { ...END, speech_seconds: 0, tracks: 2, track: 1 });
  assert.equal(text(two), "Done: no speech in 11 s (of 2 sound tracks the first was transcribed)");
  assert.equal(recordingState(two).tone, "warn");
  assert.equal(text({ ...two, tracks: 1 }), "Done: no speech in 11 s");
  assert.equal(stateOf(two, TEXTS.de).text, "Fertig: nichts Gesprochenes in 11 s (von 2 Tonspuren wurde Nummer 1 mitgeschrieben)");
});

test("half a file is damaged, and lost speech is reported", () => {
  const entry = reading({ length: 10.8 });
  assert.equal(text(ended(entry, { ...END, seconds: 5.4 })), "Damaged: 5.4 s of 11 s could be read");
  assert.equal(text(ended(entry, { ...END, lost_seconds: 3 })), "Done; 3.0 s of 11 s could not be transcribed");
});

test("a recording that can be cancelled shows it, and a cancelled one shows its progress", () => {
  assert.deepEqual(["waiting", "uploading", "reading"].map((phase) => recordingState({ ...entryOf("a"), phase }).canCancel), [true, true, true]);
  const cancelled = ended(reading({ written: 2 }), { ...END, cancelled: true });
  assert.equal(text(cancelled), "Cancelled; 2.0 s transcribed");
  assert.equal(recordingState(cancelled).canCancel, false);
});

test("a recording that stopped shows the reason", () => {
  const entry = reading({ written: 5.4, length: 10.8, problem: { code: "not_audio", detail: "The recording could not be decoded to its end." } });
  const done = ended(entry, { ...END, seconds: 5.4 });
  assert.deepEqual([text(done), recordingState(done).tone], ["Stopped after 5.4 s of 11 s. The recording could not be decoded to its end.", "warn"]);
});

test("a recording found in the session shows only what is known of it", () => {
  const entry = found({ stream_id: "a", name: "talk.wav", seconds: 10.8 });
  assert.deepEqual([entry.name, text(entry), recordingState(entry).canCancel], ["talk.wav", "Being transcribed", true]);
  assert.equal(text({ ...entry, written: 5.4 }), "5.4 s of 11 s transcribed");
  assert.equal(text(ended(entry, { ...END, cancelled: true })), "Cancelled");
  assert.equal(found({ stream_id: "a", name: null, seconds: null }).name, "A recording");
});

test("an audio_ended with fewer fields is understood", () => {
  assert.equal(text(ended(reading({ length: 10.8 }), { lost_seconds: 0, seconds: 10.8 })), "Done, 11 s");
});
