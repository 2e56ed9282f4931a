import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { settledPart, wordSpans } from "../../static/js/models/words.js";

const examples = JSON.parse(readFileSync(new URL("../data/words.json", import.meta.url), "utf8"));

for (const { text, words } of examples) {
  test(`the words of ${JSON.stringify(text)} are those that the service counts`, () => {
    assert.deepEqual(wordSpans(text).map(([begin, end]) => text.slice(begin, end)), words);
  });
}

test("a text is split after its settled words", () => {
  assert.deepEqual(settledPart("He was not, an", 3), ["He was not,", " an"]);
  assert.deepEqual(settledPart("He was", 0), ["", "He was"]);
  assert.deepEqual(settledPart("He was", undefined), ["", "He was"]);
  assert.deepEqual(settledPart("He was", 9), ["He was", ""]);
  assert.deepEqual(settledPart("東京へ", 2), ["東京", "へ"]);
  assert.deepEqual(settledPart("", 1), ["", ""]);
});
