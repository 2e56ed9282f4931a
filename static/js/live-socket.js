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
 * - `state`    detail {state: "connecting"|"live"|"waiting"|"stopped", retryIn, attempt, reason, opened}; `retryIn`
 *              is milliseconds until the next try, or null; `opened`: whether the last handshake succeeded.
 * - `message`  detail is the server's message; `update`s of topics come here too.
 * - `recovered` detail {session_id, missed, broadcasts_complete}: all that was missed has been delivered;
 *              broadcasts_complete is there where it is false: some of what participants had broadcast is missing.
 * - `history`  detail {session_id, complete}: the history that a join asked for has been delivered; complete: nothing
 *              older is missing.
 * - `lost`     detail {session_id, reason}: it could not be. The session is forgotten here; join it again.
 * - `complaint` detail: an `error` that answers no request: of something sent with `send`, of audio, or of what the
 *              service does by itself.
 */

import { Backoff } from "./models/backoff.js";
import { Liveness } from "./models/liveness.js";
import { Reconnection } from "./models/reconnection.js";
import { LiveSocketError, Requests } from "./models/requests.js";
import { SessionMemory, tabStorage } from "./models/session-memory.js";
import { Sessions } from "./models/sessions.js";
import { Topics } from "./models/topics.js";

/** Until `connected` has come; while speech is stored, which is for a minute only. */
const CONNECT_LIMIT = 10_000;
const CONNECT_LIMIT_SPEECH = 5_000;
/** While speech is stored the next try comes within this, unless the service asked for a wait. */
const RETRY_LIMIT_SPEECH = 2_000;
/** Without a word for this long, ask; the service's own ping interval replaces it. */
const QUIET_LIMIT = 25_000;
/** What the service says of its time differs by less, however slow the network (ms). */
const CLOCK_OFF = 10_000;
/** Bytes of audio the browser may hold unsent: ten seconds at 16 kHz. Past it `sendAudio` refuses. */
const AUDIO_LIMIT = 320_000;

export { LiveSocketError };

export class LiveSocket extends EventTarget {
  #url;
  #WebSocketClass;
  #reconnection;
  #timers;
  #now;
  #signals;

  #running = false;
  #socket = null;
  #state = { state: "stopped", retryIn: null, attempt: 0, reason: "", opened: false };
  #opened = false;
  #retryTimer = null;
  #connectTimer = null;
  #liveness;
  #closing = null;
  #connection = null;

  #nextId = 1;
  #requests;
  #topics = new Topics();
  #sessions;
  /** The service's epoch milliseconds when `now()` is 0; null before it has said its time. */
  #serverZero = null;

  /** Set while speech goes out or is stored for it: what was lost is found out and mended sooner. */
  carriesSpeech = false;

  /**
   * `url` may be a function, read at every try. `timers` {setTimeout, clearTimeout}; `now()` milliseconds that
   * never go back; `storage` is sessionStorage or null; `signals` tells `online`, `offline`, `visibilitychange`,
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
    this.#reconnection = new Reconnection({ backoff, now });
    this.#timers = timers;
    this.#now = now;
    this.#signals = signals;
    this.#requests = new Requests(timers);
    this.#sessions = new Sessions({
      memory: new SessionMemory(storage),
      timers,
      request: (message, options) => this.request(message, options),
      isLive: () => this.isLive,
      emit: (name, detail) => this.#emit(name, detail),
    });
    this.#liveness = new Liveness({
      timers,
      now,
      ask: () => this.#transmit({ type: "ping", id: this.#id() }),
      die: () => this.#abandon("The service stopped responding."),
    });
  }

  /** The last `state` event's detail. */
  get state() {
    return this.#state;
  }

  get isLive() {
    return this.#state.state === "live";
  }

  /** Whether the service was asked whether it is there, and has not answered for half a second. */
  get isUnresponsive() {
    const askedAt = this.isLive ? this.#liveness.askedAt : null;
    return askedAt !== null && this.#now() - askedAt > 500;
  }

  /** Bytes handed over that the network has not taken yet. */
  get bufferedAmount() {
    return this.#socket?.bufferedAmount ?? 0;
  }

  /** The service's `connected` message of this connection, or null. */
  get connection() {
    return this.#connection;
  }

  /** The service's time in epoch milliseconds, by its own word: this machine's clock may be wrong. */
  get serverNow() {
    return this.#serverZero === null ? Date.now() : this.#serverZero + this.#now();
  }

