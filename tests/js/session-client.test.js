import assert from "node:assert/strict";
import { test } from "node:test";

import { LiveSocket } from "../../static/js/live-socket.js";
import { Backoff } from "../../static/js/models/backoff.js";
import { SessionClient } from "../../static/js/session-client.js";
import { FakeClock, settle } from "../fakes/js/clock.js";
import { FakeStorage, fakeWebSockets } from "../fakes/js/websocket.js";

const ANN = { participant_id: "p", name: "Ann", role: "owner", languages: ["es"], speaking: false };

function setUp({ storage = new FakeStorage(), names = ["calm-oak-aaaa", "calm-oak-bbbb"], mayHost = false } = {}) {
  const clock = new FakeClock();
  const { WebSocketClass, newest } = fakeWebSockets();
  const signals = new EventTarget();
  const socket = new LiveSocket({
    url: "ws://x", WebSocketClass, backoff: new Backoff({ random: () => 1 }), timers: clock.timers, now: clock.now, storage, signals,
  });
  const client = new SessionClient(socket, { mayHost, randomName: () => names.shift(), timers: clock.timers });
  const events = [];
  for (const name of ["phase", "rejoined", "ready"]) client.addEventListener(name, ({ detail }) => events.push(name === "phase" ? detail.phase : name));
  client.start();
  socket.start();
  const answer = async (type, to, more = {}) => {
    const { id, session_id } = newest().last(to);
    newest().say({
      type, id, session_id, participant_id: "p", recovery_token: "t", epoch: "e", offset: 0, config: {}, participants: [ANN], ...more,
    });
    await settle();
  };
  const refuse = async (to, code) => {
    newest().say({ type: "error", id: newest().last(to).id, code, detail: `No: ${code}.` });
    await settle();
  };
  return { clock, newest, socket, client, events, answer, refuse, storage, signals };
}

/** Draw a session and begin it at once. */
function begin(client, identity) {
  client.open(identity);
  return client.ensure();
}

test("a page hosts the sessions that it began, and every one where the service lets it", async () => {
  for (const [role, mayHost, expected] of [["owner", false, true], ["participant", false, false], ["participant", true, true]]) {
    const { client, newest, answer } = setUp({ mayHost });
    newest().greet();
    client.open({ session_id: "calm-oak-aaaa", key: "k" });
    await settle();
    await answer("session_joined", "join_session", { role, keys: { speak: "S" } });
    assert.deepEqual([client.phase, client.isHost, client.isOwner], ["open", expected, role === "owner"]);
  }
});

test("without a link a session has a name, and is not created before its first word", async () => {
  const { client, newest, answer, events } = setUp();
  newest().greet();
  await client.open({ name: "Ann", languages: ["es"] });
  client.update({ languages: ["de"] });
  await settle();
  assert.deepEqual([client.phase, client.session_id, client.keys], ["new", "calm-oak-aaaa", null]);
  assert.equal(newest().count("create_session") + newest().count("join_session"), 0);
  const [first, second] = [client.ensure(), client.ensure()];
  await settle();
  assert.equal(newest().count("create_session"), 1);
  assert.deepEqual(newest().last("create_session").languages, ["de"]);
  await answer("session_created", "create_session", { keys: { speak: "S", read: "R" }, role: "owner" });
  assert.deepEqual([await first, await second, await client.ensure()], [true, true, true]);
  assert.deepEqual(client.keys, { speak: "S", read: "R" });
  assert.deepEqual(events, ["new", "opening", "open", "ready"]);
});

test("a title is the session's: of a new one it is created with it, later it is requested", async () => {
  const { client, newest, answer } = setUp();
  const titles = [];
  client.addEventListener("title", () => titles.push(client.title));
  newest().greet();
  await client.open({ name: "Ann" });
  await client.setTitle("  Budget ");
  assert.equal(newest().count("title_session"), 0);
  const begun = client.ensure();
  await settle();
  assert.deepEqual(newest().last("create_session").config, { title: "Budget" });
  await answer("session_created", "create_session", { keys: { speak: "S", read: "R" }, role: "owner", title: "Budget" });
  await begun;
  const changed = client.setTitle("Plans");
  await settle();
  const { id, session_id, title } = newest().last("title_session");
  newest().say({ type: "session_titled", id, session_id, title, participant_id: "p", offset: 1 });
  await changed;
  newest().say({ type: "session_titled", session_id, title: "", participant_id: null, offset: 2 });
  newest().say({ type: "session_titled", session_id: "other", title: "No", participant_id: null, offset: 3 });
  await settle();
  assert.deepEqual(titles, ["Budget", "Plans", ""]);
});

