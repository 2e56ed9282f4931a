import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { MATCH_LIMIT, TextSearch, countText, located, searchable, stepped } from "../../static/js/models/text-search.js";
import { TEXTS } from "../fakes/js/texts.js";

const search = (text, query) => new TextSearch().find([{ id: "a", part: "original", text }], query).map(({ start, end }) => text.slice(start, end));

test("case and accents do not matter, and what is found is the original's own letters", () => {
  assert.deepEqual(search("Naïve and NAIVE, naïvely.", "naive"), ["Naïve", "NAIVE", "naïve"]);
  assert.deepEqual(search("Naïve", "NAÏ"), ["Naï"]);
  assert.deepEqual(search("nai\u0308ve x", "naive"), ["nai\u0308ve"], "a decomposed accent belongs to the match");
  assert.deepEqual(search("cafe\u0301", "cafe"), ["cafe\u0301"]);
  assert.deepEqual(search("مُحَمَّد هنا", "محمد"), ["مُحَمَّد"]);
  assert.deepEqual(search("ﬁne 😀 fine", "fi"), ["ﬁ", "fi"], "a ligature and an emoji shift no index");
  assert.deepEqual(search("की का", "का"), ["का"], "vowel signs are letters of their own");
  assert.deepEqual(search("İstanbul", "stanbul"), ["stanbul"]);
});

test("the service's search finds the same", () => {
  const cases = JSON.parse(readFileSync(new URL("../data/search/cases.json", import.meta.url), "utf8"));
  for (const { text, query, found } of cases) assert.equal(search(text, query).length > 0, found, `${query} in ${text}`);
});

test("nothing is found for a query of nothing", () => {
  for (const query of ["", "  ", "\u0301"]) assert.deepEqual(search("a b", query), []);
});

test("matches do not overlap and are limited", () => {
  assert.equal(search("aaaa", "aa").length, 2);
  const found = new TextSearch().find([{ id: "a", part: "original", text: "e ".repeat(5_000) }], "e");
  assert.equal(found.length, MATCH_LIMIT);
  assert.equal(countText(found, 4, "e", TEXTS.en), "5 of 999 or more");
});

test("only texts that are shown are searched", () => {
  const line = (id, text, translations, error = null) => ({ id, text, error, translations: new Map(Object.entries(translations).map(([code, words]) => [code, { text: words }])) });
  const lines = [line("a", "hello", { es: "hola", fr: "salut" }), line("b", "bye", {}), line("c", "", {}, { detail: "x" })];
  const parts = (more) => searchable(lines, { targets: ["es"], isOfferKnown: true, show: "both", ...more }).map(({ id, part }) => `${id} ${part}`);
  assert.deepEqual(parts({}), ["a original", "a es", "b original"]);
  assert.deepEqual(parts({ show: "original" }), ["a original", "b original"]);
  assert.deepEqual(parts({ show: "translation" }), ["a es", "b original"], "a line without a translation shows its original");
  assert.deepEqual(parts({ targets: [] }), ["a original", "b original"]);
  assert.deepEqual(parts({ targets: [], isOfferKnown: false }), ["a original", "a es", "a fr", "b original"]);
});

test("the current match stays the current one while lines are added before it", () => {
  const match = (id, start) => ({ id, part: "original", start, end: start + 1 });
  const [a, b, c] = [match("a", 0), match("b", 0), match("c", 0)];
  assert.equal(located([a, b, c], { ...b }, 0), 1);
  assert.equal(located([a, c], b, 1), 1, "a match that is gone: the next one");
  assert.equal(located([a], b, 1), 0);
  assert.equal(located([], b, 1), -1);
  assert.deepEqual([stepped([a, b, c], 2, 1), stepped([a, b, c], 0, -1), stepped([], -1, 1)], [0, 2, -1]);
  assert.deepEqual([countText([a, b], 0, "x", TEXTS.en), countText([], -1, "x", TEXTS.en), countText([], -1, " ", TEXTS.en)], ["1 of 2", "no match", ""]);
  assert.deepEqual([countText([a, b], 0, "x", TEXTS.es), countText([], -1, "x", TEXTS.es)], ["1 de 2", "sin coincidencias"]);
});
