/**
 * Being in one session: made, joined, resumed after a reload, joined again when recovery was impossible.
 *
 * The phases are a table; what happened is told by events:
 * - `phase`        detail {phase: "idle"|"opening"|"open"|"rejoining"|"gone"|"failed", reason}
 * - `participants` detail {participants, count}: who is here; of a crowd the first hundred, and how many there are
 * - `rejoined`     detail {complete, reason}: recovery was impossible, what the service keeps was read anew
 * - `ready`        the session can be spoken in (again): opened, recovered or rejoined
 */

import { isSessionName, sessionName } from "./models/session-name.js";

/** Names drawn before it is called a failure: a name that is taken is one in a million. */
const NAME_TRIES = 5;

const TRANSITIONS = {
  idle: { open: "opening" },
  opening: { opened: "open", gone: "gone", failed: "failed" },
  open: { lost: "rejoining", gone: "gone" },
  rejoining: { opened: "open", gone: "gone", failed: "failed" },
  gone: { open: "opening" },
  failed: { open: "opening" },
};

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
  #me = { name: "", languages: [], role: "participant" };
  #listeners;

  /** `randomName()` draws a session's name. */
  constructor(socket, { randomName = sessionName } = {}) {
    super();
    this.#socket = socket;
    this.#randomName = randomName;
    this.#listeners = [
      ["message", ({ detail }) => this.#hear(detail)],
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

  /** Join `session_id`, or make a new session where it is null. Resolves once it is open, gone or has failed. */
  async open({ session_id = null, name = "", languages = [], role = "participant" } = {}) {
    if (!this.#go("open")) return;
    this.#me = { name, languages, role };
    this.#session_id = session_id;
    this.#participants = [];
    this.#count = 0;
    if (session_id === null) {
      await this.#create(NAME_TRIES);
      return;
    }
    if (!isSessionName(session_id)) {
      this.#go("gone", "The link's session name has characters that no session's name has.");
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
    this.#session_id = this.#randomName();
    try {
      await this.#ask({ type: "create_session", session_id: this.#session_id, config: {}, ...identity });
      this.#opened();
    } catch (error) {
      if (error.code === "session_exists" && tries > 1) await this.#create(tries - 1);
      else this.#go("failed", error.message);
    }
  }

  /** Join with what the service keeps. Resolves to the answer, or null where it is gone or has failed. */
  async #join() {
    try {
      const answer = await this.#ask({ type: "join_session", session_id: this.#session_id, history: true, ...this.#identity() });
      this.#opened();
      return answer;
    } catch (error) {
      if (error.code === "unknown_session") this.#go("gone", error.message);
      else this.#go("failed", error.message);
      return null;
    }
  }

  async #lost(reason) {
    this.#go("lost");
    const answer = await this.#join();
    if (answer) this.#emit("rejoined", { complete: answer.complete ?? false, reason });
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
    if (Array.isArray(message.participants)) {
      this.#participants = message.participants;
      this.#count = message.participant_count ?? message.participants.length;
      this.#emit("participants", { participants: this.#participants, count: this.#count });
    }
    if (message.type === "session_left" && message.reason !== "left") {
      this.#go("gone", message.reason === "ended" ? "The session was ended." : "The session ended because nobody was in it for long.");
    }
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
