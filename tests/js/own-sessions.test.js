import assert from "node:assert/strict";
import { test } from "node:test";

import { OWN_SESSIONS, OwnSessions, TITLE_LENGTH, titleOf } from "../../static/js/models/own-sessions.js";
import { CheckPace, GONE_AT_ONCE, PAUSE, checkOrder } from "../../static/js/models/session-checks.js";

const SPEAK = "s".repeat(22);
const READ = "r".repeat(22);

/** localStorage of a browser; `refuses`: each write fails, as where the quota is 0. */
class Storage {
  constructor({ text = null, refuses = false } = {}) {
    this.items = new Map(text === null ? [] : [["sessions:own", text]]);
    this.refuses = refuses;
  }

  getItem(key) {
    return this.items.get(key) ?? null;
  }

  setItem(key, value) {
    if (this.refuses) throw new Error("QuotaExceededError");
    this.items.set(key, value);
  }

  removeItem(key) {
    this.items.delete(key);
  }
}

const session = (session_id, more = {}) => ({ session_id, key: SPEAK, role: "participant", maySpeak: true, ...more });

test("sessions are listed, the last used first, with their first and last time", () => {
  let now = 1_000;
  const own = new OwnSessions(new Storage(), () => now);
  own.note(session("budget"));
  now = 2_000;
  own.note(session("stand-up"));
  now = 3_000;
  own.note(session("budget"));
  assert.deepEqual(own.list().map(({ session_id, first, last }) => [session_id, first, last]), [["budget", 1_000, 3_000], ["stand-up", 2_000, 2_000]]);
});

test("a key to speak is not replaced by one to read, and a read key is by one to speak", () => {
  const own = new OwnSessions(new Storage());
  own.note(session("budget"));
  own.note(session("budget", { key: READ, role: "observer", maySpeak: false }));
  assert.equal(own.list()[0].key, SPEAK);
  own.note(session("other", { key: READ, maySpeak: false }));
  own.note(session("other"));
  assert.equal(own.list().find(({ session_id }) => session_id === "other").key, SPEAK);
});

test("a key to speak that is valid no longer gives way to the key to read, once", () => {
  for (const order of [["speak", "read"], ["read", "speak"]]) {
    const own = new OwnSessions(new Storage());
    for (const right of order) own.note(session("budget", right === "speak" ? {} : { key: READ, maySpeak: false }));
    own.note(session("budget"));
    own.name("budget", "Mine");
    assert.equal(own.list()[0].key, SPEAK);
    const { key, maySpeak, title } = own.fallBack("budget");
    assert.deepEqual([key, maySpeak, title], [READ, false, "Mine"]);
    assert.equal(own.list()[0].key, READ);
    assert.equal(own.fallBack("budget"), null);
    own.note(session("budget"));
    assert.deepEqual([own.list()[0].key, own.list()[0].readKey], [SPEAK, READ]);
  }
  const own = new OwnSessions(new Storage());
  own.note(session("other"));
  assert.equal(own.fallBack("other"), null);
  assert.equal(own.fallBack("gone"), null);
});

test("beyond the limit the least recently used is dropped", () => {
  const own = new OwnSessions(new Storage());
  for (let index = 0; index <= OWN_SESSIONS; index += 1) own.note(session(`room-${index}`));
  const names = own.list().map(({ session_id }) => session_id);
  assert.equal(names.length, OWN_SESSIONS);
  assert.ok(!names.includes("room-0"));
});

test("a title is this browser's own, of one row, and survives the next visit; without one the session's is shown", () => {
  const own = new OwnSessions(new Storage());
  own.note(session("budget"));
  assert.equal(own.name("budget", "  Budget\n 2027 "), "Budget 2027");
  own.note(session("budget"));
  assert.equal(titleOf(own.list()[0]), "Budget 2027");
  assert.equal(own.name("budget", "x".repeat(500)).length, TITLE_LENGTH);
  own.name("budget", "");
  assert.equal(titleOf(own.list()[0]), "budget");
  own.checked("budget", { expires: 5_000, given: "Finance" });
  assert.equal(titleOf(own.list()[0]), "Finance");
  own.name("budget", "Mine");
  assert.equal(titleOf(own.list()[0]), "Mine");
  own.note(session("budget", { given: "Plans" }));
  own.name("budget", "");
  assert.equal(titleOf(own.list()[0]), "Plans");
  assert.equal(own.name("budget", "😀".repeat(200)), "😀".repeat(TITLE_LENGTH));
});

test("one is forgotten, or all; another visit does not bring them back", () => {
  const storage = new Storage();
  const own = new OwnSessions(storage);
  for (const name of ["a", "b", "c"]) own.note(session(name));
  own.forget(["b"]);
  assert.deepEqual(own.list().map(({ session_id }) => session_id), ["c", "a"]);
  own.forgetAll();
  assert.deepEqual(own.list(), []);
  assert.equal(storage.items.size, 0);
});

for (const text of ["", "{", "null", "7", '"x"', "{}", '[null, 7, "x", [], {}, {"session_id": 5}, {"session_id": "a b"}]']) {
  test(`what is stored may be broken: ${text}`, () => {
    const own = new OwnSessions(new Storage({ text }));
    assert.deepEqual(own.list(), []);
    own.note(session("budget"));
    assert.equal(own.list().length, 1);
  });
}

test("of a broken entry only what is valid is read; a session is listed once", () => {
  const text = JSON.stringify([{ session_id: "a", key: "<script>", title: 7, first: "x", last: 1e300, expires: "soon" }, { session_id: "a" }, { session_id: "b", last: 5 }]);
  const [a, b, ...others] = new OwnSessions(new Storage({ text })).list();
  assert.deepEqual(a, { session_id: "a", key: null, role: "participant", maySpeak: false, readKey: null, title: "", given: "", first: 0, last: 0, expires: null });
  assert.deepEqual([b.session_id, b.first, b.last], ["b", 5, 5]);
  assert.deepEqual(others, []);
});

test("without storage, or with one that refuses, nothing is listed and nothing fails", () => {
  for (const storage of [null, new Storage({ refuses: true })]) {
    const own = new OwnSessions(storage);
    own.note(session("budget"));
    own.forget(["budget"]);
    own.forgetAll();
    assert.deepEqual(own.list(), []);
    assert.equal(own.canStore, false);
  }
  assert.equal(new OwnSessions(new Storage()).canStore, true);
});

test("sessions whose end has passed are checked last: someone may have used them since", () => {
  const entries = [{ session_id: "over", expires: 99 }, { session_id: "kept", expires: 101 }, { session_id: "unknown", expires: null }];
  assert.deepEqual(checkOrder(entries, 100).map(({ session_id }) => session_id), ["kept", "unknown", "over"]);
});

test("questions pause once as many sessions were gone as the service forgives in a minute", () => {
  const pace = new CheckPace();
  for (let index = 0; index < GONE_AT_ONCE; index += 1) {
    assert.equal(pace.wait(1_000 * index), 0);
    pace.gone(1_000 * index);
  }
  assert.equal(pace.wait(4_000), PAUSE - 4_000);
  assert.equal(pace.wait(PAUSE), 0);
});
