import assert from "node:assert/strict";
import { test } from "node:test";

import { Captions } from "../../static/js/models/captions.js";

const T0 = Date.UTC(2026, 0, 5, 14, 2, 0);

function transcript(segment_id, revision, text, more = {}) {
  return {
    type: "transcript", session_id: "s", segment_id, revision, final: false, text, language: "en", confidence: 0.9, start: 1,
    end: 2, stream_started: T0, speaker: "Ann", participant_id: "p1", words: [], error: null, timestamp: T0 + 2500, ...more,
  };
}

const translation = (segment_id, revision, target_language, text, more = {}) => ({
  type: "translation", session_id: "s", segment_id, revision, target_language, text, confidence: 0.8, error: null, ...more,
});

const gap = (detail, final = false) => ({ code: "service_unavailable", detail, service: "audio-service", final });
const texts = (captions) => captions.lines.map(({ text }) => text);

test("a growing segment is one line, and a late older revision changes nothing", () => {
  const captions = new Captions();
  captions.apply(transcript("a-0", 1, "had he"));
  captions.apply(transcript("a-0", 3, "had he married a"));
  assert.equal(captions.apply(transcript("a-0", 2, "had he married")), null);
  assert.deepEqual(texts(captions), ["had he married a"]);
});

test("a line knows its settled words, and whether its final has changed some", () => {
  const captions = new Captions();
  captions.apply(transcript("a-0", 1, "had he married", { settled: 2 }));
  assert.equal(captions.lines[0].settled, 2);
  captions.apply(transcript("a-0", 2, "hat he married", { final: true, corrects: true, offset: 1 }));
  assert.deepEqual([captions.lines[0].settled, captions.lines[0].corrects], [0, true]);
});

test("a message of a service without settled words has none", () => {
  const captions = new Captions();
  captions.apply(transcript("a-0", 1, "had he"));
  assert.deepEqual([captions.lines[0].settled, captions.lines[0].corrects], [0, false]);
});

test("a final wins over any revision, before and after it", () => {
  const captions = new Captions();
  captions.apply(transcript("a-0", 4, "had he merry"));
  captions.apply(transcript("a-0", 3, "had he married", { final: true, offset: 7 }));
  assert.equal(captions.apply(transcript("a-0", 9, "hat he")), null);
  assert.equal(captions.lines[0].text, "had he married");
  assert.equal(captions.lines[0].final, true);
  assert.equal(captions.lines[0].offset, 7);
});

test("a duplicate message changes nothing", () => {
  const captions = new Captions();
  const final = transcript("a-0", 1, "hello", { final: true, offset: 1 });
  assert.notEqual(captions.apply(final), null);
  assert.equal(captions.apply(final), null);
  captions.apply(translation("a-0", 1, "es", "hola"));
  assert.equal(captions.apply(translation("a-0", 1, "es", "hola")), null);
  assert.equal(captions.lines.length, 1);
});

test("the same line at another offset, as a new epoch's history has it, keeps its text and takes the offset", () => {
  const captions = new Captions();
  captions.apply(transcript("a-0", 1, "hello", { final: true, offset: 41 }));
  assert.equal(captions.apply(transcript("a-0", 1, "hello", { final: true, offset: 2 })).offset, 2);
  assert.equal(captions.lines.length, 1);
});

test("text replaces a gap, and a gap never replaces text", () => {
  const captions = new Captions();
  captions.apply(transcript("a-0", 1, "", { error: gap("audio-service is not answering.") }));
  assert.equal(captions.lines[0].error.service, "audio-service");
  captions.apply(transcript("a-0", 1, "hello", { final: true }));
  assert.equal(captions.lines[0].error, null);
  assert.equal(captions.apply(transcript("a-0", 2, "", { error: gap("again"), final: true })), null);
  assert.deepEqual(texts(captions), ["hello"]);
});

test("a final gap is shown, and late text still replaces it", () => {
  const captions = new Captions();
  captions.apply(transcript("a-0", 1, "", { error: gap("waiting") }));
  captions.apply(transcript("a-0", 1, "", { error: gap("given up", true), final: true }));
  assert.equal(captions.lines[0].error.detail, "given up");
  captions.apply(transcript("a-0", 1, "hello", { final: true }));
  assert.equal(captions.lines[0].text, "hello");
});

test("a gap replaces interim text", () => {
  const captions = new Captions();
  captions.apply(transcript("a-0", 2, "had he"));
  captions.apply(transcript("a-0", 3, "", { error: gap("down") }));
  assert.equal(captions.lines[0].error.detail, "down");
});

