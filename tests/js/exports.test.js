import assert from "node:assert/strict";
import { test } from "node:test";

import { Captions } from "../../static/js/models/captions.js";
import { FORMATS, fileName, stamp, toJson, toSrt, toTxt, toVtt } from "../../static/js/models/exports.js";

const T0 = Date.UTC(2026, 0, 5, 14, 2, 0);

function filled() {
  const captions = new Captions();
  const base = { type: "transcript", revision: 1, final: true, confidence: 0.93, language: "es", speaker: "Ann", participant_id: "p1", stream_started: T0, timestamp: T0 };
  captions.apply({ ...base, segment_id: "a-0", text: "Tenemos que decidir.", start: 7.25, end: 9.5, offset: 1 });
  captions.apply({ ...base, segment_id: "b-0", text: "Das <schaffen> & wir\n\nmorgen --> ja.", language: "de", speaker: "Ben <b>", participant_id: "p2", stream_started: T0 + 60_000, start: 0.5, end: 3661.0004, offset: 3 });
  captions.apply({ ...base, segment_id: "a-1", text: "still growing", final: false, start: 90, end: 91 });
  captions.apply({ ...base, segment_id: "a-2", text: "", speaker: null, start: 95, end: 97, offset: 4, error: { code: "speech_lost", detail: "audio-service did not answer in time.", service: "audio-service", final: true } });
  captions.apply({ type: "translation", segment_id: "a-0", revision: 1, target_language: "en", text: "We have to decide.", confidence: 0.8 });
  captions.apply({ type: "translation", segment_id: "a-0", revision: 1, target_language: "fr", text: "Nous devons décider.", confidence: null });
  captions.apply({ type: "translation", segment_id: "b-0", revision: 1, target_language: "en", text: "", error: { code: "engine_missing", detail: "x", service: "translation-service" } });
  return captions.lines;
}

test("times are written in full, rounded to the millisecond", () => {
  assert.equal(stamp(0, ","), "00:00:00,000");
  assert.equal(stamp(3725.5, "."), "01:02:05.500");
  assert.equal(stamp(59.9996, "."), "00:01:00.000");
  assert.equal(stamp(360_000.001, "."), "100:00:00.001");
});

test("SRT: numbered from 1, commas, one time axis over streams, translation under the original", () => {
  assert.equal(
    toSrt(filled(), { languages: ["en"] }),
    "1\n00:00:07,250 --> 00:00:09,500\nAnn: Tenemos que decidir.\nWe have to decide.\n\n" +
      "2\n00:01:00,500 --> 01:02:01,000\nBen <b>: Das <schaffen> & wir morgen → ja.\n\n" +
      "3\n00:01:35,000 --> 00:01:37,000\n[audio-service did not answer in time.]\n",
  );
});

test("WebVTT: header, dots, voices, and nothing in a text can be read as markup", () => {
  assert.equal(
    toVtt(filled(), { languages: ["en"] }),
    "WEBVTT\n\n00:00:07.250 --> 00:00:09.500\n<v Ann>Tenemos que decidir.\nWe have to decide.\n\n" +
      "00:01:00.500 --> 01:02:01.000\n<v Ben &lt;b&gt;>Das &lt;schaffen&gt; &amp; wir morgen --&gt; ja.\n\n" +
      "00:01:35.000 --> 00:01:37.000\n[audio-service did not answer in time.]\n",
  );
});

test("TXT: time, speaker, words; translations named and indented", () => {
  assert.equal(
    toTxt(filled(), { languages: ["en", "fr"] }),
    "[00:00:07] Ann: Tenemos que decidir.\n    en: We have to decide.\n    fr: Nous devons décider.\n" +
      "[00:01:00] Ben <b>: Das <schaffen> & wir morgen --> ja.\n[00:01:35] [audio-service did not answer in time.]\n",
  );
});

test("JSON: everything that is known, with errors, as seconds from the start", () => {
  const document = JSON.parse(toJson(filled(), { languages: ["en"], session_id: "s" }));
  assert.equal(document.session_id, "s");
  assert.equal(document.started, "2026-01-05T14:02:00.000Z");
  assert.deepEqual(document.lines.map(({ start, end, offset }) => [start, end, offset]), [[7.25, 9.5, 1], [60.5, 3721, 3], [95, 97, 4]]);
  assert.deepEqual(document.lines[0].translations, { en: { text: "We have to decide.", confidence: 0.8, error: null } });
  assert.equal(document.lines[1].translations.en.error.code, "engine_missing");
  assert.equal(document.lines[2].error.code, "speech_lost");
});

test("an empty session makes empty, valid files", () => {
  assert.equal(toTxt([]), "");
  assert.equal(toSrt([]), "");
  assert.equal(toVtt([]), "WEBVTT\n\n");
  assert.deepEqual(JSON.parse(toJson([])).lines, []);
});

test("a cue never ends before it begins", () => {
  const [line] = filled();
  assert.match(toSrt([{ ...line, endAt: line.at - 5 }]), /00:00:07,250 --> 00:00:07,251/);
});

test("a translation into the language that was spoken is not said twice", () => {
  const [line] = filled();
  line.translations.set("es", { text: "Tenemos que decidir.", error: null });
  assert.equal(toSrt([line], { languages: ["es"] }).split("\n").length, 4);
});

test("files are named for the session", () => {
  assert.equal(fileName("swift-river-7f3k", "srt"), "translation-swift-river-7f3k.srt");
  assert.deepEqual(Object.keys(FORMATS), ["txt", "srt", "vtt", "json"]);
});
