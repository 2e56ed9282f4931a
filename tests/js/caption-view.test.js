import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { Texts } from "../../static/js/models/texts.js";
import english from "../../static/js/texts/en.js";
import { DEFAULTS, PARAMETERS, readCaptionLink, shownLines, targetsOfView, viewMessage, writeCaptionLink } from "../../static/js/models/caption-view.js";

const texts = new Texts("en", english);
const say = (text) => (text === null ? null : texts.text(text.key, text.values));
const BASE = "https://captions.example/translation#session=x";
const read = (query) => {
  const { faults, ...link } = readCaptionLink(`https://captions.example/captions/swift-river-7f3k${query}`);
  return { ...link, faults: faults.map(say) };
};

test("a link that is written is read back, and defaults are left out", () => {
  const view = { ...DEFAULTS, lines: 2, languages: ["original", "es"], size: 64, colour: "#ffff00", background: "transparent", align: "center", position: "top", names: false, growing: false, hold: 8, messages: false };
  const href = writeCaptionLink(BASE, { session_id: "swift-river-7f3k", key: "abc_-9", view });
  assert.equal(href, "https://captions.example/captions/swift-river-7f3k?lines=2&languages=original,es&size=64&colour=ffff00&background=transparent&align=center&position=top&names=0&growing=0&hold=8&messages=0#key=abc_-9");
  assert.deepEqual(readCaptionLink(href), { session_id: "swift-river-7f3k", key: "abc_-9", view, faults: [] });
  assert.equal(writeCaptionLink(BASE, { session_id: "a", key: "k", view: DEFAULTS }), "https://captions.example/captions/a#key=k");
  assert.deepEqual(read("").view, { ...DEFAULTS });
});

test("each wrong value has its default and is said in words", () => {
  for (const [query, words] of [
    ["?lines=0", "“lines” is “0”. Expected is a whole number from 1 to 20."],
    ["?lines=3.5", "“lines” is “3.5”. Expected is a whole number"],
    ["?lines=", "“lines” is “”."],
    ["?size=9999999", "“size” is “9999999”. Expected is a whole number from 10 to 300"],
    ["?colour=yellow", "“colour” is “yellow”. Expected is a colour of three or six hexadecimal digits, such as ffffff."],
    ["?colour=ff;}body{", "“colour” is “ff;}body{”."],
    ["?background=url(x)", "“background” is “url(x)”. Expected is transparent, or a colour"],
    ["?languages=es,fr,de", "“languages” is “es,fr,de”. Expected is one or two of"],
    ["?languages=es,es", "“languages” is “es,es”."],
    ["?languages=", "“languages” is “”."],
    ["?languages=<b>", "“languages” is “<b>”."],
    ["?names=yes", "“names” is “yes”. Expected is 1 or 0."],
    ["?names=toString", "“names” is “toString”."],
    ["?align=left", "“align” is “left”. Expected is start or center."],
    ["?line=3", "“line” is not known. Known are lines, languages,"],
    ["?toString=3", "“toString” is not known."],
    ["?key=secret", "The key belongs after a #"],
  ]) {
    const { view, faults } = read(query);
    assert.deepEqual(view, { ...DEFAULTS }, query);
    assert.equal(faults.length, 1, query);
    assert.ok(faults[0].startsWith(words), `${query}: ${faults[0]}`);
    assert.doesNotMatch(faults[0], /secret/);
  }
  assert.deepEqual(read("?lines=2&lines=4").view.lines, 2);
  assert.match(read("?lines=2&lines=4").faults[0], /twice/);
  assert.equal(read(`?${"a=1&".repeat(200)}`).faults.length, 6);
  assert.ok(read(`?${"x".repeat(5_000)}=1`).faults[0].length < 300);
});

test("an address without a session or with a key that is none says so", () => {
  assert.equal(readCaptionLink("https://x.example/captions/").session_id, null);
  assert.equal(readCaptionLink("https://x.example/captions/a%20b").session_id, null);
  assert.equal(readCaptionLink("https://x.example/captions/%ff").session_id, null);
  assert.equal(read("#key=a b").key, null);
  assert.equal(read("#key=abc").key, "abc");
  const message = (more) => say(viewMessage({ phase: "open", reason: "", connection: "live", session_id: "room", lines: 1, ...more }));
  assert.match(message({ session_id: null }), /names no session/);
  assert.match(message({ phase: "uninvited" }), /complete link/);
  assert.match(message({ phase: "gone", reason: "The session was ended." }), /^This session has ended/);
  assert.match(message({ connection: "waiting" }), /by itself/);
  assert.match(message({ lines: 0 }), /^Ready\. Captions appear here when someone speaks in room\.$/);
  assert.equal(message({}), null);
});

