import assert from "node:assert/strict";
import { test } from "node:test";

import { Captions } from "../../static/js/models/captions.js";
import { toJson } from "../../static/js/models/exports.js";
import { speakerName } from "../../static/js/models/speaker-names.js";
import { recordingUrl } from "../../static/js/models/upload.js";
import { TEXTS } from "../fakes/js/texts.js";

const final = (segment_id, speaker_label, more = {}) => ({
  type: "transcript", session_id: "s", segment_id, revision: 1, final: true, text: segment_id, language: "en", confidence: null, start: 1, end: 2,
  stream_started: 1000, speaker: "Ann", participant_id: "p1", words: [], error: null, timestamp: 3000, speaker_label, ...more,
});
const named = (speaker_label, name, timestamp = 4000) => ({ type: "speaker_named", session_id: "s", speaker_label, name, participant_id: "p1", timestamp });
const identified = (segment_id, speaker_label) => ({ type: "speaker_identified", session_id: "s", segment_id, speaker_label, timestamp: 4000 });
const speakers = (captions) => captions.lines.map(({ speaker }) => speaker);

function captionsOf(...messages) {
  const captions = new Captions({ texts: TEXTS.en });
  for (const message of messages) captions.apply(message);
  return captions;
}

test("a label without a name is shown as its number, as the service does in exports", () => {
  const shown = { "2-ab12cd": "Speaker 2", "SPEAKER_03": "Speaker 3", "speaker 4": "Speaker 4", "0": "Speaker 0", "?": "Speaker ?", "Ann": "Ann", "B": "B", "3rd": "3rd" };
  for (const [label, name] of Object.entries(shown)) assert.equal(speakerName(label, "", TEXTS.en), name, label);
  assert.equal(speakerName("2-ab", "Bob", TEXTS.en), "Bob");
  assert.equal(speakerName("?", "Bob", TEXTS.en), "Speaker ?");
});

test("in another language the number has its word", () => {
  const shown = (language) => ["2-ab12cd", "?", "Ann"].map((label) => speakerName(label, "", TEXTS[language]));
  assert.deepEqual(shown("de"), ["Person 2", "Person ?", "Ann"]);
  assert.deepEqual(shown("ar"), ["المتحدث 2", "المتحدث ؟", "Ann"]);
});

test("lines of one microphone carry their speakers, and each speaker has a colour", () => {
  const captions = captionsOf(final("a-1", "1-x"), final("a-2", "2-x"), final("a-3", "1-x"), final("a-4", undefined));
  assert.deepEqual(speakers(captions), ["Speaker 1", "Speaker 2", "Speaker 1", "Ann"]);
  assert.deepEqual(captions.lines.map((line) => captions.speakerNumber(line)), [0, 1, 0, 2]);
});

test("a name holds for earlier and later lines; the newest counts, in whatever order they come", () => {
  const captions = captionsOf(final("a-1", "1-x"), named("1-x", "Bob", 5000), final("a-2", "1-x"), named("1-x", "Eve", 4000));
  assert.deepEqual(speakers(captions), ["Bob", "Bob"]);
  assert.equal(captions.renamed, 1);
  assert.equal(captions.nameOfLabel("1-x"), "Bob");
  captions.apply(named("1-x", "", 6000));
  assert.deepEqual(speakers(captions), ["Speaker 1", "Speaker 1"]);
});

test("a participant's new name is not that of the others at the microphone", () => {
  const captions = captionsOf(final("a-1", "1-x"), final("a-2", undefined));
  captions.apply({ type: "participant_renamed", session_id: "s", participant_id: "p1", name: "Anna", timestamp: 5000 });
  assert.deepEqual(speakers(captions), ["Speaker 1", "Anna"]);
});

test("an unsure line is corrected, whether the correction comes after it or before", () => {
  const captions = captionsOf(final("a-1", "?"), named("1-x", "Bob"), identified("a-2", "1-x"), final("a-2", "?"));
  assert.deepEqual(speakers(captions), ["Speaker ?", "Bob"]);
  assert.equal(captions.apply(identified("a-1", "1-x")).id, "a-1");
  assert.equal(captions.apply(identified("a-1", "1-x")), null);
  assert.deepEqual(speakers(captions), ["Bob", "Bob"]);
});

test("a recording keeps its own name", () => {
  const captions = captionsOf(final("r-1", "1-x", { speaker: "talk.mp3", participant_id: null, recording: true }));
  assert.deepEqual([...captions.recordings.values()], ["talk.mp3"]);
  assert.deepEqual(speakers(captions), ["Speaker 1"]);
});

test("an exported line has its label, where it has one", () => {
  const { lines } = JSON.parse(toJson(captionsOf(final("a-1", "1-x"), final("a-2", undefined)).lines, { session_id: "s" }));
  assert.deepEqual(lines.map(({ speaker, speaker_label }) => [speaker, speaker_label]), [["Speaker 1", "1-x"], ["Ann", undefined]]);
});

test("nothing stays of a session that was left", () => {
  const captions = captionsOf(final("a-1", "1-x"), named("1-x", "Bob"), identified("a-2", "1-x"));
  captions.clear();
  captions.apply(final("a-2", "1-x"));
  assert.deepEqual(speakers(captions), ["Speaker 1"]);
});

test("a recording of several people is uploaded as one", () => {
  const target = { source: "en", targets: ["es"], name: "talk.mp3" };
  assert.match(recordingUrl("s", { ...target, diarization: true }), /&diarization=true$/);
  assert.doesNotMatch(recordingUrl("s", target), /diarization/);
});

const attributed = (segment_id, speaker, revision = 1) => ({ type: "attribution", session_id: "s", segment_id, revision, speaker, speaker_id: null, parts: [], revised: false, timestamp: 4000 });
const spoken = (segment_id, speaker = null, more = {}) => final(segment_id, undefined, { speaker, participant_id: null, ...more });

test("lines of a meeting carry the speaker that was last published, whichever message arrives first", () => {
  const captions = captionsOf(attributed("a-1", "Mia"), spoken("a-1"), spoken("a-2"), attributed("a-2", "Ben"), attributed("a-2", "Ana", 2), attributed("a-2", "Ben"));
  assert.deepEqual(speakers(captions), ["Mia", "Ana"]);
  assert.equal(captions.apply(attributed("a-2", "Ana", 3)), null, "nothing changes");
  assert.equal(captions.apply(attributed("a-2", null, 4)).speaker, null, "a name may be withdrawn");
  assert.deepEqual(captions.lines.map((line) => captions.speakerNumber(line)), [0, 1]);
});

test("a line that still grows has the speaker of its own revision", () => {
  const captions = captionsOf(attributed("a-1", "Mia"), spoken("a-1", "Ben", { final: false }));
  assert.deepEqual(speakers(captions), ["Ben"]);
});
