/** The topics a page listens to: how many listeners each has, and its last state. */
export class Topics {
  /** topic -> {count, last} */
  #all = new Map();

  /** Their names. */
  get names() {
    return [...this.#all.keys()];
  }

  /** One more listener: true for the first, who subscribes. */
  add(topic) {
    const known = this.#all.get(topic);
    if (known) known.count += 1;
    else this.#all.set(topic, { count: 1, last: null });
    return !known;
  }

  /** One listener fewer: true for the last, who unsubscribes. */
  remove(topic) {
    const entry = this.#all.get(topic);
    entry.count -= 1;
    if (entry.count === 0) this.#all.delete(topic);
    return entry.count === 0;
  }

  /** The state that came last, {data, at}, or null. */
  last(topic) {
    return this.#all.get(topic)?.last ?? null;
  }

  updated(topic, data, at) {
    const entry = this.#all.get(topic);
    if (entry) entry.last = { data, at };
  }
}
