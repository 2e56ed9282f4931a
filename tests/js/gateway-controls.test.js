import assert from "node:assert/strict";
import { test } from "node:test";

import { actionsOf, controlled, outOfUse, rotation, serviceBreaker, services, useText, weighing } from "../../static/js/models/gateway-controls.js";
import { sentence } from "../../static/js/models/gateway.js";

const plain = (text) => text?.replaceAll(/[\u00a0\u202f]/g, " ") ?? null;
const lane = (flow, more = {}) => ({ flow, ejected_for: null, ejection_cause: null, ...more });
const row = (more = {}) => ({ key: "a 1", name: "a-1", service: "a", usable: true, is_drained: false, in_flight: 0, breaker: "closed", weight: 2, configured_weight: 1, lanes: [lane("captions"), lane("requests")], ...more });
const other = row({ key: "a 2", name: "a-2" });

test("what keeps requests away is named, for one flow or both", () => {
  assert.equal(outOfUse(row()), null);
  assert.equal(outOfUse(row({ is_drained: true })), "drained by an operator");
  const out = { ejected_for: 11.6, ejection_cause: "connect" };
  assert.equal(plain(outOfUse(row({ lanes: [lane("captions", out), lane("requests", out)] }))), "ejected for 12 s, could not be reached several times in a row");
  assert.match(plain(outOfUse(row({ lanes: [lane("captions"), lane("requests", out)] }))), /^clients' requests: ejected for 12 s/);
});

test("the actions are those that change something, and name what is in flight", () => {
  const names = (one) => actionsOf(one, [one, other]).map(({ action }) => action);
  assert.deepEqual(names(row()), ["drain", "eject", "trip"]);
  assert.deepEqual(names(row({ is_drained: true })), ["return", "trip"]);
  assert.deepEqual(names(row({ breaker: "open" })), ["drain", "eject", "reset"]);
  assert.deepEqual(names(row({ breaker: "half_open" })), ["drain", "eject", "trip", "reset"]);
  assert.match(actionsOf(row({ in_flight: 3 }), [other])[0].text, /3 requests in flight go on\./);
});

test("taking out the last instance says so", () => {
  const [drain] = actionsOf(row(), [row(), row({ key: "b 1", service: "b" }), { ...other, usable: false }]);
  assert.match(drain.text, /No other instance of a gets requests, so clients get 503/);
  assert.equal(drain.isDangerous, true);
  assert.equal(actionsOf(row(), [row(), other])[0].isDangerous, false);
});

test("a weight and its return to the settings are confirmed in words", () => {
  assert.match(weighing(row(), 7).title, /the weight 7\?/);
  assert.match(weighing(row(), null).title, /the weight of the settings, 1\?/);
});

test("workers on which nothing happened are named", () => {
  const worker = (name, outcome) => ({ worker: name, outcome });
  assert.equal(controlled({ workers: [worker("Worker 0", "done")] }, "Done."), "Done.");
  assert.equal(controlled({ workers: [worker("Worker 0", "done"), worker("Worker 1", "no_answer")] }, "Done."), "Done. Not on Worker 1 (did not reply).");
});

test("a service's flows are one text where they agree", () => {
  const flow = (name, more = {}) => ({ flow: name, breaker: "closed", breaker_retry_in: null, ejected: 0, most_ejected: 1, retries_left: 3, retries_refused: 2, retry_window: 10, ...more });
  const of = (...flows) => services({ services: [{ service: "a", balancer: "least_requests", flows }] })[0];
  const same = of(flow("captions"), flow("requests"));
  assert.deepEqual([same.balancer, same.breaker, same.ejected, plain(same.retries), same.refused], ["least requests", "closed", "0 of at most 1", "3 in 10 s", 4]);
  const apart = of(flow("captions"), flow("requests", { breaker: "open", breaker_retry_in: 8 }));
  assert.equal(plain(apart.breaker), "captions: closed, clients' requests: open, one try in 8 s");
  assert.equal(serviceBreaker(apart).action, "reset");
  assert.equal(serviceBreaker(same).action, "trip");
  assert.equal(of(flow("captions", { breaker: null }), flow("requests", { breaker: null })).hasBreaker, false);
});

test("a response without workers is not taken for success", () => {
  assert.match(controlled({}, "a-1 gets no new requests."), /It is not known whether anything was changed/);
});

test("an instance that checks find down is out of rotation, and one that returned gets slowly more", () => {
  const text = (more) => plain(useText(row({ state: "healthy", weight: 1, weight_now: 1, ...more })).text);
  assert.equal(text(), "gets requests");
  assert.equal(text({ usable: false, state: "unhealthy" }), "out of rotation: it is down");
  assert.equal(text({ usable: false, state: "recovering" }), "out of rotation until it responds");
  assert.equal(text({ usable: false, state: "busy" }), "no new requests while it is busy");
  assert.equal(text({ usable: false }), "gets none until its breaker admits a trial");
  assert.equal(text({ weight_now: 0.25, slow_start_left: 7.4 }), "slow start: 25 % of its share, all in 7 s");
  assert.equal(text({ weight_now: 1, slow_start_left: null }), "gets requests");
  assert.equal(text({ usable: false, state: "unhealthy", is_drained: true }), "drained by an operator");
});

test("the sentence of the page names what is out of rotation, and who gets its requests", () => {
  const one = row({ state: "healthy", weight: 1, weight_now: 1 });
  const two = { ...other, state: "healthy", weight: 1, weight_now: 1 };
  assert.equal(rotation([one, two]), null);
  assert.equal(rotation([one, { ...two, usable: false, state: "unhealthy" }]), "a-2 is out of rotation (unhealthy). Its requests go to a-1.");
  assert.equal(rotation([one, { ...two, usable: false, state: "healthy" }]), "a-2 is out of rotation (gets none until its breaker admits a trial). Its requests go to a-1.");
  assert.equal(rotation([one, { ...two, weight_now: 0.2, slow_start_left: 8 }]), "a-2 is back and gets slowly more requests.");
  assert.equal(rotation([{ ...one, usable: false, state: "unhealthy" }, { ...two, usable: false, state: "unhealthy" }]), null);
  assert.equal(rotation([{ ...one, usable: false }, { ...two, service: "b" }]), null);
  const three = { ...one, key: "a 3", name: "a-3" };
  assert.equal(rotation([{ ...one, usable: false }, { ...two, usable: false }, three]), "2 instances are out of rotation. Their requests go to the others.");
  const lane = (flow, more) => ({ flow, ejected_for: 12.3, ejection_cause: "back_end", ...more });
  const ejected = { ...two, lanes: [lane("captions", { ejected_for: null }), lane("requests")] };
  assert.equal(plain(rotation([one, ejected])), "a-2 is out of rotation (for clients' requests: ejected, failed several times in a row). Its requests go to a-1.", "not to itself, and without a time that is read out each second");
  assert.equal(rotation([one, { ...two, lanes: [lane("captions"), lane("requests")] }]), "a-2 is out of rotation (ejected, failed several times in a row). Its requests go to a-1.");
  assert.equal(rotation([one, { ...two, usable: false, is_drained: true }]), "a-2 is out of rotation (drained by an operator). Its requests go to a-1.");
  assert.equal(rotation([ejected, { ...one, usable: false, state: "unhealthy" }]), null, "nothing gets its requests");
  const resorted = { ...ejected, usable: false, is_last_resort: true };
  const all = [{ ...one, usable: false, is_last_resort: false, is_drained: true }, resorted].map(({ service, usable, breaker, is_last_resort }) => ({ service, usable, breaker, is_last_resort }));
  assert.equal(sentence({ instances: all, error_rate: 0, requests_per_second: 1 }), "No instance of a is in rotation; requests are sent to those that may work all the same.", "an ejected one is asked where there is no better one");
  assert.equal(actionsOf(one, [one, resorted]).find(({ action }) => action === "drain").isDangerous, false);
  const alone = actionsOf(one, [one]).find(({ action }) => action === "eject");
  assert.deepEqual([alone.isDangerous, /gets them all the same until one does/.test(alone.text), /503/.test(alone.text)], [true, true, false]);
  assert.ok(actionsOf(one, [one, ejected]).find(({ action }) => action === "drain").isDangerous, "the other one gets no requests either");
  const rows = [one, { ...two, usable: false, state: "recovering" }];
  const gateway = { instances: rows.map(({ service, usable, breaker }) => ({ service, usable, breaker })), error_rate: 0.2, requests_per_second: 1 };
  assert.equal(sentence(gateway, rows), "a-2 is out of rotation (recovering). Its requests go to a-1.");
});

test("an instance that asked for a rest is out of use until then, for the flow that it asked", () => {
  const row = (captions, requests) => ({ usable: true, state: "healthy", weight: 1, weight_now: 1, lanes: [{ flow: "captions", rests_for: captions }, { flow: "requests", rests_for: requests }] });
  const plain = ({ text, ...rest }) => ({ text: text.replaceAll("\u00a0", " "), ...rest });
  assert.deepEqual(plain(useText(row(12.3, 4))), { text: "rests for 12 s, as it asked for", isOut: true, share: null });
  assert.equal(plain(useText(row(null, 20))).text, "clients' requests: rests for 20 s, as it asked for");
  assert.equal(useText(row(null, null)).text, "gets requests");
});
