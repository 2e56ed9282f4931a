import assert from "node:assert/strict";
import { test } from "node:test";

import { ReadAloudQueue, WAITING_LIMIT, patience, voiceFor, voicesFor } from "../../static/js/models/read-aloud.js";

const line = (id, translations, more = {}) => ({
  id, final: true, error: null, language: "en", timestamp: 100,
  translations: new Map(Object.entries(translations).map(([code, text]) => [code, { text, error: null }])), ...more,
});

test("a final line is read once, in the first language that it is translated to", () => {
  const queue = new ReadAloudQueue({ since: 100 });
  assert.equal(queue.offer(line("a", { fr: "salut", es: "hola" }), ["es", "fr"]), true);
  assert.equal(queue.offer(line("a", { fr: "salut", es: "hola!" }), ["es", "fr"]), false, "not again");
  assert.deepEqual(queue.next(), { id: "a", language: "es", text: "hola" });
  assert.equal(queue.next(), null);
});

test("lines of before, growing lines, gaps and lines in the listener's language are not read", () => {
  const queue = new ReadAloudQueue({ since: 100 });
  const es = { es: "hola" };
  for (const [why, each] of [
    ["before", line("a", es, { timestamp: 99 })],
    ["growing", line("b", es, { final: false })],
    ["gap", line("c", es, { error: { detail: "x" } })],
    ["spoken in it", line("d", es, { language: "es-MX" })],
    ["no translation yet", line("e", {})],
    ["empty", line("f", { es: " " })],
  ]) assert.equal(queue.offer(each, ["es"]), false, why);
  assert.equal(queue.offer(line("b", es), ["es"]), true, "once it is final");
  assert.equal(queue.offer(line("e", es), ["es"]), true, "once it is translated");
});

test("of more than can be read the oldest are skipped and counted", () => {
  const queue = new ReadAloudQueue({ since: 0 });
  for (let index = 0; index < WAITING_LIMIT + 3; index += 1) queue.offer(line(`l-${index}`, { es: "hola" }), ["es"]);
  assert.deepEqual([queue.length, queue.skipped, queue.next().id], [WAITING_LIMIT, 3, "l-3"]);
});

test("the voice is the chosen one, else the nearest, on the device where there is one", () => {
  const voice = (voiceURI, lang, localService = false) => ({ voiceURI, name: voiceURI, lang, localService });
  const voices = [voice("pt", "pt-PT"), voice("br-cloud", "pt-BR"), voice("br", "pt-BR", true), voice("android", "es_ES"), voice("en", "en-US")];
  assert.equal(voiceFor(voices, "pt-BR").voiceURI, "br");
  assert.equal(voiceFor(voices, "pt-PT").voiceURI, "pt");
  assert.equal(voiceFor(voices, "pt-BR", "pt").voiceURI, "pt", "the chosen one");
  assert.equal(voiceFor(voices, "pt-BR", "en").voiceURI, "br", "a chosen one of another language");
  assert.equal(voiceFor(voices, "es").voiceURI, "android", "Android's tags have an underscore");
  assert.equal(voiceFor(voices, "ca"), null);
  assert.equal(voiceFor([], "es"), null);
  assert.deepEqual(voicesFor(voices, ["es", "pt"]).map(({ voiceURI }) => voiceURI), ["android", "br", "br-cloud", "pt"]);
});

test("a long text at half the speed has more time", () => {
  assert.ok(patience({ text: "x".repeat(400), speed: 0.8 }) > patience({ text: "x".repeat(400), speed: 2 }));
});
