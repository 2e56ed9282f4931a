import assert from "node:assert/strict";
import { test } from "node:test";

import { RecordingKeys } from "../../static/js/models/recording-keys.js";

function storage(text = null) {
  const kept = { text };
  return { kept, getItem: () => kept.text, setItem: (_name, value) => (kept.text = value) };
}

test("the key of a recording is found again after a reload, until the recording has ended", () => {
  const tab = storage();
  new RecordingKeys(tab).write("a", "secret");
  const reloaded = new RecordingKeys(tab);
  assert.equal(reloaded.read("a"), "secret");
  assert.equal(reloaded.read("b"), "");
  reloaded.forget("a");
  assert.equal(new RecordingKeys(tab).read("a"), "");
});

test("only the newest keys are stored", () => {
  const tab = storage();
  const keys = new RecordingKeys(tab);
  for (let number = 0; number < 60; number += 1) keys.write(`s${number}`, "k");
  assert.deepEqual([keys.read("s9"), keys.read("s10"), Object.keys(JSON.parse(tab.kept.text)).length], ["", "k", 50]);
});

test("forbidden, full or damaged storage only costs the keys at a reload", () => {
  const forbidden = { getItem: () => { throw new Error("denied"); }, setItem: () => { throw new Error("denied"); } };
  for (const kept of [null, forbidden, storage("{"), storage("null"), storage("[1]"), storage('{"a": 1}')]) {
    const keys = new RecordingKeys(kept);
    assert.equal(keys.read("a"), "");
    keys.write("a", "secret");
    keys.write("b", "");
    assert.deepEqual([keys.read("a"), keys.read("b")], ["secret", ""]);
  }
});
