/**
 * Keeps the screen awake while the page is visible, where the browser can (Screen Wake Lock: https or localhost). The
 * browser ends the lock when the page is hidden; it is requested again when the page is visible.
 */

import { Scope } from "./scope.js";

export class WakeLock {
  #scope = new Scope();
  #wakeLock;
  #document;
  #lock = null;
  #isWaiting = false;

  /** `wakeLock`: the browser's, or null where it has none; then this does nothing. */
  constructor({ wakeLock = globalThis.navigator?.wakeLock ?? null, page = globalThis.document } = {}) {
    this.#wakeLock = wakeLock;
    this.#document = page;
  }

  start() {
    if (!this.#scope.open() || this.#wakeLock === null) return;
    this.#scope.listen(this.#document, "visibilitychange", () => this.#request());
    this.#scope.defer(() => this.#release());
    this.#request();
  }

  stop() {
    this.#scope.close();
  }

  /** Whether the screen is kept awake now. */
  get isHeld() {
    return this.#lock !== null;
  }

  async #request() {
    if (this.#document.visibilityState !== "visible" || this.#lock !== null || this.#isWaiting) return;
    this.#isWaiting = true;
    try {
      const lock = await this.#wakeLock.request("screen");
      this.#lock = lock;
      lock.addEventListener("release", () => (this.#lock = this.#lock === lock ? null : this.#lock));
    } catch {
      // The battery is low, or a frame does not allow it: the device's own setting holds until the page is shown again.
    } finally {
      this.#isWaiting = false;
    }
    if (!this.#scope.isOpen) this.#release();
  }

  #release() {
    this.#lock?.release();
    this.#lock = null;
  }
}
