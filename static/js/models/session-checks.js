/**
 * Paces questions about one's own sessions. Pure.
 *
 * A session that has ended looks like a wrong key to the service, which slows down addresses that send several
 * different ones in a minute (orch/access/wrong_keys.py). Everyone in an office may share that address, so a list
 * with many ended sessions is checked in parts.
 */

/** Ended sessions that are found in one minute at most; the service counts five as free. */
export const GONE_AT_ONCE = 4;
/** The pause after them, ms; a little longer than the service's minute. */
export const PAUSE = 61_000;

export class CheckPace {
  #gone = [];

  /** How long to wait at `now` (ms) before the next question; 0: none. */
  wait(now) {
    this.#gone = this.#gone.filter((at) => now - at < PAUSE);
    return this.#gone.length < GONE_AT_ONCE ? 0 : this.#gone[0] + PAUSE - now;
  }

  /** A session was gone. */
  gone(now) {
    this.#gone.push(now);
  }
}

/**
 * The order in which stored sessions are checked: those whose end, as the service gave it, has passed come last. They
 * are gone unless someone used them since, so each of them may cost one of the questions of a minute.
 */
export function checkOrder(entries, now) {
  const isOver = ({ expires }) => expires !== null && expires < now;
  return [...entries.filter((entry) => !isOver(entry)), ...entries.filter(isOver)];
}
