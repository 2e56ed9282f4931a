/** What the JavaScript and the Python client must both decide: tests/client/test_vectors.py reads the same files. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { LiveSocket } from "../../static/js/live-socket.js";
import { Backoff } from "../../static/js/models/backoff.js";
import { Liveness } from "../../static/js/models/liveness.js";
import { Reconnection } from "../../static/js/models/reconnection.js";
import { SessionLog } from "../../static/js/models/session-log.js";
import { FakeClock, settle } from "../fakes/js/clock.js";
import { fakeWebSockets } from "../fakes/js/websocket.js";

const cases = (name) => JSON.parse(readFileSync(new URL(`../data/recovery/${name}.json`, import.meta.url))).cases;

for (const { name, log: start, steps } of cases("log")) {
  test(`log: ${name}`, () => {
    const log = new SessionLog(start);
    for (const step of steps) {
      const given = step.answered ?? step.continued;
      const answer = given && { ...given, messages: given.messages.map((offset) => ({ offset })) };
      const delivered = step.answered ? log.recovered(answer) : step.continued ? log.continued(answer) : log.receive({ offset: step.receive });
      assert.deepEqual(delivered.map(({ offset }) => offset), step.delivered);
      assert.deepEqual([log.offset, log.gap], [step.offset, step.gap]);
    }
  });
}

for (const { name, draw, losses } of cases("reconnection")) {
  test(`reconnection: ${name}`, () => {
    let now = 0;
    const backoff = new Backoff({ base: 1000, cap: 30_000, floor: 100, random: () => draw });
    const reconnection = new Reconnection({ backoff, now: () => now });
    for (const { lived, code, asked, then } of losses) {
      reconnection.connecting();
      if (lived !== null) reconnection.connected();
      now += (lived ?? 0) * 1000;
      const closing = asked === undefined ? null : { reason: "Restarting.", reconnect_after: asked };
      const verdict = reconnection.closed(code, "", closing);
      assert.equal(verdict.next === "stop" ? "stop" : verdict.wait / 1000, then);
      assert.ok(verdict.words);
    }
  });
}

for (const { name, quiet, heard, sent = [], until, then } of cases("liveness")) {
  test(`liveness: ${name}`, async () => {
    const clock = new FakeClock();
    const done = [];
    const liveness = new Liveness({
      timers: clock.timers,
      now: clock.now,
      sendPing: () => done.push(["ask", clock.now() / 1000]),
      onDead: () => done.push(["die", clock.now() / 1000]),
    });
    liveness.start({ quiet: quiet * 1000 });
    const steps = [...heard.map((at) => [at, "heard"]), ...sent.map((at) => [at, "sent"])].sort(([one], [other]) => one - other);
    for (const [at, what] of steps) {
      await clock.advance(at * 1000 - clock.now());
      liveness[what === "heard" ? "received" : what]();
    }
    await clock.advance(until * 1000 - clock.now());
    assert.deepEqual(done, then);
  });
}

const numbered = (offset) => ({ type: "session_message", session_id: "s", sender: "p", data: 1, offset });
const KINDS = {
  m: ({ offset }) => numbered(offset),
  joined: () => ({ type: "session_joined", session_id: "s", participant_id: "p", recovery_token: "t", config: {}, participants: [], participant_count: 1 }),
  recovered: () => ({ type: "session_recovered", session_id: "s", recovered: true }),
  not_recovered: () => ({ type: "session_recovered", session_id: "s", recovered: false }),
  history: () => ({ type: "session_history", session_id: "s", epoch: "e", complete: true, more: false }),
  left: () => ({ type: "session_left", session_id: "s" }),
  audio: () => ({ type: "audio_receiving", session_id: "s" }),
  error: () => ({ type: "error", detail: "No." }),
};

/** Plays one case against the client. */
class Script {
  #clock = new FakeClock();
  #sockets = fakeWebSockets();
  #socket;
  #seen = 0;
  #sent = [];
  #delivered = [];
  #told = [];

  constructor() {
    this.#socket = new LiveSocket({
      url: "ws://service/ws", WebSocketClass: this.#sockets.WebSocketClass, timers: this.#clock.timers, now: this.#clock.now,
      backoff: new Backoff({ base: 1000, floor: 100, random: () => 0 }), storage: null, signals: null,
    });
    this.#socket.addEventListener("message", ({ detail }) => detail.type === "session_message" && this.#delivered.push(detail.offset));
    this.#socket.addEventListener("recovered", ({ detail }) => this.#told.push(["recovered", detail.session_id, detail.missed, ...(detail.broadcasts_complete === false ? [false] : [])]));
    this.#socket.addEventListener("history", ({ detail }) => this.#told.push(["history", detail.session_id, detail.complete]));
    this.#socket.addEventListener("lost", ({ detail }) => this.#told.push(["lost", detail.session_id, detail.reason]));
    this.#socket.start();
  }

  async play(step) {
    const socket = this.#sockets.newest();
    if ("greet" in step) socket.greet();
    else if ("drop" in step) {
      this.#collect();
      this.#seen = 0;
      socket.drop();
      await this.#clock.advance(100);
    } else if ("pass" in step) await this.#clock.advance(step.pass * 1000);
    else if ("join" in step) this.#socket.request({ type: "join_session", session_id: step.join, ...(step.history ? { history: true } : {}) }, { timeout: 60_000 }).catch(() => {});
    else if ("subscribe" in step) this.#socket.subscribe(step.subscribe);
    else if ("audio" in step) this.#socket.request({ type: "receive_audio", session_id: step.audio, ...("enabled" in step ? { enabled: step.enabled } : {}) }).catch(() => {});
    else if ("say" in step) {
      const { say, answers, messages, ...rest } = step;
      const message = { ...KINDS[say](step), ...rest };
      if (answers) message.id = socket.last(answers).id;
      if (messages) message.messages = messages.map(numbered);
      socket.say(message);
    } else if ("sent" in step) {
      this.#collect();
      const fields = this.#sent.map((message, index) => pick(message, Object.keys(step.sent[index] ?? message)));
      assert.deepEqual(fields, step.sent);
      this.#sent = [];
    } else if ("delivered" in step) assert.deepEqual(this.#delivered.splice(0), step.delivered);
    else assert.deepEqual(this.#told.splice(0), step.told);
    await settle();
  }

  /** Pings aside: when a quiet connection is asked is another table's. */
  #collect() {
    const { sent } = this.#sockets.newest();
    this.#sent.push(...sent.slice(this.#seen).filter(({ type }) => type !== "ping"));
    this.#seen = sent.length;
  }
}

const pick = (object, keys) => Object.fromEntries(keys.map((key) => [key, object[key]]));

for (const { name, steps } of cases("sessions")) {
  test(`sessions: ${name}`, async () => {
    const script = new Script();
    for (const step of steps) await script.play(step);
  });
}
