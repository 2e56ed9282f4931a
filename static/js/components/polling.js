/**
 * Requests a path again and again, for what no topic publishes. One request at a time: the next one is sent
 * `interval` milliseconds after the response to the last. A page that is hidden requests nothing.
 */
export class Polling {
  #fetch;
  #interval;
  #timers;
  #isHidden;
  #path = null;
  #listener = null;
  #timer = null;
  /** Increases when another path is polled, or none: responses to earlier requests are dropped. */
  #generation = 0;

  /** `fetch(path)` resolves to the response's data, or rejects; `isHidden()`: whether nobody sees the page. */
  constructor({ fetch, interval = 2_000, timers = globalThis, isHidden = () => document.visibilityState === "hidden" }) {
    this.#fetch = fetch;
    this.#interval = interval;
    this.#timers = timers;
    this.#isHidden = isHidden;
  }

  /** The path that is polled, or null. */
  get path() {
    return this.#path;
  }

  /**
   * Poll `path` from now on, in place of the one before; `listener({data, error})` is called after each response.
   * `within`: milliseconds until the first request.
   */
  poll(path, listener, { within = 0 } = {}) {
    this.#listener = listener;
    if (this.#path === path) return;
    this.#path = path;
    this.#schedule(within);
  }

  /** Request nothing more, until another path is polled or this is stopped. */
  pause() {
    this.#generation += 1;
    this.#timers.clearTimeout(this.#timer);
  }

  stop() {
    this.#path = null;
    this.#generation += 1;
    this.#timers.clearTimeout(this.#timer);
  }

  #schedule(delay) {
    this.#generation += 1;
    const generation = this.#generation;
    this.#timers.clearTimeout(this.#timer);
    this.#timer = this.#timers.setTimeout(() => this.#request(generation), delay);
  }

  async #request(generation) {
    if (this.#isHidden()) {
      this.#schedule(this.#interval);
      return;
    }
    let outcome;
    try {
      outcome = { data: await this.#fetch(this.#path), error: null };
    } catch (error) {
      outcome = { data: null, error };
    }
    if (generation !== this.#generation) return;
    this.#listener(outcome);
    if (generation === this.#generation) this.#schedule(this.#interval);
  }
}
