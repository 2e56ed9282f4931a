/**
 * Whether a quiet connection still lives.
 *
 * A browser cannot send protocol pings and is never told of a network that has gone; an application ping that
 * stays unanswered is the only sign. Without a word for `quiet` ms one is sent (`ask`); without a word for
 * `PATIENCE` after it the connection is called dead (`die`). While speech goes out (`sent`) the service
 * acknowledges it each second, so that `SPEECH_QUIET` and `SPEECH_PATIENCE` are enough to know.
 */

const PATIENCE = 10_000;
const SPEECH_QUIET = 3_000;
const SPEECH_PATIENCE = 3_000;

export class Liveness {
  #timers;
  #now;
  #ask;
  #die;
  #quiet = 0;
  #heardAt = 0;
  #askedAt = null;
  /** Since when speech has gone out without a word. */
  #sentAt = null;
  #patience = PATIENCE;
  #dueAt = 0;
  #timer = null;

  /** `ask()` sends a ping, `die()` gives the connection up. */
  constructor({ timers, now, ask, die }) {
    this.#timers = timers;
    this.#now = now;
    this.#ask = ask;
    this.#die = die;
  }

  start({ quiet }) {
    this.#quiet = quiet;
    this.heard();
    this.#watch();
  }

  stop() {
    this.#timers.clearTimeout(this.#timer);
    this.#timer = null;
  }

  /** Since when an answer has been awaited (ms), or null. */
  get askedAt() {
    return this.#askedAt;
  }

  /** Any word counts. */
  heard() {
    this.#heardAt = this.#now();
    this.#askedAt = this.#sentAt = null;
    this.#patience = PATIENCE;
  }

  /** Speech has gone out. */
  sent() {
    if (this.#timer === null || this.#sentAt !== null) return;
    this.#sentAt = this.#now();
    this.#patience = SPEECH_PATIENCE;
    this.#watch();
  }

  /** Find out now: something has changed (the page came back into view; `soon`: the network). */
  probe({ soon = false } = {}) {
    if (soon) this.#patience = SPEECH_PATIENCE;
    if (this.#timer === null) return;
    if (this.#askedAt === null) {
      this.#askedAt = this.#now();
      this.#ask();
    }
    this.#watch();
  }

  #watch() {
    this.stop();
    this.#dueAt = this.#askedAt === null ? this.#quietUntil : this.#askedAt + this.#patience;
    this.#timer = this.#timers.setTimeout(() => this.#look(), Math.max(0, this.#dueAt - this.#now()));
  }

  get #quietUntil() {
    const until = this.#heardAt + this.#quiet;
    return this.#sentAt === null ? until : Math.min(until, this.#sentAt + SPEECH_QUIET);
  }

  #look() {
    const now = this.#now();
    // A timer that comes much too late ran on a machine that slept: what was asked before counts for nothing.
    const slept = now - this.#dueAt > PATIENCE;
    if (this.#askedAt === null && now < this.#quietUntil) this.#watch();
    else if (this.#askedAt !== null && !slept) this.#die();
    else {
      this.#askedAt = null;
      this.probe();
    }
  }
}
