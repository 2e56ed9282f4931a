/** A button that shows and hides what it controls (`data-open`). Escape, and a press elsewhere, hide it. */

import { setAttribute } from "./dom.js";

export class Disclosure {
  #button;
  #content;

  constructor({ button, content }) {
    this.#button = button;
    this.#content = content;
  }

  start() {
    this.#button.addEventListener("click", this.#pressed);
    this.#content.addEventListener("click", this.#chosen);
    document.addEventListener("keydown", this.#keys);
    document.addEventListener("pointerdown", this.#outside);
  }

  stop() {
    this.#button.removeEventListener("click", this.#pressed);
    this.#content.removeEventListener("click", this.#chosen);
    document.removeEventListener("keydown", this.#keys);
    document.removeEventListener("pointerdown", this.#outside);
  }

  get isOpen() {
    return this.#content.hasAttribute("data-open");
  }

  #show(isOpen) {
    this.#content.toggleAttribute("data-open", isOpen);
    setAttribute(this.#button, "aria-expanded", String(isOpen));
  }

  #pressed = () => this.#show(!this.isOpen);

  /** A button or a link does what it says, and what was opened for it is done with. */
  #chosen = (event) => {
    if (event.target.closest("a, button") !== null) this.#show(false);
  };

  #keys = (event) => {
    if (event.key !== "Escape" || !this.isOpen || event.defaultPrevented) return;
    event.preventDefault();
    this.#show(false);
    this.#button.focus();
  };

  #outside = ({ target }) => {
    if (this.isOpen && !this.#content.contains(target) && !this.#button.contains(target)) this.#show(false);
  };
}
