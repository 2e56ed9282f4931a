import assert from "node:assert/strict";
import { test } from "node:test";

import { SlicedTask } from "../../static/js/components/sliced-task.js";
import { Captions } from "../../static/js/models/captions.js";

test("a short task is done before anything else runs, a long one in slices", async () => {
  let left = 3;
  const slices = [];
  const work = new SlicedTask(() => left-- > 0, { after: (isDone) => slices.push({ left, isDone }) });
  work.wake();
  work.wake();
  await null;
  assert.deepEqual(slices, [{ left: -1, isDone: true }]);
  await work.settled();
  left = 1_000;
  slices.length = 0;
  let others = 0;
  const timer = setInterval(() => (others += 1), 0);
  work.wake();
  await work.settled();
  clearInterval(timer);
  assert.ok(slices.length >= 20, `${slices.length} slices`);
  assert.equal(slices.at(-1).isDone, true);
});

test("a line's index and the number of exportable lines need no full scan", () => {
  const captions = new Captions();
  const line = (id, at, text, final = true) => ({
    type: "transcript", segment_id: id, revision: final ? 2 : 1, final, text, language: "en", confidence: null, start: at, end: at + 1,
    stream_started: 0, speaker: "Ann", participant_id: "p", words: [], error: null, timestamp: 0,
  });
  for (const [id, at] of [["c", 30], ["a", 10], ["b", 20], ["b2", 20], ["d", 40]]) captions.apply(line(id, at, "so far", false));
  assert.equal(captions.exportable, 0);
  for (const id of ["a", "b", "b2", "c", "d"]) captions.apply(line(id, { a: 10, b: 20, b2: 20, c: 5, d: 40 }[id], id === "d" ? "" : "done"));
  assert.deepEqual(captions.lines.map(({ id }) => id), ["c", "a", "b", "b2", "d"]);
  assert.deepEqual(captions.lines.map((one) => captions.indexOf(one)), [0, 1, 2, 3, 4]);
  assert.equal(captions.exportable, 4);
  assert.equal(captions.indexOf({ at: 20 }), -1);
  captions.clear();
  assert.equal(captions.exportable, 0);
});
