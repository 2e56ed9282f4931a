// Makes numbered blocks of a track's samples, on the audio thread.
//
// Samples are numbered from the track's begin, also those that are lost. What can be lost here: blocks that
// the page does not take in time, and time in which the audio thread did not run: Chromium stores a tenth of a
// second of a track for it, and drops what is more without a word. That shows in the clock, which goes on while
// samples are not made. How late a call is differs, so the least of a while counts; it grows by what was dropped,
// and by the difference of the clocks of sound and machine, which is followed slowly.

const RATE = 16_000;
// Samples of a block: 40 ms. Blocks of all tracks begin at the same time.
export const BLOCK = 640;
// Blocks that the page has not taken yet: 20 s.
const WAITING = 500;
// Samples over which the least lateness is looked for; by how much it must have grown in all; and how much of a
// change between two such looks is the clocks': 1,500 ppm, where devices differ by 200.
const WINDOW = 2 * RATE;
const STALL = (RATE * 3) / 100;
const DRIFT = (WINDOW * 3) / 2000;
// A jump that is longer is one of the machine's clock, not of the sound.
const LONGEST_STALL = 60 * RATE;

export class SoundKernel {
  #next = null;
  #filled = 0;
  #block = new Int16Array(BLOCK);
  #isSilent = true;
  #waiting = 0;
  #since = null;
  #before = null;
  #grown = 0;
  #least = Infinity;
  #measured = 0;
  #missing = 0;

  /** Samples of the track so far, with those that were lost. */
  heard = 0;

  /** The page has taken a block. */
  taken() {
    this.#waiting -= 1;
  }

  /** Takes the samples from `frame` on, of which `samples` is undefined for silence; `now` in milliseconds.
   * Returns a block {first, count, samples: Int16Array or null} or null. */
  process(frame, count, samples, now) {
    if (this.#next === null) {
      // The first block is shorter, so that it ends where the blocks of the other tracks do.
      this.#filled = frame % BLOCK;
      this.heard = 0;
      this.#first = -this.#filled;
      this.#since = now;
    }
    this.#next = frame + count;
    this.#watch(count, now);
    this.#write(samples, count);
    this.#filled += count;
    return this.#filled < BLOCK ? null : this.#flush();
  }

  #first = 0;

  #write(samples, count) {
    if (!samples) {
      this.#block.fill(0, this.#filled, this.#filled + count);
      return;
    }
    for (let index = 0; index < count; index += 1) {
      const value = Math.round(samples[index] * 32_768);
      const sample = value > 32_767 ? 32_767 : value < -32_768 ? -32_768 : value;
      this.#block[this.#filled + index] = sample;
      if (sample !== 0) this.#isSilent = false;
    }
  }

  #flush() {
    const begin = Math.max(0, -this.#first);
    const first = this.#first + begin;
    const count = BLOCK - begin;
    const samples = this.#isSilent ? null : this.#block.slice(begin);
    this.#first += BLOCK + this.#missing;
    this.#missing = 0;
    this.heard = this.#first;
    this.#filled = 0;
    this.#isSilent = true;
    if (this.#waiting >= WAITING) return null;
    this.#waiting += 1;
    return { first, count, samples };
  }

  /** Finds time in which the audio thread did not run, and numbers the next block after it. */
  #watch(count, now) {
    this.#measured += count;
    const late = ((now - this.#since) * RATE) / 1000 - this.#measured;
    this.#least = Math.min(this.#least, late);
    if (this.#measured % WINDOW >= count) return;
    const change = this.#before === null ? 0 : this.#least - this.#before;
    this.#before = this.#least;
    this.#least = Infinity;
    // What comes back was late, and is not lost.
    if (Math.abs(change) > DRIFT && Math.abs(change) < LONGEST_STALL) this.#grown = Math.max(0, this.#grown + change);
    if (this.#grown < STALL) return;
    const missing = Math.round(this.#grown);
    this.#missing += missing;
    this.#measured += missing;
    this.#before -= missing; // what is missing counts as made
    this.#grown = 0;
  }
}
