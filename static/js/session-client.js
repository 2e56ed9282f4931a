/**
 * The page's membership in one session: begun, joined, resumed after a reload, joined again after a failed recovery.
 *
 * A session that this page begins is "new" at first: it has a name, and the service creates it at `ensure()`. So a
 * page that is only opened creates none.
 *
 * The phases and their transitions are a table. Events:
 * - `phase`        detail {phase: "idle"|"new"|"opening"|"open"|"rejoining"|"gone"|"failed"|"uninvited", reason};
 *                  uninvited: this page may not begin sessions and needs a link with a session's key
 * - `participants` detail {participants, count}: at most the first hundred participants, and how many there are
 * - `title`        the session has another title
 * - `pipeline`     the session's speech passes through another pipeline
 * - `moderation`   detail {moderation, before}: the host has decided something, for this page or for everyone
 * - `keys`         the session has other keys: former links no longer open it
 * - `rejoined`     detail {complete, reason}: recovery was impossible; the stored history was loaded again
 * - `ready`        the session can be spoken in: it was opened, recovered or rejoined
 */

import { isSessionName, sessionName } from "./models/session-name.js";

/** Names that are tried: a random name is taken once in a million times. */
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

/** How often, and after how long (ms), a join is retried that was rejected as one of too many at once. */
const BUSY_TRIES = 8;
const BUSY_AGAIN = 4_000;

/** Nothing was decided by the host. */
const UNMODERATED = Object.freeze({ locked: false, speaking: "everyone", ending: false, muted: false });

/** Responses to a create, join or recovery request. */
const RESPONSES = new Set(["session_created", "session_joined", "session_recovered"]);

/** Errors after which the same request may be carried out by the next connection. */
const TRY_AGAIN = new Set(["timeout", "connection_lost"]);

export class SessionClient extends EventTarget {
  #socket;
  #randomName;
  #phase = "idle";
  #reason = { code: "", detail: "" };
  #session_id = null;
  #title = "";
  #terms = [];
  #termsRevision = 0;
  #pipeline = null;
  #pipelineRevision = 0;
  #participants = [];
  #count = 0;
  #me = { name: "", languages: [], growing: false, role: "participant", key: null };
  /** The identity in the newest request that succeeded or is under way, as JSON. */
  #announced = "";
  #keys = null;
  #role = null;
  #mayHost;
  #moderation = UNMODERATED;
  /** Why the host keeps this page out: "removed", "ended" or "locked"; or null. */
  #shutOut = null;
  #beginning = null;
  /** The join after a loss: {reason, isOpen, complete}, or null; `complete` is set once the history is delivered. */
  #rejoining = null;
  #timers;
  #listeners;

