/**
 * Sound between a producer and an audio thread that consumes it: a ring of samples.
 *
 * Output begins once `lead` samples are there, and again so after a gap. Of what arrives while the ring is full, the
 * oldest is dropped, so that sound is never late by more than the ring is long.
 */
export class SoundQueue {
  #ring;
  #lead;
  #read = 0;
  #count = 0;
  #isPlaying = false;

  constructor(capacity, lead) {
    this.#ring = new Float32Array(capacity);
    this.#lead = lead;
    /** How often it ran empty while it played. */
    this.gaps = 0;
  }

  /** Samples that wait. */
  get length() {
    return this.#count;
  }

  push(block) {
    const capacity = this.#ring.length;
    const begin = Math.max(0, block.length - capacity);
    for (let n = begin; n < block.length; n += 1) {
      this.#ring[(this.#read + this.#count) % capacity] = block[n];
      if (this.#count < capacity) this.#count += 1;
      else this.#read = (this.#read + 1) % capacity;
    }
    if (this.#count >= this.#lead) this.#isPlaying = true;
  }

  clear() {
    this.#count = 0;
    this.#isPlaying = false;
  }

  /** Fill `out`; silence where nothing is there. */
  fill(out) {
    if (!this.#isPlaying) {
      out.fill(0);
      return;
    }
    const available = Math.min(out.length, this.#count);
    for (let n = 0; n < available; n += 1) out[n] = this.#ring[(this.#read + n) % this.#ring.length];
    out.fill(0, available);
    this.#read = (this.#read + available) % this.#ring.length;
    this.#count -= available;
    if (available < out.length) {
      this.gaps += 1;
      this.#isPlaying = false;
    }
  }
}
