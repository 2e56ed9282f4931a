/**
 * One session's messages in order, each exactly once.
 *
 * Session messages carry an `offset`, one higher each time within an `epoch`. Duplicates are dropped; messages after
 * a hole are held until it is filled. Pure: messages go in, those that may be delivered come out, and `gap` is true
 * while messages are missing.
 */

/** Messages held behind a hole. Past the limit they are dropped: the recovery that fills the hole brings them too. */
const HELD_LIMIT = 2_000;

export class SessionLog {
  #offset;
  #epoch;
  #held = new Map();
  #overflowed = false;
  #waiting;

  /** `waiting`: a response with the current offset is expected; everything is held until then. */
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

  /** Whether a response is expected. */
  get waiting() {
    return this.#waiting;
  }

  /** Whether messages between the delivered and the held ones are missing. */
  get gap() {
    return this.#held.size > 0 || this.#overflowed;
  }

  /** Hold messages until `joined` or `recovered`. */
  wait() {
    this.#waiting = true;
  }

  /** Stop waiting without a response. Held messages stay held; `gap` is true if a recovery is needed. */
  stopWaiting() {
    this.#waiting = false;
  }

  /** Apply a live message. Returns the messages that may be delivered now, in order. */
  receive(message) {
    if (this.#offset !== null && message.offset <= this.#offset) return [];
    this.#hold(message);
    return this.#waiting ? [] : this.#drain();
  }

  /**
   * Apply the response to a join: `messages` is the history (or undefined), `offset` the session's current one.
   * A second join without a history moves nothing: messages in between are a gap. `more`: it is the first part, which
   * ends at `offset`; other messages are held until `continued` has applied the last part.
   */
  joined(answer) {
    return this.recovered(answer);
  }

  /**
   * Apply the response to a recovery: all messages after the requested offset that the service has, or the first part
   * of them. Broadcasts may be missing (`broadcasts_complete`), even all of them.
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

  /** Apply a further part of a response, up to `offset`. */
  continued({ offset, messages, more }) {
    const overflowed = this.#overflowed; // by messages since the response
    const out = this.#advance(messages, offset);
    if (more) return out;
    out.push(...this.#settle(offset));
    this.#overflowed ||= overflowed;
    return out;
  }

  /** Advance to `offset`: the service has no other messages up to there. */
  #advance(messages, offset) {
    this.#waiting = true;
    const out = [];
    for (const message of messages) {
      if (typeof message.offset !== "number" || message.offset <= this.#offset) continue;
      // Old messages of the history may have expired.
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
