/** Rates of counters, from samples of their values. Pure. */

/** Seconds over which a rate is averaged: long enough that it does not flicker. */
const WINDOW = 6;

/** Rates of many things with several counters each. Things missing from the newest sample are forgotten. */
export class Rates {
  #samples = new Map();

  /** Add a sample of all counters at `now` (seconds): `rows` [{key, values: {name: count}}]. */
  add(now, rows) {
    const before = this.#samples;
    this.#samples = new Map();
    for (const { key, values } of rows) {
      const recent = (before.get(key) ?? []).filter((sample) => now - sample.now <= WINDOW && sample.now < now);
      this.#samples.set(key, [...recent, { now, values }]);
    }
  }

  /** The growth of counter `name` of `key` per second, or null until it is known. */
  of(key, name) {
    const samples = this.#samples.get(key) ?? [];
    const [first, last] = [samples[0], samples.at(-1)];
    if (first === undefined || last.now <= first.now) return null;
    return Math.max(0, last.values[name] - first.values[name]) / (last.now - first.now);
  }
}
