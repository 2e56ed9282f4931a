/** The sentence under the title, and the one that screen readers read out in its place. */

import { byId, setAttribute, setText } from "../../components/dom.js";
import { sentence } from "../../models/translation-text.js";

/** A screen reader reads the sentence whenever it changes: it changes at most this often (ms). */
const SHOW_EVERY = 2_000;
/** Changes within so long (ms) are shown together. */
const TOGETHER = 50;

export class StatusText {
  #state;
  #texts;
  #shownAt = -Infinity;
  #timer = null;

  /** `state()`: the first argument of models/translation-text.js `sentence`; `texts`: those of the page's language. */
  constructor(state, texts) {
    this.#state = state;
    this.#texts = texts;
  }

  start() {
    // The same sentence stands in two places, and is read out from one of them.
    setAttribute(byId("page-status"), "role", null);
  }

  stop() {
    clearTimeout(this.#timer);
    this.#timer = null;
  }

  /** Show the sentence soon: it may change many times a second. */
  showSoon() {
    this.#timer ??= setTimeout(() => this.showNow(), Math.max(TOGETHER, this.#shownAt + SHOW_EVERY - performance.now()));
  }

  /** Show it at once: somebody waits for it. */
  showNow() {
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#shownAt = performance.now();
    const state = this.#state();
    setText(byId("page-status"), sentence(state, this.#texts));
    // Delays change all the time: they are shown, and not read out.
    setText(byId("spoken-status"), sentence({ ...state, isSpoken: true }, this.#texts));
  }
}