test("names and terms are the session's: a new one is created with them, the highest revision counts", async () => {
  const { client, newest, answer } = setUp();
  const changes = [];
  client.addEventListener("terms", () => changes.push(client.terms.map(({ text }) => text).join()));
  newest().greet();
  await client.open({ name: "Ann" });
  await client.setTerms([{ text: "Norland" }]);
  assert.equal(newest().count("set_terms"), 0);
  const begun = client.ensure();
  await settle();
  assert.deepEqual(newest().last("create_session").terms, [{ text: "Norland" }]);
  await answer("session_created", "create_session", { keys: { speak: "S", read: "R" }, role: "owner", terms: [{ text: "Norland" }] });
  await begun;
  const changed = client.setTerms([{ text: "Elinor" }]);
  await settle();
  const { id, session_id, terms } = newest().last("set_terms");
  newest().say({ type: "terms", session_id, terms: [{ text: "Barton" }], revision: 2 });
  newest().say({ type: "terms", id, session_id, terms, revision: 1 });
  await changed;
  newest().say({ type: "terms", session_id: "other", terms: [], revision: 9 });
  newest().say({ type: "session_joined", session_id, participants: [] });
  await settle();
  assert.deepEqual(changes, ["Norland", "Barton", ""]);
});

test("the pipeline is the session's: of two changes that cross, the higher revision counts", async () => {
  const { client, newest, answer } = setUp();
  const changes = [];
  client.addEventListener("pipeline", () => changes.push(client.pipeline));
  newest().greet();
  const begun = begin(client);
  await settle();
  await answer("session_created", "create_session", { keys: { speak: "S", read: "R" }, role: "owner", pipeline: "voice" });
  await begun;
  const { session_id } = newest().last("create_session");
  newest().say({ type: "pipeline", session_id, pipeline: "noisy", revision: 2 });
  newest().say({ type: "pipeline", session_id, pipeline: "music", revision: 1 });
  newest().say({ type: "pipeline", session_id: "other", pipeline: "music", revision: 9 });
  newest().say({ type: "pipeline", session_id, pipeline: null, revision: 3 });
  await settle();
  assert.deepEqual(changes, ["voice", "noisy", null]);
});

test("a session that cannot be created fails, and so do those who wait for it", async () => {
  const { client, newest, refuse } = setUp();
  newest().greet();
  const begun = begin(client);
  await settle();
  await refuse("create_session", "token_required");
  assert.equal(await begun, false);
  assert.equal(client.phase, "failed");
});

test("a link's key is sent, and the service's role and keys apply", async () => {
  const { client, newest, answer } = setUp();
  newest().greet();
  client.open({ session_id: "budget-7f3k", key: "R", role: "participant" });
  await settle();
  assert.equal(newest().last("join_session").key, "R");
  assert.equal(client.isReadOnly, false);
  await answer("session_joined", "join_session", { keys: { read: "R" }, role: "observer", messages: [] });
  assert.equal(client.isReadOnly, true);
  assert.deepEqual(client.keys, { read: "R" });
});

test("a rejoin sends the key that the service gave", async () => {
  const { client, newest, clock, answer } = setUp();
  newest().greet();
  begin(client);
  await settle();
  await answer("session_created", "create_session", { keys: { speak: "S", read: "R" }, role: "owner" });
  newest().drop();
  await clock.advance(1000);
  newest().greet();
  await answer("session_recovered", "recover_session", { recovered: false, reason: "history_expired" });
  assert.equal(newest().last("join_session").key, "S");
});

test("a rate-limited join is tried again", async () => {
  const { client, newest, clock, answer, refuse } = setUp();
  newest().greet();
  client.open({ session_id: "budget-7f3k", key: "R" });
  await settle();
  await refuse("join_session", "rate_limited");
  assert.equal(client.phase, "opening");
  await clock.advance(4_000);
  await settle();
  assert.equal(newest().count("join_session"), 2);
  await answer("session_joined", "join_session", { keys: { read: "R" }, role: "observer", messages: [] });
  assert.equal(client.phase, "open");
});

test("a page that may not begin sessions and has no link is uninvited", async () => {
  const { client, newest, refuse } = setUp();
  newest().greet();
  await client.open({ mayBegin: false });
  assert.equal(client.phase, "uninvited");
  assert.equal(await client.ensure(), false);
  client.open({ session_id: "budget-7f3k" });
  await settle();
  await refuse("join_session", "key_required");
  assert.equal(client.phase, "uninvited");
  assert.equal(newest().count("create_session"), 0);
});

