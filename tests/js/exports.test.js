import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { Captions } from "../../static/js/models/captions.js";
import { apart, cues, parts, round, width, wrap } from "../../static/js/models/cues.js";
import { FORMATS, exportable, fileName, stamp, toJson, toSrt, toTxt, toVtt } from "../../static/js/models/exports.js";
import { TEXTS } from "../fakes/js/texts.js";

const read = (name) => readFileSync(new URL(`../data/exports/${name}`, import.meta.url), "utf8");
const OPTIONS = { languages: ["es"], session_id: "budget-7f3k", texts: TEXTS.en };

function filled() {
  const captions = new Captions();
  for (const message of JSON.parse(read("messages.json"))) captions.apply(message);
  return captions.lines;
}

test("TXT, SRT and WebVTT are the service's own, letter for letter", () => {
  for (const format of ["txt", "srt", "vtt"]) assert.equal(FORMATS[format].write(filled(), OPTIONS), read(`expected.${format}`), format);
});

test("the file's own words are in the reader's language, and what was spoken stays as it is", () => {
  const lines = filled();
  const german = toTxt(lines, { ...OPTIONS, texts: TEXTS.de }).split("\n");
  const english = toTxt(lines, OPTIONS).split("\n");
  assert.deepEqual(german.slice(0, 3).map((row) => row.split(" ")[0]), ["Sitzung:", "Beginn:", "Teilnehmende:"]);
  assert.deepEqual(german.map((row, index) => row === english[index]).filter((isSame) => !isSame).length, 3 + lines.filter(({ error }) => error).length);
});

test("JSON holds what the service's own does", () => {
  assert.deepEqual(JSON.parse(toJson(filled(), OPTIONS)), JSON.parse(read("expected.json")));
});

test("a title is in the head of a file", () => {
  const options = { ...OPTIONS, title: "Q1 --> Q2" };
  assert.ok(toTxt(filled(), options).startsWith("Title: Q1 --> Q2\nSession: budget-7f3k\n"));
  assert.ok(toVtt(filled(), options).startsWith("WEBVTT - Q1 → Q2\n\n"));
  assert.equal(JSON.parse(toJson(filled(), options)).title, "Q1 --> Q2");
});

test("interim lines and empty finals are not exported", () => {
  const [line] = filled();
  assert.deepEqual(exportable([{ ...line, final: false }, { ...line, text: "  " }]), []);
});

test("times are written in full", () => {
  assert.equal(stamp(0, ","), "00:00:00,000");
  assert.equal(stamp(3_725_500, "."), "01:02:05.500");
  assert.equal(stamp(360_000_001, "."), "100:00:00.001");
});

test("a text never becomes WebVTT markup or SubRip times", () => {
  const [line] = filled();
  const text = "<b> & 00:00 --> 00:01\n\nx";
  assert.match(toVtt([{ ...line, text, words: [] }]), /&lt;b&gt; &amp; 00:00 --&gt; 00:01 x/);
  assert.match(toSrt([{ ...line, text: `${text} {i} \\N`, words: [] }]), /<\u2060b> &\u2060 00:00 --\u2060> 00:01 x\s\\\{\u2060i\} \\\u2060N/u);
});

test("an empty session makes empty, valid files", () => {
  assert.equal(toTxt([]), "");
  assert.equal(toSrt([]), "");
  assert.equal(toVtt([]), "WEBVTT\n");
  assert.deepEqual(JSON.parse(toJson([])).lines, []);
});

test("a cue never ends before it begins", () => {
  const [line] = filled();
  assert.match(toSrt([{ ...line, text: "yes", words: [], end: line.start - 1 }]), /00:00:07,250 --> 00:00:07,251/);
});

test("files are named for the session", () => {
  assert.equal(fileName("swift-river-7f3k", "srt"), "translation-swift-river-7f3k.srt");
  assert.equal(fileName("abc", "srt", { stream: "film", title: "Budget 2027: Q1 --> Q2/مال" }), "Budget-2027-Q1-Q2-مال-abc-film.srt");
  for (const [title, name] of [["...", "translation-abc.txt"], ["../x", "x-abc.txt"], ["a".repeat(60), `${"a".repeat(40)}-abc.txt`]]) assert.equal(fileName("abc", "txt", { title }), name);
  assert.deepEqual(Object.keys(FORMATS), ["txt", "srt", "vtt", "json"]);
});

