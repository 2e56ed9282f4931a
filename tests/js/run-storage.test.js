/** Runs in the browser's storage: order, limits, a full or forbidden storage. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { MOST_BYTES, MOST_RUNS } from "../../static/js/models/run-history.js";
import { RunStorage } from "../../static/js/run-storage.js";
import { FakeIndexedDB } from "../fakes/js/indexed-db.js";

/** A run of that time, whose sound has so many bytes (a stand-in of a Blob, which is not filled). */
const run = (at, size = 10) => ({ id: `run-${at}`, at, name: `${at}.wav`, files: { original: { size }, a: null, b: { size: 0 } } });
const ids = (runs) => runs.map(({ id }) => id);

test("runs are read newest first, replaced by their id, deleted and cleared", async () => {
  const storage = new RunStorage(new FakeIndexedDB());
  for (const at of [2, 3, 1]) assert.deepEqual(await storage.add(run(at)), { dropped: 0, fits: true });
  assert.deepEqual(ids(await storage.all()), ["run-3", "run-2", "run-1"]);
  assert.deepEqual(await storage.add({ ...run(2), name: "renamed.wav" }), { dropped: 0, fits: true });
  assert.deepEqual((await storage.all()).map(({ name }) => name), ["3.wav", "renamed.wav", "1.wav"]);
  await storage.delete("run-3");
  assert.deepEqual(ids(await storage.all()), ["run-2", "run-1"]);
  await storage.clear();
  assert.deepEqual(await storage.all(), []);
});

test("one run more than may be stored drops the oldest; replacing one drops none", async () => {
  const storage = new RunStorage(new FakeIndexedDB());
  for (let at = 1; at <= MOST_RUNS; at += 1) await storage.add(run(at));
  assert.deepEqual(await storage.add(run(5)), { dropped: 0, fits: true });
  assert.equal((await storage.all()).length, MOST_RUNS);
  assert.deepEqual(await storage.add(run(100)), { dropped: 1, fits: true });
  const stored = ids(await storage.all());
  assert.deepEqual([stored.length, stored[0], stored.at(-1)], [MOST_RUNS, "run-100", "run-2"]);
});

test("bytes are limited too, and a run that is larger than all of them is not stored", async () => {
  const storage = new RunStorage(new FakeIndexedDB());
  await storage.add(run(1, MOST_BYTES / 2));
  await storage.add(run(2, MOST_BYTES / 2));
  assert.deepEqual(await storage.add(run(3, MOST_BYTES)), { dropped: 2, fits: true });
  assert.deepEqual(await storage.add(run(4, MOST_BYTES + 1)), { dropped: 0, fits: false });
  assert.deepEqual(ids(await storage.all()), ["run-3"]);
});

test("a full storage rejects, and what was stored stays", async () => {
  const factory = new FakeIndexedDB();
  const storage = new RunStorage(factory);
  await storage.add(run(1));
  factory.isFull = true;
  await assert.rejects(storage.add(run(2)), { name: "QuotaExceededError" });
  await assert.rejects(storage.delete("run-1"), { name: "QuotaExceededError" });
  assert.deepEqual(ids(await storage.all()), ["run-1"]);
});

test("a forbidden storage rejects each time", async () => {
  await assert.rejects(new RunStorage(null).all(), /no IndexedDB here/);
  const denied = {
    open() {
      const request = new EventTarget();
      request.error = new DOMException("denied", "SecurityError");
      setImmediate(() => request.dispatchEvent(new Event("error")));
      return request;
    },
  };
  const storage = new RunStorage(denied);
  await assert.rejects(storage.all(), { name: "SecurityError" });
  await assert.rejects(storage.add(run(1)), { name: "SecurityError" });
  storage.close();
});

test("the database is opened once, closed with the page, and opened again after that", async () => {
  const factory = new FakeIndexedDB();
  const storage = new RunStorage(factory);
  storage.close();
  await storage.add(run(1));
  await storage.all();
  assert.deepEqual([factory.opened, factory.closed], [1, 0]);
  storage.close();
  await new Promise(setImmediate);
  assert.deepEqual([factory.opened, factory.closed], [1, 1]);
  assert.deepEqual(ids(await storage.all()), ["run-1"]);
  assert.equal(factory.opened, 2);
});
