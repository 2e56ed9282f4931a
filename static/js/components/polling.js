/**
 * Asks the service something again and again, for what no topic tells. One question at a time: the next is asked
 * `interval` milliseconds after the answer to the last. A page that nobody sees asks nothing.
 */
export class Polling {
  #fetch;
  #interval;
  #timers;
  #isHidden;
  #path = null;
  #listener = null;
  #timer = null;
  #turn = 0;

  /** `fetch(path)` resolves to the answer or rejects; `isHidden()`: whether nobody sees the page. */
  constructor({ fetch, interval = 2_000, timers = globalThis, isHidden = () => document.visibilityState === "hidden" }) {
    this.#fetch = fetch;
    this.#interval = interval;
    this.#timers = timers;
    this.#isHidden = isHidden;
  }

  /** What is asked now, or null. */
  get path() {
    return this.#path;
  }

  /** Ask `path` from now on, in place of what was asked before; `listener({answer, error})` has what came of it. */
  ask(path, listener, { within = 0 } = {}) {
    this.#listener = listener;
    if (this.#path === path) return;
    this.#path = path;
    this.#again(within);
  }

  stop() {
    this.#path = null;
    this.#turn += 1;
    this.#timers.clearTimeout(this.#timer);
  }

  #again(within) {
    this.#turn += 1;
    const turn = this.#turn;
    this.#timers.clearTimeout(this.#timer);
    this.#timer = this.#timers.setTimeout(() => this.#run(turn), within);
  }

  async #run(turn) {
    if (this.#isHidden()) {
      this.#again(this.#interval);
      return;
    }
    let told;
    try {
      told = { answer: await this.#fetch(this.#path), error: null };
    } catch (error) {
      told = { answer: null, error };
    }
    if (turn !== this.#turn) return; // something else is asked by now
    this.#listener(told);
    if (turn === this.#turn) this.#again(this.#interval);
  }
}
