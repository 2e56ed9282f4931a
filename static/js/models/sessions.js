/**
 * The sessions that one socket is in: which messages are delivered, and which are requested after a loss.
 *
 * Messages are delivered in order and exactly once. Missed messages are requested; where the service no longer has
 * them, `lost` is emitted and the session forgotten. orch/client/sessions.py decides the same;
 * tests/data/recovery/sessions.json is what both must do.
 */

import { SessionLog } from "./session-log.js";

/** Recoveries of one gap before it is called lost. */
const RECOVERY_TRIES = 3;
/** The answer may take longer than the service waits for its store (30 s) before it says that it is away. */
const RECOVERY_WITHIN = 35_000;
/** A recovery that the store was away for is asked for again after this long. */
const RECOVERY_AGAIN = 2_000;

const JOINING = new Set(["create_session", "join_session"]);
/** Errors of requests that the service has not refused. */
const NOT_REFUSED = new Set(["timeout", "connection_lost", "stopped", "too_many_requests"]);

export class Sessions {
  /**
   * session_id -> {log, token, tries, participant, again, more, missed, history}; `more`: further parts of a response
   * follow, of a recovery's where `missed` counts messages; `history`: whether the requested history is complete so
   * far, until all of it is delivered; `audio`: whether the sound of a meeting is received, and `audioDue`: it has to be
   * requested again on this connection.
   */
  #all = new Map();
  /** {session_id, token} of the session that was lost last, or null. */
  #former = null;
  #memory;
  #timers;
  #request;
  #isLive;
  #emit;

  /**
   * `request(message, { timeout })` sends and resolves to the response, which `receive` gets before; `isLive()`;
   * `emit(name, detail)` as LiveSocket's events; `memory` is a SessionMemory.
   */
  constructor({ memory, timers, request, isLive, emit }) {
    this.#memory = memory;
    this.#timers = timers;
    this.#request = request;
    this.#isLive = isLive;
    this.#emit = emit;
  }