test("leaving for a new session says whether the old one may end", async () => {
  const { client, newest, answer } = setUp();
  newest().greet();
  begin(client);
  await settle();
  await answer("session_created", "create_session", { keys: { speak: "S", read: "R" }, role: "owner" });
  const left = client.leave({ isEmpty: true });
  await settle();
  assert.equal(newest().last("leave_session").end_if_empty, true);
  await answer("session_left", "leave_session", { reason: "left" });
  await left;
  await client.open();
  assert.deepEqual([client.phase, client.session_id, client.keys], ["new", "calm-oak-bbbb", null]);
});

test("without a link a session is created, with the name and languages of its owner", async () => {
  const { client, newest, answer, events } = setUp();
  begin(client, { name: "Ann", languages: ["es"] });
  newest().greet();
  await settle();
  const { id, ...sent } = newest().last("create_session");
  assert.deepEqual(sent, { type: "create_session", session_id: "calm-oak-aaaa", config: {}, name: "Ann", languages: ["es"] });
  await answer("session_created", "create_session");
  assert.deepEqual(events, ["new", "opening", "open", "ready"]);
  assert.equal(client.session_id, "calm-oak-aaaa");
  assert.equal(client.participant_id, "p");
  assert.equal(client.nameOf("p"), "Ann");
  assert.equal(client.nameOf("q"), null);
});

test("a taken name is drawn again", async () => {
  const { client, newest, answer, refuse } = setUp();
  newest().greet();
  begin(client);
  await settle();
  await refuse("create_session", "session_exists");
  await answer("session_created", "create_session");
  assert.equal(client.phase, "open");
  assert.equal(client.session_id, "calm-oak-bbbb");
});

test("a link joins with the history", async () => {
  const { client, newest, answer } = setUp();
  newest().greet();
  client.open({ session_id: "budget-7f3k", role: "observer" });
  await settle();
  const { id, ...sent } = newest().last("join_session");
  assert.deepEqual(sent, { type: "join_session", session_id: "budget-7f3k", history: true, languages: [], role: "observer" });
  await answer("session_joined", "join_session", { messages: [] });
  assert.equal(client.phase, "open");
});

test("a link to a session that does not exist is gone, and a new one can be created", async () => {
  const { client, newest, answer, refuse } = setUp();
  newest().greet();
  client.open({ session_id: "budget-7f3k" });
  await settle();
  await refuse("join_session", "unknown_session");
  assert.equal(client.phase, "gone");
  begin(client);
  await settle();
  await answer("session_created", "create_session");
  assert.equal(client.phase, "open");
});

test("a link that cannot name a session is not sent", async () => {
  const { client, newest } = setUp();
  newest().greet();
  await client.open({ session_id: "no such/name" });
  assert.equal(client.phase, "gone");
  assert.equal(newest().count("join_session"), 0);
});

test("opening waits for a connection without a limit", async () => {
  const { client, newest, clock, answer } = setUp();
  begin(client);
  newest().drop();
  await clock.advance(60_000);
  newest().greet();
  await settle();
  await answer("session_created", "create_session");
  assert.equal(client.phase, "open");
});

test("a creation without a response joins the session it may have created", async () => {
  const { client, newest, clock, answer, refuse } = setUp();
  newest().greet();
  begin(client, { languages: ["es"] });
  await settle();
  newest().drop();
  await clock.advance(1000);
  newest().greet();
  await settle();
  assert.equal(newest().last("create_session").session_id, "calm-oak-aaaa");
  await refuse("create_session", "session_exists");
  assert.equal(newest().last("join_session").session_id, "calm-oak-aaaa");
  await answer("session_joined", "join_session", { messages: [] });
  assert.equal(client.phase, "open");
});

test("a reload resumes, and sends its name and languages again", async () => {
  const first = setUp();
  first.newest().greet();
  begin(first.client);
  await settle();
  await first.answer("session_created", "create_session");
  first.signals.dispatchEvent(new Event("pagehide"));
  const second = setUp({ storage: first.storage });
  second.client.open({ session_id: "calm-oak-aaaa", languages: ["de"] });
  second.newest().greet();
  await settle();
  await second.answer("session_recovered", "recover_session", { recovered: true, messages: [] });
  assert.equal(second.client.phase, "open");
  assert.deepEqual(second.newest().last("join_session").languages, ["de"]);
});