  /**
   * `randomName()` draws a session's name; `timers` {setTimeout}; `mayHost`: whether the service lets this page host
   * every session, as that of a signed-in operator.
   */
  constructor(socket, { mayHost = false, randomName = sessionName, timers = { setTimeout: globalThis.setTimeout.bind(globalThis) } } = {}) {
    super();
    this.#timers = timers;
    this.#socket = socket;
    this.#randomName = randomName;
    this.#mayHost = mayHost;
    this.#listeners = [
      ["message", ({ detail }) => this.#receive(detail)],
      ["history", ({ detail }) => this.#isOurs(detail) && this.#historyDelivered(detail)],
      ["recovered", ({ detail }) => this.#isOurs(detail) && this.#phase === "open" && this.#recovered()],
      ["lost", ({ detail }) => this.#isOurs(detail) && this.#lostOrShutOut(detail.reason)],
    ];
  }

  get phase() {
    return this.#phase;
  }

  /** Why the session is gone or has failed, {code, detail}: models/reason-text.js has the texts. */
  get reason() {
    return this.#reason;
  }

  get session_id() {
    return this.#session_id;
  }

  /** The session's title, or "". */
  get title() {
    return this.#title;
  }

  /** What the host has decided: {locked, speaking: "everyone"|"host", ending, muted: whether this page is}. */
  get moderation() {
    return this.#moderation;
  }

  /** Why the host keeps this page out, where the phase is gone or failed: "removed", "ended" or "locked"; or null. */
  get shutOut() {
    return this.#shutOut;
  }

  /** What the session's speech passes through: a preset's name, settings, or null; those who only read have null. */
  get pipeline() {
    return this.#pipeline;
  }

  /** The session's names and terms: {text, translations?} each; those who only read have none. */
  get terms() {
    return this.#terms;
  }

  /** The session's keys that this page may share: {read, speak?}; null before it is open. */
  get keys() {
    return this.#keys;
  }

  /** Whether this page only reads: by the service's decision, or by its own request. */
  get isReadOnly() {
    return (this.#role ?? this.#me.role) === "observer";
  }

  /** Whether this page began the session. */
  get isOwner() {
    return this.#role === "owner";
  }

  /** Whether this page may host the session: mute others, correct lines, end it. */
  get isHost() {
    return this.isOwner || this.#mayHost;
  }

  /** The participants; of many the first hundred, and those who speak. */
  get participants() {
    return this.#participants;
  }

  /** The number of participants. */
  get count() {
    return this.#count;
  }

  /** This page's participant_id, or null. Of many participants it may not be in the list. */
  get participant_id() {
    return this.#socket.participantIn(this.#session_id);
  }

  /** The name of a participant, or null where it is not in the list. */
  nameOf(participant_id) {
    return this.#participants.find((each) => each.participant_id === participant_id)?.name || null;
  }

  start() {
    for (const [name, listener] of this.#listeners) this.#socket.addEventListener(name, listener);
  }

  stop() {
    for (const [name, listener] of this.#listeners) this.#socket.removeEventListener(name, listener);
  }

  /**
   * Join `session_id` with the key of its link, or draw the name of a new session where it is null. Resolves once the
   * phase is new, open, gone, failed or uninvited. `mayBegin`: whether the service lets this page begin sessions.
   */
  async open({ session_id = null, key = null, name = "", languages = [], growing = false, role = "participant", mayBegin = true } = {}) {
    if (session_id === null && !mayBegin) {
      this.#go("uninvited", "no_link");
      return;
    }
    if (TRANSITIONS[this.#phase][session_id === null ? "draw" : "open"] === undefined) return;
    this.#me = { name, languages, growing, role, key };
    this.#announced = "";
    this.#session_id = session_id ?? this.#randomName();
    this.#title = "";
    this.#terms = [];
    this.#termsRevision = 0;
    this.#pipeline = null;
    this.#participants = [];
    this.#count = 0;
    this.#keys = null;
    this.#role = null;
    this.#moderation = UNMODERATED;
    this.#shutOut = null;
    if (session_id === null) {
      this.#go("draw");
      return;
    }
    this.#go("open");
    if (!isSessionName(session_id)) {
      this.#go("gone", "bad_name");
      return;
    }
    if (this.#socket.canResume(session_id) && (await this.#socket.resume(session_id))) {
      // Announces again: the reader may have changed name or languages on another page of this tab.
      this.#opened();
      return;
    }
    if (this.#phase === "opening") await this.#join();
  }

  /** Create the session if it is new. Resolves to whether it is open. */
  async ensure() {
    if (this.#phase === "new") {
      this.#go("open");
      this.#beginning = this.#create(NAME_TRIES).finally(() => (this.#beginning = null));
    }
    await this.#beginning;
    return this.#phase === "open";
  }

  /** Leave the session. With `isEmpty` the service ends it if it has no messages and no other participants. */
  async leave({ isEmpty = false } = {}) {
    const session_id = this.#session_id;
    if (this.#phase !== "open") return;
    try {
      await this.#socket.request({ type: "leave_session", session_id, end_if_empty: isEmpty });
    } catch {
      // Without a connection this participant expires by itself.
    }
  }

  /** The service does not store whether growing lines are translated for a participant. */
  #recovered() {
    if (this.#me.growing || this.#isUnannounced) this.#announce();
    this.#emit("ready");
  }

  /** Change this participant's name or languages, or whether growing lines are translated into them. */
  update({ name = this.#me.name, languages = this.#me.languages, growing = this.#me.growing }) {
    this.#me = { ...this.#me, name, languages, growing };
    this.#announce();
  }

  /** Give the session a title, for everyone in it. A new session gets it when it is created. */
  async setTitle(title) {
    if (this.#phase === "new") this.#titled(title.trim());
    else await this.#socket.request({ type: "title_session", session_id: this.#session_id, title });
  }

  #titled(title) {
    if (title === this.#title) return;
    this.#title = title;
    this.#emit("title");
  }

  /** Replace the session's names and terms. A new session gets them when it is created. */
  async setTerms(terms) {
    if (this.#phase === "new") this.#setTerms(terms, 0);
    else await this.#socket.request({ type: "set_terms", session_id: this.#session_id, terms });
  }

  #setTerms(terms, revision) {
    this.#termsRevision = revision;
    if (JSON.stringify(terms) === JSON.stringify(this.#terms)) return;
    this.#terms = terms;
    this.#emit("terms");
  }

  #setPipeline(pipeline, revision) {
    this.#pipelineRevision = revision;
    this.#pipeline = pipeline;
    this.#emit("pipeline");
  }

  #announce() {
    if (this.#phase !== "open" || !this.#socket.isLive) return;
    this.#socket.send({ type: "join_session", session_id: this.#session_id, ...this.#announcing() });
  }

  get #isUnannounced() {
    return JSON.stringify(this.#identity()) !== this.#announced;
  }

  /** Return the identity for a request, and remember that this one is announced. */
  #announcing() {
    const identity = this.#identity();
    this.#announced = JSON.stringify(identity);
    return identity;
  }

  #identity() {
    const { name, languages, growing, role } = this.#me;
    return { ...(name === "" ? {} : { name }), languages, ...(growing ? { growing } : {}), role };
  }

  async #create(tries) {
    const { role, ...identity } = this.#announcing();
    try {
      await this.#request({ type: "create_session", session_id: this.#session_id, config: this.#title === "" ? {} : { title: this.#title }, ...(this.#terms.length === 0 ? {} : { terms: this.#terms }), ...identity });
      this.#opened();
    } catch (error) {
      if (error.code === "session_exists" && tries > 1) {
        this.#session_id = this.#randomName();
        await this.#create(tries - 1);
      } else this.#go("failed", error.code ?? "failed", error.message);
    }
  }

  /** Join and load the stored history. Resolves to the response, or null where the session is gone or has failed. */
  async #join(tries = BUSY_TRIES, wasLost = false) {
    const key = this.#me.key === null ? {} : { key: this.#me.key };
    const token = this.#socket.formerToken?.(this.#session_id) ?? null;
    const former = token === null ? {} : { recovery_token: token };
    try {
      const response = await this.#request({ type: "join_session", session_id: this.#session_id, history: true, ...key, ...former, ...this.#announcing() });
      this.#opened();
      return response;
    } catch (error) {
      if (error.code === "rate_limited" && tries > 1) {
        await new Promise((resolve) => this.#timers.setTimeout(resolve, BUSY_AGAIN));
        return this.#join(tries - 1, wasLost);
      }
      if (error.code === "key_required") this.#go("uninvited", error.code, error.message);
      else if (error.code === "unknown_session") this.#go("gone", wasLost ? "lost" : error.code, error.message);
      else if (error.code === "removed") this.#shut("gone", "removed");
      else if (error.code === "session_ended") this.#shut("gone", "ended");
      else if (error.code === "session_locked") this.#shut("failed", "locked", error);
      else this.#go("failed", error.code ?? "failed", error.message);
      return null;
    }
  }

  /** The host keeps this page out, for the reason `why`. */
  #shut(event, why, { code = why, message = "" } = {}) {
    this.#shutOut = why;
    if (!this.#go(event, code, message)) this.#shutOut = null;
  }

  /** The session could not be recovered: its host has removed this page or ended it, or it is joined again. */
  #lostOrShutOut(reason) {
    if (reason === "removed") this.#shut("gone", "removed");
    else if (reason === "ended") this.#shut("gone", "ended");
    else if (this.#phase === "open") this.#lost(reason);
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
    // What was chosen while the request was under way: languages that were loaded meanwhile, a new name.
    if (this.#isUnannounced) this.#announce();
    this.#emit("ready");
  }

  /** Send a request that survives lost connections: it waits for one, and is sent again when it was lost. */
  async #request(message) {
    for (;;) {
      await this.#live();
      try {
        return await this.#socket.request(message);
      } catch (error) {
        if (!TRY_AGAIN.has(error.code)) throw error;
        // A creation whose response was lost may have been carried out: then the session exists and can be joined.
        if (message.type === "create_session" && error.code === "connection_lost") return this.#createdOrNot(message);
      }
    }
  }

  async #createdOrNot(message) {
    try {
      return await this.#request(message);
    } catch (error) {
      if (error.code !== "session_exists") throw error;
      const { config, terms, ...join } = message;
      return this.#request({ ...join, type: "join_session", history: true });
    }
  }

  /** Resolves when there is a connection; rejects when the socket has stopped. */
  #live() {
    return new Promise((resolve, reject) => {
      const check = () => {
        const { state, reason } = this.#socket.state;
        if (state !== "live" && state !== "stopped") return;
        this.#socket.removeEventListener("state", check);
        if (state === "live") resolve();
        else reject(Object.assign(new Error(reason), { code: "stopped" }));
      };
      this.#socket.addEventListener("state", check);
      check();
    });
  }

  #isOurs({ session_id }) {
    return session_id !== undefined && session_id === this.#session_id;
  }

  #receive(message) {
    if (!this.#isOurs(message)) return;
    if (RESPONSES.has(message.type) && message.keys) this.#admitted(message);
    if (RESPONSES.has(message.type) && message.recovered !== false) this.#titled(message.title ?? "");
    if (message.type === "session_titled") this.#titled(message.title);
    if (RESPONSES.has(message.type) && message.recovered !== false) this.#setTerms(message.terms ?? [], 0);
    if (RESPONSES.has(message.type) && message.recovered !== false) this.#setPipeline(message.pipeline ?? null, 0);
    // Of two that cross, the higher revision counts.
    if (message.type === "pipeline" && message.revision > this.#pipelineRevision) this.#setPipeline(message.pipeline, message.revision);
    if (message.type === "terms" && message.revision > this.#termsRevision) this.#setTerms(message.terms, message.revision);
    if (Array.isArray(message.participants)) {
      this.#participants = message.participants;
      this.#count = message.participant_count ?? message.participants.length;
      this.#emit("participants", { participants: this.#participants, count: this.#count });
    }
    if (message.moderation) this.#moderated(message.moderation);
    if (message.type === "moderation") this.#moderated(message);
    if (message.type === "session_keys") this.#newKeys(message.keys);
    if (message.type === "session_left" && message.reason === "removed") this.#shut("gone", "removed");
    else if (message.type === "session_left" && message.by_host) this.#shut("gone", "ended");
    else if (message.type === "session_left" && message.reason !== "left") {
      this.#go("gone", message.reason === "ended" ? "ended" : "empty");
    }
  }

  /** Apply the role and the keys that the service granted. */
  #admitted({ keys, role }) {
    this.#keys = { ...(this.#keys ?? {}), ...keys };
    this.#role = role ?? this.#role;
    // The key with which this page would join again.
    this.#me = { ...this.#me, key: this.#me.key ?? keys.speak ?? keys.read };
  }

  #moderated({ locked, speaking, ending, muted }) {
    const before = this.#moderation;
    this.#moderation = { locked, speaking, ending, muted };
    if (JSON.stringify(before) !== JSON.stringify(this.#moderation)) this.#emit("moderation", { moderation: this.#moderation, before });
  }

  /** The session has other keys: links are made with them, and with them this page would join again. */
  #newKeys(keys) {
    this.#keys = { ...keys };
    this.#me = { ...this.#me, key: keys.speak ?? keys.read };
    this.#emit("keys");
  }

  /** `code` of the reason, and `detail`: what the service says of it in English. */
  #go(event, code = "", detail = "") {
    const next = TRANSITIONS[this.#phase][event];
    if (next === undefined) return false;
    this.#phase = next;
    this.#reason = { code, detail };
    this.#emit("phase", { phase: next, reason: this.#reason });
    return true;
  }

  #emit(name, detail = null) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
