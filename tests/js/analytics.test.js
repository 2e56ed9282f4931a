/** What the Analytics page says and draws. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { CHARTS, KEYS, budgetTile, causesText, columnsOf, fillingText, forecastColumns, formatOf, hasBand, listPath, marksOf, momentsOf, otherChanges, readSeries, sentence, seriesPath, valueOf, withLatest } from "../../static/js/models/analytics.js";

const figure = (more = {}) => ({ title: "Connections", subject: "", unit: "", area: "websocket", ...more });
const series = (key, values, compared = []) => ({ key, values, compared });
const answer = (more = {}) => readSeries({ at: [100, 110], step: 10, compare: 0, series: [series("requests", [1, 2])], ...more });

test("one request has the series of all charts, within what the API allows", () => {
  assert.ok(KEYS.length <= 12);
  const path = seriesPath({ keys: ["a:/x?y&z", "b"], seconds: 3600, compare: 86_400 });
  assert.equal(path, "/api/analytics/series?key=a%3A%2Fx%3Fy%26z&key=b&seconds=3600&points=600&compare=86400");
});

test("of several workers the one of the page's socket is asked", () => {
  assert.equal(listPath("figures", {}), "/api/analytics/figures");
  assert.equal(listPath("anomalies", { seconds: 300, worker: "w 1" }), "/api/analytics/anomalies?seconds=300&worker=w+1");
  assert.match(seriesPath({ keys: ["a"], seconds: 60, worker: "w" }), /&worker=w$/);
});

test("a series that is not measured is a gap, and an earlier time is beside the first one", () => {
  assert.deepEqual(columnsOf(CHARTS.traffic, answer()), [[1, 2], [null, null]]);
  const compared = answer({ compare: 3600, series: [series("requests", [1, 2], [5, null])] });
  assert.deepEqual(columnsOf(CHARTS.traffic, compared).at(-1), [5, null]);
  assert.equal(readSeries({ detail: "no" }), null);
});

test("the newest value is drawn at once, in place of the last point or after it", () => {
  const values = (found) => found.byKey.get("requests").values;
  assert.deepEqual(values(withLatest(answer(), { now: 115, values: { requests: 9 } })), [1, 9]);
  const later = withLatest(answer(), { now: 121, values: { requests: 9 } });
  assert.deepEqual([later.at, values(later)], [[100, 110, 120], [1, 2, 9]]);
  assert.deepEqual(values(withLatest(answer(), { now: 115, values: {} })), [1, 2]);
  assert.deepEqual(values(withLatest(answer({ step: 300 }), { now: 115, values: { requests: 9 } })), [1, 2]);
  assert.deepEqual(withLatest(answer({ at: [], series: [] }), { now: 1, values: {} }).at, []);
});

test("a forecast begins where the past ends", () => {
  const { at, columns } = forecastColumns({ at: [0, 3600, 7200], values: [1, 2, 3] }, { start: 7200, step: 3600, values: [4, 5], low: [3, 4], high: [5, 6] });
  assert.deepEqual(at, [0, 3600, 7200, 10_800]);
  assert.deepEqual(columns, [[1, 2, null, null], [null, null, 4, 5], [null, null, 3, 4], [null, null, 5, 6]]);
});

test("values have their unit and limit", () => {
  assert.equal(formatOf("ms")(1200), "1.2\u00a0s");
  assert.equal(formatOf("/s")(null), "–");
  assert.equal(formatOf("share")(0.5), "50\u00a0%");
  assert.equal(valueOf({ figure: figure(), latest: 5, limit: 10 }), "5 of 10");
  assert.equal(valueOf({ figure: figure({ unit: "bytes" }), latest: null, limit: null }), "–");
});

test("an error budget says what was used, how fast, and where nothing is known", () => {
  const budget = { target: 0.999, left: 0.4, burn_hour: 2, covered: 86_400, events: 10_000, bad: 6, lasts: 43_200 };
  const shown = budgetTile(budget);
  assert.equal(shown.value, "40\u00a0%");
  assert.match(shown.note, /^6 of 10,000 failed in 1\u00a0d · used 2 times as fast as it may be in the last hour · used up in 12\u00a0h at that rate/);
  assert.equal(budgetTile({ ...budget, left: -3 }).tone, "bad");
  assert.equal(budgetTile({ ...budget, left: 0.1 }).tone, "warn");
  assert.match(budgetTile({ ...budget, left: null, covered: 0 }).note, /^nothing measured yet/);
});

test("the page's sentence names what is unusual and the limit that is near", () => {
  const figures = { figures: [{}, {}], filling: [] };
  assert.equal(sentence({ figures: { figures: [], filling: [] }, anomalies: null }), "Nothing was measured yet.");
  const [none, young] = [{ followed: 0, young: 0 }, { followed: 0, young: 2 }];
  assert.equal(sentence({ figures, insights: [], anomalies: young }), "Nothing unusual now. 2 figures measured each second.");
  assert.equal(sentence({ figures, insights: [], anomalies: none }), "There is too little history yet to call a figure unusual. 2 figures measured each second.");
  assert.equal(sentence({ figures, insights: [], anomalies: null }), "2 figures measured each second.");
  const filling = [{ figure: figure(), exhaustion: { within: 7200, earliest: 3600, latest: null, because: "its course in the last 6 hours" } }];
  assert.equal(sentence({ figures: { ...figures, filling }, insights: [{ is_open: true, title: "Captions are slow." }], anomalies: young }), "One thing is unusual now: Captions are slow. Connections reaches its limit in 2\u00a0h.");
  assert.equal(fillingText(filling[0]), "in 2\u00a0h; at the earliest in 1\u00a0h, perhaps never; by its course in the last 6 hours");
  assert.equal(causesText([]), "No cause is known.");
  assert.equal(causesText([{ text: "audio-service failed.", share: 0.8 }]), "audio-service failed (80\u00a0%)");
});

test("anomalies of a chart's series are marked, open ones until now", () => {
  const anomaly = (key, ended) => ({ anomaly: { key, began: 10, until: 20, ended }, reason: "so" });
  assert.deepEqual(marksOf(CHARTS.traffic, [anomaly("requests", null), anomaly("errors", 25), anomaly("memory_bytes", null)], 99), [{ from: 10, to: 99, text: "so" }, { from: 10, to: 20, text: "so" }]);
});

test("what is usual is a band of the first series, also beside the newest value", () => {
  const usual = { ...series("requests", [1, 2]), usual_low: [0, 1], usual_high: [3, 4] };
  const [without, banded] = [answer(), answer({ series: [usual] })];
  assert.deepEqual([hasBand(CHARTS.traffic, without), hasBand(CHARTS.traffic, banded), hasBand(CHARTS.memory, banded)], [false, true, false]);
  assert.deepEqual(columnsOf(CHARTS.traffic, banded).slice(2), [[0, 1], [3, 4]]);
  assert.deepEqual(columnsOf(CHARTS.traffic, withLatest(banded, { now: 121, values: { requests: 9 } })).slice(2), [[0, 1, 1], [3, 4, 4]]);
  assert.match(seriesPath({ keys: ["a"], seconds: 60, usual: true }), /&usual=true$/);
});

test("changes of levels are moments of the chart, and are listed where no anomaly says the same", () => {
  const changed = { ...series("errors", [1, 2]), changes: [{ at: 110, before: 1, after: 2, shift: 9 }] };
  assert.deepEqual(momentsOf(CHARTS.traffic, answer({ series: [changed] })), [{ at: 110, text: "errors 2\u00a0/s from then on; at the former level it would be 1\u00a0/s" }]);
  assert.deepEqual(momentsOf(CHARTS.traffic, answer()), []);
  const change = (key, at) => ({ key, change: { at } });
  const changes = [change("a", 5_000), change("a", 99_000), change("b", 5_000)];
  const anomalies = [{ anomaly: { key: "a", began: 6_000, until: 7_000 } }];
  assert.deepEqual(otherChanges({ anomalies, changes }), changes.slice(1));
});
