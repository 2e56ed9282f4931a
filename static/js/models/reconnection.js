/**
 * When to reconnect after a loss: by the close code, the service's own request, and the backoff.
 *
 * orch/client/reconnect_policy.py decides the same; tests/data/recovery/reconnection.json is what both must do.
 */

import { afterClose } from "./closes.js";

/** A connection that lasted this long (ms) was stable: the backoff starts again at the next loss. */
const STABLE_AFTER = 5_000;

export class Reconnection {
  #backoff;
  #now;
  #liveSince = null;
  #notBefore = 0;

  /** `now()` milliseconds that never go back. */
  constructor({ backoff, now }) {
    this.#backoff = backoff;
    this.#now = now;
  }

  /** Losses since the last connection that lasted. */
  get tries() {
    return this.#backoff.tries;
  }

  /** Whether the wait that the service asked for is over. */
  get mayHurry() {
    return this.#notBefore <= this.#now();
  }

  /** Forget every loss so far. */
  reset() {
    this.#backoff.reset();
    this.#notBefore = 0;
  }

  connecting() {
    this.#liveSince = null;
  }

  connected() {
    this.#liveSince = this.#now();
  }

  /** What to do after a close: {next: "stop", words}, or {next: "wait", wait: milliseconds, words}. `closing`: the service's, or null; `within`: the longest wait. */
  closed(code, reason, closing, { within = Infinity } = {}) {
    const rule = afterClose(code, reason);
    const words = closing?.reason || rule.words;
    if (rule.next === "stop") return { next: "stop", words };
    if (this.#liveSince !== null && this.#now() - this.#liveSince >= STABLE_AFTER) this.#backoff.reset();
    this.#liveSince = null;
    let wait = Math.min(within, this.#backoff.next());
    this.#notBefore = 0;
    if (closing && closing.reconnect_after > 0) {
      // The service spreads its clients itself: its wait is always observed.
      wait += closing.reconnect_after * 1000;
      this.#notBefore = this.#now() + closing.reconnect_after * 1000;
    } else if (rule.next === "now" && this.#backoff.tries === 1) wait = 0;
    return { next: "wait", wait, words };
  }
}
