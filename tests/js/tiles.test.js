import assert from "node:assert/strict";
import { test } from "node:test";

import { attemptsNote, routed } from "../../static/js/models/gateway.js";
import { answeredText, flowP95 } from "../../static/js/models/overview.js";
import { captionTile, clientsTile, connectionsTile, errorsTile, flightTile, requestsTile } from "../../static/js/models/tiles.js";
import { ago } from "../../static/js/models/time-format.js";

const plain = (text) => text.replaceAll("\u00a0", " ");
const series = { connections: [], requests_per_second: [], errors_per_second: [], gateway_p95_ms: [], caption_p95_ms: [] };
const speech = {
  utterances: 40,
  window_seconds: 900,
  captions_timed: 12,
  caption_p50_ms: 1300,
  caption_p95_ms: 34_000,
  caption_ago: 41.2,
  utterances_in_window: 14,
  lost_in_window: 0,
};

test("the caption delay names its number of captions, its window, and the age of the last", () => {
  const tile = captionTile(speech, series);
  assert.equal(`${tile.value} ${tile.unit}`, "34 s");
  assert.equal(plain(tile.note), "of 12 captions in the last 15 min, the newest 41 s ago · p50 1.3 s");
  assert.equal(plain(captionTile({ ...speech, captions_timed: 1, caption_ago: 0.4, lost_in_window: 2 }, series).note), "of 1 caption in the last 15 min, the newest just now · p50 1.3 s · 2 lost");
});

test("without recent speech there is no figure, and the tile says so", () => {
  const silent = { ...speech, captions_timed: 0, caption_p50_ms: null, caption_p95_ms: null, utterances_in_window: 0 };
  const tile = captionTile(silent, series);
  assert.deepEqual([tile.value, plain(tile.note)], ["–", "no speech in the last 15 min"]);
  assert.equal(captionTile({ ...silent, utterances: 0, caption_ago: null }, series).note, "no speech since the start");
  const hung = { ...silent, utterances_in_window: 3, lost_in_window: 1 };
  assert.equal(plain(captionTile(hung, series).note), "no caption of live speech in the last 15 min, of 3 utterances · 1 lost");
});

test("clients' requests are compared with their usual latency, without a colour", () => {
  const clients = { requests_last_minute: 3, timed: 3, p50_ms: 20, p95_ms: 5100 };
  const course = { ...series, gateway_p95_ms: Array(12).fill(4021) };
  const tile = clientsTile(clients, course);
  assert.equal(tile.tone, undefined);
  assert.equal(`${tile.value} ${tile.unit}`, "5.1 s");
  assert.equal(plain(tile.note), "of 3 requests in the last minute · p50 20 ms · p95 usually 4 s");
  assert.equal(plain(clientsTile({ ...clients, timed: 1 }, series).note), "of 1 request in the last minute · p50 20 ms");
  const none = { requests_last_minute: 0, timed: 0, p50_ms: null, p95_ms: null };
  assert.deepEqual([clientsTile(none, course).value, clientsTile(none, course).note], ["–", "no client's request in the last minute"]);
  assert.equal(clientsTile({ ...none, requests_last_minute: 2 }, course).note, "2 requests in the last minute; none reached a back end");
});

test("a figure with a colour has its reason beside it", () => {
  const gateway = { requests: 274, errors: 7, retries: 1, requests_per_second: 0.2, error_rate: 0.5, requests_last_minute: 12, errors_last_minute: 6 };
  const errors = errorsTile(gateway, series);
  assert.equal(errors.tone, "bad");
  assert.equal(plain(errors.note), "6 of 12 requests failed in the last minute · since the start 7 errors, 1 retry");
  const none = errorsTile({ ...gateway, error_rate: 0, requests_last_minute: 0, errors_last_minute: 0 }, series);
  assert.deepEqual([none.value, none.tone], ["–", ""], "of no request no share failed");
  assert.match(none.note, /^no requests in the last minute/);
  assert.equal(requestsTile(gateway, series).note, "12 in the last minute, 6 failed · 274 since the start");
  const full = connectionsTile({ active: 90, limit: 100, sessions: 1, evicted: 0, unanswered: 0 }, series);
  assert.deepEqual([full.tone, full.note], ["warn", "nearly full · 1 session · 0 disconnected as too slow since the start"]);
  const missing = connectionsTile({ active: 9, limit: 100, sessions: 2, evicted: 3, unanswered: 1 }, series);
  assert.equal(missing.note, "1 worker not replying, as last known · 2 sessions · 3 disconnected as too slow since the start");
  assert.equal(flightTile(1, null).note, "right now");
});

