/**
 * One WebSocket to the service for a whole page: kept alive, reconnected, and recovered.
 *
 * Promises:
 * - Between `start()` and `stop()` it connects again after every loss, with full-jitter backoff, except where
 *   the close code says that it must not. Both are idempotent.
 * - Session messages (those with an `offset`) are delivered in order and exactly once. What was missed is
 *   asked for; where the service cannot give it, a `lost` event says so. Nothing is skipped in silence.
 * - Topics are subscribed again after every reconnect.
 *
 * Events:
 * - `state`    detail {state: "connecting"|"live"|"waiting"|"stopped", retryIn, attempt, reason}; `retryIn` is
 *              milliseconds until the next try, or null.
 * - `message`  detail is the server's message; `update`s of topics come here too.
 * - `recovered` detail {session_id, missed}: all that was missed has been delivered.
 * - `lost`     detail {session_id, reason}: it could not be. The session is forgotten here; join it again.
 * - `complaint` detail: an `error` that answers no request: of something sent with `send`, of audio, or of what the
 *              service does by itself.
 */

import { Backoff } from "./models/backoff.js";
import { afterClose } from "./models/closes.js";
import { Liveness } from "./models/liveness.js";
import { LiveSocketError, Requests } from "./models/requests.js";
import { SessionLog } from "./models/session-log.js";
import { SessionMemory, tabStorage } from "./models/session-memory.js";

/** Until `connected` has come. */
const CONNECT_LIMIT = 10_000;
/** Without a word for this long, ask; the service's own ping interval replaces it. */
const QUIET_LIMIT = 25_000;
/** A connection that lasted this long was a good one: the next loss starts the backoff anew. */
const STEADY_AFTER = 5_000;
/** Bytes of audio the browser may hold unsent: ten seconds at 16 kHz. Past it `sendAudio` refuses. */
const AUDIO_LIMIT = 320_000;
/** Recoveries of one gap before it is called lost. */
const RECOVERY_TRIES = 3;

const JOINING = new Set(["create_session", "join_session"]);

export { LiveSocketError };

export class LiveSocket extends EventTarget {
  #url;
  #WebSocketClass;
  #backoff;
  #timers;
  #now;
  #memory;
  #signals;

  #running = false;
  #socket = null;
  #state = { state: "stopped", retryIn: null, attempt: 0, reason: "" };
  #retryTimer = null;
  #connectTimer = null;
  #liveness;
  #notBefore = 0;
  #closing = null;
  #liveSince = null;
  #connection = null;

  #nextId = 1;
  #requests;
  /** topic -> {count, last} */
  #topics = new Map();
  /** session_id -> {log, token, tries, participant} */
  #sessions = new Map();