const line = (id, text, more = {}) => ({ id, text, final: true, error: null, language: "en", speaker: "Ann", participantId: "p", translations: new Map(), ...more });
const into = (texts) => new Map(Object.entries(texts).map(([code, text]) => [code, { text, error: null }]));
const shown = (lines, more, options) => shownLines(lines, { ...DEFAULTS, ...more }, options).map(({ id, texts }) => `${id}: ${texts.map(({ text }) => text).join(" / ")}`);

test("the last lines are shown, with the texts that they have", () => {
  const lines = [line("a", "one"), line("b", "two", { translations: into({ es: "dos" }) }), line("c", "three", { final: false }), line("d", "", { error: { detail: "x" } })];
  assert.deepEqual(shown(lines, { lines: 2 }), ["b: two", "c: three"]);
  assert.deepEqual(shown(lines, { lines: 2, growing: false }), ["a: one", "b: two"]);
  assert.deepEqual(shown(lines, { languages: ["es"] }), ["b: dos"], "what has no translation yet is not shown untranslated");
  assert.deepEqual(shown(lines, { languages: ["original", "es"], lines: 2 }), ["b: two / dos", "c: three"]);
  assert.deepEqual(shown([line("e", "hola", { language: "es" })], { languages: ["es", "original"] }), ["e: hola"], "spoken in the chosen language: once");
  assert.deepEqual(shown([line("f", "x", { translations: new Map([["es", { text: "", error: { detail: "no" } }]]) })], { languages: ["es"] }), []);
});

test("a translation grows with its line, unless only final lines are wanted", () => {
  const growing = new Map([["es", { revision: 2, text: "uno dos,", words: 2 }]]);
  const spoken = line("a", "one two, three", { final: false, growing });
  assert.deepEqual(shown([spoken], { languages: ["es"] }), ["a: uno dos,"]);
  assert.deepEqual(shown([spoken], { languages: ["original", "es"] }), ["a: one two, three / uno dos,"]);
  assert.deepEqual(shown([spoken], { languages: ["fr"] }), []);
  assert.deepEqual(shown([{ ...spoken, final: true }], { languages: ["es"] }), ["a: uno dos,"], "until the final's translation is there");
  assert.equal(shownLines([{ ...spoken, final: true }], { ...DEFAULTS, languages: ["es"] })[0].isGrowing, true, "it is not announced yet");
  assert.equal(shownLines([{ ...spoken, final: true }], { ...DEFAULTS, languages: ["fr", "original"] })[0].isGrowing, false);
  assert.deepEqual(shown([{ ...spoken, final: true }], { languages: ["es"], growing: false }), []);
  assert.deepEqual(shown([{ ...spoken, final: true, translations: into({ es: "uno dos, tres" }) }], { languages: ["es"] }), ["a: uno dos, tres"]);
  assert.deepEqual(shown([{ ...spoken, final: true, edited: "corrected" }], { languages: ["es"] }), []);
});

test("a line is held as long as is wanted", () => {
  const changedAt = (id) => ({ a: 10, b: 18 })[id];
  const lines = [line("a", "one"), line("b", "two")];
  assert.deepEqual(shown(lines, { hold: 5 }, { now: 20, changedAt }), ["b: two"]);
  assert.deepEqual(shown(lines, { hold: 5 }, { now: 30, changedAt }), []);
  assert.deepEqual(shown(lines, { hold: 0 }, { now: 9_999, changedAt }), ["a: one", "b: two"]);
  assert.deepEqual(targetsOfView({ languages: ["original", "es"] }), ["es"]);
});

test("the documents' table has each parameter with its default", () => {
  const rows = readFileSync(new URL("../../docs/captions.md", import.meta.url), "utf8").split("\n");
  for (const [name, { write, initial }] of Object.entries(PARAMETERS)) {
    const row = rows.find((each) => each.startsWith(`| \`${name}\` |`));
    assert.ok(row, `${name} is not in docs/captions.md`);
    assert.equal(row.split("|")[3].trim(), `\`${write(initial)}\``, name);
  }
});