const row = (requests, errors, minute, failed) => ({ requests, errors, requests_last_minute: minute, errors_last_minute: failed });

test("the Gateway's rows add up to its tiles, whatever was removed from the settings", () => {
  const gateway = {
    ...row(274, 7, 12, 3),
    routes: [{ prefix: "/api/audio/", service: "audio-service", path: "/api/", p95_ms: 1, ...row(10, 1, 2, 1) }],
    own: [
      { flow: "captions", service: "audio-service", p95_ms: 2, ...row(200, 4, 8, 2) },
      { flow: "captions", service: "translation-service", p95_ms: 2, ...row(40, 0, 1, 0) },
      { flow: "requests", service: "audio-service", p95_ms: 2, ...row(4, 0, 0, 0) },
    ],
  };
  const rows = routed(gateway);
  assert.deepEqual(rows.map(({ name, target }) => `${name}: ${target}`), [
    "/api/audio/: audio-service /api/",
    "speech, for captions: audio-service",
    "text, for captions: translation-service",
    "service messages: audio-service",
    "removed routes: no longer in the settings",
  ]);
  assert.equal(new Set(rows.map(({ key }) => key)).size, rows.length);
  for (const field of Object.keys(row(0, 0, 0, 0))) assert.equal(rows.reduce((sum, each) => sum + each[field], 0), gateway[field], field);
  assert.equal(routed({ ...gateway, ...row(254, 5, 11, 3) }).length, 4);
});

test("the note relates attempts at instances to requests", () => {
  const gateway = { requests_last_minute: 7, unasked_last_minute: 6, instances: [row(4, 1, 1, 1), row(0, 0, 1, 0)] };
  assert.equal(attemptsNote(gateway), "attempts of the last minute: 2 for 7 requests, 6 of which reached no instance");
  assert.equal(attemptsNote({ ...gateway, requests_last_minute: 1, unasked_last_minute: 0 }), "attempts of the last minute: 2 for 1 request");
});

test("a share of answered checks has their number and start", () => {
  const checks = [{ at: 1_700_000_000, state: "unhealthy" }, { at: 1_700_000_010, state: "healthy" }];
  assert.match(plain(answeredText({ answered: 0.5, checks })), /^50 % of the last 2 checks, since \d\d:\d\d:\d\d$/);
  assert.equal(answeredText({ answered: null, checks: [] }), "");
  assert.equal(flowP95({ lanes: [{ flow: "captions", p95_ms: 3 }] }, "captions"), 3);
  assert.equal(flowP95({ lanes: [] }, "captions"), null);
});

test("ages are written in one way", () => {
  assert.deepEqual([0, 1.9, 12.4, 120, 3600 * 3, null].map((seconds) => plain(ago(seconds))), ["just now", "just now", "12 s ago", "2 min ago", "3 h ago", "–"]);
});

test("the captions' tile has the requests that translate growing lines, and says when a session has reached its limit", () => {
  const note = (used) => plain(captionTile({ ...speech, growing_translations_per_minute: used, growing_limit: 120 }, series).note);
  assert.ok(note(37).endsWith(" · 37 of 120 requests a minute to translate while people speak, in the session with the most"));
  assert.ok(note(120).endsWith(" · 120 of 120 requests a minute to translate while people speak: a session has reached its limit"));
  assert.equal(note(0), plain(captionTile(speech, series).note));
});