  statistics() {
    return [...this.#all].map(([session_id, { log }]) => ({ session_id, offset: log.offset, epoch: log.epoch }));
  }

  /** Whether an earlier page in this tab left `session_id` so that it can be recovered. */
  canResume(session_id) {
    const stored = this.#memory.read(session_id);
    // A session still marked as in use belongs to the page that this tab was duplicated from.
    return Boolean(stored?.recovery_token) && stored.in_use === false;
  }

  /** Whether this page or an earlier one in this tab has been in it. */
  isRemembered(session_id) {
    return Boolean(this.#memory.read(session_id)?.recovery_token);
  }

  /** Be in a session again that is remembered, after `offset`. */
  resume(session_id, offset) {
    const stored = this.#memory.read(session_id);
    const log = new SessionLog({ offset, epoch: stored.epoch, waiting: true });
    this.#all.set(session_id, this.#entry(log, stored.recovery_token));
    this.#store(session_id);
    // Without a connection the next one recovers every remembered session.
    if (this.#isLive()) this.#recover(session_id);
  }

  participantIn(session_id) {
    return this.#all.get(session_id)?.participant ?? null;
  }

  /** The recovery token of the session that was lost last, with which the same participant joins again; or null. */
  formerToken(session_id) {
    return this.#former?.session_id === session_id ? this.#former.token : null;
  }

  /** Be in a session no more, and keep what a reload needs. */
  #retire(session_id) {
    const session = this.#all.get(session_id);
    if (!session) return;
    this.#store(session_id, false);
    this.#timers.clearTimeout(session.again);
    this.#all.delete(session_id);
  }

  forget(session_id) {
    const session = this.#all.get(session_id);
    if (session) this.#timers.clearTimeout(session.again);
    this.#all.delete(session_id);
    this.#memory.forget(session_id);
  }

  /** Keep what a reload needs; `in_use: false` once the page is gone. */
  remember(in_use) {
    for (const session_id of this.#all.keys()) this.#store(session_id, in_use);
  }

  /** The connection has ended. */
  disconnected() {
    for (const session of this.#all.values()) {
      this.#timers.clearTimeout(session.again);
      session.more = false;
      session.audioDue = session.audio;
      session.log.wait();
    }
  }

  connected() {
    for (const [session_id, session] of this.#all) {
      session.tries = 0;
      // A session whose first response never arrived cannot be recovered; its request is sent again or has failed.
      if (session.token) this.#recover(session_id);
      else this.#all.delete(session_id);
    }
  }

  /** From the moment a join is sent its session's messages may come, before the answer that says where it stands. */
  sending({ type, session_id }) {
    if (!JOINING.has(type) || !session_id) return;
    const session = this.#all.get(session_id);
    if (session) session.log.wait();
    else this.#all.set(session_id, this.#entry(new SessionLog({ waiting: true }), null));
  }

  /** A request of this page got an `error`. */
  refused({ type, session_id }, answer) {
    const session = JOINING.has(type) ? this.#all.get(session_id) : undefined;
    if (!session) return;
    if (!session.token || answer.code === "unknown_session") this.forget(session_id);
    else if (!session.more) session.log.stopWaiting();
  }

  /** A request of this page got no response in time. */
  unanswered({ type, session_id }) {
    const session = JOINING.has(type) ? this.#all.get(session_id) : undefined;
    if (session && !session.more) session.log.stopWaiting();
  }

  /** Deliver a message, in its session's order where it has one. */
  receive(message) {
    switch (message.type) {
      case "session_created":
      case "session_joined":
        this.#joined(message);
        return;
      case "session_recovered":
        this.#emit("message", message);
        this.#recovered(message);
        return;
      case "session_history":
        this.#continued(message);
        return;
      case "audio_receiving":
        this.#audioReceiving(message);
        break;
      case "session_left":
        if (message.reason === "lost") {
          const session = this.#all.get(message.session_id);
          if (session) this.#lose(message.session_id, session, "lost");
          return;
        }
        // A page that is loaded again learns that its participant was removed when it recovers.
        if (message.reason === "removed") this.#retire(message.session_id);
        else this.forget(message.session_id);
        this.#emit("message", message);
        return;
    }
    if (typeof message.offset !== "number") {
      this.#emit("message", message);
      return;
    }
    const session = this.#all.get(message.session_id);
    // After a loss no message of a session is delivered until it is joined again.
    if (!session) return;
    this.#deliver(session.log.receive(message));
    if (!session.log.waiting && session.log.gap) this.#recover(message.session_id);
    else this.#store(message.session_id);
  }

  #entry(log, token) {
    return { log, token, tries: 0, participant: null, again: null, more: false, missed: null, history: null, broadcasts: true, audio: false, audioDue: false };
  }

  #joined(message) {
    const session = this.#all.get(message.session_id) ?? this.#entry(new SessionLog({ waiting: true }), null);
    session.token = message.recovery_token;
    session.participant = message.participant_id;
    this.#all.set(message.session_id, session);
    this.#emit("message", message);
    const hasHistory = message.messages !== undefined;
    // A change of name: the parts that follow bring the offset.
    if (!hasHistory && session.more && session.log.epoch === message.epoch) return;
    session.more = hasHistory && message.more === true;
    if (hasHistory) {
      session.missed = null;
      session.history = message.complete === true;
    }
    this.#deliver(session.log.joined(message));
    this.#finish(message.session_id, session, { isAnswered: hasHistory });
  }

  /** Apply a further part of the response to a join or a recovery. */
  #continued(message) {
    const { session_id, epoch, after, reason } = message;
    const session = this.#all.get(session_id);
    // A part of a response that another one replaced.
    if (!session?.more || session.log.epoch !== epoch) return;
    if (reason !== undefined) {
      session.more = false;
      if (reason === "history_expired") this.#lose(session_id, session, reason);
      else {
        if (reason === "store_unavailable") session.tries -= 1;
        this.#recoverLater(session_id, session);
      }
      return;
    }
    if (after > session.log.offset) {
      this.#recover(session_id);
      return;
    }
    session.more = message.more;
    if (session.history !== null) session.history &&= message.complete;
    session.broadcasts &&= message.broadcasts_complete !== false;
    const ready = session.log.continued(message);
    if (session.missed !== null) session.missed += ready.length;
    this.#deliver(ready);
    this.#finish(session_id, session);
  }

