/** Collects blocks of numbers until they are taken. */

export class Collected {
  #numbers;
  #count = 0;

  /** `Numbers`: the typed array. */
  constructor(Numbers, size = 4096) {
    this.#numbers = new Numbers(size);
  }

  add(block) {
    if (this.#count + block.length > this.#numbers.length) {
      const larger = new this.#numbers.constructor(2 * (this.#count + block.length));
      larger.set(this.#numbers.subarray(0, this.#count));
      this.#numbers = larger;
    }
    this.#numbers.set(block, this.#count);
    this.#count += block.length;
  }

  /** What was added since the last time, as an array of its own. */
  take() {
    const taken = this.#numbers.slice(0, this.#count);
    this.#count = 0;
    return taken;
  }
}