test("rows are 42 columns at most, wide letters count twice, marks not at all", () => {
  assert.equal(width("añb"), 3);
  assert.equal(width("an\u0303b"), 3);
  assert.equal(width("明日a"), 5);
  assert.ok(wrap("x".repeat(100)).every((row) => width(row) <= 42));
  assert.ok(wrap("明".repeat(50)).every((row) => width(row) <= 42));
  assert.equal(wrap("one two  three", 7).join("|"), "one two|three");
});

test("text of any script is broken where the service breaks it", () => {
  const broken = JSON.parse(read("texts.broken.json"));
  for (const [script, text] of Object.entries(JSON.parse(read("texts.json")))) {
    const rows = [42, 21, 7].map((columns) => wrap(text, columns));
    assert.deepEqual({ rows, parts: [2, 3, 7].map((count) => parts(text, count)) }, broken[script], script);
  }
});

test("a text in parts is the text, whatever the number of parts", () => {
  const text = "had he married a more amiable woman";
  for (let count = 1; count <= 7; count += 1) assert.equal(parts(text, count).filter((part) => part).join(" "), text);
  assert.equal(parts("明日までに", 3).join(""), "明日までに");
});

test("cues of a long line follow one another without a hole, and change where a word begins", () => {
  const original = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen";
  const words = original.split(" ").map((text, index) => ({ text, start: index, end: index + 0.9, confidence: null }));
  const out = cues({ start: 0, end: 18_000, stream: 0, original, words, speaker: null }, [original]);
  assert.ok(out.length > 1);
  for (const [index, cue] of out.slice(1).entries()) {
    assert.equal(cue.start, out[index].end);
    assert.equal(cue.start % 1000, 0);
  }
});

test("two at once are one cue with a dash each, and every row stands from its start to its end", () => {
  const out = apart([{ start: 0, end: 10_000, texts: [["a"]], speaker: null }, { start: 5_000, end: 15_000, texts: [["b"], ["c"]], speaker: null }]);
  assert.deepEqual(out.map(({ start, end, texts }) => [start, end, texts.flat()]), [
    [0, 5_000, ["a"]],
    [5_000, 10_000, ["- a", "- b", "c"]],
    [10_000, 15_000, ["b", "c"]],
  ]);
});

test("while two speak no cue is too short to read: rows are shown a little earlier or later", () => {
  const cue = (start, end, row) => ({ start, end, texts: [[row]], speaker: null });
  const out = apart([cue(0, 4_000, "a"), cue(3_500, 8_000, "b"), cue(8_400, 12_000, "c"), cue(8_900, 12_500, "d")]);
  assert.deepEqual(out.map(({ start, end, texts }) => [start, end, texts.flat()]), [
    [0, 3_500, ["a"]],
    [3_500, 8_000, ["b"]],
    [8_400, 12_500, ["- c", "- d"]],
  ]);
});

test("halves are rounded to the even number, as the service rounds them", () => {
  assert.deepEqual([0.5, 1.5, 2.5, 2.4, 2.6, -0.5].map(round), [0, 2, 2, 2, 3, 0]);
});

test("recordings stay apart and follow one another, as in the service's own files", () => {
  const captions = new Captions();
  const line = (stream, started, start) => ({
    type: "transcript", timestamp: 0, session_id: "s", segment_id: `${stream}-${start}`, revision: 1, final: true, text: `${stream} ${start}`,
    language: "en", confidence: null, start, end: start + 2, stream_started: started, speaker: `${stream}.wav`, recording: true,
  });
  for (const message of [line("one", 1_000_000, 0), line("two", 1_002_000, 0), line("one", 1_000_000, 6), line("two", 1_002_000, 6)]) captions.apply(message);
  assert.deepEqual(captions.lines.map(({ text }) => text), ["one 0", "one 6", "two 0", "two 6"]);
  assert.deepEqual(toTxt(captions.lines).trim().split("\n"), [
    "[00:00:00] one.wav: one 0",
    "[00:00:06] one.wav: one 6",
    "[00:00:08] two.wav: two 0",
    "[00:00:14] two.wav: two 6",
  ]);
  const two = captions.lines.filter(({ id }) => id.startsWith("two-"));
  assert.match(toSrt(two), /00:00:00,000 --> 00:00:02,000[\s\S]*00:00:06,000/);
});
