/**
 * What a started page or component holds: listeners, topics, timers and parts. `close()` releases all of it, last
 * first, so that a stopped page leaves nothing behind.
 *
 * The mutable state is whether it is open, and the functions that release what was acquired since `open()`.
 */
export class Scope {
  #isOpen = false;
  #releases = [];
  #timers;

  /** `timers` {setTimeout, clearTimeout, setInterval, clearInterval}; read when they are used. */
  constructor({ timers = globalThis } = {}) {
    this.#timers = timers;
  }

  get isOpen() {
    return this.#isOpen;
  }

  /** Open it. Returns false where it is open already: `start()` has nothing to do then. */
  open() {
    if (this.#isOpen) return false;
    this.#isOpen = true;
    return true;
  }

  /** Release everything. Does nothing where it is closed. */
  close() {
    this.#isOpen = false;
    for (const release of this.#releases.splice(0).reverse()) release();
  }

  /** Call `release` when the scope closes. */
  defer(release) {
    this.#releases.push(release);
  }

  listen(target, name, listener, options) {
    target.addEventListener(name, listener, options);
    this.defer(() => target.removeEventListener(name, listener, options));
  }

  /** Start `part`; it is stopped with the scope. */
  start(part) {
    part.start();
    this.defer(() => part.stop());
  }

  /** Run `action` once, after `delay` ms. */
  after(delay, action) {
    const timer = this.#timers.setTimeout(action, delay);
    this.defer(() => this.#timers.clearTimeout(timer));
  }

  /** Run `action` every `interval` ms. */
  every(interval, action) {
    const timer = this.#timers.setInterval(action, interval);
    this.defer(() => this.#timers.clearInterval(timer));
  }
}
