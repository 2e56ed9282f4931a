import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { lineOf, linesOf, readLine, readTerms, withTheirs } from "../../static/js/models/terms.js";

const examples = JSON.parse(readFileSync(new URL("../data/terms.json", import.meta.url), "utf8"));

for (const { line, term, written } of examples) {
  test(`${JSON.stringify(line)} states what the service reads in it, and is written again`, () => {
    assert.deepEqual(readLine(line), term);
    if (term === null) return;
    assert.deepEqual(readLine(lineOf(term)), term);
    if (written !== undefined) assert.equal(lineOf(term), written);
  });
}

test("the terms of a text: one a line, each once, empty lines are none", () => {
  const { terms, problem } = readTerms("Norland\r\n\n  chair = de: Vorsitz\nNorland\nchair = fr: présidence; de: Stuhl\n");
  assert.equal(problem, null);
  assert.deepEqual(terms, [{ text: "Norland" }, { text: "chair", translations: { fr: "présidence", de: "Vorsitz" } }]);
  assert.deepEqual(readTerms(linesOf(terms)).terms, terms);
  assert.deepEqual(readTerms(" \n"), { terms: [], problem: null });
});

test("what cannot be stored is said with its number", () => {
  const lines = (count) => Array.from({ length: count }, (_, number) => `t${number}`).join("\n");
  assert.equal(readTerms(lines(100)).problem, null);
  assert.deepEqual(readTerms(lines(10_000)).problem, { key: "terms.too_many", values: { count: 10_000, most: 100 } });
  assert.deepEqual(readTerms(`${"x".repeat(300)}\n${"y".repeat(299)}`).problem, { key: "terms.too_long", values: { characters: 601, most: 600 } });
  assert.deepEqual(readTerms(`x = ${"y".repeat(6_001)}`).problem, { key: "terms.translations_too_long", values: { characters: 6_001, most: 6_000 } });
  assert.deepEqual(readTerms("Norland\n\n= Vorsitz").problem, { key: "terms.no_term", values: { line: 3 } });
});

test("characters outside the basic plane count once, as the service counts them", () => {
  assert.equal(readTerms("𝒳".repeat(600)).problem, null);
});

test("another's terms are added below one's own, without those that are there", () => {
  assert.equal(withTheirs("Norland\nchair = Vorsitz\n", [{ text: "chair", translations: { "*": "Stuhl" } }, { text: "Elinor" }]), "Norland\nchair = Vorsitz\nElinor");
  assert.equal(withTheirs("", [{ text: "Elinor" }]), "Elinor");
});