  start() {
    if (this.#running) return;
    this.#running = true;
    for (const [name, listener] of this.#signalListeners) this.#signals?.addEventListener(name, listener);
    this.#reconnection.reset();
    this.#connect();
  }

  /** Close and stay closed. Sessions stay remembered, so that a reload may recover them. */
  stop(reason = "Closed by this page.") {
    if (!this.#running) return;
    this.#halt(reason);
    this.#sessions.remember(false);
  }

  /** Connect now rather than when the wait is over, unless the service asked for the wait. */
  retryNow() {
    if (this.#running && this.#state.state === "waiting" && this.#reconnection.mayHurry) this.#connect();
  }

  /**
   * Send and forget. Returns the message's id, or null where there is no connection: then nothing was sent.
   */
  send(message) {
    if (!this.isLive) return null;
    const id = message.id ?? this.#id();
    this.#sessions.sending(message);
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
      this.#sessions.unanswered(message);
      return this.isLive ? "The service did not respond in time." : "There is no connection to the service.";
    };
    const answer = this.#requests.add({ ...message, id: this.#id() }, { timeout, late });
    if (this.isLive) this.#sendWaiting();
    return answer;
  }

  /** Be told `topic` in `message` events. Returns the function that ends it. */
  subscribe(topic) {
    if (this.#topics.add(topic) && this.isLive) this.#transmit({ type: "subscribe", topic, id: this.#id() });
    let ended = false;
    return () => {
      if (ended) return;
      ended = true;
      if (this.#topics.remove(topic) && this.isLive) this.#transmit({ type: "unsubscribe", topic, id: this.#id() });
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
    const last = this.#topics.last(topic);
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
    this.#liveness.sent();
    return true;
  }

  /** Whether an earlier page in this tab left `session_id` so that it can be recovered. */
  canResume(session_id) {
    return this.#sessions.canResume(session_id);
  }

  /**
   * Be in a session again that an earlier page in this tab was in, as the same participant, with everything
   * that was said after `offset` (0: all of it). Resolves to true, or false after a `lost` event.
   */
  resume(session_id, { offset = 0 } = {}) {
    if (!this.#sessions.isRemembered(session_id)) return Promise.resolve(false);
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
    this.#sessions.resume(session_id, offset);
    return outcome;
  }

  /** The participant this page is in `session_id`, or null. */
  participantIn(session_id) {
    return this.#sessions.participantIn(session_id);
  }

  /** Forget a session: it is not recovered after the next loss. Leaving it is the caller's message. */
  forget(session_id) {
    this.#sessions.forget(session_id);
  }

  /** For pages that show it and tests: what this socket holds. */
  statistics() {
    return Object.freeze({
      state: this.#state.state,
      attempt: this.#state.attempt,
      requests: this.#requests.size,
      topics: this.#topics.names,
      sessions: this.#sessions.statistics(),
      bufferedAmount: this.bufferedAmount,
    });
  }

  // --- the connection ---------------------------------------------------------------------------------------

  #signalListeners = [
    ["online", () => this.#hurry({ soon: true })],
    ["offline", () => this.isLive && this.#liveness.probe({ soon: true })],
    ["visibilitychange", () => globalThis.document?.visibilityState !== "hidden" && this.#hurry()],
    ["pagehide", () => this.#sessions.remember(false)],
    ["pageshow", () => this.#sessions.remember(true)],
  ];

  /** Something may have changed for the better: try now, or find out now whether the connection still lives. */
  #hurry(how) {
    if (this.isLive) this.#liveness.probe(how);
    else this.retryNow();
  }

  #connect() {
    this.#cancelRetry();
    this.#closing = null;
    this.#connection = null;
    this.#opened = false;
    this.#reconnection.connecting();
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
    socket.addEventListener("open", () => socket === this.#socket && (this.#opened = true));
    socket.addEventListener("message", ({ data }) => socket === this.#socket && this.#receive(data));
    socket.addEventListener("close", ({ code, reason }) => socket === this.#socket && this.#closed(code, reason));
    this.#timers.clearTimeout(this.#connectTimer);
    this.#connectTimer = this.#timers.setTimeout(() => this.#abandon("The service did not respond in time."), this.carriesSpeech ? CONNECT_LIMIT_SPEECH : CONNECT_LIMIT);
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
    this.#sessions.disconnected();
    const within = this.carriesSpeech ? RETRY_LIMIT_SPEECH : Infinity;
    const { next, wait, words } = this.#reconnection.closed(code, reason, this.#closing, { within });
    if (next === "stop") {
      this.#halt(words);
      return;
    }
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
    this.#sessions.disconnected();
    this.#setState("stopped", null, reason);
    this.#requests.fail("stopped", reason, { all: true });
  }

  #setState(state, retryIn, reason) {
    const attempt = state === "live" ? 0 : this.#reconnection.tries;
    this.#state = Object.freeze({ state, retryIn, attempt, reason, opened: this.#opened });
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
    this.#setClock(message);
    if (message.type === "connected") this.#greeted(message);
    if (message.type === "closing") this.#closing = message;
    if (message.type === "update") this.#topics.updated(message.topic, message.data, this.#now());
    this.#sessions.receive(message);
    const sent = message.id === undefined ? null : this.#requests.message(message.id);
    if (sent === null && message.type === "error") this.#emit("complaint", message);
    if (sent !== null && message.type === "error") this.#sessions.refused(sent, message);
    this.#requests.answer(message);
  }

  /** What was on its way longest is furthest behind: the clock that is furthest ahead is nearest to the service's. */
  #setClock({ type, timestamp, server_time }) {
    const at = type === "connected" ? server_time : type === "pong" ? timestamp : 0;
    if (!(at > 0)) return;
    const zero = at - this.#now();
    // The machine may have slept, and the service's clock may have been set: what is seconds off begins anew.
    const isOff = this.#serverZero === null || Math.abs(zero - this.#serverZero) > CLOCK_OFF;
    this.#serverZero = isOff ? zero : Math.max(this.#serverZero, zero);
  }

  #greeted(message) {
    this.#connection = message;
    this.#reconnection.greeted();
    this.#timers.clearTimeout(this.#connectTimer);
    this.#liveness.start({ quiet: message.ping_interval > 0 ? message.ping_interval * 1000 : QUIET_LIMIT });
    this.#setState("live", null, "");
    this.#sessions.greeted();
    for (const topic of this.#topics.names) this.#transmit({ type: "subscribe", topic, id: this.#id() });
    this.#sendWaiting();
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
      this.#sessions.sending(message);
      this.#transmit(message);
    }
  }

  #transmit(message) {
    this.#socket.send(JSON.stringify(message));
  }
}
