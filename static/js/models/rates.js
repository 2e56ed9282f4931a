/** How fast counters grow, from their values at moments. Pure. */

/** Seconds over which a rate is taken: long enough that it does not flicker. */
const WINDOW = 6;

/** Rates of many things with several counters each. What is no longer noted is forgotten. */
export class Rates {
  #samples = new Map();

  /** Note the counters of everything there is at `now` (seconds): `rows` [{key, values: {name: count}}]. */
  note(now, rows) {
    const before = this.#samples;
    this.#samples = new Map();
    for (const { key, values } of rows) {
      const kept = (before.get(key) ?? []).filter((sample) => now - sample.now <= WINDOW && sample.now < now);
      this.#samples.set(key, [...kept, { now, values }]);
    }
  }

  /** What `name` of `key` grows by in a second, or null where that is not known yet. */
  of(key, name) {
    const samples = this.#samples.get(key) ?? [];
    const [first, last] = [samples[0], samples.at(-1)];
    if (first === undefined || last.now <= first.now) return null;
    return Math.max(0, last.values[name] - first.values[name]) / (last.now - first.now);
  }
}
