/**
 * How long to wait before the next attempt: exponential backoff with full jitter.
 *
 * The wait is drawn evenly from [floor, min(cap, base · 2^tries)], so that many clients that lost one
 * service at one moment come back spread out. `floor` keeps a lucky draw from becoming a busy loop.
 */
export class Backoff {
  #base;
  #cap;
  #floor;
  #random;
  #tries = 0;

  /** Durations in milliseconds. `random` returns [0, 1). */
  constructor({ base = 500, cap = 30_000, floor = 200, random = Math.random } = {}) {
    this.#base = base;
    this.#cap = cap;
    this.#floor = floor;
    this.#random = random;
  }

  /** Attempts since the last `reset()`. */
  get tries() {
    return this.#tries;
  }

  /** The next wait in milliseconds. */
  next() {
    const ceiling = Math.min(this.#cap, this.#base * 2 ** Math.min(this.#tries, 30));
    this.#tries += 1;
    return Math.round(this.#floor + this.#random() * Math.max(0, ceiling - this.#floor));
  }

  reset() {
    this.#tries = 0;
  }
}
