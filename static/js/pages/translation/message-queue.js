/** Messages that wait to be applied: a long history arrives at once and is applied in slices before it is drawn. */

import { SlicedTask } from "../../components/sliced-task.js";

/**
 * Not bounded: the service sends a history in parts and the next part only after the one before, and a message that
 * were dropped here would be a hole in the transcript.
 */
export class MessageQueue {
  #messages = [];
  #next = 0;
  #task;

  /** `apply(message)` for each, in order; `onSlice(isDone)` after each slice. */
  constructor(apply, { onSlice }) {
    this.#task = new SlicedTask(() => this.#applyNext(apply), { after: onSlice });
  }

  get isEmpty() {
    return this.#messages.length === 0;
  }

  add(message) {
    this.#messages.push(message);
    this.#task.wake();
  }

  clear() {
    this.#messages = [];
    this.#next = 0;
  }

  /** Resolves when all messages are applied. */
  settled() {
    return this.#task.settled();
  }

  /** Returns false when there is no further message. */
  #applyNext(apply) {
    if (this.#next < this.#messages.length) apply(this.#messages[this.#next++]);
    if (this.#next < this.#messages.length) return true;
    this.clear();
    return false;
  }
}
