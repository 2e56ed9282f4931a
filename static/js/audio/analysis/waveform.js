/** A stream as columns of lowest and highest sample, for drawing: the last `capacity` columns are there. */

export class WaveformColumns {
  #low;
  #high;
  #length;
  #count = 0;
  #lowest = Infinity;
  #highest = -Infinity;

  /** `samplesPerColumn` samples make a column. */
  constructor(samplesPerColumn, capacity) {
    this.samplesPerColumn = samplesPerColumn;
    this.capacity = capacity;
    this.#low = new Float32Array(capacity);
    this.#high = new Float32Array(capacity);
    this.#length = 0;
  }

  copy() {
    const other = new WaveformColumns(this.samplesPerColumn, this.capacity);
    other.#low.set(this.#low);
    other.#high.set(this.#high);
    other.#length = this.#length;
    return other;
  }

  /** Complete columns since the start; the last `capacity` of them can be read. */
  get length() {
    return this.#length;
  }

  /** Take in samples; returns how many columns they completed. */
  add(block) {
    const before = this.#length;
    for (let n = 0; n < block.length; n += 1) {
      if (block[n] < this.#lowest) this.#lowest = block[n];
      if (block[n] > this.#highest) this.#highest = block[n];
      this.#count += 1;
      if (this.#count === this.samplesPerColumn) this.push(this.#lowest, this.#highest);
    }
    return this.#length - before;
  }

  /** Add a complete column. */
  push(low, high) {
    const at = this.#length % this.capacity;
    this.#low[at] = low;
    this.#high[at] = high;
    this.#length += 1;
    this.#count = 0;
    this.#lowest = Infinity;
    this.#highest = -Infinity;
  }

  /** {low, high} of the columns `begin` (included) to `end` (excluded), or null where none of them is there. */
  range(begin, end) {
    const from = Math.max(begin, this.#length - this.capacity, 0);
    const to = Math.min(end, this.#length);
    if (to <= from) return null;
    let [low, high] = [Infinity, -Infinity];
    for (let index = from; index < to; index += 1) {
      const at = index % this.capacity;
      if (this.#low[at] < low) low = this.#low[at];
      if (this.#high[at] > high) high = this.#high[at];
    }
    return { low, high };
  }
}