test("a reload that cannot resume joins", async () => {
  const first = setUp();
  first.newest().greet();
  begin(first.client);
  await settle();
  await first.answer("session_created", "create_session");
  first.signals.dispatchEvent(new Event("pagehide"));
  const second = setUp({ storage: first.storage });
  second.client.open({ session_id: "calm-oak-aaaa" });
  second.newest().greet();
  await settle();
  await second.answer("session_recovered", "recover_session", { recovered: false, reason: "history_expired" });
  await second.answer("session_joined", "join_session", { messages: [], complete: false });
  assert.equal(second.client.phase, "open");
  assert.equal(second.newest().count("join_session"), 1);
});

test("after a lost connection it is ready again once the session is recovered", async () => {
  const { client, newest, clock, answer, events } = setUp();
  newest().greet();
  begin(client);
  await settle();
  await answer("session_created", "create_session");
  newest().drop();
  await clock.advance(1000);
  newest().greet();
  await answer("session_recovered", "recover_session", { recovered: true, messages: [] });
  assert.deepEqual(events, ["new", "opening", "open", "ready", "ready"]);
});

test("where recovery is rejected the session is joined again, with a rejoined event", async () => {
  const { client, newest, clock, answer, events } = setUp();
  newest().greet();
  begin(client);
  await settle();
  await answer("session_created", "create_session");
  newest().drop();
  await clock.advance(1000);
  newest().greet();
  await answer("session_recovered", "recover_session", { recovered: false, reason: "history_expired" });
  assert.equal(client.phase, "rejoining");
  await answer("session_joined", "join_session", { messages: [], complete: false });
  assert.deepEqual(events.slice(4), ["rejoining", "open", "ready", "rejoined"]);
});

test("a session ended by others is gone", async () => {
  const { client, newest, answer } = setUp();
  newest().greet();
  begin(client);
  await settle();
  await answer("session_created", "create_session");
  newest().say({ type: "session_left", session_id: "calm-oak-aaaa", reason: "ended" });
  assert.equal(client.phase, "gone");
  assert.deepEqual(client.reason, { code: "ended", detail: "" });
});

test("participants follow the service's messages", async () => {
  const { client, newest, answer } = setUp();
  newest().greet();
  begin(client);
  await settle();
  await answer("session_created", "create_session");
  newest().say({ type: "presence", session_id: "calm-oak-aaaa", participants: [ANN, { ...ANN, participant_id: "q", name: "Ben" }] });
  newest().say({ type: "presence", session_id: "other", participants: [] });
  assert.equal(client.participants.length, 2);
  assert.equal(client.count, 2);
});

test("of many participants the first are listed, with their number", async () => {
  const { client, newest, answer } = setUp();
  newest().greet();
  const told = [];
  client.addEventListener("participants", ({ detail }) => told.push(detail));
  begin(client);
  await settle();
  await answer("session_created", "create_session", { participant_count: 1 });
  newest().say({ type: "presence", session_id: "calm-oak-aaaa", participants: [ANN], participant_count: 10_000 });
  assert.equal(client.count, 10_000);
  assert.deepEqual(told.at(-1), { participants: [ANN], count: 10_000 });
  newest().say({ type: "session_left", session_id: "calm-oak-aaaa", reason: "ended" });
  client.open({ session_id: "calm-oak-bbbb" });
  assert.equal(client.count, 0);
});

test("a change of name or languages is sent as a second join", async () => {
  const { client, newest, answer } = setUp();
  newest().greet();
  begin(client, { languages: ["es"] });
  await settle();
  await answer("session_created", "create_session");
  client.update({ name: "Ann" });
  client.update({ languages: ["de", "es"] });
  const { id, ...sent } = newest().last("join_session");
  assert.deepEqual(sent, { type: "join_session", session_id: "calm-oak-aaaa", name: "Ann", languages: ["de", "es"], role: "participant" });
});

test("languages that are chosen while the session is being joined are announced once it is", async () => {
  const { client, newest, answer } = setUp();
  newest().greet();
  client.open({ session_id: "budget-7f3k", key: "R" });
  await settle();
  client.update({ languages: ["pt"], growing: true });
  assert.equal(newest().count("join_session"), 1);
  await answer("session_joined", "join_session", { keys: { read: "R" }, role: "participant", messages: [] });
  assert.equal(newest().count("join_session"), 2);
  const { id, ...sent } = newest().last("join_session");
  assert.deepEqual(sent, { type: "join_session", session_id: "budget-7f3k", languages: ["pt"], growing: true, role: "participant" });
});