  /**
   * `url` may be a function, read at every try. `timers` {setTimeout, clearTimeout}; `now()` milliseconds that
   * never go back; `storage` is sessionStorage or null; `signals` tells `online`, `visibilitychange`,
   * `pagehide` and `pageshow` (the window), or null.
   */
  constructor({
    url = () => `${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}/ws`,
    WebSocketClass = globalThis.WebSocket,
    backoff = new Backoff(),
    timers = { setTimeout: globalThis.setTimeout.bind(globalThis), clearTimeout: globalThis.clearTimeout.bind(globalThis) },
    now = () => performance.now(),
    storage = tabStorage(),
    signals = globalThis.window ?? null,
  } = {}) {
    super();
    this.#url = typeof url === "function" ? url : () => url;
    this.#WebSocketClass = WebSocketClass;
    this.#backoff = backoff;
    this.#timers = timers;
    this.#now = now;
    this.#memory = new SessionMemory(storage);
    this.#signals = signals;
    this.#requests = new Requests(timers);
    this.#liveness = new Liveness({
      timers,
      now,
      ask: () => this.#transmit({ type: "ping", id: this.#id() }),
      die: () => this.#abandon("The service fell silent."),
    });
  }

  /** The last `state` event's detail. */
  get state() {
    return this.#state;
  }

  get isLive() {
    return this.#state.state === "live";
  }

  /** Bytes handed over that the network has not taken yet. */
  get bufferedAmount() {
    return this.#socket?.bufferedAmount ?? 0;
  }

  /** The service's `connected` message of this connection, or null. */
  get connection() {
    return this.#connection;
  }

  start() {
    if (this.#running) return;
    this.#running = true;
    for (const [name, listener] of this.#signalListeners) this.#signals?.addEventListener(name, listener);
    this.#backoff.reset();
    this.#notBefore = 0;
    this.#connect();
  }

  /** Close and stay closed. Sessions stay remembered, so that a reload may recover them. */
  stop(reason = "Closed by this page.") {
    if (!this.#running) return;
    this.#halt(reason);
    this.#remember(false);
  }

  /** Connect now rather than when the wait is over, unless the service asked for the wait. */
  retryNow() {
    if (!this.#running || this.#state.state !== "waiting") return;
    const wait = this.#notBefore - this.#now();
    if (wait > 0) return;
    this.#connect();
  }

  /**
   * Send and forget. Returns the message's id, or null where there is no connection: then nothing was sent.
   */
  send(message) {
    if (!this.isLive) return null;
    const id = message.id ?? this.#id();
    this.#expectJoin(message);
    this.#transmit({ ...message, id });
    return id;
  }

  /**
   * Send and wait for the answer with the same id. Without a connection it waits for one, in order, within
   * `timeout` milliseconds. Rejects with LiveSocketError: the service's code, or `timeout`, `connection_lost`
   * (it was sent, whether it was carried out is not known), `too_many_requests`, `stopped`.
   */
  request(message, { timeout = 10_000 } = {}) {
    if (!this.#running) return Promise.reject(new LiveSocketError("stopped", this.#state.reason || "The connection is closed."));
    const late = () => {
      if (JOINING.has(message.type)) this.#sessions.get(message.session_id)?.log.stopWaiting();
      return this.isLive ? "The service did not answer in time." : "There is no connection to the service.";
    };
    const answer = this.#requests.add({ ...message, id: this.#id() }, { timeout, late });
    if (this.isLive) this.#sendWaiting();
    return answer;
  }

  /** Be told `topic` in `message` events. Returns the function that ends it. */
  subscribe(topic) {
    const known = this.#topics.get(topic);
    if (known) known.count += 1;
    else {
      this.#topics.set(topic, { count: 1, last: null });
      if (this.isLive) this.#transmit({ type: "subscribe", topic, id: this.#id() });
    }
    let ended = false;
    return () => {
      if (ended) return;
      ended = true;
      const entry = this.#topics.get(topic);
      entry.count -= 1;
      if (entry.count > 0) return;
      this.#topics.delete(topic);
      if (this.isLive) this.#transmit({ type: "unsubscribe", topic, id: this.#id() });
    };
  }

  /**
   * Call `listener(data, receivedAt)` with the topic's state now, if it is known, and whenever it changes.
   * `receivedAt` is on the clock of `now`. Returns the function that ends it.
   */
  onTopic(topic, listener) {
    const hear = ({ detail }) => {
      if (detail.type === "update" && detail.topic === topic) listener(detail.data, this.#now());
    };
    this.addEventListener("message", hear);
    const unsubscribe = this.subscribe(topic);
    const last = this.#topics.get(topic).last;
    if (last) listener(last.data, last.at);
    return () => {
      this.removeEventListener("message", hear);
      unsubscribe();
    };
  }

  /**
   * Send a block of PCM. False where it was not taken: no connection, or so much is waiting that the network
   * is slower than speech. The caller keeps the block and tries again; nothing is dropped here.
   */
  sendAudio(block) {
    if (!this.isLive || this.bufferedAmount + block.byteLength > AUDIO_LIMIT) return false;
    this.#socket.send(block);
    return true;
  }

  /** Whether an earlier page in this tab left `session_id` so that it can be recovered. */
  canResume(session_id) {
    const stored = this.#memory.read(session_id);
    // One that is still marked as in use belongs to the page this tab was duplicated from.
    return Boolean(stored?.recovery_token) && stored.in_use === false;
  }

  /**
   * Be in a session again that an earlier page in this tab was in, as the same participant, with everything
   * that was said after `offset` (0: all of it). Resolves to true, or false after a `lost` event.
   */
  resume(session_id, { offset = 0 } = {}) {
    const stored = this.#memory.read(session_id);
    if (!stored?.recovery_token) return Promise.resolve(false);
    const log = new SessionLog({ offset, epoch: stored.epoch, waiting: true });
    const session = { log, token: stored.recovery_token, tries: 0, participant: null };
    this.#sessions.set(session_id, session);
    this.#keep(session_id);
    const outcome = new Promise((resolve) => {
      const hear = ({ type, detail }) => {
        if (detail.session_id !== session_id) return;
        this.removeEventListener("recovered", hear);
        this.removeEventListener("lost", hear);
        resolve(type === "recovered");
      };
      this.addEventListener("recovered", hear);
      this.addEventListener("lost", hear);
    });
    // Without a connection the next one recovers every session that is remembered.
    if (this.isLive) this.#recover(session_id, session);
    return outcome;
  }

  /** The participant this page is in `session_id`, or null. */
  participantIn(session_id) {
    return this.#sessions.get(session_id)?.participant ?? null;
  }

  /** Forget a session: it is not recovered after the next loss. Leaving it is the caller's message. */
  forget(session_id) {
    this.#sessions.delete(session_id);
    this.#memory.forget(session_id);
  }

  /** For pages that show it and tests: what this socket holds. */
  statistics() {
    return Object.freeze({
      state: this.#state.state,
      attempt: this.#state.attempt,
      requests: this.#requests.size,
      topics: [...this.#topics.keys()],
      sessions: [...this.#sessions].map(([session_id, { log }]) => ({ session_id, offset: log.offset, epoch: log.epoch })),
      bufferedAmount: this.bufferedAmount,
    });
  }

  // --- the connection ---------------------------------------------------------------------------------------

  #signalListeners = [
    ["online", () => this.#hurry()],
    ["visibilitychange", () => globalThis.document?.visibilityState !== "hidden" && this.#hurry()],
    ["pagehide", () => this.#remember(false)],
    ["pageshow", () => this.#remember(true)],
  ];

  /** Something may have changed for the better: try now, or find out now whether the connection still lives. */
  #hurry() {
    if (this.isLive) this.#liveness.probe();
    else this.retryNow();
  }

  #connect() {
    this.#cancelRetry();
    this.#closing = null;
    this.#liveSince = null;
    this.#connection = null;
    this.#setState("connecting", null, this.#state.reason);
    let socket;
    try {
      socket = new this.#WebSocketClass(this.#url());
    } catch (error) {
      // A URL the browser refuses (mixed content) will be refused again: say it rather than try for ever.
      this.#halt(`The browser refused the connection: ${error.message}`);
      return;
    }
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => socket === this.#socket && this.#receive(data));
    socket.addEventListener("close", ({ code, reason }) => socket === this.#socket && this.#closed(code, reason));
    this.#timers.clearTimeout(this.#connectTimer);
    this.#connectTimer = this.#timers.setTimeout(() => this.#abandon("The service did not answer in time."), CONNECT_LIMIT);
  }

  /** Give up on the socket without waiting for its close: a dead network never sends one. */
  #abandon(reason) {
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
    this.#closed(1006, reason);
  }

  #closed(code, reason) {
    this.#socket = null;
    this.#connection = null;
    this.#liveness.stop();
    this.#timers.clearTimeout(this.#connectTimer);
    this.#requests.fail("connection_lost", "The connection was lost before the answer came.");
    for (const { log } of this.#sessions.values()) log.wait();
    const verdict = afterClose(code, reason);
    const words = this.#closing?.reason || verdict.words;
    if (verdict.next === "stop") {
      this.#halt(words);
      return;
    }
    if (this.#liveSince !== null && this.#now() - this.#liveSince >= STEADY_AFTER) this.#backoff.reset();
    let wait = this.#backoff.next();
    this.#notBefore = 0;
    if (this.#closing && this.#closing.reconnect_after > 0) {
      // The service spreads its clients itself; its wait is kept whatever else happens.
      wait += this.#closing.reconnect_after * 1000;
      this.#notBefore = this.#now() + this.#closing.reconnect_after * 1000;
    } else if (verdict.next === "now" && this.#backoff.tries === 1) wait = 0;
    this.#cancelRetry();
    this.#retryTimer = this.#timers.setTimeout(() => this.#connect(), wait);
    this.#setState("waiting", wait, words);
  }

  #halt(reason) {
    this.#running = false;
    for (const [name, listener] of this.#signalListeners) this.#signals?.removeEventListener(name, listener);
    this.#cancelRetry();
    this.#timers.clearTimeout(this.#connectTimer);
    this.#liveness.stop();
    const socket = this.#socket;
    this.#socket = null;
    this.#connection = null;
    socket?.close(1000);
    for (const { log } of this.#sessions.values()) log.wait();
    this.#setState("stopped", null, reason);
    this.#requests.fail("stopped", reason, { all: true });
  }

  #setState(state, retryIn, reason) {
    const attempt = state === "live" ? 0 : this.#backoff.tries;
    this.#state = Object.freeze({ state, retryIn, attempt, reason });
    this.dispatchEvent(new CustomEvent("state", { detail: this.#state }));
  }

  #cancelRetry() {
    this.#timers.clearTimeout(this.#retryTimer);
    this.#retryTimer = null;
  }

  // --- messages ---------------------------------------------------------------------------------------------

  #receive(data) {
    this.#liveness.heard();
    if (typeof data !== "string") return;
    const message = JSON.parse(data);
    if (message.type === "connected") this.#greeted(message);
    if (message.type === "closing") this.#closing = message;
    if (message.type === "update") this.#updated(message);
    this.#route(message);
    const sent = message.id === undefined ? null : this.#requests.message(message.id);
    if (sent === null && message.type === "error") this.#emit("complaint", message);
    if (sent !== null && message.type === "error") this.#refused(sent, message);
    this.#requests.answer(message);
  }

  #greeted(message) {
    this.#connection = message;
    this.#liveSince = this.#now();
    this.#timers.clearTimeout(this.#connectTimer);
    this.#liveness.start({ quiet: message.ping_interval > 0 ? message.ping_interval * 1000 : QUIET_LIMIT });
    this.#setState("live", null, "");
    for (const [session_id, session] of this.#sessions) {
      session.tries = 0;
      // One whose first answer never came is not ours to recover; its request is sent again or has failed.
      if (session.token) this.#recover(session_id, session);
      else this.#sessions.delete(session_id);
    }
    for (const topic of this.#topics.keys()) this.#transmit({ type: "subscribe", topic, id: this.#id() });
    this.#sendWaiting();
  }

  #updated(message) {
    const topic = this.#topics.get(message.topic);
    if (topic) topic.last = { data: message.data, at: this.#now() };
  }

  /** Deliver a message, in its session's order where it has one. */
  #route(message) {
    switch (message.type) {
      case "session_created":
      case "session_joined":
        this.#joined(message);
        return;
      case "session_recovered":
        this.#emit("message", message);
        this.#recovered(message);
        return;
      case "session_left":
        this.forget(message.session_id);
        this.#emit("message", message);
        return;
    }
    const session = typeof message.offset === "number" ? this.#sessions.get(message.session_id) : undefined;
    if (!session) {
      this.#emit("message", message);
      return;
    }
    this.#deliver(session.log.receive(message));
    if (!session.log.waiting && session.log.gap) this.#recover(message.session_id, session);
    else this.#keep(message.session_id);
  }

  #joined(message) {
    const session = this.#sessions.get(message.session_id) ?? { log: new SessionLog({ waiting: true }), tries: 0 };
    session.token = message.recovery_token;
    session.participant = message.participant_id;
    this.#sessions.set(message.session_id, session);
    this.#emit("message", message);
    this.#deliver(session.log.joined(message));
    this.#keep(message.session_id);
    if (session.log.gap) this.#recover(message.session_id, session);
  }

  /** Ask for all that was missed; `#recovered` takes the answer. */
  async #recover(session_id, session) {
    session.log.wait();
    if (session.tries >= RECOVERY_TRIES) {
      this.#lose(session_id, session, "gap");
      return;
    }
    session.tries += 1;
    const { offset, epoch } = session.log;
    const message = { type: "recover_session", session_id, recovery_token: session.token };
    if (epoch !== null) message.epoch = epoch;
    if (offset !== null) message.offset = offset;
    try {
      await this.request(message);
    } catch (error) {
      // After a lost connection the next one recovers every session that is remembered.
      if (this.#sessions.get(session_id) !== session || !this.isLive || error.code === "connection_lost") return;
      if (error.code === "timeout") this.#recover(session_id, session);
      else this.#lose(session_id, session, error.code);
    }
  }

  #recovered(message) {
    const session = this.#sessions.get(message.session_id);
    if (!session) return;
    if (!message.recovered) {
      this.#lose(message.session_id, session, message.reason ?? "unknown");
      return;
    }
    if (message.participant_id) session.participant = message.participant_id;
    const missed = session.log.recovered(message);
    this.#deliver(missed);
    this.#keep(message.session_id);
    if (session.log.gap) {
      this.#recover(message.session_id, session);
      return;
    }
    session.tries = 0;
    this.#emit("recovered", { session_id: message.session_id, missed: missed.length });
  }

  #lose(session_id, session, reason) {
    if (this.#sessions.get(session_id) === session) this.forget(session_id);
    this.#emit("lost", { session_id, reason });
  }

  #deliver(messages) {
    for (const message of messages) this.#emit("message", message);
  }

  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  // --- requests ---------------------------------------------------------------------------------------------

  #id() {
    const id = this.#nextId;
    this.#nextId += 1;
    return id;
  }

  #sendWaiting() {
    for (const message of this.#requests.takeUnsent()) {
      this.#expectJoin(message);
      this.#transmit(message);
    }
  }

  /** From the moment a join is sent its session's messages may come, before the answer that says where it stands. */
  #expectJoin({ type, session_id }) {
    if (!JOINING.has(type) || !session_id) return;
    const session = this.#sessions.get(session_id);
    if (session) session.log.wait();
    else this.#sessions.set(session_id, { log: new SessionLog({ waiting: true }), token: null, tries: 0, participant: null });
  }

  #refused(sent, answer) {
    if (!JOINING.has(sent.type)) return;
    const session = this.#sessions.get(sent.session_id);
    if (!session) return;
    if (session.token && answer.code !== "unknown_session") session.log.stopWaiting();
    else this.forget(sent.session_id);
  }

  #transmit(message) {
    this.#socket.send(JSON.stringify(message));
  }

  /** `in_use: false` once the page is gone. */
  #remember(in_use = true) {
    for (const session_id of this.#sessions.keys()) this.#keep(session_id, in_use);
  }

  #keep(session_id, in_use = true) {
    const { log, token } = this.#sessions.get(session_id);
    if (token) this.#memory.write(session_id, { recovery_token: token, epoch: log.epoch, offset: log.offset, in_use });
  }
}
