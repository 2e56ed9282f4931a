/** The field with the session's title, for those who may change it: its owner, and operators. */

import { byId } from "../../components/dom.js";
import { Scope } from "../../components/scope.js";

export class TitleField {
  #scope = new Scope();
  #input = byId("session-title");
  #session;
  #mayTitle;
  #onResult;

  /** `mayTitle()`: whether this page may change it; `onResult(error)`: null, or why a title was not changed. */
  constructor({ session, mayTitle, onResult }) {
    this.#session = session;
    this.#mayTitle = mayTitle;
    this.#onResult = onResult;
  }

  start() {
    if (!this.#scope.open()) return;
    this.#scope.listen(this.#input, "change", () => this.#change());
    this.#scope.listen(this.#session, "title", () => this.#fill());
    this.#scope.listen(this.#session, "phase", () => this.show());
    this.show();
  }

  stop() {
    this.#scope.close();
  }

  show() {
    const isOpen = ["new", "open", "rejoining"].includes(this.#session.phase);
    const field = this.#input.closest(".field");
    if (field !== null) field.hidden = !isOpen || !this.#mayTitle();
    this.#fill();
  }

  /** Show the title, unless another one is being typed. */
  #fill() {
    if (document.activeElement !== this.#input) this.#input.value = this.#session.title;
  }

  async #change() {
    try {
      await this.#session.setTitle(this.#input.value);
      this.#onResult(null);
      // As the service cleaned it.
      this.#input.value = this.#session.title;
    } catch (error) {
      this.#onResult(error);
    }
  }
}