test("languages that are chosen while a session is being created are announced once it is", async () => {
  const { client, newest, answer } = setUp();
  newest().greet();
  begin(client, { name: "Ann" });
  await settle();
  client.update({ languages: ["fr"] });
  await answer("session_created", "create_session", { keys: { speak: "S", read: "R" }, role: "owner" });
  assert.deepEqual(newest().last("join_session").languages, ["fr"]);
});

test("what is joined as it was chosen is announced once", async () => {
  const { client, newest, answer } = setUp();
  newest().greet();
  client.open({ session_id: "budget-7f3k", languages: ["pt"] });
  await settle();
  await answer("session_joined", "join_session", { keys: { read: "R" }, role: "participant", messages: [] });
  assert.equal(newest().count("join_session"), 1);
});

const JOINED = { keys: { speak: "S", read: "R" }, role: "participant", messages: [] };
const QUIET = { locked: false, speaking: "host", ending: false, muted: true };

/** A page that has joined with a link. */
async function joined(more = {}) {
  const all = setUp(more);
  all.newest().greet();
  all.client.open({ session_id: "budget-7f3k", key: "S" });
  await settle();
  await all.answer("session_joined", "join_session", JOINED);
  return all;
}

test("what the host decides is known from the join on, and emitted when it changes", async () => {
  const { client, newest } = await joined();
  const seen = [];
  client.addEventListener("moderation", ({ detail }) => seen.push([detail.before.muted, detail.moderation.muted]));
  assert.equal(client.moderation.muted, false);
  newest().say({ type: "moderation", session_id: "budget-7f3k", ...QUIET });
  newest().say({ type: "moderation", session_id: "budget-7f3k", ...QUIET });
  newest().say({ type: "moderation", session_id: "other", ...QUIET, muted: false });
  await settle();
  assert.deepEqual(client.moderation, QUIET);
  assert.deepEqual(seen, [[false, true]]);
});

test("a page that was removed does not join again, and learns it again after a reload", async () => {
  const storage = new FakeStorage();
  const { client, newest, socket } = await joined({ storage });
  newest().say({ type: "session_left", session_id: "budget-7f3k", reason: "removed" });
  newest().drop(4003, "The host removed you from the session.");
  await settle();
  assert.deepEqual([client.phase, client.shutOut, socket.state.state], ["gone", "removed", "stopped"]);
  const again = setUp({ storage });
  again.newest().greet();
  again.client.open({ session_id: "budget-7f3k", key: "S" });
  await settle();
  const { id, recovery_token } = again.newest().last("recover_session");
  assert.equal(recovery_token, "t");
  again.newest().say({ type: "session_recovered", id, session_id: "budget-7f3k", recovered: false, reason: "removed" });
  await settle();
  assert.deepEqual([again.client.phase, again.client.shutOut], ["gone", "removed"]);
  assert.equal(again.newest().count("join_session"), 0);
});

test("a locked session fails with its own reason, and a page that was inside joins with its token", async () => {
  const late = setUp();
  late.newest().greet();
  late.client.open({ session_id: "budget-7f3k", key: "S" });
  await settle();
  assert.equal(late.newest().last("join_session").recovery_token, undefined);
  await late.refuse("join_session", "session_locked");
  assert.deepEqual([late.client.phase, late.client.shutOut], ["failed", "locked"]);
  const { client, newest, clock, answer } = await joined();
  newest().drop(1006);
  await clock.advance(2_000);
  newest().greet();
  await settle();
  const { id } = newest().last("recover_session");
  newest().say({ type: "session_recovered", id, session_id: "budget-7f3k", recovered: false, reason: "epoch_changed" });
  await settle();
  assert.equal(newest().last("join_session").recovery_token, "t");
  await answer("session_joined", "join_session", JOINED);
  assert.deepEqual([client.phase, client.shutOut], ["open", null]);
});

test("a session that its host ended says so; with new keys links and rejoins have those", async () => {
  const { client, newest } = await joined();
  let told = 0;
  client.addEventListener("keys", () => (told += 1));
  newest().say({ type: "session_keys", session_id: "budget-7f3k", keys: { read: "R2", speak: "S2" } });
  await settle();
  assert.deepEqual([client.keys, told], [{ read: "R2", speak: "S2" }, 1]);
  newest().say({ type: "session_left", session_id: "budget-7f3k", reason: "ended", by_host: true });
  await settle();
  assert.deepEqual([client.phase, client.shutOut, client.reason], ["gone", "ended", { code: "ended", detail: "" }]);
});
