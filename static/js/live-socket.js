/**
 * One WebSocket to the service for a whole page: kept alive, reconnected, and recovered.
 *
 * Promises:
 * - Between `start()` and `stop()` it reconnects after every loss, with full-jitter backoff, unless the close code
 *   forbids it. Both are idempotent.
 * - Session messages (those with an `offset`) are delivered in order and exactly once. Missed
 *   messages are requested; where the service no longer has them, a `lost` event follows. None is skipped silently.
 * - Topics are subscribed again after every reconnect.
 *
 * Events:
 * - `state`    detail {state: "connecting"|"live"|"waiting"|"stopped", retryIn, attempt, reason, opened}; `retryIn`
 *              is milliseconds until the next try, or null; `opened`: whether the last handshake succeeded.
 * - `message`  detail is the server's message; topics' `update`s too.
 * - `recovered` detail {session_id, missed, broadcasts_complete}: all missed messages have been delivered;
 *              `broadcasts_complete` is set only where it is false: some broadcasts of participants are missing.
 * - `history`  detail {session_id, complete}: the history that a join requested has been delivered; `complete`:
 *              no older message is missing.
 * - `lost`     detail {session_id, reason}: recovery was impossible. The session is forgotten here; join it again.
 * - `complaint` detail: an `error` that is no response to a request: about a message sent with `send`, about audio, or
 *              about the service itself.
 */

import { Backoff } from "./models/backoff.js";
import { Liveness } from "./models/liveness.js";
import { Reconnection } from "./models/reconnection.js";
import { LiveSocketError, Requests } from "./models/requests.js";
import { SessionMemory, tabStorage } from "./models/session-memory.js";
import { Sessions } from "./models/sessions.js";
import { Topics } from "./models/topics.js";

