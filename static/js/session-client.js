/**
 * Being in one session: begun, joined, resumed after a reload, joined again when recovery was impossible.
 *
 * A session that is begun here is "new" at first: it has a name, and the service does not know of it before
 * `ensure()`. So a page that is only looked at makes none.
 *
 * The phases are a table; what happened is told by events:
 * - `phase`        detail {phase: "idle"|"new"|"opening"|"open"|"rejoining"|"gone"|"failed"|"uninvited", reason};
 *                  uninvited: from here a session is opened with a link that has its key
 * - `participants` detail {participants, count}: who is here; of a crowd the first hundred, and how many there are
 * - `rejoined`     detail {complete, reason}: recovery was impossible, what the service keeps was read anew
 * - `ready`        the session can be spoken in (again): opened, recovered or rejoined
 */

import { isSessionName, sessionName } from "./models/session-name.js";

/** Names drawn before it is called a failure: a name that is taken is one in a million. */
const NAME_TRIES = 5;

const TRANSITIONS = {
  idle: { open: "opening", draw: "new", uninvited: "uninvited" },
  new: { open: "opening", draw: "new" },
  opening: { opened: "open", gone: "gone", failed: "failed", uninvited: "uninvited" },
  open: { lost: "rejoining", gone: "gone", draw: "new" },
  rejoining: { opened: "open", gone: "gone", failed: "failed", uninvited: "uninvited" },
  gone: { open: "opening", draw: "new" },
  failed: { open: "opening", draw: "new" },
  uninvited: { open: "opening" },
};

/** How often, and after how long (ms), a join is tried again that was refused because too many came at once. */
const BUSY_TRIES = 8;
const BUSY_AGAIN = 4_000;

const NO_LINK = "Open a session with the link that its host sent you.";

const LOST = "The service has lost the session and its transcript. Start a new session and send its link to the others.";

/** Answers that say that one is in the session. */
const ANSWERS = new Set(["session_created", "session_joined", "session_recovered"]);

/** Errors after which the same request may be carried out by the next connection. */
const TRY_AGAIN = new Set(["timeout", "connection_lost"]);

export class SessionClient extends EventTarget {
  #socket;
  #randomName;
  #phase = "idle";
  #reason = "";
  #session_id = null;
  #participants = [];
  #count = 0;
  #me = { name: "", languages: [], role: "participant", key: null };
  #keys = null;
  #role = null;
  #beginning = null;
  /** Being joined again after a loss: {reason, isOpen, complete}; complete once the history is delivered. */
  #rejoining = null;
  #timers;
  #listeners;

