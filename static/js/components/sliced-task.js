/**
 * Runs a long task in short slices: between two of them the browser paints and handles input. It also runs in a tab
 * in the background, where timers are throttled.
 */

/** A slice ends after this long (ms), or after this many steps. */
const SLICE = 8;
const STEPS = 50;

export class SlicedTask {
  #step;
  #after;
  #first;
  #isScheduled = false;
  #waiting = [];
  /** Open while the task has further slices, else null. */
  #channel = null;

  /**
   * `step()` does one piece of work and returns false when there is none; `after(isDone)` is called after each
   * slice. The first slice has at least `first` steps, so that what is visible is done at once.
   */
  constructor(step, { after = () => {}, first = 0 } = {}) {
    this.#step = step;
    this.#first = first;
    this.#after = after;
  }

  /** There is work: start the task. Short work is done before the next paint. */
  wake() {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => this.#run(this.#first));
  }

  /** Resolves when there is no work left. */
  settled() {
    return this.#isScheduled ? new Promise((resolve) => this.#waiting.push(resolve)) : Promise.resolve();
  }

  #run(least = 0) {
    const end = performance.now() + SLICE;
    let isDone = false;
    try {
      for (let steps = 0; !isDone && (steps < least || (steps < STEPS && performance.now() < end)); steps += 1) isDone = this.#step() === false;
    } finally {
      // A step that failed is not repeated; the others go on.
      this.#isScheduled = !isDone;
      this.#go(isDone);
    }
    this.#after(isDone);
    if (!this.#isScheduled) for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** Schedule the next slice, if there is one. */
  #go(isDone) {
    if (isDone) {
      this.#channel?.port1.close();
      this.#channel = null;
      return;
    }
    if (this.#channel === null) {
      this.#channel = new MessageChannel();
      this.#channel.port1.onmessage = () => this.#run();
    }
    this.#channel.port2.postMessage(null);
  }
}
