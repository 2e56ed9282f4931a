/** A queue of numbers: added at the end, removed at the beginning. */

export class Pending {
  #values;
  length = 0;

  /** `Numbers`: the typed array. */
  constructor(Numbers) {
    this.#values = new Numbers(4096);
  }

  /** All of them; valid until the next change. */
  get all() {
    return this.#values.subarray(0, this.length);
  }

  add(values) {
    if (this.length + values.length > this.#values.length) {
      const larger = new this.#values.constructor(2 * (this.length + values.length));
      larger.set(this.all);
      this.#values = larger;
    }
    this.#values.set(values, this.length);
    this.length += values.length;
  }

  remove(count) {
    this.#values.copyWithin(0, count, this.length);
    this.length -= count;
  }
}
