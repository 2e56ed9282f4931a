/**
 * One session's messages in order, each exactly once.
 *
 * Session messages carry an `offset`, one higher each time within an `epoch`. What arrives twice is dropped;
 * what arrives after a hole is held until the hole is filled. Pure: messages go in, those that may be
 * delivered come out, and `gap` says that something must be asked for again.
 */

/** Messages held behind a hole. Past it they are let go: the recovery that fills the hole brings them too. */
const HELD_LIMIT = 2_000;

export class SessionLog {
  #offset;
  #epoch;
  #held = new Map();
  #overflowed = false;
  #waiting;

  /** `waiting`: an answer that says where the log stands is on its way; hold everything until then. */
  constructor({ offset = null, epoch = null, waiting = false } = {}) {
    this.#offset = offset;
    this.#epoch = epoch;
    this.#waiting = waiting;
  }

  /** The offset of the last message that was delivered; null before anything is known. */
  get offset() {
    return this.#offset;
  }

  get epoch() {
    return this.#epoch;
  }

  /** True while an answer is awaited. */
  get waiting() {
    return this.#waiting;
  }

  /** Something between what was delivered and what is held is missing. */
  get gap() {
    return this.#held.size > 0 || this.#overflowed;
  }

  /** Hold what comes until `joined` or `recovered`. */
  wait() {
    this.#waiting = true;
  }

  /** Stop waiting without an answer; what is held stays held, and `gap` says whether to ask again. */
  stopWaiting() {
    this.#waiting = false;
  }

  /** A live message: returns what may be delivered now, in order. */
  receive(message) {
    if (this.#offset !== null && message.offset <= this.#offset) return [];
    this.#hold(message);
    return this.#waiting ? [] : this.#drain();
  }

  /**
   * The answer to a join: `messages` is the history (or undefined), `offset` where the session stands.
   * A join of one who is already in and who asked for no history moves nothing: what lies between is a gap.
   * `more`: they are the first part, `offset` is where it ends, and all else is held until `continued` has had
   * the last one.
   */
  joined(answer) {
    return this.recovered(answer);
  }

  /**
   * The answer to a recovery: all that can be had after the offset that was asked for, or the first part of it.
   * Broadcasts may be missing from it (`broadcasts_complete`), even all of them.
   */
  recovered({ epoch, offset, messages, recovered = false, more = false }) {
    if (this.#offset === null || this.#epoch !== epoch) {
      this.#epoch = epoch;
      this.#offset = messages?.length ? messages[0].offset - 1 : offset;
    }
    this.#overflowed = false;
    const out = this.#advance(messages ?? [], recovered || messages?.length ? offset : this.#offset);
    return more ? out : [...out, ...this.#settle(offset)];
  }

  /** Another part of an answer, up to `offset`. */
  continued({ offset, messages, more }) {
    const overflowed = this.#overflowed; // of what was said since the answer
    const out = this.#advance(messages, offset);
    if (more) return out;
    out.push(...this.#settle(offset));
    this.#overflowed ||= overflowed;
    return out;
  }

  /** What the service vouches for: up to `offset` nothing else can be had. */
  #advance(messages, offset) {
    this.#waiting = true;
    const out = [];
    for (const message of messages) {
      if (typeof message.offset !== "number" || message.offset <= this.#offset) continue;
      // History may have been thinned by age.
      this.#offset = message.offset;
      out.push(message);
    }
    this.#offset = Math.max(this.#offset, offset);
    for (const held of [...this.#held.keys()]) if (held <= this.#offset) this.#held.delete(held);
    return out;
  }

  /** What was held, once all that was asked for is here. */
  #settle(offset) {
    this.#waiting = false;
    const out = this.#drain();
    this.#overflowed = this.#held.size === 0 && offset > this.#offset;
    return out;
  }

  #hold(message) {
    if (this.#held.size >= HELD_LIMIT) {
      this.#held.clear();
      this.#overflowed = true;
    }
    this.#held.set(message.offset, message);
  }

  #drain() {
    const out = [];
    while (this.#offset !== null && this.#held.has(this.#offset + 1)) {
      this.#offset += 1;
      out.push(this.#held.get(this.#offset));
      this.#held.delete(this.#offset);
    }
    return out;
  }
}
