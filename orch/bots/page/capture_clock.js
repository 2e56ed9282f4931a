// When samples were captured, by the clock of the machine.
//
// A block arrives some time after its last sample was captured: always later, never earlier, and by how much
// differs from block to block. So the earliest arrival counts, and the others are placed by their numbers.

import { RATE } from "./wire.js";

// By how much a sound device may be slower than the clock: the estimate follows that slowly.
const DRIFT = 0.0005;

export class CaptureClock {
  #base = Infinity;
  #last = 0;

  /** Returns when the sample before `end` was captured; `now` is its arrival. Milliseconds. */
  at(end, now) {
    const found = now - (end * 1000) / RATE;
    this.#base = Math.min(found, this.#base + DRIFT * Math.max(0, now - this.#last));
    this.#last = now;
    return this.#base + (end * 1000) / RATE;
  }
}
