/** Changes a stage while audio runs: the old and the new one run side by side; the twin of orch/audio/fading.py. */

import { Delay } from "./delay.js";

/** A way through a stage while it is off: the delayed block. */
const OFF = null;
/** No change is under way. */
const NONE = undefined;

/** Whether two groups of parameters are the same. */
export const isSame = (first, second) => JSON.stringify(first) === JSON.stringify(second);

/**
 * A stage that can be switched and changed without a click, `latency` samples late, also while it is off.
 *
 * The output moves from the old to the new kernel over `fade` samples. Before, the new one runs for its latency, so
 * that nothing of the old one is left inside; switched on, for twice its latency, so that it has learnt something.
 * While a fade runs, the newest change waits for its end.
 */
export class FadingSlot {
  #create;
  #fade;
  #held;
  #path;
  #parameters;
  #next = NONE;
  #nextParameters = null;
  /** In the fade; negative before it. */
  #position = 0;
  #waiting = null;
  #mixed = new Float32Array(128);

  /** `create(parameters)` returns a kernel. */
  constructor(create, parameters, { isOn, fade }) {
    const kernel = create(parameters);
    this.latency = kernel.latency;
    this.#create = create;
    this.#fade = fade;
    this.#held = new Delay(kernel.latency);
    this.#path = isOn ? kernel : OFF;
    this.#parameters = parameters;
  }

  /** The gain change of the stage in dB; 0 while it is off. */
  get reduction() {
    const path = this.#next === NONE ? this.#path : this.#next;
    return path === OFF ? 0 : path.reduction;
  }

  change(parameters, { isOn }) {
    this.#waiting = { parameters, isOn };
    if (this.#next === NONE) this.#begin();
  }

  /** As many samples as `block` has; valid until the next call. */
  process(block, activity) {
    const bypass = this.#held.process(block);
    const old = this.#path === OFF ? bypass : this.#path.process(block, activity);
    if (this.#next === NONE) return old;
    const young = this.#next === OFF ? bypass : this.#next.process(block, activity);
    if (this.#mixed.length < block.length) this.#mixed = new Float32Array(block.length);
    const mixed = this.#mixed;
    for (let index = 0; index < block.length; index += 1) {
      const share = Math.min(1, Math.max(0, (index + this.#position + 0.5) / this.#fade));
      mixed[index] = old[index] * (1 - share) + young[index] * share;
    }
    this.#position += block.length;
    if (this.#position >= this.#fade) {
      this.#path = this.#next;
      this.#parameters = this.#nextParameters;
      this.#next = NONE;
      this.#begin();
    }
    return mixed.subarray(0, block.length);
  }

  /** The last `latency` samples; `activity`: of silence, as long. Nothing may follow. */
  flush(activity) {
    if (this.#next === NONE && this.#path !== OFF) return this.#path.flush();
    return this.process(new Float32Array(this.latency), activity);
  }

  /** Begin the change that waits, unless nothing would change. */
  #begin() {
    if (this.#waiting === null) return;
    const { parameters, isOn } = this.#waiting;
    this.#waiting = null;
    if (!isOn) {
      if (this.#path === OFF) return;
      this.#next = OFF;
      this.#position = 0;
    } else if (this.#path === OFF) {
      this.#next = this.#create(parameters);
      this.#position = -2 * this.latency;
    } else if (isSame(parameters, this.#parameters)) return;
    else {
      this.#next = this.#create(parameters);
      this.#next.adopt(this.#path);
      this.#position = -this.latency;
    }
    this.#nextParameters = parameters;
  }
}
