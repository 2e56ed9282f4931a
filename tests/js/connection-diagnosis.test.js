import assert from "node:assert/strict";
import { test } from "node:test";

import { causeForReaders, causeText, diagnose } from "../../static/js/models/connection-diagnosis.js";
import { waitingForReaders } from "../../static/js/models/connection-text.js";
import { Texts } from "../../static/js/models/texts.js";
import fr from "../../static/js/texts/fr.js";
import { probeConnection } from "../../static/js/connection-probe.js";

const ALIVE = { status: 200, text: '{"status":"alive"}' };
const problem = (status, code, detail) => ({ status, text: JSON.stringify({ type: "about:blank", title: "T", status, code, detail }) });
const NOT_UPGRADED = problem(426, "upgrade_required", "/ws is a WebSocket.");

test("a socket that fails while the service responds was rejected by something in between", () => {
  for (const socket of [NOT_UPGRADED, { status: 404, text: "<html>nginx</html>" }, { status: 200, text: "" }, null]) {
    assert.deepEqual(diagnose({ alive: ALIVE, socket }), { kind: "between" });
  }
});

test("a service that accepts no connections gives the reason, and nothing in between is blamed", () => {
  const found = diagnose({ alive: ALIVE, socket: problem(503, "too_many_connections", "As many as may be are open.") });
  assert.deepEqual(found, { kind: "service", detail: "As many as may be are open." });
  assert.match(causeText(found, { isOperator: true }), /As many as may be are open\.$/);
  assert.doesNotMatch(causeText(found, { isOperator: false }), /As many/, "guests do not read operators' words");
});

test("a response in the service's place is not the service's", () => {
  assert.deepEqual(diagnose({ alive: { status: 502, text: "<html>Bad Gateway</html>" }, socket: null }), { kind: "proxy", status: 502 });
  assert.deepEqual(diagnose({ alive: { status: 200, text: "<html>Sign in</html>" }, socket: null }).kind, "proxy");
  assert.match(causeText({ kind: "proxy", status: 502 }, { isOperator: false }), /\(502\)/);
  assert.deepEqual(diagnose({ alive: null, socket: null }), { kind: "unreachable" });
  assert.equal(causeText({ kind: "unreachable" }, { isOperator: true }), null);
});

test("guests read what they can do, operators what to configure", () => {
  assert.match(causeText({ kind: "between" }, { isOperator: false }), /another network, or tell the person who sent you the link/);
  assert.doesNotMatch(causeText({ kind: "between" }, { isOperator: false }), /Upgrade|\/ws/);
  assert.match(causeText({ kind: "between" }, { isOperator: true }), /Upgrade, Connection and Host for \/ws/);
});

test("readers get the same causes in their language", () => {
  const texts = new Texts("fr", fr);
  const of = (diagnosis) => waitingForReaders({ state: "waiting", retryIn: 2.2, wasLive: true, cause: causeForReaders(diagnosis) }, texts);
  assert.match(of({ kind: "between" }).text, /^La connexion au service est perdue\. Le service répond, .* lien\. L'affichage/);
  assert.match(of({ kind: "proxy", status: 502 }).text, /\(502\)/);
  assert.equal(of({ kind: "unreachable" }).next, "Nouvel essai dans 3 s");
  assert.doesNotMatch(of({ kind: "service", detail: "As many as may be are open." }).text, /As many/);
  assert.equal(waitingForReaders({ state: "waiting", retryIn: 0, wasLive: false }, texts).text, "Le service est injoignable.");
  assert.equal(waitingForReaders({ state: "live", retryIn: null, wasLive: true }, texts), null);
  assert.equal(waitingForReaders({ state: "stopped", retryIn: null, reason: "Too many.", wasLive: false }, texts).text, "Le service a fermé la connexion.");
});

test("the probe uses HTTP, and a failed request counts as no response", async () => {
  const asked = [];
  const fetching = (answers) => async (path) => {
    asked.push(path);
    const found = answers[path];
    if (found === undefined) throw new TypeError("Failed to fetch");
    return { status: found.status, text: async () => found.text };
  };
  assert.equal((await probeConnection(fetching({ "/livez": ALIVE, "/ws": NOT_UPGRADED }))).kind, "between");
  assert.deepEqual(asked.splice(0), ["/livez", "/ws"]);
  assert.equal((await probeConnection(fetching({}))).kind, "unreachable");
  assert.deepEqual(asked, ["/livez"]);
});
