import assert from "node:assert/strict";
import { test } from "node:test";

import { acknowledgementPath, actionOf, alertState, careText, links, runbookPath, sentence, sourceText } from "../../static/js/models/alerts.js";
import { sentence as overviewSentence } from "../../static/js/models/overview.js";
import { clockTime } from "../../static/js/models/time-format.js";

const NOW = 1_795_000_000;
const alert = (more = {}) => ({
  fingerprint: "aa",
  name: "BackendAllInstancesDown",
  severity: "critical",
  service: "audio-service",
  state: "firing",
  summary: "",
  impact: "",
  runbook_url: "",
  dashboard: "",
  query_url: "",
  since: NOW - 300,
  ended: null,
  acknowledgement: null,
  escalates_at: null,
  escalated: null,
  escalation_fault: "",
  ...more,
});
const given = (more = {}) => ({ at: NOW, until: NOW + 600, by: "Ann", comment: "", silence: "made", fault: "", ...more });
const source = (more = {}) => ({ state: "reachable", since: NOW - 120, reason: "", url: "", watchdog: NOW, is_quiet: false, received: null, ...more });
const state = (firing, alerts = []) => ({ firing: { critical: 0, warning: 0, info: 0, ...firing }, alerts, source: source() });

// Isolates around what others have written (models/bidi.js) do not matter here.
const plain = (text) => text.replaceAll(/[\u2066-\u2069]/g, "");

test("the sentence counts what somebody should look at, worst first", () => {
  assert.equal(sentence(state({ critical: 1 })), "1 critical alert fires.");
  assert.equal(sentence(state({ critical: 2, warning: 1 })), "2 critical alerts and 1 warning fire.");
  assert.equal(sentence(state({ critical: 1, warning: 3, info: 2 })), "1 critical alert, 3 warnings and 2 notices fire.");
  assert.equal(sentence(state({}, [alert({ acknowledgement: given() })])), "The one alert that fires is taken care of.");
  assert.equal(sentence(state({}, [alert(), alert(), alert({ ended: NOW })])), "All 2 alerts that fire are taken care of.");
  assert.equal(sentence(state({}, [alert({ ended: NOW })])), "No alert fires.");
});

test("an alert shows its severity while somebody should look at it, else why not", () => {
  assert.deepEqual(alertState(alert()), { word: "critical", tone: "bad" });
  assert.deepEqual(alertState(alert({ severity: "page" })), { word: "page", tone: "warn" });
  assert.deepEqual(alertState(alert({ severity: "" })), { word: "alert", tone: "warn" });
  assert.deepEqual(alertState(alert({ state: "acknowledged" })), { word: "acknowledged", tone: "busy" });
  assert.deepEqual(alertState(alert({ state: "inhibited" })), { word: "follows another", tone: "quiet" });
  assert.deepEqual(alertState(alert({ state: "resolved" })), { word: "over", tone: "ok" });
});

test("what is being done about an alert is said, also what failed", () => {
  assert.equal(careText(alert({ escalates_at: NOW + 540 }), NOW), "It is escalated in 9 min unless somebody acknowledges it.");
  assert.equal(careText(alert({ escalated: NOW - 60 }), NOW), "Nobody acknowledged it; it was escalated 60 s ago.");
  assert.equal(plain(careText(alert({ escalation_fault: "No route." }), NOW)), "It cannot be escalated: No route.");
  assert.equal(plain(careText(alert({ acknowledgement: given() }), NOW)), `Acknowledged by Ann until ${clockTime(NOW + 600)}.`);
  assert.equal(
    plain(careText(alert({ acknowledgement: given({ comment: "on it", silence: "waiting", fault: "It is away." }) }), NOW)),
    `Acknowledged by Ann until ${clockTime(NOW + 600)}: on it. Its silence waits for Alertmanager, which may still notify: It is away.`,
  );
  assert.equal(careText(alert({ ended: NOW, escalates_at: NOW + 5 }), NOW), "");
  assert.match(careText(alert({ state: "silenced" }), NOW), /silenced in Alertmanager/);
});

test("links are those that a browser may open; a path of the project is text", () => {
  const all = alert({ runbook_url: "https://r.example/a", dashboard: "http://g.example/d", query_url: "javascript:alert(1)" });
  assert.deepEqual(links(all).map(({ label }) => label), ["What to do", "Dashboard"]);
  assert.equal(runbookPath(all), "");
  assert.equal(runbookPath(alert({ runbook_url: "docs/runbooks/A.md" })), "docs/runbooks/A.md");
  assert.equal(acknowledgementPath({ fingerprint: "a/b" }), "/api/alerts/a%2Fb/acknowledgement");
});

test("one acknowledges what fires, and takes an acknowledgement back", () => {
  assert.equal(actionOf(alert()), "acknowledge");
  assert.equal(actionOf(alert({ state: "acknowledged", acknowledgement: given() })), "undo");
  assert.deepEqual([actionOf(alert({ state: "inhibited" })), actionOf(alert({ state: "silenced" })), actionOf(alert({ state: "resolved", ended: NOW }))], [null, null, null]);
});

test("a source that is away or quiet is said", () => {
  assert.equal(sourceText({ source: source() }, NOW), "");
  assert.match(plain(sourceText({ source: source({ state: "away", reason: "Refused." }) }, NOW)), /^Alertmanager has been away for 2\u00a0min: Refused\. Alerts shown here may be old\./);
  assert.match(sourceText({ source: source({ is_quiet: true, watchdog: NOW - 1_000 }) }, NOW), /last arrived 17 min ago/);
  assert.match(sourceText({ source: source({ is_quiet: true, watchdog: null }) }, NOW), /has never arrived/);
});

test("the Overview does not say that everything works while a critical alert fires", () => {
  const healthy = { name: "audio-service", state: "healthy", instances: [{ usable: true }] };
  const known = { services: { services: [healthy] }, tree: { state: "running", branches: [] }, speech: { streams: 0 } };
  assert.match(overviewSentence({ ...known, alerts: state({ warning: 2 }) }), /^Everything works/);
  assert.equal(overviewSentence({ ...known, alerts: state({ critical: 1 }) }), "All back ends work, but a critical alert fires.");
  assert.equal(overviewSentence({ ...known, alerts: state({ critical: 3 }) }), "All back ends work, but 3 critical alerts fire.");
});
