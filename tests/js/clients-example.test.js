/** The example of docs/clients.md does what it says. */

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";

import { settle } from "../fakes/js/clock.js";
import { fakeWebSockets } from "../fakes/js/websocket.js";

const DOCUMENT = readFileSync(new URL("../../docs/clients.md", import.meta.url), "utf-8");
const MODULE = new URL("../../static/js/live-socket.js", import.meta.url).href;

test("the JavaScript example joins, prints captions, and reports what was lost", async (context) => {
  const { WebSocketClass, newest } = fakeWebSockets();
  const printed = [];
  context.mock.method(console, "log", (...words) => printed.push(words.join(" ")));
  // The example runs until its page is closed; its timers must not keep this process.
  const { setTimeout } = globalThis;
  globalThis.setTimeout = (run, delay) => setTimeout(run, delay).unref();
  context.after(() => (globalThis.setTimeout = setTimeout));
  globalThis.WebSocket = WebSocketClass;
  globalThis.location = { protocol: "http:", host: "service" };
  const example = DOCUMENT.match(/```js\n(.*?)```/s)[1];
  assert.ok(example.trim().split("\n").length <= 17);
  const folder = mkdtempSync(join(tmpdir(), "example-"));
  context.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "example.mjs");
  writeFileSync(file, example.replace("/static/js/live-socket.js", MODULE));
  const running = import(pathToFileURL(file));
  await Promise.race([running, new Promise((made) => (WebSocketClass.onMade = made))]);
  newest().greet();
  await settle();
  newest().say({ type: "error", id: newest().last("create_session").id, code: "session_exists", detail: "It is there." });
  await settle();
  const answer = { type: "session_joined", session_id: "stand-up", participant_id: "p", recovery_token: "t", epoch: "e", offset: 0, participants: [], participant_count: 1, config: {} };
  newest().say({ ...answer, id: newest().last("join_session").id });
  await running;
  const line = { session_id: "stand-up", segment_id: "a-1" };
  newest().say({ ...line, type: "transcript", text: "hel", final: false });
  newest().say({ ...line, type: "transcript", text: "hello", final: true, offset: 1 });
  newest().say({ ...line, type: "translation", text: "hola", offset: 2 });
  newest().say({ ...line, type: "translation", text: "?", offset: 4 });
  newest().say({ type: "session_recovered", session_id: "stand-up", recovered: false, reason: "history_expired", id: newest().last("recover_session").id });
  await settle();
  newest().say({ ...answer, id: newest().last("join_session").id });
  newest().say({ type: "session_left", session_id: "stand-up", reason: "ended" });
  await settle();
  assert.deepEqual(printed, ["hello", "hola", "Some of it was lost: history_expired", "The session is over: ended"]);
  assert.equal(newest().count("join_session"), 2);
});
