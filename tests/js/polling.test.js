import assert from "node:assert/strict";
import { test } from "node:test";

import { Polling } from "../../static/js/components/polling.js";

/** Timers that run when the test says so, and answers that come when it says so. */
function scene() {
  const due = new Map();
  const asked = [];
  let last = 0;
  const state = { isHidden: false };
  const timers = {
    setTimeout: (run, delay) => {
      last += 1;
      due.set(last, { run, delay });
      return last;
    },
    clearTimeout: (id) => due.delete(id),
  };
  const fetch = (path) => new Promise((resolve, reject) => asked.push({ path, resolve, reject }));
  const polling = new Polling({ fetch, interval: 2000, timers, isHidden: () => state.isHidden });
  const elapse = async () => {
    const [[id, { run }]] = due;
    due.delete(id);
    run();
    await settle();
  };
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  return { polling, asked, due, state, elapse, settle };
}

test("it requests at once, and again after the response", async () => {
  const { polling, asked, due, elapse, settle } = scene();
  const told = [];
  polling.poll("/a", (what) => told.push(what));
  await elapse();
  assert.deepEqual(asked.map(({ path }) => path), ["/a"]);
  assert.equal(due.size, 0);
  asked[0].resolve(1);
  await settle();
  assert.deepEqual(told, [{ data: 1, error: null }]);
  assert.deepEqual([...due.values()].map(({ delay }) => delay), [2000]);
  await elapse();
  const error = new Error("no");
  asked[1].reject(error);
  await settle();
  assert.deepEqual(told[1], { data: null, error });
});

test("a response to a path that is no longer polled is dropped", async () => {
  const { polling, asked, elapse, settle } = scene();
  const told = [];
  polling.poll("/a", () => told.push("a"));
  await elapse();
  polling.poll("/b", () => told.push("b"));
  asked[0].resolve(1);
  await settle();
  assert.deepEqual(told, []);
  await elapse();
  polling.stop();
  asked[1].resolve(1);
  await settle();
  assert.deepEqual(told, []);
});

test("the same path again changes nothing, and a hidden page requests nothing", async () => {
  const { polling, asked, due, state, elapse } = scene();
  polling.poll("/a", () => {});
  polling.poll("/a", () => {});
  assert.equal(due.size, 1);
  state.isHidden = true;
  await elapse();
  assert.equal(asked.length, 0);
  state.isHidden = false;
  await elapse();
  assert.equal(asked.length, 1);
});