  /** `randomName()` draws a session's name; `timers` {setTimeout}. */
  constructor(socket, { randomName = sessionName, timers = { setTimeout: globalThis.setTimeout.bind(globalThis) } } = {}) {
    super();
    this.#timers = timers;
    this.#socket = socket;
    this.#randomName = randomName;
    this.#listeners = [
      ["message", ({ detail }) => this.#hear(detail)],
      ["history", ({ detail }) => this.#isOurs(detail) && this.#historyDelivered(detail)],
      ["recovered", ({ detail }) => this.#isOurs(detail) && this.#phase === "open" && this.#emit("ready")],
      ["lost", ({ detail }) => this.#isOurs(detail) && this.#phase === "open" && this.#lost(detail.reason)],
    ];
  }

  get phase() {
    return this.#phase;
  }

  /** Why it is gone or has failed, in words. */
  get reason() {
    return this.#reason;
  }

  get session_id() {
    return this.#session_id;
  }

  /** The session's keys that may be handed on: {read, speak?}; null before it is open. */
  get keys() {
    return this.#keys;
  }

  /** Whether one only reads here: the service says so, or it was asked for. */
  get isReadOnly() {
    return (this.#role ?? this.#me.role) === "observer";
  }

  /** Whether this page began the session. */
  get isOwner() {
    return this.#role === "owner";
  }

  /** Who is here; of a crowd the first hundred, and whoever speaks. */
  get participants() {
    return this.#participants;
  }

  /** How many are here. */
  get count() {
    return this.#count;
  }

  /** This page's participant_id, or null. In a crowd it may not be among those who are named. */
  get participant_id() {
    return this.#socket.participantIn(this.#session_id);
  }

  /** The name that goes with a participant, or null where they are not here any more, or are one of a crowd. */
  nameOf(participant_id) {
    return this.#participants.find((one) => one.participant_id === participant_id)?.name || null;
  }

  start() {
    for (const [name, listener] of this.#listeners) this.#socket.addEventListener(name, listener);
  }

  stop() {
    for (const [name, listener] of this.#listeners) this.#socket.removeEventListener(name, listener);
  }

  /**
   * Join `session_id`, with the key of its link, or draw the name of a new one where it is null. Resolves once it
   * is new, open, gone or has failed. `mayBegin`: whether the service would let this page begin one.
   */
  async open({ session_id = null, key = null, name = "", languages = [], role = "participant", mayBegin = true } = {}) {
    if (session_id === null && !mayBegin) {
      this.#go("uninvited", NO_LINK);
      return;
    }
    if (TRANSITIONS[this.#phase][session_id === null ? "draw" : "open"] === undefined) return;
    this.#me = { name, languages, role, key };
    this.#session_id = session_id ?? this.#randomName();
    this.#participants = [];
    this.#count = 0;
    this.#keys = null;
    this.#role = null;
    if (session_id === null) {
      this.#go("draw");
      return;
    }
    this.#go("open");
    if (!isSessionName(session_id)) {
      this.#go("gone", "The session name in the link is not valid.");
      return;
    }
    if (this.#socket.canResume(session_id) && (await this.#socket.resume(session_id))) {
      this.#opened();
      // The reader may have chosen otherwise on another page of this tab.
      this.#announce();
      return;
    }
    await this.#join();
  }

  /** Begin the session at the service if it is new. Resolves to whether it is open. */
  async ensure() {
    if (this.#phase === "new") {
      this.#go("open");
      this.#beginning = this.#create(NAME_TRIES).finally(() => (this.#beginning = null));
    }
    await this.#beginning;
    return this.#phase === "open";
  }

  /** Leave for good; the service ends the session if `isEmpty` and nothing was said and nobody else came. */
  async leave({ isEmpty = false } = {}) {
    const session_id = this.#session_id;
    if (this.#phase !== "open") return;
    try {
      await this.#socket.request({ type: "leave_session", session_id, end_if_empty: isEmpty });
    } catch {
      // Without a connection nobody is in it for long; it ends by itself.
    }
  }

  /** Change the name or the languages that are read. */
  update({ name = this.#me.name, languages = this.#me.languages }) {
    this.#me = { ...this.#me, name, languages };
    this.#announce();
  }

  #announce() {
    if (this.#phase !== "open" || !this.#socket.isLive) return;
    this.#socket.send({ type: "join_session", session_id: this.#session_id, ...this.#identity() });
  }

  #identity() {
    const { name, languages, role } = this.#me;
    return { ...(name === "" ? {} : { name }), languages, role };
  }

  async #create(tries) {
    const { role, ...identity } = this.#identity();
    try {
      await this.#ask({ type: "create_session", session_id: this.#session_id, config: {}, ...identity });
      this.#opened();
    } catch (error) {
      if (error.code === "session_exists" && tries > 1) {
        this.#session_id = this.#randomName();
        await this.#create(tries - 1);
      } else this.#go("failed", error.message);
    }
  }

  /** Join with what the service keeps. Resolves to the answer, or null where it is gone or has failed. */
  async #join(tries = BUSY_TRIES, wasLost = false) {
    const key = this.#me.key === null ? {} : { key: this.#me.key };
    try {
      const answer = await this.#ask({ type: "join_session", session_id: this.#session_id, history: true, ...key, ...this.#identity() });
      this.#opened();
      return answer;
    } catch (error) {
      if (error.code === "rate_limited" && tries > 1) {
        await new Promise((resolve) => this.#timers.setTimeout(resolve, BUSY_AGAIN));
        return this.#join(tries - 1, wasLost);
      }
      if (error.code === "key_required") this.#go("uninvited", error.message);
      else if (error.code === "unknown_session") this.#go("gone", wasLost ? LOST : error.message);
      else this.#go("failed", error.message);
      return null;
    }
  }

  async #lost(reason) {
    const rejoining = { reason, isOpen: false, complete: null };
    this.#rejoining = rejoining;
    this.#go("lost");
    rejoining.isOpen = (await this.#join(BUSY_TRIES, reason === "lost")) !== null;
    this.#emitRejoined();
  }

  #historyDelivered({ complete }) {
    if (this.#rejoining === null) return;
    this.#rejoining.complete = complete;
    this.#emitRejoined();
  }

  #emitRejoined() {
    if (!this.#rejoining?.isOpen || this.#rejoining.complete === null) return;
    const { complete, reason } = this.#rejoining;
    this.#rejoining = null;
    this.#emit("rejoined", { complete, reason });
  }

  #opened() {
    this.#go("opened");
    this.#emit("ready");
  }

  /** A request that outlives connections: sent when there is one, again when it was lost on the way. */
  async #ask(message) {
    for (;;) {
      await this.#live();
      try {
        return await this.#socket.request(message);
      } catch (error) {
        if (!TRY_AGAIN.has(error.code)) throw error;
        // A creation whose answer was lost may have been carried out: then the session is there to be joined.
        if (message.type === "create_session" && error.code === "connection_lost") return this.#createdOrNot(message);
      }
    }
  }

  async #createdOrNot(message) {
    try {
      return await this.#ask(message);
    } catch (error) {
      if (error.code !== "session_exists") throw error;
      const { config, ...join } = message;
      return this.#ask({ ...join, type: "join_session", history: true });
    }
  }

  /** Resolves when there is a connection; rejects when the socket has stopped for good. */
  #live() {
    return new Promise((resolve, reject) => {
      const look = () => {
        const { state, reason } = this.#socket.state;
        if (state !== "live" && state !== "stopped") return;
        this.#socket.removeEventListener("state", look);
        if (state === "live") resolve();
        else reject(Object.assign(new Error(reason), { code: "stopped" }));
      };
      this.#socket.addEventListener("state", look);
      look();
    });
  }

  #isOurs({ session_id }) {
    return session_id !== undefined && session_id === this.#session_id;
  }

  #hear(message) {
    if (!this.#isOurs(message)) return;
    if (ANSWERS.has(message.type) && message.keys) this.#admitted(message);
    if (Array.isArray(message.participants)) {
      this.#participants = message.participants;
      this.#count = message.participant_count ?? message.participants.length;
      this.#emit("participants", { participants: this.#participants, count: this.#count });
    }
    if (message.type === "session_left" && message.reason !== "left") {
      this.#go("gone", message.reason === "ended" ? "The session was ended." : "The session ended because it had no participants for too long.");
    }
  }

  /** What the service lets one do, and which keys one may hand on. */
  #admitted({ keys, role }) {
    this.#keys = { ...(this.#keys ?? {}), ...keys };
    this.#role = role ?? this.#role;
    // The key of this page's own link, for the case that it has to join again.
    this.#me = { ...this.#me, key: this.#me.key ?? keys.speak ?? keys.read };
  }

  #go(event, reason = "") {
    const next = TRANSITIONS[this.#phase][event];
    if (next === undefined) return false;
    this.#phase = next;
    this.#reason = reason;
    this.#emit("phase", { phase: next, reason });
    return true;
  }

  #emit(name, detail = null) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
