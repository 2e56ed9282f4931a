import assert from "node:assert/strict";
import { test } from "node:test";

import { announcementTimes, barsText, barText, entryKind, entrySeverity, incidentState, knownText, lasted, pageNote, sentence, shareText, upText } from "../../static/js/models/incidents.js";

const incident = (more = {}) => ({ number: 1, service: "audio-service", began: 1_000, ended: null, impact: "outage", worst: "outage", entries: [], ...more });

test("the sentence names the open incident, counts several, or says when the last one was over", () => {
  assert.equal(sentence({ open: 1, incidents: [incident()], now: 1_100 }), "One incident is open: audio-service.");
  assert.equal(sentence({ open: 2, incidents: [incident(), incident()], now: 1_100 }), "2 incidents are open.");
  assert.equal(sentence({ open: 0, incidents: [incident({ ended: 1_040 })], now: 1_100 }), "No incident is open. The last one was over 60 s ago.");
  assert.equal(sentence({ open: 0, incidents: [incident({ ended: 1_100 })], now: 1_100 }), "No incident is open. The last one was over just now.");
  assert.equal(sentence({ open: 0, incidents: [], now: 1_100 }), "No incident is open, and there was none in the last 90 days.");
});

test("an incident that is over is so whatever its impact was; an unknown impact is shown as it is", () => {
  assert.deepEqual(incidentState(incident()), { word: "outage", tone: "bad" });
  assert.deepEqual(incidentState(incident({ ended: 2 })), { word: "over", tone: "quiet" });
  assert.deepEqual(incidentState(incident({ impact: "new" })), { word: "new", tone: "quiet" });
  assert.equal(lasted(incident(), 1_042), "42\u00a0s");
  assert.equal(lasted(incident({ ended: 900 }), 5_000), "0\u00a0s");
});

test("entries have the severity of what they say", () => {
  assert.deepEqual(
    [{ kind: "opened", impact: "outage" }, { kind: "changed", impact: "degraded" }, { kind: "closed", impact: "recovered" }, { kind: "note" }, { kind: "recovery", stage: "hook" }].map(entrySeverity),
    ["bad", "warn", "ok", "info", "info"],
  );
  assert.equal(entryKind({ kind: "recovery", stage: "hook" }), "Recovery, hook");
});

test("nothing known is no percentage, and a gap is said", () => {
  assert.equal(shareText({ share: null }), "–");
  assert.equal(shareText(undefined), "–");
  assert.deepEqual([1, 0.999_999, 0.99987, 0.98, 0].map((share) => shareText({ share })), ["100\u00a0%", "99.99\u00a0%", "99.98\u00a0%", "98.00\u00a0%", "0.00\u00a0%"]);
  assert.deepEqual([1, 0.0001].map((known) => upText({ share: 0.576, known }, "24 h")), ["up 57.60\u00a0% of 24 h", "up 57.60\u00a0% of 24 h (0.01\u00a0% known)"]);
  assert.deepEqual([1, 0.33].map((known) => knownText({ share: 1, known })), ["", "33\u00a0% known"]);
  assert.equal(barsText("a", { share: null }), "a: nothing is known of this time.");
  assert.equal(barsText("a", { share: 0.5, down: 30, known: 0.25 }), "a: 50\u00a0% up, down for 30\u00a0s; 25\u00a0% of the time is known.");
  assert.match(barText({ start: 0, state: "partly", down: 42 }), /down for a part of the time, 42\u00a0s$/);
});

test("an announcement says until when it is shown, or that it is over", () => {
  const made = (more) => ({ announcement: { at: 0, until: null, ended: null, ...more }, is_current: more.ended === undefined && (more.until ?? 100) >= 100 });
  assert.equal(announcementTimes(made({}), 30), "since 30 s ago, until it is ended");
  assert.equal(announcementTimes(made({ ended: 20 }), 30), "since 30 s ago; ended 10 s ago");
  assert.equal(announcementTimes(made({ until: 20 }), 30), "since 30 s ago; it was shown until 10 s ago");
  assert.match(announcementTimes(made({ until: 100 }), 30), /^since 30 s ago, until /);
  assert.match(pageNote(false), /switched off/);
});
