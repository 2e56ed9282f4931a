import assert from "node:assert/strict";
import { test } from "node:test";

import { bytes, count, counted, duration, joined, latency, milliseconds, number, percent } from "../../static/js/models/number-format.js";

const plain = (text) => text.replaceAll("\u00a0", " ");

test("an unknown value is a dash, never a zero", () => {
  for (const unknown of [null, undefined, NaN, Infinity, "7"]) {
    for (const write of [number, count, percent, duration, bytes]) assert.equal(write(unknown), "–");
    assert.equal(joined(latency(unknown)), "–");
  }
});

test("figures have two significant digits while they are small, and separators once they are large", () => {
  assert.deepEqual([0, 0.434, 4.21, 9.97, 43.4, 1458].map(number), ["0", "0.43", "4.2", "10", "43", "1,458"]);
});

test("a count of one thing is singular", () => {
  assert.equal(counted(1, "session"), "1 session");
  assert.equal(counted(0, "session"), "0 sessions");
  assert.equal(counted(2, "retry", "retries"), "2 retries");
});

test("a latency becomes seconds once milliseconds are many", () => {
  assert.deepEqual(latency(78), { value: "78", unit: "ms" });
  assert.deepEqual(latency(840), { value: "0.84", unit: "s" });
  assert.deepEqual(latency(2410), { value: "2.4", unit: "s" });
  assert.equal(plain(joined(milliseconds(0.42))), "0.42 ms");
});

test("a share is never rounded up to all, nor down to nothing", () => {
  assert.deepEqual(
    [0, 0.00001, 0.0004, 0.034, 0.5, 0.9971, 0.99999, 1].map(percent).map(plain),
    ["0 %", "< 0.01 %", "0.04 %", "3.4 %", "50 %", "99.71 %", "99.99 %", "100 %"],
  );
});

test("durations have two significant digits and step up where they reach the next unit", () => {
  assert.deepEqual(
    [0, 0.05, 0.31, 42, 59.7, 90, 210, 3599, 8640, 86_400, 1e6].map(duration).map(plain),
    ["0 s", "50 ms", "0.31 s", "42 s", "1 min", "1.5 min", "3.5 min", "1 h", "2.4 h", "1 d", "12 d"],
  );
});

test("bytes step by a thousand", () => {
  assert.deepEqual([0, 512, 999, 1500, 999_600, 42e6].map(bytes).map(plain), ["0 B", "512 B", "999 B", "1.5 kB", "1 MB", "42 MB"]);
});
