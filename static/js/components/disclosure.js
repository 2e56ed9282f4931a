/** A button that shows and hides its content (`data-open`). Escape, and a press outside, hide it. */

import { setAttribute } from "./dom.js";
import { Scope } from "./scope.js";

export class Disclosure {
  #scope = new Scope();
  #button;
  #content;

  constructor({ button, content }) {
    this.#button = button;
    this.#content = content;
  }

  start() {
    if (!this.#scope.open()) return;
    this.#scope.listen(this.#button, "click", () => this.#show(!this.isOpen));
    this.#scope.listen(this.#content, "click", ({ target }) => this.#chosen(target));
    this.#scope.listen(document, "keydown", (event) => this.#pressed(event));
    this.#scope.listen(document, "pointerdown", ({ target }) => this.#pointed(target));
  }

  stop() {
    this.#scope.close();
  }

  get isOpen() {
    return this.#content.hasAttribute("data-open");
  }

  #show(isOpen) {
    this.#content.toggleAttribute("data-open", isOpen);
    setAttribute(this.#button, "aria-expanded", String(isOpen));
  }

  /** A button or a link in it was used: hide it. */
  #chosen(target) {
    if (target.closest("a, button") !== null) this.#show(false);
  }

  #pressed(event) {
    if (event.key !== "Escape" || !this.isOpen || event.defaultPrevented) return;
    event.preventDefault();
    this.#show(false);
    this.#button.focus();
  }

  #pointed(target) {
    if (this.isOpen && !this.#content.contains(target) && !this.#button.contains(target)) this.#show(false);
  }
}