/** Time limits for the `connected` message (ms); shorter while speech is stored, which is for a minute at most. */
const CONNECT_LIMIT = 10_000;
const CONNECT_LIMIT_SPEECH = 5_000;
/** While speech is stored the next attempt follows within this (ms), unless the service asked for a wait. */
const RETRY_LIMIT_SPEECH = 2_000;
/** After this long without a message a ping is sent (ms); the service's own ping interval replaces it. */
const QUIET_LIMIT = 25_000;
/** Readings of the service's clock differ by less than this (ms), however slow the network. */
const CLOCK_OFF = 10_000;
/** Bytes of audio that the browser may buffer: ten seconds at 16 kHz. Past the limit `sendAudio` returns false. */
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
  /** The service's epoch milliseconds when `now()` is 0; null until it is known. */
  #serverZero = null;

  /** Set while speech is sent or stored: a lost connection is detected and replaced sooner. */
  carriesSpeech = false;

  /**
   * `url` may be a function, read at every attempt. `timers` {setTimeout, clearTimeout}; `now()` milliseconds that
   * never go back; `storage` is sessionStorage or null; `signals` dispatches `online`, `offline`, `visibilitychange`,
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
      sendPing: () => this.#transmit({ type: "ping", id: this.#id() }),
      onDead: () => this.#abandon("The service stopped responding."),
    });
  }

  /** The last `state` event's detail. */
  get state() {
    return this.#state;
  }

  get isLive() {
    return this.#state.state === "live";
  }

  /** Whether a ping has had no response for half a second. */
  get isUnresponsive() {
    const pingedAt = this.isLive ? this.#liveness.pingedAt : null;
    return pingedAt !== null && this.#now() - pingedAt > 500;
  }

  /** Bytes that the browser has buffered and not sent yet. */
  get bufferedAmount() {
    return this.#socket?.bufferedAmount ?? 0;
  }

  /** The service's `connected` message of this connection, or null. */
  get connection() {
    return this.#connection;
  }

  /** The service's time in epoch milliseconds, by its own clock: this machine's may be wrong. */
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

  /** Reconnect now instead of waiting, unless the service asked for the wait. */
  retryNow() {
    if (this.#running && this.#state.state === "waiting" && this.#reconnection.mayHurry) this.#connect();
  }

  /**
   * Send a message without waiting for a response. Returns its id, or null where there is no connection: then nothing
   * was sent.
   */
  send(message) {
    if (!this.isLive) return null;
    const id = message.id ?? this.#id();
    this.#sessions.sending(message);
    this.#transmit({ ...message, id });
    return id;
  }

  /**
   * Send a request; resolves to the response with the same id. Without a connection it waits for one, in order,
   * within `timeout` milliseconds. Rejects with LiveSocketError: the service's code, or `timeout`, `connection_lost`
   * (it was sent; whether it was carried out is not known), `too_many_requests`, `stopped`.
   */
  request(message, { timeout = 10_000 } = {}) {
    if (!this.#running) return Promise.reject(new LiveSocketError("stopped", this.#state.reason || "The connection is closed."));
    const onTimeout = () => {
      this.#sessions.unanswered(message);
      return this.isLive ? "The service did not respond in time." : "There is no connection to the service.";
    };
    const answer = this.#requests.add({ ...message, id: this.#id() }, { timeout, onTimeout });
    if (this.isLive) this.#sendWaiting();
    return answer;
  }

  /** Receive `topic` in `message` events. Returns the function that ends it. */
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
   * Call `listener(data, receivedAt)` with the topic's last state, if it is known, and whenever it changes.
   * `receivedAt` is on the clock of `now`. Returns the function that ends it.
   */
  onTopic(topic, listener) {
    const receive = ({ detail }) => {
      if (detail.type === "update" && detail.topic === topic) listener(detail.data, this.#now());
    };
    this.addEventListener("message", receive);
    const unsubscribe = this.subscribe(topic);
    const last = this.#topics.last(topic);
    if (last) listener(last.data, last.at);
    return () => {
      this.removeEventListener("message", receive);
      unsubscribe();
    };
  }

  /**
   * Send a block of PCM. Returns false where it was not sent: no connection, or so much is buffered that the network
   * is slower than speech. The caller stores the block and tries again; nothing is dropped here.
   */
  sendAudio(block) {
    if (!this.isLive || this.bufferedAmount + block.byteLength > AUDIO_LIMIT) return false;
    this.#socket.send(block);
    this.#liveness.sent();
    return true;
  }

  /** Whether an earlier page of this tab was in `session_id` and it can be recovered. */
  canResume(session_id) {
    return this.#sessions.canResume(session_id);
  }

  /**
   * Recover a session that an earlier page of this tab was in, as the same participant, with all messages after
   * `offset` (0: the whole history). Resolves to true, or false after a `lost` event.
   */
  resume(session_id, { offset = 0 } = {}) {
    if (!this.#sessions.isRemembered(session_id)) return Promise.resolve(false);
    const outcome = new Promise((resolve) => {
      const settle = ({ type, detail }) => {
        if (detail.session_id !== session_id) return;
        this.removeEventListener("recovered", settle);
        this.removeEventListener("lost", settle);
        resolve(type === "recovered");
      };
      this.addEventListener("recovered", settle);
      this.addEventListener("lost", settle);
    });
    this.#sessions.resume(session_id, offset);
    return outcome;
  }

  /** The recovery token of `session_id`, if it was lost: with it the same participant joins again. Or null. */
  formerToken(session_id) {
    return this.#sessions.formerToken(session_id);
  }

  /** The id of this page's participant in `session_id`, or null. */
  participantIn(session_id) {
    return this.#sessions.participantIn(session_id);
  }

  /** Forget a session: it is not recovered after the next loss. The caller sends the message that leaves it. */
  forget(session_id) {
    this.#sessions.forget(session_id);
  }

  /** What this socket holds, for pages and tests. */
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

  /** The network may have changed: reconnect now, or check now whether the connection still lives. */
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
      // A URL that the browser refuses (mixed content) is refused again at every attempt: stop.
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

  /** Drop the socket without waiting for its close: a dead network never sends one. */
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
    this.#requests.fail("connection_lost", "The connection was lost before the response arrived.");
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
    this.#liveness.received();
    if (typeof data !== "string") return;
    const message = JSON.parse(data);
    this.#setClock(message);
    if (message.type === "connected") this.#connected(message);
    if (message.type === "closing") this.#closing = message;
    if (message.type === "update") this.#topics.updated(message.topic, message.data, this.#now());
    this.#sessions.receive(message);
    const sent = message.id === undefined ? null : this.#requests.message(message.id);
    if (sent === null && message.type === "error") this.#emit("complaint", message);
    if (sent !== null && message.type === "error") this.#sessions.refused(sent, message);
    this.#requests.respond(message);
  }

  /** A message's delay makes its time too early: the reading that is furthest ahead is nearest to the service's clock. */
  #setClock({ type, timestamp, server_time }) {
    const at = type === "connected" ? server_time : type === "pong" ? timestamp : 0;
    if (!(at > 0)) return;
    const zero = at - this.#now();
    // The machine may have slept, or the service's clock may have been set: a reading that is seconds off replaces it.
    const isOff = this.#serverZero === null || Math.abs(zero - this.#serverZero) > CLOCK_OFF;
    this.#serverZero = isOff ? zero : Math.max(this.#serverZero, zero);
  }

  #connected(message) {
    this.#connection = message;
    this.#reconnection.connected();
    this.#timers.clearTimeout(this.#connectTimer);
    this.#liveness.start({ quiet: message.ping_interval > 0 ? message.ping_interval * 1000 : QUIET_LIMIT });
    this.#setState("live", null, "");
    this.#sessions.connected();
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
