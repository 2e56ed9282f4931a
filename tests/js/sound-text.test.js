/** What the page says about the microphone, shared sound, and both. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { captureSentence, gainOf, nothingCaptured, openingSentence, soundNote, soundWords } from "../../static/js/models/sound-text.js";
import { sentence } from "../../static/js/models/translation-text.js";
import { TEXTS } from "../fakes/js/texts.js";

const KINDS = ["microphone", "shared", "both"];

test("a level in percent is a factor within its limits", () => {
  assert.deepEqual(["0", "50", "100", "200", "900", "-3", "loud", undefined].map(gainOf), [0, 0.5, 1, 2, 2, 0, 1, 1]);
});

for (const [language, texts] of Object.entries(TEXTS)) {
  test(`${language}: every kind of sound has its words in every state`, () => {
    for (const kind of KINDS) {
      assert.match(openingSentence(kind, texts), /\.$/);
      const { start, stop } = soundWords(kind, texts);
      assert.ok(start !== stop);
      for (const state of ["paused", "stalled", "silent", "fine", "not received"]) {
        assert.match(captureSentence(kind, state, texts), /[.?؟]$/u);
        const { title, text } = nothingCaptured(kind, state, texts);
        assert.ok(title.length > 3 && text.length > 10);
      }
    }
  });
}

test("a page that captures no microphone does not speak of one", () => {
  const state = { phase: "open", connection: "live", microphone: "open", sound: "shared", participants: [], count: 0, speaking: [], lines: 0, lag: null, waiting: null, recordings: 0, isReadOnly: false };
  for (const capture of ["paused", "stalled", "silent", "fine"]) {
    for (const uplink of ["streaming", "starting"]) {
      assert.doesNotMatch(sentence({ ...state, capture, uplink: { state: uplink, waiting: 0, isUnresponsive: false } }, TEXTS.en), /microphone/);
    }
  }
});

test("before it is started, a choice says what the browser will ask, and which browsers can", () => {
  const note = (kind, isAvailable = true, isKnownToShareSound = true) => soundNote({ kind, isAvailable, isKnownToShareSound }, TEXTS.en);
  assert.equal(note("microphone"), "");
  assert.match(note("shared"), /Also share tab audio/);
  assert.match(note("both"), /headphones/);
  assert.match(note("both", true, false), /Firefox and Safari/);
  assert.match(note("microphone", false, false), /Chrome and Edge/);
});
