/**
 * Whether a quiet connection still lives.
 *
 * A browser cannot send protocol pings and is never told of a network that has gone; an application ping that
 * stays unanswered is the only sign. Without a word for `quiet` ms one is sent (`ask`); without a word for
 * `PATIENCE` after it the connection is called dead (`die`).
 */

const PATIENCE = 10_000;

export class Liveness {
  #timers;
  #now;
  #ask;
  #die;
  #quiet = 0;
  #heardAt = 0;
  #askedAt = null;
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

  /** Any word counts. */
  heard() {
    this.#heardAt = this.#now();
    this.#askedAt = null;
  }

  /** Find out now: something has changed (the network, the page came back into view). */
  probe() {
    if (this.#timer === null || this.#askedAt !== null) return;
    this.#askedAt = this.#now();
    this.#ask();
    this.#watch();
  }

  #watch() {
    this.stop();
    this.#dueAt = this.#askedAt === null ? this.#heardAt + this.#quiet : this.#askedAt + PATIENCE;
    this.#timer = this.#timers.setTimeout(() => this.#look(), Math.max(0, this.#dueAt - this.#now()));
  }

  #look() {
    const now = this.#now();
    // A timer that comes much too late ran on a machine that slept: what was asked before counts for nothing.
    const slept = now - this.#dueAt > PATIENCE;
    if (this.#askedAt === null && now - this.#heardAt < this.#quiet) this.#watch();
    else if (this.#askedAt !== null && !slept) this.#die();
    else {
      this.#askedAt = null;
      this.probe();
    }
  }
}
