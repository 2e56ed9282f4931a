import assert from "node:assert/strict";
import { test } from "node:test";

import { CaptionDelay } from "../../static/js/models/caption-delay.js";
import { sentence } from "../../static/js/models/translation-text.js";
import { captionTile } from "../../static/js/models/tiles.js";
import { TEXTS } from "../fakes/js/texts.js";

const status = (waiting_seconds, settled_seconds, waiting_for = null, stream_id = "a") => ({ stream_id, waiting_seconds, settled_seconds, waiting_for });

test("speech that is being transcribed is not late, however long the utterance", () => {
  const lateness = new CaptionDelay();
  lateness.update(status(0, 0), 0);
  for (let second = 1; second < 9; second += 1) {
    lateness.update(status(14, 0), second);
    assert.equal(lateness.at(second), null);
  }
  lateness.update(status(6, 14), 9);
  assert.equal(lateness.at(18), null, "it got further");
  lateness.update(status(0, 20), 19);
  assert.equal(lateness.at(100), null, "nothing waits");
});

test("speech without progress is late until it makes progress", () => {
  const lateness = new CaptionDelay();
  lateness.update(status(5, 3), 0);
  lateness.update(status(9, 3), 6);
  assert.deepEqual(lateness.at(10), { seconds: 9, service: null });
  lateness.update(status(4, 8), 11);
  assert.equal(lateness.at(12), null);
  lateness.update(status(4, 8), 25);
  assert.deepEqual(lateness.at(25), { seconds: 4, service: null });
  lateness.remove("a");
  assert.equal(lateness.at(25), null);
});

test("an unavailable back end makes captions late at once; streams are added up", () => {
  const lateness = new CaptionDelay();
  lateness.update(status(3, 0, "audio-service"), 0);
  lateness.update(status(2, 0, "audio-service", "b"), 0);
  lateness.update(status(7, 0, null, "c"), 0);
  assert.deepEqual(lateness.at(0), { seconds: 5, service: "audio-service" });
});

const base = {
  phase: "open", reason: "", connection: "live", microphone: "open", uplink: { state: "streaming", waiting: 0 }, participants: [{ role: "owner" }], count: 1,
  speaking: [], lines: 1, lag: null, waiting: null, recordings: 0, isReadOnly: false,
};

test("the sentence that is read out changes only when captions become late", () => {
  const spoken = new Set();
  for (let second = 0; second < 30; second += 1) {
    const waiting = second < 20 ? null : { seconds: second - 10, service: null };
    spoken.add(sentence({ ...base, lag: 1 + (second % 5), waiting, isSpoken: true }, TEXTS.en));
  }
  assert.deepEqual([...spoken], ["Listening. One person here.", "Listening. One person here; captions are late."]);
  assert.equal(sentence({ ...base, lag: 5.6 }, TEXTS.en), "Listening. One person here; captions follow speech by 5.6 s.", "to be read, the figure is there");
});

test("the caption tile shows the delay and its reason", () => {
  const speech = { utterances: 1, window_seconds: 900, captions_timed: 0, utterances_in_window: 1, lost_in_window: 0, waiting_longest: 31 };
  const tile = captionTile(speech, { caption_p95_ms: [] });
  assert.equal(tile.tone, "warn");
  assert.match(tile.note.replaceAll("\u00a0", " "), /^late: speech has waited for 31 s/);
  assert.equal(captionTile({ ...speech, waiting_longest: 3 }, { caption_p95_ms: [] }).tone, "");
});