test("a translation may arrive before its transcript", () => {
  const captions = new Captions();
  assert.equal(captions.apply(translation("a-0", 1, "es", "hola")), null);
  const line = captions.apply(transcript("a-0", 1, "hello", { final: true }));
  assert.equal(line.translations.get("es").text, "hola");
});

test("translations without a transcript are bounded", () => {
  const captions = new Captions();
  for (let index = 0; index < 600; index += 1) captions.apply(translation(`a-${index}`, 1, "es", "hola"));
  assert.equal(captions.apply(transcript("a-0", 1, "x")).translations.size, 0);
  assert.equal(captions.apply(transcript("a-599", 1, "x")).translations.size, 1);
});

test("a translation's error is shown until text arrives, and never replaces text", () => {
  const captions = new Captions();
  captions.apply(transcript("a-0", 1, "hello", { final: true }));
  captions.apply(translation("a-0", 1, "es", "", { error: { code: "engine_missing", detail: "Install apertium.", service: "translation-service" } }));
  assert.equal(captions.lines[0].translations.get("es").error.detail, "Install apertium.");
  captions.apply(translation("a-0", 1, "es", "hola"));
  captions.apply(translation("a-0", 1, "es", "", { error: gap("late") }));
  assert.equal(captions.lines[0].translations.get("es").text, "hola");
});

test("an older translation never replaces a newer one", () => {
  const captions = new Captions();
  captions.apply(transcript("a-0", 5, "hello there", { final: true }));
  captions.apply(translation("a-0", 5, "es", "hola a todos"));
  assert.equal(captions.apply(translation("a-0", 4, "es", "hola")), null);
});

test("several streams share one time axis", () => {
  const captions = new Captions();
  captions.apply(transcript("b-0", 1, "second", { stream_started: T0 + 10_000, start: 0.5, end: 1 }));
  captions.apply(transcript("a-0", 1, "first", { start: 10, end: 11 }));
  captions.apply(transcript("a-1", 1, "third", { start: 12, end: 13 }));
  assert.deepEqual(texts(captions), ["first", "second", "third"]);
  assert.equal(captions.zero, T0);
  assert.equal(captions.lines[1].at, T0 + 10_500);
});

test("lines of the same time keep the order of arrival", () => {
  const captions = new Captions();
  captions.apply(transcript("a-0", 1, "one"));
  captions.apply(transcript("b-0", 1, "two"));
  captions.apply(transcript("a-0", 2, "one more"));
  captions.apply(transcript("b-0", 2, "two more"));
  assert.deepEqual(texts(captions), ["one more", "two more"]);
});

test("speakers are numbered in the order they appear, two of one name apart", () => {
  const captions = new Captions();
  const one = captions.apply(transcript("a-0", 1, "x"));
  const two = captions.apply(transcript("b-0", 1, "y", { participant_id: "p2" }));
  const three = captions.apply(transcript("c-0", 1, "z", { participant_id: null, speaker: null }));
  assert.deepEqual([one, two, three].map((line) => captions.speakerNumber(line)), [0, 1, 2]);
});

test("spoken and translated languages are listed", () => {
  const captions = new Captions();
  captions.apply(transcript("a-0", 1, "hola", { language: "es", final: true }));
  captions.apply(transcript("a-1", 1, "", { language: null, error: gap("down") }));
  captions.apply(translation("a-0", 1, "en", "hello"));
  assert.deepEqual(captions.languages, { spoken: ["es"], translated: ["en"] });
  assert.equal(captions.finished.length, 1);
});

test("the lines are the same for any order and any repetition of messages", () => {
  const messages = [];
  for (let segment = 0; segment < 6; segment += 1) {
    for (let revision = 1; revision <= 4; revision += 1) {
      const final = revision === 4;
      messages.push(transcript(`a-${segment}`, revision, `s${segment} r${revision}`, { start: segment, end: segment + 1, final }));
    }
    messages.push(translation(`a-${segment}`, 4, "es", `t${segment}`));
  }
  const show = (captions) => captions.lines.map(({ id, text, final, translations }) => [id, text, final, translations.get("es").text]);
  const straight = new Captions();
  for (const message of messages) straight.apply(message);
  let seed = 7;
  const random = () => (seed = (seed * 16_807) % 2_147_483_647) / 2_147_483_647;
  for (let turn = 0; turn < 50; turn += 1) {
    const mixed = new Captions();
    const shuffled = [...messages, ...messages].map((message) => [random(), message]).sort((a, b) => a[0] - b[0]);
    for (const [, message] of shuffled) mixed.apply(message);
    assert.deepEqual(show(mixed), show(straight));
  }
});

