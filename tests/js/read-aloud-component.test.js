import assert from "node:assert/strict";
import { test } from "node:test";

import { fakeBrowser } from "../fakes/js/dom.js";
import { TEXTS } from "../fakes/js/texts.js";

const browser = fakeBrowser();
const { ReadAloud } = await import("../../static/js/components/translation/read-aloud.js");
browser.restore();

/** A speech engine that reads one text until `finish()`. */
class FakeSynthesis extends EventTarget {
  spoken = [];
  current = null;
  voices = [{ voiceURI: "es", name: "Mónica", lang: "es-ES", localService: true }];

  getVoices() {
    return this.voices;
  }

  speak(utterance) {
    assert.equal(this.current, null, "one text at a time");
    this.current = utterance;
    this.spoken.push(`${utterance.lang} ${utterance.text}`);
  }

  finish(name = "end") {
    const { current } = this;
    this.current = null;
    current.dispatchEvent(new Event(name));
  }

  cancel() {
    if (this.current !== null) this.finish("error");
  }
}

function opened(t, { synthesis = new FakeSynthesis(), targets = ["es"], language = "en" } = {}) {
  const { document, clock, restore } = fakeBrowser();
  t.after(restore);
  const part = (id) => document.getElementById(id);
  const [box, voice, speed, details, note] = ["box", "voice", "speed", "details", "note"].map(part);
  const stored = new Map();
  const preferences = { get: (key) => stored.get(key) ?? null, set: (key, value) => stored.set(key, value) };
  const createUtterance = (text) => Object.assign(new EventTarget(), { text });
  const aloud = new ReadAloud({ texts: TEXTS[language], box, voice, speed, details, note, targets: () => targets, isOwn: ({ participantId }) => participantId === "me", now: () => 100, preferences, synthesis, createUtterance });
  aloud.start();
  t.after(() => aloud.stop());
  const turn = (isOn) => {
    box.checked = isOn;
    box.dispatchEvent(new Event("change"));
  };
  return { aloud, synthesis, note, turn, clock };
}

const line = (id, text, more = {}) => ({ id, final: true, error: null, language: "en", timestamp: 100, participantId: "p", translations: new Map([["es", { text, error: null }]]), ...more });

test("it is off at first, reads one text after the other, and is silent when it is turned off", (t) => {
  const { aloud, synthesis, turn } = opened(t);
  aloud.offer(line("a", "uno"));
  assert.deepEqual(synthesis.spoken, []);
  turn(true);
  for (const [id, text] of [["b", "dos"], ["c", "tres"], ["d", "cuatro"]]) aloud.offer(line(id, text));
  aloud.offer(line("own", "mío", { participantId: "me" }));
  synthesis.finish();
  synthesis.finish("error");
  assert.deepEqual(synthesis.spoken, ["es-ES dos", "es-ES tres", "es-ES cuatro"]);
  turn(false);
  aloud.offer(line("e", "cinco"));
  assert.equal(synthesis.current, null);
  assert.equal(synthesis.spoken.length, 3);
});

test("an engine that reports no end silences nothing that follows", async (t) => {
  const { aloud, synthesis, turn, clock } = opened(t);
  turn(true);
  aloud.offer(line("a", "uno"));
  aloud.offer(line("b", "dos"));
  await clock.advance(15_000);
  assert.deepEqual(synthesis.spoken, ["es-ES uno", "es-ES dos"]);
});

test("without a voice, without a language and without an engine it says so", (t) => {
  const none = opened(t, { targets: ["es", "ca"] });
  none.turn(true);
  assert.match(none.note.textContent, /no voice for Catalan\./);
  const nothing = opened(t, { targets: [] });
  nothing.turn(true);
  assert.match(nothing.note.textContent, /Choose a language/);
  const deaf = opened(t, { synthesis: null });
  assert.equal(deaf.note.textContent, "This browser cannot read aloud.");
  const german = opened(t, { targets: ["es", "ca", "gl"], language: "de" });
  german.turn(true);
  assert.match(german.note.textContent, /^Dieser Browser hat keine Stimme für: Katalanisch und Galicisch\. .* Kopfhörer/);
});

test("what is skipped to keep up is counted", (t) => {
  const { aloud, synthesis, note, turn } = opened(t);
  turn(true);
  for (let index = 0; index < 8; index += 1) aloud.offer(line(`l-${index}`, `n${index}`));
  synthesis.finish();
  assert.match(note.textContent, /^3 lines skipped to keep up/);
});
