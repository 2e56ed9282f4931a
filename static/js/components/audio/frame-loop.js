/**
 * Draws once for each frame that the screen shows, and not at all while the page is hidden. With reduced motion it
 * draws four times a second.
 */

import { Scope } from "../scope.js";

const CALM_INTERVAL = 250;

export class FrameLoop {
  #scope = new Scope();
  #draw;
  #browser;
  #handle = null;
  #drawnAt = -Infinity;

  /** `draw(now)`: now in ms. `browser`: a window, or what has its parts. */
  constructor(draw, browser = globalThis) {
    this.#draw = draw;
    this.#browser = browser;
  }

  start() {
    if (!this.#scope.open()) return;
    this.#scope.listen(this.#browser.document, "visibilitychange", () => this.#follow());
    this.#scope.defer(() => this.#cancel());
    this.#follow();
  }

  stop() {
    this.#scope.close();
  }

  #follow() {
    if (this.#browser.document.visibilityState === "hidden") this.#cancel();
    else if (this.#handle === null) this.#request();
  }

  #cancel() {
    if (this.#handle !== null) this.#browser.cancelAnimationFrame(this.#handle);
    this.#handle = null;
  }

  #request() {
    this.#handle = this.#browser.requestAnimationFrame((now) => {
      this.#request();
      const isCalm = this.#browser.matchMedia("(prefers-reduced-motion: reduce)").matches;
      if (isCalm && now - this.#drawnAt < CALM_INTERVAL) return;
      this.#drawnAt = now;
      this.#draw(now);
    });
  }
}
