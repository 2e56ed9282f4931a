/**
 * Single-key shortcuts, listed under "?". They do nothing while the reader types in a field, and can be turned off
 * (WCAG 2.1, 2.1.4), because dictation software types letters into the open page.
 */

import { Scope } from "../scope.js";

const ENABLED_KEY = "translation:keys";

export class Shortcuts {
  #scope = new Scope();
  #dialog;
  #opener;
  #choice;
  #preferences;
  #keys;

  /** `keys`: {letter: action}. */
  constructor({ dialog, opener, choice, preferences, keys }) {
    this.#dialog = dialog;
    this.#opener = opener;
    this.#choice = choice;
    this.#preferences = preferences;
    this.#keys = keys;
  }

  start() {
    if (!this.#scope.open()) return;
    this.#choice.checked = this.#preferences.get(ENABLED_KEY) !== "off";
    this.#scope.listen(this.#choice, "change", () => this.#preferences.set(ENABLED_KEY, this.#choice.checked ? "on" : "off"));
    this.#scope.listen(this.#opener, "click", () => this.#open());
    this.#scope.listen(document, "keydown", (event) => this.#pressed(event));
  }

  stop() {
    this.#scope.close();
  }

  #open() {
    this.#dialog.showModal();
  }

  #pressed(event) {
    if (!this.#choice.checked || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (event.target.closest("input, select, textarea, [contenteditable], dialog")) return;
    if (event.key === "?") this.#open();
    else if (Object.hasOwn(this.#keys, event.key.toLowerCase())) this.#keys[event.key.toLowerCase()]();
    else return;
    event.preventDefault();
  }
}
