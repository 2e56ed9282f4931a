/** Buffers samples that arrive in other numbers than they are played in: behind a stage that cuts, or a resampler. */

/** While nothing is there, the last sample fades with this time constant, in samples: a step would click. */
const DECAY = Math.exp(-1 / 32);

export class Playout {
  #ring = new Float32Array(4096);
  #read = 0;
  #count = 0;
  #margin;
  #isPlaying = false;
  #last = 0;

  /** After it was empty, playing goes on once `margin` samples have arrived. */
  constructor(margin = 256) {
    this.#margin = margin;
  }

  /** Samples that wait. */
  get waiting() {
    return this.#count;
  }

  push(samples) {
    if (this.#count + samples.length > this.#ring.length) this.#grow(samples.length);
    const size = this.#ring.length;
    let at = (this.#read + this.#count) % size;
    for (let index = 0; index < samples.length; index += 1) {
      this.#ring[at] = samples[index];
      at = at + 1 === size ? 0 : at + 1;
    }
    this.#count += samples.length;
  }

  /** Fill `out`. */
  pull(out) {
    if (!this.#isPlaying && this.#count >= this.#margin) this.#isPlaying = true;
    const size = this.#ring.length;
    for (let index = 0; index < out.length; index += 1) {
      if (this.#isPlaying && this.#count > 0) {
        this.#last = this.#ring[this.#read];
        this.#read = this.#read + 1 === size ? 0 : this.#read + 1;
        this.#count -= 1;
      } else {
        this.#isPlaying = false;
        this.#last = Math.abs(this.#last) < 1e-6 ? 0 : this.#last * DECAY;
      }
      out[index] = this.#last;
    }
    return out;
  }

  #grow(more) {
    const larger = new Float32Array(2 * (this.#count + more));
    for (let index = 0; index < this.#count; index += 1) larger[index] = this.#ring[(this.#read + index) % this.#ring.length];
    this.#ring = larger;
    this.#read = 0;
  }
}