test("all lines of a participant have the newest name, in any order of arrival", () => {
  const captions = new Captions();
  const line = (number, speaker, participant_id, timestamp) => captions.apply({
    type: "transcript", session_id: "s", segment_id: `x-${number}`, revision: 1, final: true, text: "Yes.", language: "en", confidence: null,
    start: number, end: number + 1, stream_started: 0, speaker, participant_id, words: [], error: null, timestamp,
  });
  const names = () => captions.lines.map(({ speaker }) => speaker);
  line(1, "Guest a", "a", 1000);
  line(2, "Guest b", "b", 2000);
  line(3, "Ann", "a", 3000);
  assert.deepEqual(names(), ["Ann", "Guest b", "Ann"]);
  assert.equal(captions.renamed, 1);
  captions.apply({ type: "participant_renamed", session_id: "s", participant_id: "b", name: "Bob", timestamp: 4000 });
  assert.deepEqual(names(), ["Ann", "Bob", "Ann"]);
  line(4, "Guest b", "b", 2500);
  assert.deepEqual(names(), ["Ann", "Bob", "Ann", "Bob"], "an older line that comes late does not take the name back");
  assert.equal(captions.speakerNumber(captions.get("x-1")), captions.speakerNumber(captions.get("x-3")));
});

const edit = (segment_id, revision, text, offset, more = {}) => transcript(segment_id, revision, text, { final: true, edited: "corrected", confidence: null, offset, ...more });

test("a corrected line has the new text, and no translation of the old one, in whatever order they arrive", () => {
  const captions = new Captions();
  const messages = [
    transcript("a-0", 3, "mister dash would", { final: true, offset: 1 }),
    translation("a-0", 3, "es", "el señor dash", { offset: 2 }),
    edit("a-0", 4, "Mister Dashwood", 3),
    translation("a-0", 4, "es", "el señor Dashwood", { offset: 4 }),
  ];
  for (const order of [[0, 1, 2, 3], [0, 2, 1, 3], [3, 2, 1, 0], [1, 0, 2, 3]]) {
    captions.clear();
    for (const index of order) captions.apply(messages[index]);
    assert.equal(captions.lines[0].text, "Mister Dashwood", order);
    assert.equal(captions.lines[0].edited, "corrected");
    assert.equal(captions.lines[0].translations.get("es").text, "el señor Dashwood", order);
  }
  captions.clear();
  for (const index of [0, 1, 2]) captions.apply(messages[index]);
  assert.equal(captions.lines[0].translations.size, 0);
});

test("of two edits of one version the later one counts", () => {
  const captions = new Captions();
  captions.apply(transcript("a-0", 3, "one", { final: true, offset: 1 }));
  captions.apply(edit("a-0", 4, "two", 2));
  captions.apply(edit("a-0", 4, "three", 3));
  assert.equal(captions.apply(edit("a-0", 4, "two", 2)), null);
  assert.deepEqual(texts(captions), ["three"]);
});

test("a deleted line has no text, is not exported, and its translations do not come back", () => {
  const captions = new Captions();
  captions.apply(transcript("a-0", 3, "my number", { final: true, offset: 1 }));
  captions.apply(translation("a-0", 3, "es", "mi número", { offset: 2 }));
  captions.apply(edit("a-0", 4, "", 3, { edited: "deleted" }));
  captions.apply(translation("a-0", 3, "de", "meine Nummer", { offset: 4 }));
  assert.deepEqual([captions.lines[0].text, captions.lines[0].translations.size, captions.exportable], ["", 0, 0]);
});

test("the translation of a growing line stays until the final's comes, and is not exported", () => {
  const captions = new Captions();
  const said = (revision, final, text) => captions.apply({ type: "transcript", segment_id: "a-1", revision, final, text, language: "en", start: 0, end: 1, stream_started: 0, timestamp: 0, confidence: null, words: [], error: null });
  const read = (more) => captions.apply({ type: "translation", segment_id: "a-1", target_language: "es", confidence: null, error: null, ...more });
  assert.equal(read({ revision: 1, text: "uno", growing: true, words: 1 }), null);
  said(2, false, "one two");
  const line = read({ revision: 2, text: "uno", growing: true, words: 1 });
  assert.equal(line.growing.get("es").text, "uno");
  assert.equal(line.translations.size, 0);
  assert.ok(read({ revision: 2, text: "uno dos", growing: true, words: 2 }));
  assert.equal(read({ revision: 2, text: "uno", growing: true, words: 1 }), null);
  said(3, true, "one two three");
  assert.equal(line.growing.get("es").text, "uno dos");
  read({ revision: 3, text: "uno dos tres", corrects: true });
  assert.equal(line.growing.size, 0);
  assert.equal(line.translations.get("es").corrects, true);
  assert.equal(read({ revision: 2, text: "uno", growing: true, words: 9 }), null);
});
