/** Insights and maintenance on the Overview and the Gateway page. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { HiddenInsights, allLabel, factsOf, insightToShow } from "../../static/js/models/insights.js";
import { maintenanceBanners } from "../../static/js/models/maintenance.js";
import { problems, sentence } from "../../static/js/models/overview.js";
import { dayTime } from "../../static/js/models/time-format.js";

const UNTIL = 1_795_003_600;
const plain = (text) => text.replace(/[\u2066-\u2069]/g, "");

function insight(identity, cause = "settings", subject = "") {
  return { identity, title: `${identity}.`, words: "", severity: "warn", is_open: true, causes: cause ? [{ cause, subject, text: "x", share: 0.6 }] : [], evidence: [], next_step: { text: "Look.", href: "/gateway" }, began: UNTIL };
}

const topic = (...insights) => ({ insights, total: insights.length });

class Storage {
  constructor(text = null) {
    this.text = text;
  }
  getItem() {
    return this.text;
  }
  setItem(_key, text) {
    this.text = text;
  }
}

test("the first insight that lasts is shown", () => {
  const [one, two] = [insight("a"), insight("b")];
  assert.equal(insightToShow(null, []), null);
  assert.equal(insightToShow(topic(), []), null);
  assert.equal(insightToShow(topic(one, two), []), one);
  assert.equal(insightToShow(topic(one, two), [], (identity) => identity === "a"), two);
});

test("what a problem's banner says is not said twice", () => {
  const shown = [{ key: "service audio-service" }, { key: "branch websocket" }, { key: "store" }, { key: "shortage files" }];
  for (const [cause, subject] of [["incident", "audio-service"], ["back_end", "audio-service"], ["back_end_slow", "audio-service"], ["branch", "websocket"], ["store", ""], ["shortage", ""]]) {
    assert.equal(insightToShow(topic(insight("a", cause, subject)), shown), null, cause);
    assert.notEqual(insightToShow(topic(insight("a", cause, subject)), []), null, cause);
  }
  for (const [cause, subject] of [["incident", "translation-service"], ["settings", ""], ["load", ""], ["constructor", "x"], [null, ""]]) {
    assert.notEqual(insightToShow(topic(insight("a", cause, subject)), shown), null, String(cause));
  }
});

test("a hidden insight stays hidden in this browser, and can be shown again", () => {
  const storage = new Storage();
  const hidden = new HiddenInsights(storage);
  hidden.add("a");
  assert.ok(hidden.has("a"));
  assert.ok(new HiddenInsights(storage).has("a"));
  hidden.remove("a");
  assert.ok(!new HiddenInsights(storage).has("a"));
});

test("hidden insights are bounded, and no storage or a strange one is no fault", () => {
  const storage = new Storage();
  const hidden = new HiddenInsights(storage);
  for (let number = 0; number < 1000; number += 1) hidden.add(`insight ${number}`);
  assert.equal(JSON.parse(storage.text).length, 20);
  assert.ok(hidden.has("insight 999"));
  for (const strange of ["{", "{}", "null", '[1,{"a":2},"b"]']) assert.ok(!new HiddenInsights(new Storage(strange)).has("a"));
  const none = new HiddenInsights(null);
  none.add("a");
  assert.ok(none.has("a"));
  const full = new HiddenInsights({ getItem: () => null, setItem: () => { throw new Error("QuotaExceededError"); } });
  full.add("a");
  assert.ok(full.has("a"));
});

test("three facts are shown, those that began last", () => {
  const evidence = [1, 2, 3, 4, 5].map((at) => ({ at, text: String(at) }));
  assert.deepEqual(factsOf({ evidence }).map(({ at }) => at), [3, 4, 5]);
  assert.equal(allLabel(1), "Open Analytics");
  assert.equal(allLabel(4), "All 4 insights");
});

const running = { state: "running", branches: [] };
const healthy = { name: "translation-service", state: "healthy", instances: [{ usable: true }], maintenance: undefined };
const planned = { name: "audio-service", state: "unknown", instances: [{ usable: true, start: null }], maintenance: { title: "new disk", until: UNTIL } };
const silenced = (silence, fault = "") => ({ firing: { critical: 0 }, maintenance: [{ service: "audio-service", silence, fault }] });

test("a maintenance window is said, and whether its alerts are silenced", () => {
  const of = (alerts) => maintenanceBanners({ services: [planned, healthy] }, alerts);
  const [{ key, tone, word, subject, text, more }] = of(silenced("made"));
  assert.deepEqual([key, tone, word, subject, plain(text)], ["maintenance audio-service", "quiet", "maintenance", "audio-service", "new disk"]);
  assert.equal(more, `Until ${dayTime(UNTIL)} it is not judged and not restarted. Alertmanager notifies nobody of its alerts until then.`);
  assert.match(of(silenced("waiting"))[0].more, /are being silenced/);
  const [away] = of(silenced("waiting", "Alertmanager cannot be reached."));
  assert.equal(away.tone, "warn");
  assert.match(plain(away.more), /may still notify people: .*Alertmanager cannot be reached\.$/);
  assert.match(of(silenced("withdrawn"))[0].more, /notify people: their silence was ended in Alertmanager/);
  for (const none of [silenced("none"), null, {}]) assert.match(of(none)[0].more, /not restarted\.$/);
  assert.deepEqual(maintenanceBanners(null), []);
});

test("a window is no problem, and comes after all", () => {
  const broken = { ...healthy, state: "unhealthy", reason: "It is down.", since: 1, restartable: false, recovery: null };
  const found = problems({ services: { services: [planned, broken] }, tree: running, config: null, alerts: silenced("made") });
  assert.deepEqual(found.map(({ key }) => key), ["service translation-service", "maintenance audio-service"]);
});

test("the sentence says that a back end is in maintenance, or that something is unusual", () => {
  const say = (services, more = {}) => sentence({ services: { services }, tree: running, speech: { streams: 0 }, ...more });
  assert.equal(say([planned, healthy]), "audio-service is in maintenance. Everything else works.");
  assert.equal(say([planned]), "audio-service is in maintenance.");
  assert.equal(say([planned, { ...healthy, state: "unknown" }]), "Waiting for the first checks of the back ends.");
  assert.equal(say([healthy], { insight: insight("a") }), "All back ends work, but something is unusual.");
  assert.equal(say([healthy], { insight: insight("a"), alerts: { firing: { critical: 1 } } }), "All back ends work, but a critical alert fires.");
});
