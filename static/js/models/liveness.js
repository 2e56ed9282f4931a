/**
 * Whether a quiet connection still lives.
 *
 * A browser cannot send protocol pings and is not notified of a dead network; an application ping without a response
 * is the only sign. After `quiet` ms without a message a ping is sent (`sendPing`); after `RESPONSE_LIMIT` more
 * without one the connection is dead (`onDead`). While speech is sent (`sent`) the service acknowledges it each
 * second, so that `SPEECH_QUIET` and `SPEECH_RESPONSE_LIMIT` are enough.
 */

const RESPONSE_LIMIT = 10_000;
const SPEECH_QUIET = 3_000;
const SPEECH_RESPONSE_LIMIT = 3_000;

export class Liveness {
  #timers;
  #now;
  #sendPing;
  #onDead;
  #quiet = 0;
  #receivedAt = 0;
  #pingedAt = null;
  /** When speech was first sent since the last message, or null. */
  #sentAt = null;
  #responseLimit = RESPONSE_LIMIT;
  #dueAt = 0;
  #timer = null;

  /** `sendPing()`; `onDead()` is called once the connection is dead. */
  constructor({ timers, now, sendPing, onDead }) {
    this.#timers = timers;
    this.#now = now;
    this.#sendPing = sendPing;
    this.#onDead = onDead;
  }

  start({ quiet }) {
    this.#quiet = quiet;
    this.received();
    this.#watch();
  }

  stop() {
    this.#timers.clearTimeout(this.#timer);
    this.#timer = null;
  }

  /** When the ping was sent whose response is awaited (ms), or null. */
  get pingedAt() {
    return this.#pingedAt;
  }

  /** A message arrived: of any kind. */
  received() {
    this.#receivedAt = this.#now();
    this.#pingedAt = this.#sentAt = null;
    this.#responseLimit = RESPONSE_LIMIT;
  }

  /** Speech was sent. */
  sent() {
    if (this.#timer === null || this.#sentAt !== null) return;
    this.#sentAt = this.#now();
    this.#responseLimit = SPEECH_RESPONSE_LIMIT;
    this.#watch();
  }

  /** Send a ping now: the page came back into view, or (`soon`) the network changed. */
  probe({ soon = false } = {}) {
    if (soon) this.#responseLimit = SPEECH_RESPONSE_LIMIT;
    if (this.#timer === null) return;
    if (this.#pingedAt === null) {
      this.#pingedAt = this.#now();
      this.#sendPing();
    }
    this.#watch();
  }

  #watch() {
    this.stop();
    this.#dueAt = this.#pingedAt === null ? this.#quietUntil : this.#pingedAt + this.#responseLimit;
    this.#timer = this.#timers.setTimeout(() => this.#check(), Math.max(0, this.#dueAt - this.#now()));
  }

  get #quietUntil() {
    const until = this.#receivedAt + this.#quiet;
    return this.#sentAt === null ? until : Math.min(until, this.#sentAt + SPEECH_QUIET);
  }

  #check() {
    const now = this.#now();
    // A timer that is much too late ran on a machine that slept: the ping before does not count.
    const slept = now - this.#dueAt > RESPONSE_LIMIT;
    if (this.#pingedAt === null && now < this.#quietUntil) this.#watch();
    else if (this.#pingedAt !== null && !slept) this.#onDead();
    else {
      this.#pingedAt = null;
      this.probe();
    }
  }
}