  /** Emit that everything is delivered, once it is; request what is missing. A listener may have forgotten the session. */
  #finish(session_id, session, { isAnswered = true } = {}) {
    this.#store(session_id);
    if (session.more || this.#all.get(session_id) !== session) return;
    if (session.log.gap) {
      this.#recover(session_id);
      return;
    }
    if (!isAnswered) return;
    const { missed, history } = session;
    session.missed = session.history = null;
    if (missed !== null) {
      session.tries = 0;
      this.#emit("recovered", { session_id, missed, ...(session.broadcasts ? {} : { broadcasts_complete: false }) });
    }
    if (history !== null) this.#emit("history", { session_id, complete: history });
  }

  #recoverLater(session_id, session) {
    session.again = this.#timers.setTimeout(() => this.#all.get(session_id) === session && this.#recover(session_id), RECOVERY_AGAIN);
  }

  /** Request all missed messages; `#recovered` applies the response. */
  async #recover(session_id) {
    const session = this.#all.get(session_id);
    session.more = false;
    session.log.wait();
    if (session.tries >= RECOVERY_TRIES) {
      this.#lose(session_id, session, "gap");
      return;
    }
    session.tries += 1;
    const { offset, epoch } = session.log;
    // A flood of broadcasts in a session must not keep others from recovering it.
    const message = { type: "recover_session", session_id, recovery_token: session.token, broadcasts_optional: true };
    if (epoch !== null) message.epoch = epoch;
    if (offset !== null) message.offset = offset;
    try {
      await this.#request(message, { timeout: RECOVERY_WITHIN });
    } catch ({ code }) {
      // After a lost connection the next one recovers every remembered session.
      if (this.#all.get(session_id) !== session || !this.#isLive() || code === "connection_lost") return;
      if (code === "timeout") this.#recover(session_id);
      else if (code === "store_unavailable") {
        // Stored messages are not lost because the store is unavailable.
        session.tries -= 1;
        this.#recoverLater(session_id, session);
      } else this.#lose(session_id, session, code);
    }
  }

  #recovered(message) {
    const session = this.#all.get(message.session_id);
    if (!session) return;
    if (!message.recovered) {
      this.#lose(message.session_id, session, message.reason ?? "unknown");
      return;
    }
    if (message.participant_id) session.participant = message.participant_id;
    session.more = message.more === true;
    const missed = session.log.recovered(message);
    session.missed = missed.length;
    session.broadcasts = message.broadcasts_complete !== false;
    this.#deliver(missed);
    this.#finish(message.session_id, session);
    if (session.audio && session.audioDue && this.#all.get(message.session_id) === session) this.#receiveAudio(message.session_id, session);
  }

  #audioReceiving({ session_id, enabled }) {
    const session = this.#all.get(session_id);
    if (session) session.audio = enabled;
  }

  /** Request the sound of a meeting again: the service sends it to one connection. */
  async #receiveAudio(session_id, session) {
    session.audioDue = false;
    try {
      await this.#request({ type: "receive_audio", session_id });
    } catch ({ code, message: detail }) {
      // After a lost connection the next one requests it again; what was refused is not requested again.
      if (this.#all.get(session_id) !== session || NOT_REFUSED.has(code)) return;
      session.audio = false;
      this.#emit("complaint", { type: "error", session_id, code, detail });
    }
  }

  #lose(session_id, session, reason) {
    if (session.token) this.#former = { session_id, token: session.token };
    if (reason === "removed") this.#retire(session_id);
    else if (this.#all.get(session_id) === session) this.forget(session_id);
    this.#emit("lost", { session_id, reason });
  }

  #deliver(messages) {
    for (const message of messages) this.#emit("message", message);
  }

  /** A listener may have forgotten the session meanwhile. */
  #store(session_id, in_use = true) {
    const session = this.#all.get(session_id);
    if (!session?.token) return;
    const { log, token } = session;
    this.#memory.write(session_id, { recovery_token: token, epoch: log.epoch, offset: log.offset, in_use });
  }
}
