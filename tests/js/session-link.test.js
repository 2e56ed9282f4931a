/** Links to sessions, and the session that a tab is in. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { linkBase, readLink, writeLink } from "../../static/js/models/session-link.js";
import { TabSession } from "../../static/js/models/tab-session.js";
import { keyHeaders } from "../../static/js/models/upload.js";
import { FakeStorage } from "../fakes/js/websocket.js";

const PAGE = "https://host:3000/base/translation";

test("a link is read as it was written, and its key is behind the #", () => {
  for (const link of [
    { session_id: "calm-oak-7f3k", key: "aB_-9", role: "participant" },
    { session_id: "s", key: null, role: "participant" },
    { session_id: "a.b~c", key: "k", role: "observer" },
  ]) {
    const href = writeLink(`${PAGE}?session=old&role=observer#x`, link);
    assert.deepEqual(readLink(href), link);
    assert.equal(new URL(href).search, "");
    assert.ok(href.startsWith(`${PAGE}#session=`));
  }
});

test("links without keys are read, and other addresses have no session", () => {
  assert.deepEqual(readLink(`${PAGE}?session=s&role=observer`), { session_id: "s", key: null, role: "observer" });
  assert.deepEqual(readLink(`${PAGE}?session=old#session=new&key=k`), { session_id: "new", key: "k", role: "participant" });
  assert.deepEqual(readLink(`${PAGE}?session=s&key=k`), { session_id: "s", key: null, role: "participant" });
  for (const href of [PAGE, `${PAGE}#main`, `${PAGE}#session=`, `${PAGE}?session=`]) assert.equal(readLink(href).session_id, null);
  assert.equal(readLink(`${PAGE}#session=s&key=${"k".repeat(99)}`).key, null);
  assert.equal(readLink(`${PAGE}#session=s&key=%00%0a`).key, null);
});

test("a tab finds its session again, and ignores anything else", () => {
  const storage = new FakeStorage();
  const tab = new TabSession(storage);
  assert.equal(tab.read(), null);
  tab.write({ session_id: "s", key: "k", role: "observer" });
  assert.deepEqual(new TabSession(storage).read(), { session_id: "s", key: "k", role: "observer" });
  tab.forget();
  assert.equal(tab.read(), null);
  for (const text of ["", "{", "null", "[]", '{"session_id": 1}', '{"session_id": "a b"}', '{"session_id": "<script>"}']) {
    storage.setItem("translation:session", text);
    assert.equal(tab.read(), null, text);
  }
  storage.setItem("translation:session", '{"session_id": "s", "key": {}, "role": "owner"}');
  assert.deepEqual(tab.read(), { session_id: "s", key: null, role: "participant" });
});

test("a reload learns once that the last page closed a microphone", () => {
  const tab = new TabSession(new FakeStorage());
  tab.setSpeaking("s");
  assert.equal(tab.wasSpeaking("other"), false);
  tab.setSpeaking("s");
  assert.deepEqual([tab.wasSpeaking("s"), tab.wasSpeaking("s")], [true, false]);
  tab.setSpeaking("s");
  tab.setSpeaking(null);
  assert.equal(tab.wasSpeaking("s"), false);
});

test("forbidden storage fails nothing", () => {
  for (const storage of [null, { getItem: () => { throw new Error("no"); }, setItem: () => { throw new Error("no"); }, removeItem: () => { throw new Error("no"); } }]) {
    const tab = new TabSession(storage);
    tab.write({ session_id: "s", key: null, role: "participant" });
    tab.setSpeaking("s");
    assert.deepEqual([tab.read(), tab.wasSpeaking("s")], [null, false]);
    tab.forget();
  }
});

test("an upload sends the key in a header", () => {
  assert.deepEqual(keyHeaders("k"), { "X-Session-Key": "k" });
  assert.deepEqual(keyHeaders(null), {});
});

test("links copied on localhost lead to the public address, or are marked as local", () => {
  for (const host of ["localhost:3000", "127.0.0.1:3000", "[::1]:3000", "a.localhost", "127.8.9.1"]) {
    const page = `http://${host}/translation#session=s&key=k`;
    assert.deepEqual(linkBase(page, ""), { base: page, reach: "machine" });
    assert.deepEqual(linkBase(page, undefined), { base: page, reach: "machine" });
    assert.deepEqual(linkBase(page, "https://10.0.0.5:3000"), { base: "https://10.0.0.5:3000/translation", reach: "network" });
  }
  for (const host of ["translate.example", "10.0.0.5:3000", "127.0.0.1.example", "localhost.example", "[fe80::1]"]) {
    const page = `https://${host}/translation`;
    assert.deepEqual(linkBase(page, "https://elsewhere"), { base: page, reach: "same" });
  }
});
