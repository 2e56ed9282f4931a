/** The topics that a page is subscribed to: the number of listeners of each, and its last state. */
export class Topics {
  /** topic -> {count, last} */
  #all = new Map();

  /** Their names. */
  get names() {
    return [...this.#all.keys()];
  }

  /** Add a listener. Returns true for the topic's first: subscribe to it. */
  add(topic) {
    const known = this.#all.get(topic);
    if (known) known.count += 1;
    else this.#all.set(topic, { count: 1, last: null });
    return !known;
  }

  /** Remove a listener. Returns true for the topic's last: unsubscribe from it. */
  remove(topic) {
    const entry = this.#all.get(topic);
    entry.count -= 1;
    if (entry.count === 0) this.#all.delete(topic);
    return entry.count === 0;
  }

  /** The last state, {data, at}, or null. */
  last(topic) {
    return this.#all.get(topic)?.last ?? null;
  }

  updated(topic, data, at) {
    const entry = this.#all.get(topic);
    if (entry) entry.last = { data, at };
  }
}
